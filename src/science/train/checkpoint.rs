//! Checkpoints: the last two, each complete or absent, named by digest, bound to the action and to the machine they came
//! from.

use super::fit::History;
use crate::tensors::{self, Named, TensorFile};
use moelab_engine::digest::Digest;
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Number of the layout; another one is never taken up.
///
/// 1 – two names in turn. 2 – named by digest.
const FORMAT: u32 = 3;
/// Seconds between checkpoints, where 60 does not suit.
const VARIABLE: &str = "MOELAB_CHECKPOINT_SECONDS";
/// So many are kept: one may be damaged.
const KEPT: usize = 2;
const ENDING: &str = ".safetensors";

/// Everything a checkpoint must agree on to be taken up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// Key of the action.
    pub key: String,
    /// Kind of device.
    pub device: String,
    pub threads: usize,
    /// Versions of the libraries that compute, and the models of the processors.
    pub libraries: BTreeMap<String, String>,
}

impl Binding {
    /// What each of two says where they differ.
    fn differences(&self, other: &Self) -> (String, String) {
        let said = |of: &Self| -> BTreeMap<String, String> {
            let own = [
                ("--device", of.device.clone()),
                ("--threads", of.threads.to_string()),
                ("key", of.key.clone()),
            ];
            let own = own.map(|(name, value)| (name.to_owned(), value));
            of.libraries.clone().into_iter().chain(own).collect()
        };
        let only = |one: &BTreeMap<String, String>, two: &BTreeMap<String, String>| {
            let differ = one.iter().filter(|(name, value)| two.get(*name) != Some(value));
            differ
                .map(|(name, value)| format!("{name} {value}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let (ours, theirs) = (said(self), said(other));
        (only(&ours, &theirs), only(&theirs, &ours))
    }
}

/// Why a file is not taken up.
enum Unfit {
    Damaged(String),
    /// It is whole and belongs to another run of the action.
    Of(Binding),
}

impl<E: std::fmt::Display> From<E> for Unfit {
    fn from(error: E) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// The next step to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    pub epoch: u64,
    pub step: u64,
}

/// The whole state of the training loop.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub position: Position,
    pub adam_steps: u64,
    pub history: History,
    pub weights: BTreeMap<String, Named>,
    pub moments: BTreeMap<String, Named>,
    /// Sums of the history's columns over the steps of an unfinished epoch.
    pub sums: Option<Named>,
}

#[derive(Serialize, Deserialize)]
struct Meta {
    format: u32,
    binding: Binding,
    position: Position,
    adam_steps: u64,
    history: History,
}

/// The checkpoints of one training run.
pub struct Checkpoints {
    folder: PathBuf,
    binding: Binding,
    /// A kill costs at most about this much work. Only *when* files are written depends on it, never what a run computes.
    interval: Duration,
    last: Cell<Instant>,
    /// The file taken up and those written since, the latest last.
    kept: RefCell<Vec<PathBuf>>,
    /// Files of runs that this one cannot go on from; a later run may, so they are left until the action is done.
    others: RefCell<Vec<(PathBuf, Binding)>>,
}

impl Checkpoints {
    pub fn new(folder: &Path, binding: Binding) -> Self {
        Self {
            folder: folder.to_owned(),
            binding,
            interval: interval(std::env::var(VARIABLE).ok().as_deref()),
            last: Cell::new(Instant::now()),
            kept: RefCell::default(),
            others: RefCell::default(),
        }
    }

    /// Whether enough time has passed since the last one.
    pub fn due(&self) -> bool {
        self.last.get().elapsed() >= self.interval
    }

    /// The furthest state that is whole and ours; what is damaged is passed over with a warning, and what is another run's
    /// is told by [`Self::passed_over`].
    pub fn newest(&self) -> Option<State> {
        self.others.take();
        let states = self.files().into_iter().filter_map(|path| match self.read(&path) {
            Ok(state) => Some((state, path)),
            Err(Unfit::Damaged(why)) => {
                tracing::warn!("checkpoint {} is not used: {why}", path.display());
                None
            }
            Err(Unfit::Of(binding)) => {
                self.others.borrow_mut().push((path, binding));
                None
            }
        });
        let (newest, path) = states.max_by_key(|(state, _)| state.position)?;
        tracing::info!(
            "resuming at epoch {}, step {}",
            newest.position.epoch,
            newest.position.step
        );
        self.kept.borrow_mut().push(path);
        Some(newest)
    }

    /// What a user should know who expects this run to go on from checkpoints that are another run's.
    pub fn passed_over(&self) -> Option<String> {
        let others = self.others.borrow();
        let (ours, theirs) = self.binding.differences(&others.first()?.1);
        Some(format!(
            "its checkpoints are of a run with {theirs}, this one has {ours}: it starts from zero, and they stay for a run \
             like theirs"
        ))
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
        files.retain(|path| path.to_string_lossy().ends_with(ENDING));
        files
    }

    fn read(&self, path: &Path) -> Result<State, Unfit> {
        let file = TensorFile::open(path)?;
        let digest = file.digest();
        if path.file_name() != Some(name_of(&digest).as_ref()) {
            return Err(format!("its bytes have the digest {digest}").into());
        }
        let meta: Meta = file.meta()?;
        if meta.format != FORMAT {
            return Err(format!("it has format {}, this build writes {FORMAT}", meta.format).into());
        }
        if meta.binding != self.binding {
            return Err(Unfit::Of(meta.binding));
        }
        let all = file.all_f32()?;
        let part = |prefix: &str| -> BTreeMap<String, Named> {
            all.iter()
                .filter_map(|(k, v)| Some((k.strip_prefix(prefix)?.to_owned(), v.clone())))
                .collect()
        };
        Ok(State {
            position: meta.position,
            adam_steps: meta.adam_steps,
            history: meta.history,
            weights: part("weights/"),
            moments: part("moments/"),
            sums: all.get("sums").cloned(),
        })
    }

    /// Writes `state` to a temporary name, syncs it and renames it to its digest; the furthest two stay, and the files of
    /// other runs.
    pub fn save(&self, state: &State) -> Result<(), String> {
        let failed = |e: &dyn std::fmt::Display| format!("cannot write a checkpoint in {}: {e}", self.folder.display());
        fs::create_dir_all(&self.folder).map_err(|e| failed(&e))?;
        let meta = Meta {
            format: FORMAT,
            binding: self.binding.clone(),
            position: state.position,
            adam_steps: state.adam_steps,
            history: state.history.clone(),
        };
        let mut all = BTreeMap::new();
        all.extend(state.weights.iter().map(|(k, v)| (format!("weights/{k}"), v.clone())));
        all.extend(state.moments.iter().map(|(k, v)| (format!("moments/{k}"), v.clone())));
        all.extend(state.sums.iter().map(|v| ("sums".to_owned(), v.clone())));
        let meta = serde_json::to_value(meta).map_err(|e| failed(&e))?;
        let temporary = self.folder.join("writing");
        tensors::write_weights(&temporary, &all, &meta).map_err(|e| failed(&e))?;
        let file = File::open(&temporary).map_err(|e| failed(&e))?;
        file.sync_all().map_err(|e| failed(&e))?;
        let (digest, _) = Digest::of_reader(file).map_err(|e| failed(&e))?;
        let path = self.folder.join(name_of(&digest));
        fs::rename(&temporary, &path).map_err(|e| failed(&e))?;
        let mut kept = self.kept.borrow_mut();
        kept.retain(|earlier| *earlier != path);
        kept.push(path);
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
        let others = self.others.borrow();
        let stays = |path: &PathBuf| kept.contains(path) || others.iter().any(|(other, _)| other == path);
        for path in self.files().iter().filter(|path| !stays(path)) {
            fs::remove_file(path).map_err(|e| failed(&e))?;
        }
        self.last.set(Instant::now());
        Ok(())
    }
}

fn name_of(digest: &Digest) -> String {
    format!("{digest}{ENDING}")
}

fn interval(given: Option<&str>) -> Duration {
    let Some(text) = given else {
        return Duration::from_secs(60);
    };
    let seconds = text.parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    seconds.unwrap_or_else(|| {
        tracing::warn!("{VARIABLE}={text} is no number of seconds: checkpoints are 60 s apart");
        Duration::from_secs(60)
    })
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
