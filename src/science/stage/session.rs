//! What every training or encoding stage sets up: the device, the draws, checkpoints, someone who watches.

use super::{out_of_memory, refuse};
use crate::device::{self, Choice, Device, Settings};
use crate::random::Draws;
use crate::train::checkpoint::{Binding, Checkpoints};
use crate::train::fit::{FitError, Plan, Training, Watcher};
use moelab_engine::job::{Failure, JobContext};
use std::collections::BTreeMap;

pub struct Session<'a> {
    pub job: &'a JobContext,
    pub device: Device,
    pub draws: Draws,
}

impl<'a> Session<'a> {
    /// Opens the job's device, which resets the library's process-wide state.
    pub fn open(job: &'a JobContext) -> Result<Self, Failure> {
        let choice: Choice = job.device().parse().map_err(refuse)?;
        let settings = Settings {
            recompute: job.saves_memory(),
            // The same key gives the same bytes. The CPU needs no asking, and its kernels stay what they are.
            deterministic: matches!(choice, Choice::Cuda(_)),
            ..Settings::threads(job.threads())
        };
        let device = device::open_with(choice, settings).map_err(refuse)?;
        for (name, version) in device::library_info() {
            job.library(&name, version);
        }
        Ok(Self {
            job,
            device,
            draws: Draws::new(job.seed()),
        })
    }

    /// A training run of this job, with what its steps report as `columns`.
    pub fn training(&self, plan: Plan, columns: Vec<String>) -> Result<Training<'_>, Failure> {
        Ok(Training {
            plan,
            columns,
            draws: &self.draws,
            device: &self.device,
            checkpoints: self.checkpoints()?,
            watcher: self,
        })
    }

    fn checkpoints(&self) -> Result<Checkpoints, Failure> {
        let job = self.job;
        let binding = Binding {
            key: job.job().key.hex(),
            device: job.device().split(':').next().unwrap_or_default().to_owned(),
            threads: job.threads(),
            libraries: device::library_info(),
        };
        Ok(Checkpoints::new(&job.checkpoints_dir()?, binding))
    }

    pub fn failure(&self, error: FitError) -> Failure {
        match error {
            FitError::Interrupted => self.job.interrupted(),
            FitError::OutOfMemory { exhausted, .. } => out_of_memory(exhausted, error.to_string()),
            other => refuse(other),
        }
    }
}

impl Watcher for Session<'_> {
    fn progress(&self, done: u64, total: u64, values: &BTreeMap<String, f64>) {
        let values: Vec<(&str, f64)> = values.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        tracing::info!("epoch {done}/{total}: {values:?}");
        self.job.progress(done, total, "epoch", &values);
    }

    fn note(&self, text: String) {
        self.job.note(text);
    }

    fn should_stop(&self) -> bool {
        self.job.should_stop()
    }
}
