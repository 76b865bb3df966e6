//! Digests of external files, remembered so that large ones are not read on every plan.
//!
//! A remembered digest is trusted only while path, size, times and inode are what they were, and only if the file had been
//! left alone for two seconds when it was read.  For a file that is gone the last digest is all that is known: a table can
//! be made on a machine without the data.

use super::disk::{self, Stamp};
use super::{Store, StoreError, seal};
use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Digests of external files by path and by how the file was read.
#[derive(Debug)]
pub struct SourceMemory {
    path: PathBuf,
    files: BTreeMap<String, Remembered>,
    /// What is new since the last [`SourceMemory::save`].
    learnt: BTreeMap<String, Remembered>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Remembered {
    stamp: Stamp,
    digest: Digest,
    /// Whether the file had been still when it was read; otherwise the digest serves only a file that is gone.
    still: bool,
}

/// The digest of an external file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceDigest {
    Current(Digest),
    /// The file is not there; this is the digest it had last.
    Remembered(Digest),
}

impl SourceDigest {
    pub fn digest(self) -> Digest {
        match self {
            Self::Current(digest) | Self::Remembered(digest) => digest,
        }
    }
}

impl Store {
    /// What this store remembers of external files.
    pub fn source_memory(&self) -> SourceMemory {
        SourceMemory::load(&self.root.join("sources.json"))
    }
}

impl SourceMemory {
    /// Reads a memory; one that cannot be read is empty, which costs time but is never wrong.
    pub fn load(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            files: read(path),
            learnt: BTreeMap::new(),
        }
    }

    /// The digest of a file, or of a folder, which is read each time.  `how` names the way `hash` reads it (`raw`, `gunzip`,
    /// …), so that two ways do not mix.
    pub fn digest(
        &mut self,
        file: &Path,
        how: &str,
        hash: impl FnOnce(&mut dyn io::Read) -> io::Result<Digest>,
    ) -> io::Result<SourceDigest> {
        self.digest_at(file, how, SystemTime::now(), hash)
    }

    fn digest_at(
        &mut self,
        file: &Path,
        how: &str,
        now: SystemTime,
        hash: impl FnOnce(&mut dyn io::Read) -> io::Result<Digest>,
    ) -> io::Result<SourceDigest> {
        let name = format!("{how}:{}", std::path::absolute(file)?.display());
        let known = self.files.get(&name);
        let mut open = match File::open(file) {
            Ok(open) => open,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return known.map(|known| SourceDigest::Remembered(known.digest)).ok_or(e);
            }
            Err(e) => return Err(e),
        };
        let meta = open.metadata()?;
        let stamp = Stamp::of(&meta);
        // A folder's stamp says nothing of what lies deeper in it: it is remembered for when it is gone, and no longer.
        let whole = !meta.is_dir();
        if let Some(known) = known
            && known.still
            && known.stamp == stamp
        {
            return Ok(SourceDigest::Current(known.digest));
        }
        let digest = hash(&mut open)?;
        // Changed while it was read: the digest may be of a mixture, so it must not be trusted later.
        let still = whole && stamp.still(now) && Stamp::of(&open.metadata()?) == stamp;
        let newest = Remembered { stamp, digest, still };
        if known != Some(&newest) {
            self.learnt.insert(name.clone(), newest.clone());
        }
        self.files.insert(name, newest);
        Ok(SourceDigest::Current(digest))
    }

    /// Writes what was learnt here and nothing else: of the rest others may know more by now.
    pub fn save(&mut self) -> Result<(), StoreError> {
        if self.learnt.is_empty() {
            return Ok(());
        }
        let mut files = read(&self.path);
        files.append(&mut self.learnt.clone());
        disk::write_atomic(&self.path, &seal::seal(&Saved { files }))?;
        self.learnt.clear();
        Ok(())
    }
}

/// `sources.json`: one flipped bit in a digest would make a wrong key, so the text carries its own.
#[derive(Serialize, Deserialize)]
struct Saved {
    files: BTreeMap<String, Remembered>,
}

/// Far more than a million files need.
const LARGEST: u64 = 1 << 30;

fn read(path: &Path) -> BTreeMap<String, Remembered> {
    let text = match disk::read_plain(path, LARGEST) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return BTreeMap::new(),
        Err(e) => return forget(path, &e.to_string()),
    };
    match serde_json::from_slice::<Saved>(&text) {
        Ok(saved) if seal::intact(&text) => saved.files,
        Ok(_) => forget(path, "its text does not have the digest it begins with"),
        Err(e) => forget(path, &e.to_string()),
    }
}

fn forget(path: &Path, why: &str) -> BTreeMap<String, Remembered> {
    tracing::warn!("{}: {why}; external files are read again", path.display());
    BTreeMap::new()
}

static MEMORY: Mutex<Option<SourceMemory>> = Mutex::new(None);

/// Lets [`digest_file`] use this memory in the whole process: stages ask for digests through plain functions.
pub fn remember_with(memory: SourceMemory) {
    *MEMORY.lock().unwrap_or_else(PoisonError::into_inner) = Some(memory);
}

/// Saves the memory of the process, if there is one.
pub fn save() -> Result<(), StoreError> {
    MEMORY
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .as_mut()
        .map_or(Ok(()), SourceMemory::save)
}

/// The digest of a file's bytes, with the memory of the process if there is one.
pub fn digest_file(file: &Path) -> io::Result<SourceDigest> {
    digest_with(file, "raw", |reader| {
        Digest::of_reader(reader).map(|(digest, _)| digest)
    })
}

/// As [`digest_file`], with another way to read the file, named by `how`.
pub fn digest_with(
    file: &Path,
    how: &str,
    hash: impl FnOnce(&mut dyn io::Read) -> io::Result<Digest>,
) -> io::Result<SourceDigest> {
    match MEMORY.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        Some(memory) => memory.digest(file, how, hash),
        None => hash(&mut File::open(file)?).map(SourceDigest::Current),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Duration;

    fn later() -> SystemTime {
        SystemTime::now() + Duration::from_secs(60)
    }

    /// The digest, and whether the file was read for it.
    fn ask(memory: &mut SourceMemory, file: &Path, now: SystemTime) -> (io::Result<SourceDigest>, bool) {
        let mut read = false;
        let digest = memory.digest_at(file, "raw", now, |reader| {
            read = true;
            Digest::of_reader(reader).map(|(digest, _)| digest)
        });
        (digest, read)
    }

    #[test]
    fn a_still_file_is_read_once_also_by_the_next_process() {
        let dir = tempfile::tempdir().unwrap();
        let (file, path) = (dir.path().join("file"), dir.path().join("sources.json"));
        fs::write(&file, "abc").unwrap();
        let mut memory = SourceMemory::load(&path);
        assert!(ask(&mut memory, &file, later()).1);
        assert!(!ask(&mut memory, &file, later()).1);
        memory.save().unwrap();
        let (digest, read) = ask(&mut SourceMemory::load(&path), &file, later());
        assert_eq!(
            (digest.unwrap(), read),
            (SourceDigest::Current(Digest::of(b"abc")), false)
        );
    }

    #[test]
    fn a_file_just_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let mut memory = SourceMemory::load(&dir.path().join("sources.json"));
        fs::write(&file, "abc").unwrap();
        assert!(ask(&mut memory, &file, SystemTime::now()).1);
        fs::write(&file, "abd").unwrap();
        let (digest, read) = ask(&mut memory, &file, SystemTime::now());
        assert_eq!((digest.unwrap().digest(), read), (Digest::of(b"abd"), true));
    }

    #[test]
    fn a_changed_file_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let mut memory = SourceMemory::load(&dir.path().join("sources.json"));
        fs::write(&file, "abc").unwrap();
        ask(&mut memory, &file, later()).0.unwrap();
        fs::write(&file, "abcd").unwrap();
        let (digest, read) = ask(&mut memory, &file, later());
        assert_eq!((digest.unwrap().digest(), read), (Digest::of(b"abcd"), true));
    }

    #[test]
    fn a_file_that_is_gone_has_its_last_digest_and_an_unknown_one_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let mut memory = SourceMemory::load(&dir.path().join("sources.json"));
        assert!(ask(&mut memory, &file, later()).0.is_err());
        fs::write(&file, "abc").unwrap();
        ask(&mut memory, &file, SystemTime::now()).0.unwrap();
        fs::remove_file(&file).unwrap();
        assert_eq!(
            ask(&mut memory, &file, later()).0.unwrap(),
            SourceDigest::Remembered(Digest::of(b"abc"))
        );
    }

    #[test]
    fn two_ways_to_read_a_file_do_not_mix() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "abc").unwrap();
        let mut memory = SourceMemory::load(&dir.path().join("sources.json"));
        ask(&mut memory, &file, later()).0.unwrap();
        let other = memory
            .digest_at(&file, "other", later(), |_| Ok(Digest::of(b"decoded")))
            .unwrap();
        assert_eq!(other.digest(), Digest::of(b"decoded"));
    }

    #[test]
    fn two_processes_keep_what_both_learnt_and_a_damaged_memory_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sources.json");
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&a, "a").unwrap();
        fs::write(&b, "b").unwrap();
        let (mut first, mut second) = (SourceMemory::load(&path), SourceMemory::load(&path));
        ask(&mut first, &a, later()).0.unwrap();
        ask(&mut second, &b, later()).0.unwrap();
        first.save().unwrap();
        second.save().unwrap();
        let mut both = SourceMemory::load(&path);
        assert!(!ask(&mut both, &a, later()).1 && !ask(&mut both, &b, later()).1);
        let text = fs::read_to_string(&path).unwrap();
        let flipped = text.replace(&Digest::of(b"a").hex(), &Digest::of(b"c").hex());
        assert_ne!(text, flipped);
        for damaged in ["{", &flipped] {
            fs::write(&path, damaged).unwrap();
            assert!(ask(&mut SourceMemory::load(&path), &a, later()).1);
        }
    }

    #[test]
    fn what_another_process_learnt_is_not_put_back_by_an_older_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sources.json");
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        let learn = |memory: &mut SourceMemory, file: &Path, text: &str| {
            fs::write(file, text).unwrap();
            assert!(ask(memory, file, later()).1);
            memory.save().unwrap();
        };
        learn(&mut SourceMemory::load(&path), &a, "old");
        let mut older = SourceMemory::load(&path);
        learn(&mut SourceMemory::load(&path), &a, "newer");
        learn(&mut older, &b, "b");
        let (digest, read) = ask(&mut SourceMemory::load(&path), &a, later());
        assert_eq!((digest.unwrap().digest(), read), (Digest::of(b"newer"), false));
    }
}
