//! Runs `pretrain_vae`.

use super::models::{self, Shape};
use super::trainer::Trainer;
use crate::nn::autoencoder::{Autoencoder, AutoencoderShape};
use crate::train::fit::{At, Plan};
use crate::train::loss::AutoencoderLoss;
use crate::train::objective::{Noise, autoencoder_columns, autoencoder_step};
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::network::Variant;
use moelab_stages::pretrain_vae::PretrainVae;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: PretrainVae = job.settings()?;
    let trainer = Trainer::open(job)?;
    let shape = AutoencoderShape {
        architecture: trainer.architecture(settings.filters)?,
        latent_dim: settings.latent_dim as usize,
        variant: settings.variant,
    };
    let model = trainer.initialise(Autoencoder::new(&shape, &trainer.device));
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
    let step = |model: &Autoencoder, rows: &[usize], at: At| {
        let noise = |purpose| trainer.normal(purpose, [rows.len(), shape.latent_dim], at);
        let noise = Noise {
            posterior: noise("posterior"),
            prior: (loss.variant == Variant::Wae).then(|| noise("prior")),
        };
        autoencoder_step(model, &loss, trainer.augmented(rows, &settings.augment, at), noise)
    };
    let columns = autoencoder_columns(&loss);
    let (model, _) = trainer.fit(plan, columns, model, &trainer.all_rows(), step)?;
    models::save(&job.output("model")?, &model, &Shape::Autoencoder(shape))
}
