//! Durable writes: temporary file in the same folder, sync, rename, sync of the folder.

use super::StoreError;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How temporary files are called, so that a cleaner knows them.
pub(crate) const TEMPORARY: &str = ".tmp-";

/// When what is written will outlive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Before the call returns.
    Now,
    /// From the next [`Store::syncing`](super::Store::syncing) on: for what is sooner made again than synced by itself.
    Later,
}

impl Durability {
    pub(crate) fn of_file(self, file: &File, path: &Path) -> Result<(), StoreError> {
        match self {
            Self::Now => file.sync_all().map_err(StoreError::writing(path)),
            Self::Later => Ok(()),
        }
    }

    /// Makes the entries of a folder durable: without it a rename may be forgotten after a power cut.
    pub(crate) fn of_dir(self, dir: &Path) -> Result<(), StoreError> {
        match self {
            Self::Now => File::open(dir)
                .and_then(|dir| dir.sync_all())
                .map_err(StoreError::writing(dir)),
            Self::Later => Ok(()),
        }
    }
}

/// Writes out all that waits in the file system of `dir`.
pub(crate) fn sync_file_system(dir: &Path) -> Result<(), StoreError> {
    File::open(dir)
        .and_then(|dir| Ok(rustix::fs::syncfs(dir)?))
        .map_err(StoreError::writing(dir))
}

pub(crate) fn create_dir(dir: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(dir).map_err(StoreError::writing(dir))
}

/// Replaces `path` by `bytes`; a reader sees the old file or the new, never a part.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let (dir, temporary) = temporary_beside(path, bytes)?;
    Durability::Now.of_file(temporary.as_file(), path)?;
    temporary
        .persist(path)
        .map_err(|e| StoreError::writing(path)(e.error))?;
    Durability::Now.of_dir(dir)
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
pub(crate) fn write_new(
    path: &Path,
    bytes: &[u8],
    durability: Durability,
    between: impl FnOnce(),
) -> Result<bool, StoreError> {
    let (dir, temporary) = temporary_beside(path, bytes)?;
    durability.of_file(temporary.as_file(), path)?;
    between();
    match temporary.persist_noclobber(path) {
        Ok(_) => durability.of_dir(dir).map(|()| true),
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

/// Flags for opening a file of the store: a link is not followed and a pipe is not waited for.
pub(crate) fn plain_flags() -> i32 {
    i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).expect("flags of `open` are small numbers")
}

/// Refuses a path that cannot be said in one line of text, as job files and workers must be told it.
pub(crate) fn refuse_unprintable(path: &Path) -> Result<(), StoreError> {
    match path.to_str().is_some_and(|text| !text.contains('\n')) {
        true => Ok(()),
        false => Err(StoreError::Unprintable(path.to_owned())),
    }
}

/// Opens a plain file for reading.  Links and pipes, which no part of the program makes here, are refused.
pub(crate) fn open_plain(path: &Path) -> io::Result<File> {
    open_plain_with(File::options().read(true), path)
}

/// As [`open_plain`], with these options.
pub(crate) fn open_plain_with(options: &mut fs::OpenOptions, path: &Path) -> io::Result<File> {
    let opened = options.custom_flags(plain_flags()).open(path);
    let file = opened.map_err(|e| if is_link(&e) { io::Error::other(LINK) } else { e })?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no plain file")),
    }
}

const LINK: &str = "it is a symbolic link, and a store holds none";

/// Whether opening failed since a link stands there.
pub(crate) fn is_link(e: &io::Error) -> bool {
    e.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// The content of a plain file of at most `most` bytes.
pub(crate) fn read_plain(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open_plain(path)?;
    // Room for all of it and for noticing the end: else it is read piece by piece, the first of 32 bytes.
    let room = file.metadata()?.len().min(most) + 1;
    let mut bytes = Vec::with_capacity(usize::try_from(room).map_err(io::Error::other)?);
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it is larger than {most} bytes")));
    }
    Ok(bytes)
}

/// Refuses to go through links below one of the store's own folders: they may lead anywhere.  The folders themselves
/// (`objects`, `work`, …) may be links, since a user may have put one on another disk.
pub(crate) fn refuse_links(root: &Path, dir: &Path) -> Result<(), StoreError> {
    let Ok(below) = dir.strip_prefix(root) else {
        return Ok(());
    };
    let mut path = root.to_owned();
    for (depth, part) in below.components().enumerate() {
        path.push(part);
        if depth > 0 && path.is_symlink() {
            return Err(StoreError::Link(path));
        }
    }
    Ok(())
}

/// The name of a network file system, by the number that `statfs` gives for it (linux/magic.h and the vendors' sources).
pub(crate) fn network(number: u64) -> Option<&'static str> {
    Some(match number {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x0bd0_0bd0 => "Lustre",
        0x1983_0326 => "BeeGFS",
        0x4750_4653 => "GPFS",
        0x0102_1997 => "9p",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x6573_5546 => "FUSE",
        _ => return None,
    })
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
        assert!(write_new(&path, b"one", Durability::Now, || ()).unwrap());
        assert!(!write_new(&path, b"two", Durability::Later, || ()).unwrap());
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
    fn a_link_a_pipe_and_a_folder_are_no_plain_files() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link, pipe) = (
            dir.path().join("file"),
            dir.path().join("link"),
            dir.path().join("pipe"),
        );
        fs::write(&file, "abc").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert_eq!(read_plain(&file, 3).unwrap(), b"abc");
        assert!(read_plain(&link, 3).unwrap_err().to_string().contains("symbolic link"));
        assert!(read_plain(&pipe, 3).unwrap_err().to_string().contains("plain file"));
        assert!(read_plain(dir.path(), 3).is_err());
    }

    #[test]
    fn a_file_larger_than_expected_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // Sparse: it has no blocks, but as many bytes as it says.
        file.as_file().set_len(1 << 40).unwrap();
        assert!(
            read_plain(file.path(), 1000)
                .unwrap_err()
                .to_string()
                .contains("larger")
        );
    }

    #[test]
    fn links_below_the_folders_of_a_store_are_refused_and_the_folders_may_be_links() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        fs::create_dir_all(root.join("objects/ab")).unwrap();
        fs::create_dir(dir.path().join("other")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("other"), root.join("work")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("other"), root.join("objects/cd")).unwrap();
        refuse_links(&root, &root.join("objects/ab")).unwrap();
        refuse_links(&root, &root.join("objects/none")).unwrap();
        refuse_links(&root, &root.join("work/x")).unwrap();
        let error = refuse_links(&root, &root.join("objects/cd")).unwrap_err();
        assert!(error.to_string().contains("objects/cd is a symbolic link"), "{error}");
    }

    #[test]
    fn random_names_differ() {
        assert_ne!(random_name(), random_name());
        assert_eq!(random_name().len(), 16);
    }
}
