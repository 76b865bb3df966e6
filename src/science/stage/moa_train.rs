//! Runs `moa_train`.

use super::models;
use super::session::Session;
use super::{mixture, refuse};
use crate::nn::architecture::Architecture;
use crate::nn::autoencoder::AutoencoderShape;
use crate::nn::manager::ManagerShape;
use crate::nn::mixture::{Mixture, MixtureShape};
use crate::nn::weights;
use crate::train::augment::augment;
use crate::train::fit::{At, Plan};
use crate::train::images::{Images, gather};
use crate::train::loss::AutoencoderLoss;
use crate::train::minimax::{Form, minimax_step};
use crate::train::objective::{Weights, mixture_columns, mixture_step};
use burn::module::Module;
use burn::tensor::Tensor;
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::moa_train::{MoaTrain, Objective};

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: MoaTrain = job.settings()?;
    let images = Images::open(&job.input("images")?.path).map_err(refuse)?;
    let session = Session::open(job)?;
    let autodiff = session.device.clone().autodiff();
    let experts = settings.n_experts as usize;
    let architecture =
        Architecture::new(images.channels, images.height, images.width, settings.filters as usize).map_err(refuse)?;
    let expert = AutoencoderShape {
        architecture: architecture.clone(),
        latent_dim: settings.latent_dim as usize,
        variant: settings.variant,
    };
    let mut shape = MixtureShape {
        experts: vec![expert; experts],
        manager: ManagerShape { architecture, experts },
    };
    let mut model = weights::initialise(Mixture::new(&shape, &autodiff), &session.draws);
    if let Some(file) = job.optional("manager") {
        let (manager, given) = models::manager(&file.path, &autodiff)?;
        models::check_fit(&images, &given.architecture)?;
        if given.experts != experts {
            return Err(Failure::bad_input(format!(
                "the manager tells {} experts apart, `n_experts` says {experts}",
                given.experts
            )));
        }
        (model.manager, shape.manager) = (manager, given);
    }
    let loss = AutoencoderLoss {
        variant: settings.variant,
        reconstruction: settings.reconstruction,
        reduction: settings.reduction,
        kl_weight: settings.kl_weight,
        l1_weight: 0.0,
    };
    let data = images.upload(&session.device);
    let plan = Plan {
        epochs: settings.epochs,
        batch_size: settings.batch_size as usize,
        learning_rate: settings.learning_rate,
    };
    let rows: Vec<usize> = (0..images.rows).collect();
    let training = session.training(plan, mixture_columns(experts))?;
    let draws = &session.draws;
    let step = |model: &Mixture, rows: &[usize], at: At| {
        let changed = augment(
            gather(&data, rows),
            &settings.augment,
            &mut draws.at("augment", at.epoch, at.step),
        );
        let images = Tensor::from_inner(changed);
        let noise = mixture::noise(model, loss.variant, rows.len(), draws, at, &autodiff);
        match settings.objective {
            Objective::Weighted => mixture_step(model, &loss, images, noise, Weights::OF_COSTS_ALONE),
            Objective::MinimaxBound => minimax_step(model, &loss, images, noise, Form::Bound, settings.ridge),
            Objective::MinimaxExact => minimax_step(model, &loss, images, noise, Form::Exact, settings.ridge),
        }
    };
    let (model, curves) = training.fit(model, &rows, step).map_err(|e| session.failure(e))?;
    mixture::write(&session, &model.valid(), shape, &loss, &images, &curves)
}
