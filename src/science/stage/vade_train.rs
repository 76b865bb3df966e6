//! Runs `vade_train`.

use super::clustered::{self, Start};
use super::models::Shape;
use super::trainer::Trainer;
use crate::nn::vade::Vade;
use crate::train::fit::{At, Plan};
use crate::train::vade::{COLUMNS, assign, vade_step};
use burn::tensor::{Tensor, TensorData};
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::network::Variant;
use moelab_stages::vade_train::VadeTrain;
use serde_json::{Map, json};

/// Least variance that a component starts with: a unit that is silent in a cluster has none there.
const LEAST_VARIANCE: f64 = 1e-4;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: VadeTrain = job.settings()?;
    let trainer = Trainer::open(job)?;
    let mut start = Start::open(&trainer)?;
    let moments = start.moments(&start.clusters.memberships)?;
    let shape = [moments.means.len(), start.codes.cols()];
    let spread = moments.variances.iter().flatten().sum::<f64>() / (shape[0] * shape[1]) as f64;
    let posterior = settings.posterior_share * spread.max(LEAST_VARIANCE);
    start.shape.variant = Variant::Vae;
    let ln = |v: &f64| v.max(LEAST_VARIANCE).ln();
    let log_variances: Vec<Vec<f64>> = moments
        .variances
        .iter()
        .map(|row| row.iter().map(ln).collect())
        .collect();
    let log_weights: Vec<f32> = moments.shares.iter().map(|share| share.ln() as f32).collect();
    let on_device = |values| Tensor::<2>::from_data(TensorData::new(values, shape), &trainer.device);
    let model = Vade::new(
        start.autoencoder.clone().variational(posterior.ln() as f32),
        Tensor::from_data(TensorData::new(log_weights, [shape[0]]), &trainer.device),
        on_device(clustered::values(&moments.means)),
        on_device(clustered::values(&log_variances)),
    );
    let plan = Plan {
        epochs: settings.epochs,
        batch_size: settings.batch_size as usize,
        learning_rate: settings.learning_rate,
    };
    let step = |model: &Vade, rows: &[usize], at: At| {
        let images = trainer.augmented(rows, &settings.augment, at);
        let noise = trainer.normal("posterior", [rows.len(), shape[1]], at);
        vade_step(model, settings.reconstruction, images, noise)
    };
    let columns = COLUMNS.map(str::to_owned).to_vec();
    let (model, _) = trainer.fit(plan, columns, model, &trainer.all_rows(), step)?;
    let p = assign(&model, trainer.batches());
    let said = Map::from_iter([("moved".to_owned(), json!(clustered::moved(&start.clusters.labels, &p)))]);
    clustered::write(&trainer, &model, Some(&model.autoencoder), Shape::Vade, start, p, said)
}
