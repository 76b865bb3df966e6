//! Runs `pretrain_vae`.

use super::models::{self, Shape};
use super::session::Session;
use super::{history, refuse};
use crate::nn::architecture::Architecture;
use crate::nn::autoencoder::{Autoencoder, AutoencoderShape};
use crate::nn::weights;
use crate::random::standard_normal;
use crate::train::augment::augment;
use crate::train::fit::{At, Plan};
use crate::train::images::{Images, gather};
use crate::train::loss::AutoencoderLoss;
use crate::train::objective::{Noise, autoencoder_columns, autoencoder_step};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::network::Variant;
use moelab_stages::pretrain_vae::PretrainVae;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: PretrainVae = job.settings()?;
    let images = Images::open(&job.input("images")?.path).map_err(refuse)?;
    let filters = settings.filters as usize;
    let architecture = Architecture::new(images.channels, images.height, images.width, filters).map_err(refuse)?;
    let latent_dim = settings.latent_dim as usize;
    let shape = AutoencoderShape {
        architecture,
        latent_dim,
        variant: settings.variant,
    };
    let session = Session::open(job)?;
    let autodiff = session.device.clone().autodiff();
    let model = weights::initialise(Autoencoder::new(&shape, &autodiff), &session.draws);
    let data = images.upload(&session.device);
    let loss = AutoencoderLoss {
        variant: settings.variant,
        reconstruction: settings.reconstruction,
        reduction: settings.reduction,
        kl_weight: settings.kl_weight,
        l1_weight: settings.l1_weight,
    };
    let plan = Plan {
        epochs: settings.epochs,
        batch_size: settings.batch_size as usize,
        learning_rate: settings.learning_rate,
    };
    let rows: Vec<usize> = (0..images.rows).collect();
    let training = session.training(plan, autoencoder_columns(&loss))?;
    let draws = &session.draws;
    let step = |model: &Autoencoder, rows: &[usize], at: At| {
        let clean = gather(&data, rows);
        let changed = augment(clean, &settings.augment, &mut draws.at("augment", at.epoch, at.step));
        let noise = |purpose: &str| {
            let values = standard_normal(rows.len() * latent_dim, &mut draws.at(purpose, at.epoch, at.step));
            Tensor::<2>::from_data(TensorData::new(values, [rows.len(), latent_dim]), &autodiff)
        };
        let prior = (loss.variant == Variant::Wae).then(|| noise("prior"));
        autoencoder_step(
            model,
            &loss,
            Tensor::from_inner(changed),
            Noise {
                posterior: noise("posterior"),
                prior,
            },
        )
    };
    let (model, curves) = training.fit(model, &rows, step).map_err(|e| session.failure(e))?;
    models::save(&job.output("model")?, &model.valid(), &Shape::Autoencoder(shape))?;
    history::write(&curves, &job.output("history")?)
}
