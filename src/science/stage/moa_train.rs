//! Runs `moa_train`.

use super::mixture;
use super::models;
use super::trainer::Trainer;
use crate::nn::autoencoder::AutoencoderShape;
use crate::nn::manager::ManagerShape;
use crate::nn::mixture::{Mixture, MixtureShape};
use crate::train::fit::{At, Plan};
use crate::train::loss::AutoencoderLoss;
use crate::train::minimax::{Form, minimax_step};
use crate::train::objective::{Weights, mixture_columns, mixture_step};
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::moa_train::{MoaTrain, Objective};

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: MoaTrain = job.settings()?;
    let trainer = Trainer::open(job)?;
    let experts = settings.n_experts as usize;
    let architecture = trainer.architecture(settings.filters)?;
    let expert = AutoencoderShape {
        architecture: architecture.clone(),
        latent_dim: settings.latent_dim as usize,
        variant: settings.variant,
    };
    let mut shape = MixtureShape {
        experts: vec![expert; experts],
        manager: ManagerShape { architecture, experts },
    };
    let mut model = trainer.initialise(Mixture::new(&shape, &trainer.device));
    if let Some(file) = job.optional("manager") {
        let (manager, given) = models::manager(&file.path, &trainer.device)?;
        trainer.check_fit(&given.architecture)?;
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
    let plan = Plan {
        epochs: settings.epochs,
        batch_size: settings.batch_size as usize,
        learning_rate: settings.learning_rate,
    };
    let step = |model: &Mixture, rows: &[usize], at: At| {
        let images = trainer.augmented(rows, &settings.augment, at);
        let noise = mixture::noise(&trainer, &model.experts, loss.variant, rows.len(), at);
        match settings.objective {
            Objective::Weighted => mixture_step(model, &loss, images, noise, Weights::OF_COSTS_ALONE),
            Objective::MinimaxBound => minimax_step(model, &loss, images, noise, Form::Bound, settings.ridge),
            Objective::MinimaxExact => minimax_step(model, &loss, images, noise, Form::Exact, settings.ridge),
        }
    };
    let (model, curves) = trainer.fit(plan, mixture_columns(experts), model, &trainer.all_rows(), step)?;
    mixture::write(&trainer, &model, shape, &loss, &curves)
}
