//! Attempts: numbered folders in which an action is run.

use super::files::{self, Entry};
use super::{KeyLock, Store, StoreError, disk, lock};
use crate::digest::Digest;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Files of an attempt that outlive it: they tell what happened.
const RECORDS: [&str; 5] = ["job.json", "log", "events.jsonl", "result.json", "used"];

/// A folder `work/<key>/<attempt>/`, marked as used while this lives.
#[derive(Debug)]
pub struct Attempt {
    dir: PathBuf,
    number: u32,
    _used: File,
}

impl Attempt {
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn number(&self) -> u32 {
        self.number
    }

    /// Where the stage writes an output.
    pub fn output(&self, name: &str) -> PathBuf {
        self.dir.join("out").join(name)
    }
}

impl Store {
    /// Joins an attempt that somebody else made, whose `job.json` says what it reads.  From here on no cleaner removes
    /// that, but one may have done so before: look again.
    pub(crate) fn join_attempt(&self, dir: &Path, number: u32) -> Result<Attempt, StoreError> {
        let attempt = Attempt {
            dir: dir.to_owned(),
            number,
            _used: lock::mark_used(&dir.join("used"))?,
        };
        // A cleaner that looked before the mark stood is done when this returns.
        drop(self.publishing()?);
        Ok(attempt)
    }

    /// Makes the next attempt of an action.
    pub fn new_attempt(&self, key: &Digest) -> Result<Attempt, StoreError> {
        let work = self.work_dir(key);
        disk::refuse_links(&self.root, &work)?;
        disk::create_dir(&work)?;
        // Made where no sweep of this key looks, and marked as used before it gets its name: so none finds it unmarked.
        let made = self
            .root
            .join("work")
            .join(format!("{}{}", disk::TEMPORARY, disk::random_name()));
        fs::create_dir(&made).map_err(StoreError::writing(&made))?;
        let used = lock::mark_used(&made.join("used"))?;
        let recorded = self.manifest(key).map_or(0, |manifest| manifest.last_attempt());
        let mut number = attempts(&work).last().copied().unwrap_or(0).max(recorded) + 1;
        loop {
            let dir = work.join(number.to_string());
            // Renaming onto a folder that holds something fails, so no two get one number.
            match fs::rename(&made, &dir) {
                Ok(()) => {
                    return Ok(Attempt {
                        dir,
                        number,
                        _used: used,
                    });
                }
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
                    ) =>
                {
                    number += 1;
                }
                Err(e) => return Err(StoreError::writing(&dir)(e)),
            }
        }
    }

    /// The folder of an attempt.
    pub fn attempt_dir(&self, key: &Digest, attempt: u32) -> PathBuf {
        self.work_dir(key).join(attempt.to_string())
    }

    /// The newest attempt of an action, finished or not.
    pub fn latest_attempt(&self, key: &Digest) -> Option<u32> {
        attempts(&self.work_dir(key)).last().copied()
    }

    /// Where an action keeps checkpoints: they outlive attempts and go when it is published.
    pub fn checkpoints_dir(&self, key: &Digest) -> PathBuf {
        self.work_dir(key).join("checkpoints")
    }

    /// Clears up behind dead attempts; only whoever holds the lock may.  Checkpoints and what tells of a failure stay until
    /// the action is `finished`, then only the attempts stay that the manifest names, and `own`.  A manifest alone finishes
    /// nothing: an evicted result that is made again has one, and so has one that is forced.
    pub fn sweep(&self, _lock: &KeyLock, key: &Digest, own: Option<u32>, finished: bool) -> Result<(), StoreError> {
        self.dead(key, own, finished)?.iter().try_for_each(|path| remove(path))
    }

    /// What [`Self::sweep`] takes away.
    pub(super) fn dead(&self, key: &Digest, own: Option<u32>, finished: bool) -> Result<Vec<PathBuf>, StoreError> {
        let work = self.work_dir(key);
        disk::refuse_links(&self.root, &work)?;
        let keep: Vec<u32> = self
            .manifest(key)
            .iter()
            .flat_map(|m| m.attempts().collect::<Vec<_>>())
            .chain(own)
            .collect();
        let mut dead = vec![];
        for (name, path, kind) in files::entries(&work)? {
            let number = name.parse::<u32>().ok();
            if number.is_none() && !name.starts_with(disk::TEMPORARY) {
                continue;
            }
            if kind == Entry::Link {
                dead.push(path);
                continue;
            }
            let kept = number.is_some_and(|n| keep.contains(&n));
            let own = number.is_some() && number == own;
            if !own && lock::in_use(&path.join("used")) || number.is_none() && !path.join("used").exists() {
                continue;
            }
            match (kept, finished, number) {
                (false, true, _) | (_, _, None) => dead.push(path),
                // One's own outputs are still being written, and a request to stop may lie beside them.
                (true, false, _) if own => {}
                _ => {
                    let is_record = |name: &String| RECORDS.contains(&name.as_str());
                    let inside = files::entries(&path)?.into_iter();
                    dead.extend(inside.filter(|(name, ..)| !is_record(name)).map(|(_, path, _)| path));
                }
            }
        }
        let checkpoints = self.checkpoints_dir(key);
        if finished && checkpoints.symlink_metadata().is_ok() {
            dead.push(checkpoints);
        }
        Ok(dead)
    }
}

/// Numbers of the attempts in a work folder, ascending.
fn attempts(work: &Path) -> Vec<u32> {
    let names = fs::read_dir(work)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name());
    let mut numbers: Vec<u32> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// Removes a file, a link (never what it leads to) or a folder with all that is in it.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    let once = || match path.is_dir() && !path.is_symlink() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    };
    let removed = match once() {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            open_folders(path);
            once()
        }
        other => other,
    };
    match removed {
        // A new attempt may take the name of one that is removed as soon as that is empty: it is left alone.
        Err(e) if ![io::ErrorKind::NotFound, io::ErrorKind::DirectoryNotEmpty].contains(&e.kind()) => {
            Err(StoreError::writing(path)(e))
        }
        _ => Ok(()),
    }
}

/// Lets their owner into folders that a command has closed, as a cache of Go modules is.  Links are not followed; what
/// cannot be opened is told by whoever then fails to remove it.
fn open_folders(path: &Path) {
    let Ok(meta) = path.symlink_metadata() else { return };
    if meta.is_dir() {
        let mode = meta.permissions().mode() | 0o700;
        drop(fs::set_permissions(path, fs::Permissions::from_mode(mode)));
        let inside = fs::read_dir(path).into_iter().flatten().flatten();
        inside.for_each(|entry| open_folders(&entry.path()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Holder;
    use super::super::testing::{action, publish, scratch};
    use super::*;

    fn lock(store: &Store, key: &Digest) -> KeyLock {
        store.try_lock(key, &Holder::this_process("test")).unwrap().unwrap()
    }

    #[test]
    fn attempts_are_numbered_upwards_also_after_clearing_up() {
        let (_dir, store) = scratch();
        let key = action(1).digest();
        assert_eq!(store.new_attempt(&key).unwrap().number(), 1);
        assert_eq!(store.new_attempt(&key).unwrap().number(), 2);
        assert_eq!(
            publish(&store, &action(1), None, Some("1"))
                .unwrap()
                .manifest
                .provenance
                .attempt,
            3
        );
        fs::remove_dir_all(store.work_dir(&key)).unwrap();
        assert_eq!(store.new_attempt(&key).unwrap().number(), 4);
    }

    #[test]
    fn a_dead_attempt_loses_its_data_but_not_its_log() {
        let (_dir, store) = scratch();
        let key = action(1).digest();
        let dead = store.new_attempt(&key).unwrap().dir().to_owned();
        fs::create_dir(dead.join("out")).unwrap();
        fs::write(dead.join("out/data"), "half").unwrap();
        fs::write(dead.join("log"), "it went wrong").unwrap();
        fs::create_dir(store.checkpoints_dir(&key)).unwrap();
        store.sweep(&lock(&store, &key), &key, None, false).unwrap();
        assert!(!dead.join("out").exists());
        assert!(dead.join("log").exists());
        assert!(
            store.checkpoints_dir(&key).exists(),
            "the next attempt goes on from here"
        );
    }

    #[test]
    fn links_planted_among_attempts_are_removed_and_what_they_lead_to_is_not() {
        let (dir, store) = scratch();
        let key = action(1).digest();
        let other = dir.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("precious"), "").unwrap();
        drop(store.new_attempt(&key).unwrap());
        let link = |path: PathBuf| std::os::unix::fs::symlink(&other, path).unwrap();
        link(store.attempt_dir(&key, 7));
        link(store.attempt_dir(&key, 1).join("out"));
        link(store.checkpoints_dir(&key));
        publish(&store, &action(1), Some("a"), Some("1")).unwrap();
        assert!(other.join("precious").exists());
        assert!(!store.attempt_dir(&key, 7).is_symlink() && !store.checkpoints_dir(&key).is_symlink());
    }

    #[test]
    fn a_work_folder_that_is_a_link_is_refused() {
        let (dir, store) = scratch();
        let key = action(1).digest();
        std::os::unix::fs::symlink(dir.path(), store.work_dir(&key)).unwrap();
        assert!(matches!(store.new_attempt(&key), Err(StoreError::Link(_))));
        let error = store.sweep(&lock(&store, &key), &key, None, false).unwrap_err();
        assert!(matches!(error, StoreError::Link(_)), "{error}");
    }

    #[test]
    fn an_attempt_in_use_is_left_alone() {
        let (_dir, store) = scratch();
        let key = action(1).digest();
        let live = store.new_attempt(&key).unwrap();
        fs::create_dir(live.dir().join("out")).unwrap();
        store.sweep(&lock(&store, &key), &key, None, false).unwrap();
        assert!(live.dir().join("out").exists());
    }

    #[test]
    fn after_publishing_only_the_records_of_the_published_attempt_stay() {
        let (_dir, store) = scratch();
        let key = action(1).digest();
        drop(store.new_attempt(&key).unwrap());
        fs::create_dir(store.checkpoints_dir(&key)).unwrap();
        publish(&store, &action(1), Some("a"), Some("1")).unwrap();
        let left: Vec<_> = fs::read_dir(store.work_dir(&key))
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left, ["2"]);
        assert!(!store.attempt_dir(&key, 2).join("out").exists());
    }
    #[test]
    fn checkpoints_of_a_result_that_is_made_again_stay_until_it_is() {
        let (_dir, store) = scratch();
        let key = action(1).digest();
        publish(&store, &action(1), Some("a"), Some("1")).unwrap();
        fs::create_dir(store.checkpoints_dir(&key)).unwrap();
        let own = store.new_attempt(&key).unwrap();
        fs::write(own.dir().join("stop"), "").unwrap();
        let lock = lock(&store, &key);
        store.sweep(&lock, &key, Some(own.number()), false).unwrap();
        assert!(store.checkpoints_dir(&key).exists() && own.dir().join("stop").exists());
        store.sweep(&lock, &key, Some(own.number()), true).unwrap();
        assert!(!store.checkpoints_dir(&key).exists() && !own.dir().join("stop").exists());
    }

    #[test]
    fn folders_that_a_command_has_closed_are_removed_and_links_among_them_left_to_lead_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let (outside, closed) = (dir.path().join("outside"), dir.path().join("scratch/cache"));
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let close = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        fs::create_dir_all(closed.join("deep")).unwrap();
        fs::write(closed.join("deep/file"), "").unwrap();
        fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, closed.join("link")).unwrap();
        for (path, mode) in [(&closed.join("deep"), 0), (&closed, 0o555), (&outside, 0o500)] {
            close(path, mode);
        }
        open_folders(&closed);
        assert_eq!(
            (mode(&closed), mode(&closed.join("deep")), mode(&outside)),
            (0o755, 0o700, 0o500)
        );
        close(&closed, 0o555);
        remove(&dir.path().join("scratch")).unwrap();
        assert!(!closed.exists() && outside.exists());
    }
}
