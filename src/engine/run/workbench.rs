//! Jobs that no plan holds: a stage kind on artifacts at hand, in a store that goes away.
//!
//! The jobs, the workers and the code of the stages are those of a run.  Nothing of it enters the results of a lab.

use super::RunOptions;
use super::folder::{self, Order};
use super::pool::{News, Pool};
use crate::digest::Digest;
use crate::job::{Event, Failure, FailureKind, InputFile, JobResult, Memory, Outcome};
use crate::key::InputKey;
use crate::plan::{Axes, Node, key_of};
use crate::spec::schema::Schema;
use crate::stage::{Folders, Registry};
use crate::store::{Durability, Manifest, Store, StoreError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The longest time between two looks at the worker; one that is done rings earlier.
const LOOK: Duration = Duration::from_millis(50);

/// A place to run single jobs at; what they made goes away with it.
pub struct Workbench {
    options: RunOptions,
    project: PathBuf,
    pool: Pool,
    store: Store,
    jobs: u64,
    _folder: tempfile::TempDir,
}

/// An artifact on the workbench.
#[derive(Clone, Debug)]
pub struct Piece {
    pub digest: Digest,
    /// Artifact type.
    pub artifact: String,
}

impl Workbench {
    /// `project` is the folder that files of `command` stages lie in.
    pub fn new(options: RunOptions, project: &Path) -> Result<Self, StoreError> {
        let folder = tempfile::tempdir().map_err(StoreError::writing(&std::env::temp_dir()))?;
        let store = Store::open(&folder.path().join("store"))?;
        Ok(Self {
            pool: Pool::new(options.worker.clone(), folder.path().join("workers.log")),
            options,
            project: project.to_owned(),
            store,
            jobs: 0,
            _folder: folder,
        })
    }

    /// Where the results of [`Self::run`] lie.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Brings the bytes of an artifact from another store.
    pub fn bring(&self, from: &Store, digest: &Digest) -> Result<(), StoreError> {
        let copy = self.store.root().join("work").join(digest.hex());
        let path = from.verified_path(digest)?;
        std::fs::copy(&path, &copy).map_err(StoreError::writing(&copy))?;
        self.store.adopt(&copy, digest, Durability::Later).map(drop)
    }

    /// Runs one job and gives what it made. `told` hears what the stage says meanwhile. Workers die with the *thread* that
    /// calls this.
    pub fn run(
        &mut self,
        registry: &Registry,
        (kind, settings): (&str, serde_json::Value),
        seed: Option<u64>,
        inputs: &BTreeMap<String, Piece>,
        told: &mut dyn FnMut(&Event),
    ) -> Result<Manifest, Failure> {
        let stage = registry
            .get(kind)
            .ok_or_else(|| Failure::bug(format!("there is no stage kind `{kind}`")))?;
        let misfits = Schema::new(stage).map_err(Failure::bug)?.misfits(&settings, &[]);
        if let Some(misfit) = misfits.first() {
            return Err(Failure::bad_input(format!(
                "{}: {}",
                misfit.path.join("."),
                misfit.message
            )));
        }
        let settings = (stage.settings.normalise)(&settings).map_err(Failure::bad_input)?;
        let folders = Folders {
            data: &self.options.data,
            project: &self.project,
        };
        let digests = inputs
            .iter()
            .map(|(port, piece)| (port.clone(), InputKey::One(piece.digest)));
        let key = key_of(stage, &settings, seed, digests.collect(), folders).map_err(Failure::bad_input)?;
        let file = |piece: &Piece| InputFile {
            axes: Axes::new(),
            digest: piece.digest,
            artifact: piece.artifact.clone(),
            path: self.store.object_path(&piece.digest),
        };
        let node = Node {
            stage: kind.to_owned(),
            kind: kind.to_owned(),
            settings: Arc::new(settings.clone()),
            seed,
            axes: Axes::new(),
            inputs: vec![],
        };
        let device = self.options.devices.first();
        let order = Order {
            node: &node,
            stage,
            key: &key,
            settings: &settings,
            project: &self.project,
            inputs: inputs
                .iter()
                .map(|(port, piece)| (port.clone(), vec![file(piece)]))
                .collect(),
            device: device.clone(),
            memory: Memory::Normal,
            force: false,
        };
        let (attempt, nonce) = folder::make(&self.store, &self.options, order)?;
        self.jobs += 1;
        self.pool.start(self.jobs, attempt.dir(), &nonce, &device)?;
        match self.wait(told)?.outcome {
            Outcome::Published | Outcome::AlreadyThere => {}
            Outcome::Failed(failure) => return Err(failure),
            Outcome::Interrupted => return Err(stopped()),
            other => return Err(Failure::bug(format!("a job by itself ended with {other:?}"))),
        }
        let made = self.store.lookup(&key.digest());
        made.ok_or_else(|| Failure::bug("the job left no result"))
    }

    fn wait(&mut self, told: &mut dyn FnMut(&Event)) -> Result<JobResult, Failure> {
        loop {
            if self.options.cancel.load(Ordering::SeqCst) > 0 {
                self.pool.kill();
                return Err(stopped());
            }
            for (_, news) in self.pool.news() {
                match news {
                    News::Event(event) => told(&event),
                    News::Result(result) => return Ok(result),
                    News::Died(failure) => return Err(failure),
                }
            }
            self.pool.wait(LOOK);
        }
    }
}

fn stopped() -> Failure {
    Failure::new(FailureKind::Interrupted, "it was asked to stop")
}
