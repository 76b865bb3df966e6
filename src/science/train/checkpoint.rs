//! Checkpoints: two files in turn, each complete or absent, bound to the action and to the machine they came from.

use super::fit::History;
use crate::tensors::{self, Named, TensorFile};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Number of the layout; another one is never taken up.
const FORMAT: u32 = 1;
/// A kill costs at most about this much work. Only *when* files are written depends on it, never what a run computes.
const INTERVAL: Duration = Duration::from_secs(60);
const FILES: [&str; 2] = ["a.safetensors", "b.safetensors"];

/// Everything a checkpoint must agree on to be taken up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// Key of the action.
    pub key: String,
    /// Kind of device.
    pub device: String,
    pub threads: usize,
    /// Version of the library that computes.
    pub library: String,
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
    last: Cell<Instant>,
}

impl Checkpoints {
    pub fn new(folder: &Path, binding: Binding) -> Self {
        Self {
            folder: folder.to_owned(),
            binding,
            last: Cell::new(Instant::now()),
        }
    }

    /// Whether enough time has passed since the last one.
    pub fn due(&self) -> bool {
        self.last.get().elapsed() >= INTERVAL
    }

    /// The furthest state that is whole and ours; anything else is passed over with a warning.
    pub fn newest(&self) -> Option<State> {
        let states = FILES.iter().filter_map(|name| {
            let path = self.folder.join(name);
            if !path.exists() {
                return None;
            }
            self.read(&path)
                .map_err(|why| tracing::warn!("checkpoint {} is not used: {why}", path.display()))
                .ok()
        });
        let newest = states.max_by_key(|state| state.position);
        if let Some(state) = &newest {
            tracing::info!(
                "resuming at epoch {}, step {}",
                state.position.epoch,
                state.position.step
            );
        }
        newest
    }

    fn read(&self, path: &Path) -> Result<State, String> {
        let file = TensorFile::open(path).map_err(|e| e.to_string())?;
        let meta: Meta = file.meta().map_err(|e| e.to_string())?;
        if meta.format != FORMAT {
            return Err(format!("it has format {}, this build writes {FORMAT}", meta.format));
        }
        if meta.binding != self.binding {
            return Err(format!("it belongs to {:?}, this is {:?}", meta.binding, self.binding));
        }
        let all = file.all_f32().map_err(|e| e.to_string())?;
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

    /// Writes `state` over the older of the two files: to a temporary name, synced, then renamed.
    pub fn save(&self, state: &State) -> Result<(), String> {
        let failed = |e: &dyn std::fmt::Display| format!("cannot write a checkpoint in {}: {e}", self.folder.display());
        fs::create_dir_all(&self.folder).map_err(|e| failed(&e))?;
        let position = |name: &str| self.read(&self.folder.join(name)).map(|state| state.position).ok();
        let older = FILES
            .into_iter()
            .min_by_key(|name| position(name))
            .expect("there are two names");
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
        File::open(&temporary)
            .and_then(|f| f.sync_all())
            .map_err(|e| failed(&e))?;
        fs::rename(&temporary, self.folder.join(older)).map_err(|e| failed(&e))?;
        self.last.set(Instant::now());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding() -> Binding {
        Binding {
            key: "k".into(),
            device: "cpu".into(),
            threads: 2,
            library: "l".into(),
        }
    }

    fn state(epoch: u64) -> State {
        let tensor = Named::new(vec![2], vec![epoch as f32, 0.5]);
        State {
            position: Position { epoch, step: 3 },
            adam_steps: 7,
            history: History {
                columns: vec!["loss".into()],
                steps: vec![5],
                rows: vec![vec![0.1 + 0.2]],
            },
            weights: [("a.weight".to_owned(), tensor.clone())].into(),
            moments: [("first/a.weight".to_owned(), tensor.clone())].into(),
            sums: Some(tensor),
        }
    }

    #[test]
    fn the_furthest_of_two_is_read_back_whole() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(dir.path(), binding());
        assert_eq!(checkpoints.newest(), None);
        for epoch in [1, 2, 3] {
            checkpoints.save(&state(epoch)).unwrap();
            assert_eq!(checkpoints.newest(), Some(state(epoch)));
        }
    }

    #[test]
    fn half_a_file_falls_back_to_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(dir.path(), binding());
        checkpoints.save(&state(1)).unwrap();
        checkpoints.save(&state(2)).unwrap();
        let newest = FILES
            .map(|f| dir.path().join(f))
            .into_iter()
            .max_by_key(|p| checkpoints.read(p).unwrap().position)
            .unwrap();
        let bytes = fs::read(&newest).unwrap();
        fs::write(&newest, &bytes[..bytes.len() - 3]).unwrap();
        assert_eq!(checkpoints.newest(), Some(state(1)));
    }

    #[test]
    fn a_checkpoint_of_another_key_device_thread_count_or_library_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        Checkpoints::new(dir.path(), binding()).save(&state(1)).unwrap();
        let others = [
            Binding {
                key: "x".into(),
                ..binding()
            },
            Binding {
                device: "cuda".into(),
                ..binding()
            },
            Binding {
                threads: 1,
                ..binding()
            },
            Binding {
                library: "x".into(),
                ..binding()
            },
        ];
        for other in others {
            assert_eq!(Checkpoints::new(dir.path(), other).newest(), None);
        }
    }
}
