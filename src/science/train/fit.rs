//! The training loop.

use super::adam::Adam;
use super::checkpoint::{Checkpoints, Position, State};
use crate::nn::weights;
use crate::random::{Draws, permutation};
use crate::tensors::host;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use std::collections::BTreeMap;

/// What one step gives: the loss to descend, [1], and one value per column of the history, [n].
pub struct Step {
    pub loss: Tensor<1>,
    pub values: Tensor<1>,
}

/// Where the loop stands, for keyed draws.
#[derive(Clone, Copy, Debug)]
pub struct At {
    pub epoch: u64,
    /// Step within the epoch.
    pub step: u64,
}

/// Length and pace of a training run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    pub epochs: u64,
    pub batch_size: usize,
    pub learning_rate: f64,
}

/// Who watches: progress goes out, a request to stop comes in.
pub trait Watcher {
    fn progress(&self, done: u64, total: u64, values: &BTreeMap<String, f64>);
    fn should_stop(&self) -> bool;
}

#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// Asked to stop; the position is in a checkpoint.
    #[error("interrupted")]
    Interrupted,
    #[error(
        "training diverged in epoch {epoch}: {quantity} is {value}; lower `learning_rate`, or check that images and \
         `reconstruction` fit"
    )]
    Diverged { epoch: u64, quantity: String, value: f64 },
    #[error("{rows} rows are left to train on, 2 are needed")]
    TooFewRows { rows: usize },
    #[error("{0}")]
    Checkpoint(String),
}

/// One row per epoch: means over its steps.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct History {
    pub columns: Vec<String>,
    /// Steps done at the end of each epoch.
    pub steps: Vec<u64>,
    /// Per epoch one value per column.
    #[serde(with = "bits")]
    pub rows: Vec<Vec<f64>>,
}

/// Numbers as their bits: JSON readers may round the last digit of a decimal.
mod bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(rows: &[Vec<f64>], to: S) -> Result<S::Ok, S::Error> {
        rows.iter()
            .map(|row| row.iter().map(|v| v.to_bits()).collect())
            .collect::<Vec<Vec<u64>>>()
            .serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Vec<f64>>, D::Error> {
        let rows = Vec::<Vec<u64>>::deserialize(from)?;
        Ok(rows
            .into_iter()
            .map(|row| row.into_iter().map(f64::from_bits).collect())
            .collect())
    }
}

impl History {
    fn last(&self) -> BTreeMap<String, f64> {
        let last = self.rows.last().map(Vec::as_slice).unwrap_or_default();
        self.columns.iter().cloned().zip(last.iter().copied()).collect()
    }
}

/// Whole batches in `rows` rows; one where there are fewer rows than a batch.
pub fn steps_per_epoch(rows: usize, batch_size: usize) -> u64 {
    (rows / batch_size.min(rows).max(1)) as u64
}

/// Trains `model` on the rows `rows`, calling `step` with each batch's rows.
///
/// Batches follow a permutation drawn per epoch; a remainder smaller than the batch is left out of that epoch. With fewer
/// rows than a batch, all rows make one. Takes up the newest checkpoint that fits, if there is one.
pub fn fit<M: Module>(
    model: M,
    rows: &[usize],
    plan: Plan,
    columns: &[String],
    draws: &Draws,
    device: &Device,
    checkpoints: &Checkpoints,
    watcher: &dyn Watcher,
    mut step: impl FnMut(&M, &[usize], At) -> Step,
) -> Result<(M, History), FitError> {
    if rows.len() < 2 {
        return Err(FitError::TooFewRows { rows: rows.len() });
    }
    let batch = plan.batch_size.min(rows.len());
    let steps = steps_per_epoch(rows.len(), plan.batch_size);
    let mut adam = Adam::new(plan.learning_rate);
    let mut history = History {
        columns: columns.to_vec(),
        ..History::default()
    };
    let mut position = Position { epoch: 0, step: 0 };
    let mut sums: Option<Tensor<1>> = None;
    let mut model = model;
    if let Some(state) = checkpoints.newest() {
        model = weights::restore(model, &state.weights).map_err(FitError::Checkpoint)?;
        adam.restore(state.adam_steps, &state.moments, device)
            .map_err(FitError::Checkpoint)?;
        sums = state.sums.map(|sums| sums.to_tensor(device));
        (history, position) = (state.history, state.position);
    }
    while position.epoch < plan.epochs {
        let order = permutation(rows.len(), &mut draws.at("order", position.epoch, 0));
        while position.step < steps {
            if watcher.should_stop() {
                save(checkpoints, &model, &adam, &history, position, sums.as_ref())?;
                return Err(FitError::Interrupted);
            }
            let start = position.step as usize * batch;
            let chosen: Vec<usize> = order[start..start + batch].iter().map(|&i| rows[i]).collect();
            let out = step(
                &model,
                &chosen,
                At {
                    epoch: position.epoch,
                    step: position.step,
                },
            );
            let gradients = out.loss.backward();
            model = adam.step(model, &gradients);
            let values = out.values.inner();
            sums = Some(match sums {
                Some(sums) => sums + values,
                None => values,
            });
            position.step += 1;
        }
        let sums_of_epoch = host(sums.take().expect("an epoch has at least one step"));
        let means: Vec<f64> = sums_of_epoch.iter().map(|&sum| f64::from(sum) / steps as f64).collect();
        if let Some(bad) = means.iter().position(|mean| !mean.is_finite()) {
            let quantity = history.columns[bad].clone();
            return Err(FitError::Diverged {
                epoch: position.epoch + 1,
                quantity,
                value: means[bad],
            });
        }
        history.rows.push(means);
        position = Position {
            epoch: position.epoch + 1,
            step: 0,
        };
        history.steps.push(position.epoch * steps);
        watcher.progress(position.epoch, plan.epochs, &history.last());
        if checkpoints.due() && position.epoch < plan.epochs {
            save(checkpoints, &model, &adam, &history, position, None)?;
        }
    }
    Ok((model, history))
}

fn save<M: Module>(
    checkpoints: &Checkpoints,
    model: &M,
    adam: &Adam,
    history: &History,
    position: Position,
    sums: Option<&Tensor<1>>,
) -> Result<(), FitError> {
    let (adam_steps, moments) = adam.state();
    let state = State {
        position,
        adam_steps,
        history: history.clone(),
        weights: weights::collect(model),
        moments,
        sums: sums.map(|sums| crate::tensors::Named::from_tensor(sums.clone())),
    };
    checkpoints.save(&state).map_err(FitError::Checkpoint)
}
