//! One lock per key, held by the operating system: it dies with its process, so there is nothing to unlock by hand.

use super::{StoreError, disk, failpoint};
#[cfg(test)]
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Who holds a lock: for messages alone, never for decisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    pub host: String,
    /// UTC, RFC 3339.
    pub since: String,
    /// The invocation that asked for the action.
    pub run: String,
}

impl Holder {
    pub fn this_process(run: &str) -> Self {
        Self {
            pid: std::process::id(),
            host: super::time::host(),
            since: super::time::now(),
            run: run.to_owned(),
        }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {} since {}", self.pid, self.host, self.since)?;
        if self.run.is_empty() {
            Ok(())
        } else {
            write!(f, " (run {})", self.run)
        }
    }
}

/// A held lock. Dropping it lets go.
#[derive(Debug)]
pub struct KeyLock {
    file: File,
    path: PathBuf,
}

impl KeyLock {
    /// Takes the lock if nobody holds it.
    pub(crate) fn try_take(path: &Path, holder: &Holder) -> Result<Option<Self>, StoreError> {
        disk::create_dir(path.parent().expect("lock files lie in a folder"))?;
        // A loop, since a holder removes the file when it lets go: whoever then locks the removed file holds nothing.
        loop {
            let file = open(path)?;
            match try_exclusive(&file) {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(e)) if stale(&e) => continue,
                // Then the first to publish wins, as `Store::locks` tells whoever started the run.
                Err(TryLockError::Error(e)) if without_locks(&e) => {}
                Err(TryLockError::Error(e)) => return Err(StoreError::writing(path)(e)),
            }
            if !same_file(&file, path)? {
                continue;
            }
            let mut lock = Self {
                file,
                path: path.to_owned(),
            };
            lock.describe(holder);
            return Ok(Some(lock));
        }
    }

    /// Who holds the lock, if anybody does. A file nobody has locked was left by a dead process.
    pub(crate) fn held(path: &Path) -> Option<Holder> {
        // The lock itself is exclusive, so a shared one is refused as well, and may be asked for through a file opened for
        // reading where locks are those of bytes (NFS).  Where there are none nobody can be said to hold one.
        let locked = |file: File| matches!(try_shared(&file), Err(TryLockError::WouldBlock));
        let unknown = || Holder {
            pid: 0,
            host: "unknown".into(),
            since: "unknown".into(),
            run: String::new(),
        };
        File::open(path)
            .is_ok_and(locked)
            .then(|| Self::holder(path).unwrap_or_else(unknown))
    }

    /// Who last described itself in the lock file, if that can be read.
    pub(crate) fn holder(path: &Path) -> Option<Holder> {
        serde_json::from_slice(&disk::read_plain(path, 64 * 1024).ok()?).ok()
    }

    fn describe(&mut self, holder: &Holder) {
        let text = serde_json::to_vec(holder).expect("a holder is plain data");
        // Only a message: failing to write it must not cost the lock.
        let written = self
            .file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| self.file.write_all(&text));
        if let Err(e) = written {
            tracing::debug!("{}: {e}", self.path.display());
        }
    }
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        // Removed while held: a waiter that locks the removed file sees that its name is gone and asks again.
        if same_file(&self.file, &self.path).unwrap_or(false) {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Whether `path` still names the open file.
fn same_file(file: &File, path: &Path) -> Result<bool, StoreError> {
    let open = match file.metadata() {
        Ok(meta) => meta,
        Err(e) if stale(&e) => return Ok(false),
        Err(e) => return Err(StoreError::reading(path)(e)),
    };
    match fs::symlink_metadata(path) {
        Ok(named) => Ok(open.nlink() > 0 && (open.dev(), open.ino()) == (named.dev(), named.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound || stale(&e) => Ok(false),
        Err(e) => Err(StoreError::reading(path)(e)),
    }
}

/// The file was removed on the server of a network file system.
fn stale(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::StaleNetworkFileHandle
}

/// Opens a lock file, making it if need be; a link planted in its place would have another file written to.
pub(super) fn open(path: &Path) -> Result<File, StoreError> {
    let opened = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(disk::plain_flags())
        .open(path);
    opened.map_err(|e| match disk::is_link(&e) {
        true => StoreError::Link(path.to_owned()),
        false => StoreError::writing(path)(e),
    })
}

pub(super) fn try_exclusive(file: &File) -> Result<(), TryLockError> {
    #[cfg(test)]
    if failpoint::BYTE_LOCKS.get() && rustix::fs::fcntl_getfl(file).unwrap() & OFlags::RWMODE == OFlags::RDONLY {
        return Err(TryLockError::Error(rustix::io::Errno::BADF.into()));
    }
    answered(|| file.try_lock())
}

pub(super) fn try_shared(file: &File) -> Result<(), TryLockError> {
    answered(|| file.try_lock_shared())
}

/// The system's answer, unless a test wants that of a file system without locks.
fn answered(ask: impl FnOnce() -> Result<(), TryLockError>) -> Result<(), TryLockError> {
    match failpoint::without_locks() {
        true => Err(TryLockError::Error(rustix::io::Errno::NOLCK.into())),
        false => ask(),
    }
}

pub(super) fn without_locks(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::Unsupported || e.raw_os_error() == Some(rustix::io::Errno::NOLCK.raw_os_error())
}

/// A shared lock on a file that says "this folder is in use"; see [`in_use`].
pub(crate) fn mark_used(path: &Path) -> Result<File, StoreError> {
    let file = open(path)?;
    loop {
        match try_shared(&file) {
            Ok(()) => return Ok(file),
            // A cleaner asks whether it is used, and lets go at once.
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            Err(TryLockError::Error(e)) if without_locks(&e) => return Ok(file),
            Err(TryLockError::Error(e)) => return Err(StoreError::writing(path)(e)),
        }
    }
}

/// Whether a living process marked this file as used. In doubt it did.
pub(crate) fn in_use(path: &Path) -> bool {
    // Marks are shared, so one must be asked for that is not: where locks are those of bytes (NFS), that takes a file
    // opened for writing.
    let opened = match disk::open_plain_with(File::options().read(true).write(true), path) {
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            disk::open_plain(path)
        }
        other => other,
    };
    match opened {
        Ok(file) => try_exclusive(&file).is_err(),
        Err(e) => e.kind() != io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(run: &str) -> Holder {
        Holder::this_process(run)
    }

    #[test]
    fn a_held_lock_is_refused_and_a_dropped_one_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("locks/key");
        let held = KeyLock::try_take(&path, &holder("a")).unwrap().expect("free");
        assert!(KeyLock::try_take(&path, &holder("b")).unwrap().is_none());
        assert_eq!(KeyLock::holder(&path).unwrap().run, "a");
        drop(held);
        assert!(!path.exists(), "nothing is left behind");
        assert!(KeyLock::try_take(&path, &holder("b")).unwrap().is_some());
    }

    #[test]
    fn the_holder_of_a_lock_is_seen_without_taking_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert_eq!(KeyLock::held(&path), None);
        let held = KeyLock::try_take(&path, &holder("a")).unwrap();
        assert_eq!(KeyLock::held(&path).unwrap().run, "a");
        drop(held);
        fs::write(&path, "{}").unwrap();
        assert_eq!(KeyLock::held(&path), None, "left by a dead process");
    }

    #[test]
    fn a_lock_file_left_by_a_dead_process_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(
            &path,
            r#"{"pid":1,"host":"h","since":"s","run":"long and old, longer than the new one"}"#,
        )
        .unwrap();
        let held = KeyLock::try_take(&path, &holder("b")).unwrap();
        assert!(held.is_some());
        assert_eq!(KeyLock::holder(&path).unwrap().run, "b");
    }

    #[test]
    fn a_lock_on_a_removed_file_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let held = KeyLock::try_take(&path, &holder("a")).unwrap().unwrap();
        fs::remove_file(&path).unwrap();
        let other = KeyLock::try_take(&path, &holder("b")).unwrap().expect("another file");
        drop(held);
        assert!(path.exists(), "the new holder's file is not removed by the old one");
        drop(other);
    }

    #[test]
    fn a_lock_file_that_is_a_link_is_refused_and_its_target_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (path, target) = (dir.path().join("key"), dir.path().join("target"));
        fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        let error = KeyLock::try_take(&path, &holder("a")).unwrap_err();
        assert!(matches!(error, StoreError::Link(_)), "{error}");
        assert!(mark_used(&path).is_err());
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    }

    #[test]
    fn without_locks_everybody_gets_one_and_everything_may_be_in_use() {
        failpoint::LOCKLESS.set(true);
        let dir = tempfile::tempdir().unwrap();
        let (path, used) = (dir.path().join("key"), dir.path().join("used"));
        let first = KeyLock::try_take(&path, &holder("a")).unwrap();
        let second = KeyLock::try_take(&path, &holder("b")).unwrap();
        assert!(first.is_some() && second.is_some());
        drop(mark_used(&used).unwrap());
        assert!(in_use(&used), "in doubt it is");
    }

    #[test]
    fn where_locks_are_those_of_bytes_holders_and_marks_are_seen_all_the_same() {
        failpoint::BYTE_LOCKS.set(true);
        let dir = tempfile::tempdir().unwrap();
        let (path, used) = (dir.path().join("key"), dir.path().join("used"));
        let held = KeyLock::try_take(&path, &holder("a")).unwrap();
        assert_eq!(KeyLock::held(&path).unwrap().run, "a");
        drop(held);
        let mark = mark_used(&used).unwrap();
        assert!(in_use(&used));
        drop(mark);
        assert!(!in_use(&used));
    }

    #[test]
    fn a_folder_is_in_use_while_its_mark_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("used");
        assert!(!in_use(&path));
        let mark = mark_used(&path).unwrap();
        let second = mark_used(&path).unwrap();
        assert!(in_use(&path));
        drop(mark);
        assert!(in_use(&path));
        drop(second);
        assert!(!in_use(&path));
    }
}
