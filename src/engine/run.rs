//! The runner: walks a plan, has workers run what the store does not hold, and reports.
//!
//! The runner publishes nothing itself.  It makes job folders, hands them to worker processes and watches: what a worker
//! wrote is in the store, what a dead worker left is not.

mod death;
mod device;
mod folder;
mod forecast;
mod history;
mod lease;
pub mod live;
mod observe;
mod pool;
mod record;
mod report;
mod results;
mod schedule;
pub mod status;
mod sync;
mod walk;
mod workbench;

pub use device::{Accelerator, Devices};
pub use forecast::{Forecast, duration, forecast};
pub use history::{Basis, Estimate};
pub use lease::default_folder as device_locks;
pub use observe::{Ended, JobInfo, Observer, Silent};
pub use record::run_id;
pub use report::{FailedAction, RunReport};
pub use status::{NodeStatus, Question, Status, distinct, plan_status};
pub use workbench::{Piece, Workbench};

use crate::plan::{NodeId, Plan};
use crate::spec::Retry;
use crate::stage::Registry;
use crate::store::{Store, StoreError, disk};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;

/// How to run a plan.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Jobs at the same time.
    pub jobs: usize,
    /// Threads of one job.
    pub threads: usize,
    pub devices: Devices,
    /// The folder in which runs on this machine agree on who uses an accelerator: see [`device_locks`].
    pub device_locks: PathBuf,
    /// Go on with what does not depend on a failure.
    pub keep_going: bool,
    /// Which failures are tried again, and how often.
    pub retry: Retry,
    /// Only these actions and what they need: see [`Plan::part`].
    pub wanted: Option<BTreeSet<NodeId>>,
    /// Run these stages again although they are done.
    pub force: Vec<String>,
    /// The worker program and its arguments.
    pub worker: WorkerCommand,
    /// The folder the user keeps data sets in.
    pub data: PathBuf,
    /// Build of this program; a worker of another build refuses.
    pub build: String,
    /// Names of the experiment and the pipeline, for provenance.
    pub experiment: String,
    pub pipeline: String,
    /// The resolved spec, kept with the run.
    pub spec_text: String,
    /// Name of this invocation: see [`run_id`].
    pub run: String,
    /// 1 asks to stop (running jobs save a checkpoint), 2 to stop now.
    pub cancel: Arc<AtomicU8>,
}

/// A program that serves jobs.
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    pub program: PathBuf,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
}

impl WorkerCommand {
    pub fn serve(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: vec!["serve".into()],
            env: vec![],
        }
    }
}

impl RunOptions {
    pub fn new(worker: WorkerCommand, build: impl Into<String>) -> Self {
        Self {
            jobs: 1,
            threads: 1,
            devices: Devices::Host("cpu".into()),
            device_locks: device_locks(),
            keep_going: false,
            retry: Retry::default(),
            wanted: None,
            force: vec![],
            worker,
            data: "data".into(),
            build: build.into(),
            experiment: String::new(),
            pipeline: String::new(),
            spec_text: String::new(),
            run: run_id(),
            cancel: Arc::default(),
        }
    }
}

/// Runs what is missing.  Failures of stages are in the report; an error means that the store cannot be used.
///
/// Workers die with the *thread* that calls this, so a program calls it from its main thread: that one lives until the
/// process ends.
pub fn run(
    plan: &Plan,
    registry: &Registry,
    store: &Store,
    options: &RunOptions,
    observer: &mut dyn Observer,
) -> Result<RunReport, StoreError> {
    for folder in [&plan.project, &options.data] {
        disk::refuse_unprintable(folder)?;
    }
    walk::Walk::new(plan, registry, store, options, observer)?.run()
}
