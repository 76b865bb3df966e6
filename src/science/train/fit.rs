//! The training loop.

use super::adam::Adam;
use super::checkpoint::{Checkpoints, Position, State};
use crate::device::{self, Exhausted};
use crate::nn::weights;
use crate::random::{Draws, permutation};
use crate::tensors::host;
use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor};
use std::collections::BTreeMap;

/// What one step gives: the gradients of the loss, and one value per column of the history, [n].
///
/// Gradients may come in parts that have no parameter in common: a mixture's experts descend one after another, so that
/// one expert's activations are in memory at a time.
pub struct Step {
    pub gradients: Vec<Part>,
    pub values: Tensor<1>,
}

/// Gradients of some of the parameters.
pub struct Part {
    pub gradients: Gradients,
    /// The share of the learning rate at which these parameters step. Scaled gradients would not do: Adam divides by their
    /// size.
    pub pace: f64,
}

impl From<Gradients> for Part {
    fn from(gradients: Gradients) -> Self {
        Self { gradients, pace: 1.0 }
    }
}

impl Step {
    /// One loss, [1], of all parameters.
    pub fn descend(loss: &Tensor<1>, values: Tensor<1>) -> Self {
        Self {
            gradients: vec![loss.backward().into()],
            values,
        }
    }
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
    /// Something the user should know.
    fn note(&self, text: String);
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
    #[error("a batch of {batch_size} does not fit the memory of the {}; {}", place(*exhausted), advice(*fits))]
    OutOfMemory {
        exhausted: Exhausted,
        batch_size: usize,
        /// The largest batch that does; none if not even two rows do.
        fits: Option<usize>,
    },
    #[error("{0}")]
    Checkpoint(String),
}

fn place(exhausted: Exhausted) -> &'static str {
    match exhausted {
        Exhausted::Host => "machine",
        Exhausted::Device => "device",
    }
}

fn advice(fits: Option<usize>) -> String {
    match fits {
        Some(rows) => format!(
            "the largest that fits is {rows}: set `batch_size` to it (batch norm sees whole batches, so they are never \
             split in secret), or use smaller `filters`"
        ),
        None => "not even two rows do: use smaller images or smaller `filters`".to_owned(),
    }
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

/// What a training run needs besides a model and its step.
pub struct Training<'a> {
    pub plan: Plan,
    /// Names of the values of a [`Step`].
    pub columns: Vec<String>,
    pub draws: &'a Draws,
    pub device: &'a Device,
    pub checkpoints: Checkpoints,
    pub watcher: &'a dyn Watcher,
}

/// All that changes from step to step.
struct Running<M> {
    model: M,
    adam: Adam,
    history: History,
    /// The next step to do.
    position: Position,
    /// Sums of the values over the steps of this epoch.
    sums: Option<Tensor<1>>,
}

impl Training<'_> {
    /// Trains `model` on the rows `rows`, calling `step` with each batch's rows.
    ///
    /// Batches follow a permutation drawn per epoch; a remainder smaller than the batch is left out of that epoch. With
    /// fewer rows than a batch, all rows make one. Takes up the newest checkpoint that fits, if there is one.
    ///
    /// # Errors
    /// See [`FitError`].
    pub fn fit<M: Module>(
        &self,
        model: M,
        rows: &[usize],
        step: impl Fn(&M, &[usize], At) -> Step,
    ) -> Result<(M, History), FitError> {
        self.fit_until(model, rows, step, |_| false)
    }

    /// Like [`fit`](Self::fit), but ends before an epoch whose model is `settled`. The model alone decides, with what it
    /// carries in checkpoints, so that a resumed run ends where the whole one does.
    ///
    /// # Errors
    /// See [`FitError`].
    pub fn fit_until<M: Module>(
        &self,
        model: M,
        rows: &[usize],
        step: impl Fn(&M, &[usize], At) -> Step,
        settled: impl Fn(&M) -> bool,
    ) -> Result<(M, History), FitError> {
        if rows.len() < 2 {
            return Err(FitError::TooFewRows { rows: rows.len() });
        }
        let batch = self.plan.batch_size.min(rows.len());
        let steps = steps_per_epoch(rows.len(), self.plan.batch_size);
        let mut running = self.resume(model)?;
        while running.position.epoch < self.plan.epochs {
            let epoch = running.position.epoch;
            if running.position.step == 0 && settled(&running.model) {
                break;
            }
            let order = permutation(rows.len(), &mut self.draws.at("order", epoch, 0));
            while running.position.step < steps {
                let at = At {
                    epoch,
                    step: running.position.step,
                };
                if self.watcher.should_stop() {
                    self.save(&running)?;
                    return Err(FitError::Interrupted);
                }
                if self.checkpoints.due() {
                    self.save(&running)?;
                }
                let start = at.step as usize * batch;
                let chosen: Vec<usize> = order[start..start + batch].iter().map(|&i| rows[i]).collect();
                let out = within_memory(&step, &running.model, &chosen, at)?;
                running.model = running.adam.step(running.model, &out.gradients);
                let values = out.values.inner();
                running.sums = Some(match running.sums.take() {
                    Some(sums) => sums + values,
                    None => values,
                });
                running.position.step += 1;
            }
            self.end_epoch(&mut running, steps)?;
        }
        Ok((running.model, running.history))
    }

    /// The newest checkpoint's state, or the start.
    fn resume<M: Module>(&self, model: M) -> Result<Running<M>, FitError> {
        let mut adam = Adam::new(self.plan.learning_rate);
        let Some(state) = self.checkpoints.newest() else {
            if let Some(text) = self.checkpoints.passed_over() {
                self.watcher.note(text);
            }
            return Ok(Running {
                model,
                adam,
                history: History {
                    columns: self.columns.clone(),
                    ..History::default()
                },
                position: Position { epoch: 0, step: 0 },
                sums: None,
            });
        };
        let model = weights::restore(model, &state.weights).map_err(FitError::Checkpoint)?;
        adam.restore(state.adam_steps, &state.moments, &weights::trained(&model), self.device)
            .map_err(FitError::Checkpoint)?;
        Ok(Running {
            model,
            adam,
            history: state.history,
            position: state.position,
            sums: state.sums.map(|sums| sums.to_tensor(self.device)),
        })
    }

    /// Adds the epoch's means to the history.
    fn end_epoch<M>(&self, running: &mut Running<M>, steps: u64) -> Result<(), FitError> {
        let epoch = running.position.epoch + 1;
        let sums = host(running.sums.take().expect("an epoch has at least one step"));
        let means: Vec<f64> = sums.iter().map(|&sum| f64::from(sum) / steps as f64).collect();
        if let Some(bad) = means.iter().position(|mean| !mean.is_finite()) {
            return Err(FitError::Diverged {
                epoch,
                quantity: running.history.columns[bad].clone(),
                value: means[bad],
            });
        }
        running.history.rows.push(means);
        running.history.steps.push(epoch * steps);
        running.position = Position { epoch, step: 0 };
        self.watcher.progress(epoch, self.plan.epochs, &running.history.last());
        Ok(())
    }

    fn save<M: Module>(&self, running: &Running<M>) -> Result<(), FitError> {
        let (adam_steps, moments) = running.adam.state();
        let state = State {
            position: running.position,
            adam_steps,
            history: running.history.clone(),
            weights: weights::collect(&running.model),
            moments,
            sums: running
                .sums
                .as_ref()
                .map(|sums| crate::tensors::Named::from_tensor(sums.clone())),
        };
        self.checkpoints.save(&state).map_err(FitError::Checkpoint)
    }
}

/// One step; if memory gives out in it, the error names the largest batch that fits.
fn within_memory<M>(
    step: &impl Fn(&M, &[usize], At) -> Step,
    model: &M,
    rows: &[usize],
    at: At,
) -> Result<Step, FitError> {
    device::exhaustion(|| step(model, rows, at)).map_err(|exhausted| {
        let fits = |rows: &[usize]| device::exhaustion(|| step(model, rows, at)).is_ok();
        FitError::OutOfMemory {
            exhausted,
            batch_size: rows.len(),
            fits: largest(rows.len(), |n| fits(&rows[..n])),
        }
    })
}

/// The largest batch below `too_many` that fits, at least 2, by bisection.
fn largest(too_many: usize, fits: impl Fn(usize) -> bool) -> Option<usize> {
    let (mut good, mut bad) = (1, too_many);
    while bad - good > 1 {
        let next = good.midpoint(bad);
        if fits(next) {
            good = next;
        } else {
            bad = next;
        }
    }
    (good > 1).then_some(good)
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
