//! The job protocol: what a runner and a worker say to each other, through files in a job folder.
//!
//! A job is the folder `work/<key>/<attempt>/` of the store. The runner writes `job.json`; the worker takes the lock of
//! the key, runs the stage in that folder, publishes its outputs and writes `result.json` last. Events (progress, notes)
//! are lines of `events.jsonl`, the log is `log`. Standard output carries nothing.

mod bell;
pub mod context;
pub mod events;
pub mod log;
mod panics;
pub mod worker;

pub use context::JobContext;

use crate::digest::Digest;
use crate::key::ActionKey;
use crate::store::{Declared, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Number of the layout of the files below; another number is refused.
pub const PROTOCOL: u32 = 2;

/// The environment variable by which a runner tells a worker its process id: the worker dies with that process.
pub const PARENT: &str = "MOELAB_PARENT";

/// A file of this name in a job folder asks the job to stop.
pub const STOP: &str = "stop";

/// Entry of a result's provenance: the most memory of its accelerator that the job used, in bytes.
pub const DEVICE_MEMORY: &str = "device_memory";

/// Entry of a result's provenance: [`Memory`], unless it was normal.
pub const MEMORY: &str = "memory";

/// An action that took less leaves the sync of its results to the runner; see [`Job::runner_syncs`].
pub(crate) const QUICK: Duration = Duration::from_secs(1);

/// `job.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    pub protocol: u32,
    /// Build of the runner; a worker of another build refuses the job.
    pub build: String,
    pub key: Digest,
    pub action: ActionKey,
    /// Complete settings: those of the key, and what bears no meaning (paths).
    pub settings: Value,
    /// The action's seed; 0 where nothing is drawn.
    pub seed: u64,
    /// Port → the artifacts at it: one, or the members of a fan-in in key order.
    pub inputs: BTreeMap<String, Vec<InputFile>>,
    /// The outputs the stage declares.
    pub outputs: BTreeMap<String, Declared>,
    /// Run even if the store has a result.
    #[serde(default)]
    pub force: bool,
    pub store: PathBuf,
    pub data: PathBuf,
    /// The folder that holds `pipelines/`.
    pub project: PathBuf,
    /// `cpu`, `cuda:N` or `flex`.
    pub device: String,
    pub threads: usize,
    /// What it may do about memory; never part of the key.
    #[serde(default)]
    pub memory: Memory,
    /// The runner syncs the store from time to time, so a quick job need not.
    #[serde(default)]
    pub runner_syncs: bool,
    /// Random text that the result must repeat: a stale `result.json` cannot be taken for this attempt's.
    pub nonce: String,
    pub attempt: u32,
    /// Who asked for it, for provenance.
    pub origin: Origin,
}

/// How an attempt deals with memory: each step is for actions that ran out of it in the step before. The bytes of the
/// result are the same in all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Memory {
    /// Other jobs may run beside it.
    #[default]
    Normal,
    /// Nothing else of this run uses the memory that ran out.
    Alone,
    /// Alone, and the stage spends time to save memory.
    Saver,
}

impl Memory {
    /// The step after this one; the last is its own.
    pub fn next(self) -> Self {
        match self {
            Self::Normal => Self::Alone,
            Self::Alone | Self::Saver => Self::Saver,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Alone => "alone",
            Self::Saver => "saver",
        }
    }
}

/// Where an action stands in an experiment. Provenance only: never part of a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    pub experiment: String,
    pub pipeline: String,
    pub stage: String,
    pub axes: BTreeMap<String, Value>,
    pub run: String,
}

/// One artifact handed to a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InputFile {
    /// The gathered axes' values; empty for a single artifact.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub axes: BTreeMap<String, Value>,
    pub digest: Digest,
    /// Artifact type.
    pub artifact: String,
    pub path: PathBuf,
}

/// `result.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobResult {
    pub protocol: u32,
    pub key: Digest,
    pub attempt: u32,
    pub nonce: String,
    pub outcome: Outcome,
    pub seconds: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The stage ran and its outputs are published.
    Published,
    /// Another process published this key first; its result stands.
    AlreadyThere,
    /// Another process runs this action now; nothing was done.
    Busy,
    /// Inputs are not in the store, or were damaged and are set aside; nothing was done.
    InputsGone(String),
    /// It was asked to stop and kept its checkpoints.
    Interrupted,
    Failed(Failure),
}

impl Outcome {
    /// The exit code of a program that runs one job and no more.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Published | Self::AlreadyThere => 0,
            Self::Failed(_) => 3,
            Self::Busy | Self::InputsGone(_) => 4,
            Self::Interrupted => 130,
        }
    }
}

/// Why a job failed, told apart by what can be done about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub kind: FailureKind,
    /// What, where, and what to do next.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The stage found nothing to work with, or a program it ran failed.
    Stage,
    /// What it read is not what it takes, or is gone.
    BadInput,
    /// A panic: a bug of ours.
    Bug,
    /// The worker was killed by a signal, for another reason than memory.
    Killed,
    /// The machine, or the group of processes the worker is in, ran out of memory.
    OutOfMemory,
    /// The accelerator ran out of memory.
    DeviceOutOfMemory,
    /// No room in the store, or a quota is used up.
    DiskFull,
    /// It took longer than its settings allow.
    Timeout,
    /// The worker ended by itself and left no result.
    LostWorker,
    /// The worker is missing or of another build.
    Worker,
    /// It was asked to stop: see [`Outcome::Interrupted`].
    Interrupted,
    StoreDamaged,
    StoreNotWritable,
}

impl Failure {
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// The stage refused its input or found nothing to work with.
    pub fn stage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Stage, message)
    }

    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::new(FailureKind::BadInput, message)
    }

    /// Something that cannot happen did.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Bug, message)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::Full { .. } => FailureKind::DiskFull,
            StoreError::NotWritable { .. } => FailureKind::StoreNotWritable,
            StoreError::NoOutput { .. } | StoreError::BadOutput { .. } => FailureKind::Stage,
            StoreError::Absent { .. } | StoreError::InputChanged { .. } => FailureKind::BadInput,
            StoreError::Missing(_)
            | StoreError::Damaged { .. }
            | StoreError::Newer { .. }
            | StoreError::Unprintable(_)
            | StoreError::Link(_)
            | StoreError::Io { .. } => FailureKind::StoreDamaged,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => FailureKind::DiskFull,
            _ => FailureKind::Stage,
        };
        Self::new(kind, error.to_string())
    }
}

/// One line of `events.jsonl`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Waiting for another process that runs the same action.
    Waiting {
        holder: String,
    },
    Started {
        device: String,
        threads: usize,
    },
    /// Training position, with named numbers (loss, …).
    Progress {
        done: u64,
        total: u64,
        unit: String,
        values: BTreeMap<String, f64>,
    },
    Note {
        text: String,
    },
}

#[cfg(test)]
pub(crate) mod testing;
