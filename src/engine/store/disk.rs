//! Durable writes: temporary file in the same folder, sync, rename, sync of the folder.

use super::StoreError;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How temporary files are called, so that a cleaner knows them.
pub(crate) const TEMPORARY: &str = ".tmp-";

/// Makes the entries of a folder durable: without it a rename may be forgotten after a power cut.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(StoreError::writing(dir))
}

pub(crate) fn create_dir(dir: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(dir).map_err(StoreError::writing(dir))
}

/// Replaces `path` by `bytes`; a reader sees the old file or the new, never a part.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let (dir, temporary) = temporary_beside(path, bytes)?;
    temporary
        .persist(path)
        .map_err(|e| StoreError::writing(path)(e.error))?;
    sync_dir(dir)
}

/// As [`write_atomic`], but may be forgotten in a power cut: for messages between processes that would be gone as well.
pub(crate) fn write_message(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = temporary_beside(path, bytes)?.1;
    temporary
        .persist(path)
        .map(drop)
        .map_err(|e| StoreError::writing(path)(e.error))
}

/// Writes `path` unless it exists; says whether it was written.
pub(crate) fn write_new(path: &Path, bytes: &[u8], between: impl FnOnce()) -> Result<bool, StoreError> {
    let (dir, temporary) = temporary_beside(path, bytes)?;
    temporary.as_file().sync_all().map_err(StoreError::writing(path))?;
    between();
    match temporary.persist_noclobber(path) {
        Ok(_) => sync_dir(dir).map(|()| true),
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(StoreError::writing(path)(e.error)),
    }
}

fn temporary_beside<'a>(path: &'a Path, bytes: &[u8]) -> Result<(&'a Path, tempfile::NamedTempFile), StoreError> {
    let dir = path.parent().expect("files of a store lie in a folder");
    create_dir(dir)?;
    let mut temporary = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .permissions(fs::Permissions::from_mode(0o644))
        .tempfile_in(dir)
        .map_err(StoreError::writing(dir))?;
    temporary.write_all(bytes).map_err(StoreError::writing(path))?;
    Ok((dir, temporary))
}

/// What the file system says of a file; a change of content changes it.
///
/// Times have the kernel's tick as their grain, so a file written twice within a tick can look unchanged: a stamp is
/// trusted only if the file had been [`Stamp::still`] for a while when it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
    inode: u64,
}

impl Stamp {
    pub(crate) fn of(meta: &fs::Metadata) -> Self {
        Self {
            size: meta.size(),
            mtime: (meta.mtime(), meta.mtime_nsec()),
            ctime: (meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
        }
    }

    /// Whether the file had not been touched for two seconds at `now`. A change time in the future is not still.
    pub(crate) fn still(&self, now: SystemTime) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let (seconds, nanos) = self.mtime.max(self.ctime);
        let Ok(seconds) = u64::try_from(seconds) else {
            return true;
        };
        let touched = Duration::new(seconds, u32::try_from(nanos).unwrap_or(0));
        now.checked_sub(touched)
            .is_some_and(|age| age >= Duration::from_secs(2))
    }
}

/// A random name: 16 hexadecimal digits.
pub(crate) fn random_name() -> String {
    use std::io::Read;
    let mut bytes = [0; 8];
    match File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes)) {
        Ok(()) => u64::from_ne_bytes(bytes),
        // No kernel randomness: a hash map's own start state is random too.
        Err(_) => std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::process::id()),
    }
    .to_be_bytes()
    .iter()
    .map(|byte| format!("{byte:02x}"))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_no_temporary_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/file");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn the_first_writer_of_a_new_file_wins() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        assert!(write_new(&path, b"one", || ()).unwrap());
        assert!(!write_new(&path, b"two", || ()).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_just_written_is_not_still_and_one_left_alone_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stamp = Stamp::of(&file.as_file().metadata().unwrap());
        let now = SystemTime::now();
        assert!(!stamp.still(now));
        assert!(stamp.still(now + Duration::from_secs(10)));
        assert!(
            !stamp.still(now - Duration::from_secs(100)),
            "a change time in the future"
        );
    }

    #[test]
    fn random_names_differ() {
        assert_ne!(random_name(), random_name());
        assert_eq!(random_name().len(), 16);
    }
}
