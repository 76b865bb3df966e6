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
const FORMAT: u32 = 2;
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
    /// A kill costs at most about this much work. Only *when* files are written depends on it, never what a run computes.
    interval: Duration,
    last: Cell<Instant>,
    /// The file taken up and those written since, the latest last.
    kept: RefCell<Vec<PathBuf>>,
}

impl Checkpoints {
    pub fn new(folder: &Path, binding: Binding) -> Self {
        Self {
            folder: folder.to_owned(),
            binding,
            interval: interval(std::env::var(VARIABLE).ok().as_deref()),
            last: Cell::new(Instant::now()),
            kept: RefCell::default(),
        }
    }

    /// Whether enough time has passed since the last one.
    pub fn due(&self) -> bool {
        self.last.get().elapsed() >= self.interval
    }

    /// The furthest state that is whole and ours; anything else is passed over with a warning.
    pub fn newest(&self) -> Option<State> {
        let states = self.files().into_iter().filter_map(|path| match self.read(&path) {
            Ok(state) => Some((state, path)),
            Err(why) => {
                tracing::warn!("checkpoint {} is not used: {why}", path.display());
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

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
        files.retain(|path| path.to_string_lossy().ends_with(ENDING));
        files
    }

    fn read(&self, path: &Path) -> Result<State, String> {
        let file = TensorFile::open(path).map_err(|e| e.to_string())?;
        let digest = file.digest();
        if path.file_name() != Some(name_of(&digest).as_ref()) {
            return Err(format!("its bytes have the digest {digest}"));
        }
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

    /// Writes `state` to a temporary name, syncs it and renames it to its digest; the furthest two stay.
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
        for path in self.files().iter().filter(|path| !kept.contains(path)) {
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
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_a_minute_apart_unless_told_otherwise() {
        assert_eq!(interval(None), Duration::from_secs(60));
        assert_eq!(interval(Some("0.5")), Duration::from_millis(500));
        assert_eq!(interval(Some("-1")), Duration::from_secs(60));
        assert_eq!(interval(Some("soon")), Duration::from_secs(60));
    }

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

    /// The file that holds `epoch`.
    fn file_of(checkpoints: &Checkpoints, epoch: u64) -> PathBuf {
        let holds = |path: &PathBuf| checkpoints.read(path).is_ok_and(|state| state.position.epoch == epoch);
        checkpoints.files().into_iter().find(holds).expect("it was saved")
    }

    #[test]
    fn two_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        for epoch in 1..=5 {
            let checkpoints = Checkpoints::new(dir.path(), binding());
            assert_eq!(
                checkpoints.newest().map(|s| s.position.epoch),
                (epoch > 1).then_some(epoch - 1)
            );
            checkpoints.save(&state(epoch)).unwrap();
        }
        let checkpoints = Checkpoints::new(dir.path(), binding());
        assert_eq!(checkpoints.files().len(), 2);
        file_of(&checkpoints, 4);
        file_of(&checkpoints, 5);
    }

    #[test]
    fn half_a_file_falls_back_to_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(dir.path(), binding());
        checkpoints.save(&state(1)).unwrap();
        checkpoints.save(&state(2)).unwrap();
        let newest = file_of(&checkpoints, 2);
        let bytes = fs::read(&newest).unwrap();
        fs::write(&newest, &bytes[..bytes.len() - 3]).unwrap();
        assert_eq!(checkpoints.newest(), Some(state(1)));
    }

    #[test]
    fn a_flipped_bit_falls_back_to_the_other_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(dir.path(), binding());
        checkpoints.save(&state(1)).unwrap();
        checkpoints.save(&state(2)).unwrap();
        let newest = file_of(&checkpoints, 2);
        let bytes = fs::read(&newest).unwrap();
        for place in (0..bytes.len()).step_by(17) {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << (place % 8);
            fs::write(&newest, &flipped).unwrap();
            assert_eq!(checkpoints.newest(), Some(state(1)), "byte {place}");
        }
    }

    #[test]
    fn a_checkpoint_of_an_older_format_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(dir.path(), binding());
        checkpoints.save(&state(1)).unwrap();
        let bytes = fs::read(file_of(&checkpoints, 1)).unwrap();
        fs::remove_file(file_of(&checkpoints, 1)).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let needle = format!("\\\"format\\\":{FORMAT}");
        let at = text.find(&needle).expect("the header is JSON in a JSON string") + needle.len() - 1;
        let mut older = bytes.clone();
        older[at] = b'1';
        fs::write(dir.path().join(name_of(&Digest::of(&older))), older).unwrap();
        assert_eq!(checkpoints.newest(), None);
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
