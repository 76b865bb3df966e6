//! Runs `dec_train`.

use super::clustered::{self, Start};
use super::models::Shape;
use super::trainer::Trainer;
use crate::nn::centred::Centred;
use crate::train::dec::{DecLoss, SelfTraining, assign, dec_step};
use crate::train::fit::{At, Plan, steps_per_epoch};
use crate::train::loss::AutoencoderLoss;
use burn::tensor::{Tensor, TensorData};
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::dec_train::DecTrain;
use moelab_stages::network::Variant;
use serde_json::{Map, json};

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: DecTrain = job.settings()?;
    let trainer = Trainer::open(job)?;
    let mut start = Start::open(&trainer)?;
    let means = start.moments(&start.one_hot())?.means;
    let shape = [means.len(), start.codes.cols()];
    let centres = TensorData::new(clustered::values(&means), shape);
    let centres = Tensor::from_data(centres, &trainer.device);
    // The code is the posterior mean: what comes out is a plain autoencoder.
    start.shape.variant = Variant::Ae;
    let mut autoencoder = start.autoencoder.clone().plain();
    let reconstructs = settings.reconstruction_weight > 0.0;
    if !reconstructs {
        autoencoder = autoencoder.with_fixed_decoder();
    }
    let loss = DecLoss {
        clustering: settings.clustering_weight,
        reconstruction: settings.reconstruction_weight,
        autoencoder: AutoencoderLoss {
            variant: Variant::Ae,
            reconstruction: settings.reconstruction,
            reduction: settings.reduction,
            kl_weight: 0.0,
            l1_weight: 0.0,
        },
    };
    let plan = Plan {
        epochs: settings.epochs,
        batch_size: settings.batch_size as usize,
        learning_rate: settings.learning_rate,
    };
    let training = SelfTraining::new(Centred::new(autoencoder, centres), trainer.batches(), &trainer.device);
    let per_epoch = steps_per_epoch(trainer.images.rows, plan.batch_size);
    let step = |training: &SelfTraining, rows: &[usize], at: At| {
        let done = at.epoch * per_epoch + at.step;
        if done > 0 && done.is_multiple_of(settings.update_interval) {
            training.refresh(trainer.batches());
        }
        let images = trainer.augmented(rows, &settings.augment, at);
        dec_step(training, &loss, images, training.targets(rows))
    };
    let settled = |training: &SelfTraining| training.changed() < settings.tolerance;
    let (training, curves) = trainer.fit_until(plan, loss.columns(), training, &trainer.all_rows(), step, settled)?;
    let p = assign(&training.model, trainer.batches());
    let said = Map::from_iter([
        ("changed".to_owned(), json!(training.changed())),
        ("moved".to_owned(), json!(clustered::moved(&start.clusters.labels, &p))),
        ("epochs".to_owned(), json!(curves.rows.len())),
    ]);
    let model = &training.model;
    let autoencoder = reconstructs.then_some(&model.autoencoder);
    clustered::write(&trainer, model, autoencoder, Shape::Centred, start, p, said)
}
