//! The lock between whoever publishes and whoever removes objects, and how far locks can be trusted.
//!
//! Between adopting an object and writing the manifest that names it, nothing in the store says that the object is wanted.
//! So a publisher holds `publish.lock` shared for that time, and a cleaner holds it alone while it finds out what is named
//! and removes the rest.  Neither waits for anything else while it holds it.

use super::{Store, StoreError, disk, lock};
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

/// Holds the gate until dropped.
#[derive(Debug)]
pub(super) struct Gate {
    _file: File,
}

/// How far the locks of the store's file system reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locks {
    /// All processes that can reach the store are on this host.
    Sound,
    /// A network file system, by its name: locks work here, but other hosts may not see them.
    Network(&'static str),
    Absent,
}

impl Locks {
    /// What users should know; nothing if all is well.
    pub fn warning(self) -> Option<String> {
        let what = match self {
            Self::Sound => return None,
            Self::Network(name) => {
                format!("lies on a network file system ({name}), whose locks other hosts may not see")
            }
            Self::Absent => "lies on a file system without locks".to_owned(),
        };
        Some(format!(
            "the store {what}: two invocations may run one action at the same time; the first to publish wins and nothing \
             is lost but time"
        ))
    }
}

impl Store {
    /// Lets no cleaner remove objects until the result is dropped.
    pub(super) fn publishing(&self) -> Result<Gate, StoreError> {
        self.enter(lock::try_shared)
    }

    /// Lets nobody publish until the result is dropped.
    pub(super) fn alone(&self) -> Result<Gate, StoreError> {
        self.enter(lock::try_exclusive)
    }

    fn enter(&self, take: impl Fn(&File) -> Result<(), TryLockError>) -> Result<Gate, StoreError> {
        let path = self.gate_path();
        let file = lock::open(&path)?;
        loop {
            match take(&file) {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(2)),
                Err(TryLockError::Error(e)) if lock::without_locks(&e) => break,
                Err(TryLockError::Error(e)) => return Err(StoreError::writing(&path)(e)),
            }
        }
        Ok(Gate { _file: file })
    }

    fn gate_path(&self) -> PathBuf {
        self.root.join("publish.lock")
    }

    /// How far locks can be trusted here; takes one for a moment to see.
    pub fn locks(&self) -> Result<Locks, StoreError> {
        let path = self.gate_path();
        let file = lock::open(&path)?;
        match lock::try_shared(&file) {
            Err(TryLockError::Error(e)) if lock::without_locks(&e) => return Ok(Locks::Absent),
            Err(TryLockError::Error(e)) => return Err(StoreError::writing(&path)(e)),
            Ok(()) | Err(TryLockError::WouldBlock) => {}
        }
        let system = rustix::fs::fstatfs(&file).map_err(|e| StoreError::reading(&path)(e.into()))?;
        Ok(disk::network(system.f_type as u64 & 0xffff_ffff).map_or(Locks::Sound, Locks::Network))
    }
}

#[cfg(test)]
mod tests {
    use super::super::failpoint;
    use super::super::testing::scratch;
    use super::*;

    #[test]
    fn several_publish_at_a_time_and_a_cleaner_is_alone() {
        let (_dir, store) = scratch();
        let path = store.gate_path();
        let (first, second) = (store.publishing().unwrap(), store.publishing().unwrap());
        let cleaner = lock::open(&path).unwrap();
        assert!(lock::try_exclusive(&cleaner).is_err());
        drop((first, second));
        let alone = store.alone().unwrap();
        assert!(lock::try_shared(&cleaner).is_err());
        drop(alone);
        assert!(lock::try_shared(&cleaner).is_ok());
    }

    #[test]
    fn sound_locks_need_no_words_and_others_are_told_of_once() {
        let (_dir, store) = scratch();
        assert_eq!(store.locks().unwrap(), Locks::Sound);
        assert_eq!(Locks::Sound.warning(), None);
        failpoint::LOCKLESS.set(true);
        assert_eq!(store.locks().unwrap(), Locks::Absent);
        insta::assert_snapshot!(Locks::Absent.warning().unwrap(), @"the store lies on a file system without locks: two invocations may run one action at the same time; the first to publish wins and nothing is lost but time");
        insta::assert_snapshot!(Locks::Network("NFS").warning().unwrap(), @"the store lies on a network file system (NFS), whose locks other hosts may not see: two invocations may run one action at the same time; the first to publish wins and nothing is lost but time");
    }

    #[test]
    fn without_locks_publishing_waits_for_nobody() {
        failpoint::LOCKLESS.set(true);
        let (_dir, store) = scratch();
        let _first = store.alone().unwrap();
        let _second = store.publishing().unwrap();
    }

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        assert_eq!(disk::network(0x6969), Some("NFS"));
        assert_eq!(disk::network(0xff53_4d42), Some("SMB"));
        assert_eq!(disk::network(0xef53), None, "ext4");
    }
}
