//! Job folders, lock files and records of invocations that nobody needs.

use super::{Cleaning, Selection};
use crate::digest::Digest;
use crate::store::actions::Record;
use crate::store::attempt::remove;
use crate::store::files::{self, Entry, Kind};
use crate::store::usage::tree;
use crate::store::{Holder, Share, Store, StoreError, disk, lock};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A temporary file that nobody touched for so long is nobody's.
pub(super) const DAY: Duration = Duration::from_secs(86_400);
/// Larger job descriptions are none of ours.
const LARGEST_JOB: u64 = 64 << 20;

impl Store {
    /// Clears up behind dead attempts, and by age where that is selected; with `only_say` it measures and removes nothing.
    pub(super) fn sweep_all(
        &self,
        selection: &Selection,
        now: SystemTime,
        only_say: bool,
        sum: &mut Cleaning,
    ) -> Result<(), StoreError> {
        let old = selection.old_things();
        let take = |path: &Path, share: &mut Share| -> Result<(), StoreError> {
            let Share { files, bytes } = tree(path);
            (share.files, share.bytes) = (share.files + files, share.bytes + bytes);
            if only_say { Ok(()) } else { remove(path) }
        };
        for (name, path, kind) in files::entries(&self.root.join("work"))? {
            if name.starts_with(disk::TEMPORARY) && untouched(&path, DAY, now) {
                take(&path, &mut sum.leftovers)?;
            }
            let (Entry::Folder, Ok(key)) = (kind, name.parse::<Digest>()) else {
                continue;
            };
            // Whoever runs the action clears up himself.  The plan takes no lock: it removes nothing.
            let holder = Holder::this_process("gc");
            let lock = if only_say { None } else { self.try_lock(&key, &holder)? };
            if lock.is_none() && !only_say {
                continue;
            }
            let record = self.record(&key);
            // An evicted result may be half made again: its checkpoints are as good as those of an action never finished.
            let finished = match &record {
                Record::Good(manifest) => manifest.complete() && self.objects_there(manifest).is_ok(),
                Record::Newer(_) => continue,
                Record::None | Record::Damaged(_) => false,
            };
            for dead in self.dead(&key, None, finished)? {
                take(&dead, &mut sum.attempts)?;
            }
            // What a manifest tells of, be it damaged, keeps its logs.
            let begun = || match record {
                Record::None => path.clone(),
                _ => self.checkpoints_dir(&key),
            };
            if !finished && old.is_some_and(|age| newest(&begun()).is_none_or(|at| older(at, age, now))) {
                if !self.any_in_use(&path)? {
                    take(&begun(), &mut sum.abandoned)?;
                }
            } else {
                for (_, path, _) in temporary(&path)? {
                    if untouched(&path, DAY, now) && !lock::in_use(&path.join("used")) {
                        take(&path, &mut sum.leftovers)?;
                    }
                }
            }
        }
        for (_, path, _) in temporary(&self.root)? {
            if untouched(&path, DAY, now) {
                take(&path, &mut sum.leftovers)?;
            }
        }
        if let Some(age) = old {
            for (_, path, kind) in files::entries(&self.root.join("runs"))? {
                let still = newest(&path).is_none_or(|at| older(at, age, now));
                if kind == Entry::Folder && still && !lock::in_use(&path.join("used")) {
                    take(&path, &mut sum.runs)?;
                }
            }
        }
        Ok(())
    }

    /// Whether a living process uses an attempt in this work folder.
    fn any_in_use(&self, work: &Path) -> Result<bool, StoreError> {
        let attempts = files::entries(work)?;
        Ok(attempts.iter().any(|(_, path, _)| lock::in_use(&path.join("used"))))
    }

    /// Temporary files among objects and manifests, among them damaged objects that were set aside.
    pub(super) fn temporary_objects(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut all = files::list(&self.root.join("objects"), "")?;
        all.extend(files::list(&self.root.join("actions"), ".json")?);
        let temporary = all.into_iter().filter(|listed| listed.kind == Kind::Temporary);
        Ok(temporary.map(|listed| listed.path).collect())
    }

    /// What the attempts that living processes use read.
    pub(super) fn being_read(&self) -> Result<BTreeSet<Digest>, StoreError> {
        #[derive(Deserialize)]
        struct Job {
            inputs: BTreeMap<String, Vec<Input>>,
        }
        #[derive(Deserialize)]
        struct Input {
            digest: Digest,
        }
        let mut digests = BTreeSet::new();
        for (_, work, kind) in files::entries(&self.root.join("work"))? {
            if kind != Entry::Folder {
                continue;
            }
            for (_, attempt, kind) in files::entries(&work)? {
                if kind != Entry::Folder || !lock::in_use(&attempt.join("used")) {
                    continue;
                }
                let path = attempt.join("job.json");
                let text = match disk::read_plain(&path, LARGEST_JOB) {
                    Ok(text) => text,
                    // Not written yet: its worker looks for its inputs after it has joined.
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                    Err(e) => return Err(StoreError::reading(&path)(e)),
                };
                let job: Job = serde_json::from_slice(&text).map_err(|e| StoreError::Damaged {
                    path: path.clone(),
                    what: e.to_string(),
                })?;
                digests.extend(job.inputs.into_values().flatten().map(|input| input.digest));
            }
        }
        Ok(digests)
    }
}

fn temporary(dir: &Path) -> Result<Vec<(String, PathBuf, Entry)>, StoreError> {
    let mut found = files::entries(dir)?;
    found.retain(|(name, ..)| name.starts_with(disk::TEMPORARY));
    Ok(found)
}

/// Whether neither content nor name of a file or folder changed for so long.
pub(super) fn untouched(path: &Path, age: Duration, now: SystemTime) -> bool {
    path.symlink_metadata()
        .is_ok_and(|meta| older(touched(&meta), age, now))
}

fn older(at: SystemTime, age: Duration, now: SystemTime) -> bool {
    now.duration_since(at).is_ok_and(|passed| passed >= age)
}

fn touched(meta: &std::fs::Metadata) -> SystemTime {
    use std::os::unix::fs::MetadataExt;
    let seconds = u64::try_from(meta.mtime().max(meta.ctime())).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// When something in a folder was written last; its own entries count, too.
fn newest(dir: &Path) -> Option<SystemTime> {
    let meta = dir.symlink_metadata().ok()?;
    let inside = if meta.is_dir() {
        files::entries(dir).unwrap_or_default()
    } else {
        vec![]
    };
    let own = meta.modified().ok();
    inside.iter().filter_map(|(_, path, _)| newest(path)).chain(own).max()
}
