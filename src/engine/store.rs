//! The store: immutable objects named by their content, and one manifest per finished action.
//!
//! ```text
//! objects/ab/cdef…           read-only, named by SHA-256 of content
//! actions/ab/cdef….json      manifest
//! work/<key>/<attempt>/      job folder of one attempt; work/<key>/checkpoints/ outlives attempts
//! locks/<key>                held by the system while an action runs
//! runs/<run>/                what one invocation was asked and did
//! publish.lock               held by publishers together, by a cleaner alone
//! ```
//!
//! A manifest is written last, so what has one is complete; whatever cannot be trusted is a miss with a warning, never a
//! hit.  Reading takes no lock.

mod actions;
mod attempt;
mod catalogue;
pub(crate) mod disk;
mod error;
pub mod failpoint;
mod files;
mod gate;
mod gc;
pub(crate) mod lock;
mod manifest;
mod named;
mod objects;
mod parallel;
mod publish;
mod seal;
pub mod sources;
pub(crate) mod time;
mod units;
mod usage;
mod uses;
mod verify;

pub use attempt::Attempt;
pub use catalogue::{Catalogue, Entry, Held, Unreadable};
pub use disk::Durability;
pub use error::StoreError;
pub use gate::Locks;
pub use gc::{Cleaning, Eviction, Recompute, Selection};
pub use lock::{Holder, KeyLock};
pub use manifest::{Divergent, MANIFEST, Manifest, Presence, Provenance, StoredOutput};
pub use named::ResultName;
pub use publish::{Declared, Publication, Published};
pub use time::seconds as seconds_of;
pub use units::{Age, Size};
pub use usage::{Share, Usage};
pub use verify::{Damage, DamageKind, Verified};

use crate::digest::Digest;
use disk::Stamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Number of the layout above; a store of a higher number is refused.
pub const LAYOUT: u32 = 1;

/// A store on disk.
pub struct Store {
    root: PathBuf,
    /// Objects whose bytes were found to match their name in this process, with the stamp they had then.
    verified: Mutex<BTreeMap<Digest, Stamp>>,
}

impl Store {
    /// Opens a store for writing, making it if need be.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let store = Self::at(dir)?;
        for folder in ["objects", "actions", "work", "locks", "runs"] {
            disk::create_dir(&store.root.join(folder))?;
        }
        // Folders that exist say nothing of whether they can be written to.
        tempfile::Builder::new()
            .prefix(disk::TEMPORARY)
            .tempfile_in(store.root.join("work"))
            .map_err(StoreError::writing(&store.root))?;
        match store.layout()? {
            Some(_) => {}
            None => disk::write_atomic(&store.layout_path(), format!("{{\"layout\": {LAYOUT}}}\n").as_bytes())?,
        }
        Ok(store)
    }

    /// Opens a store that exists; nothing is written and no lock is taken.
    pub fn open_read_only(dir: &Path) -> Result<Self, StoreError> {
        let store = Self::at(dir)?;
        if !store.root.join("actions").is_dir() {
            return Err(StoreError::Missing(dir.to_owned()));
        }
        store.layout()?;
        Ok(store)
    }

    fn at(dir: &Path) -> Result<Self, StoreError> {
        // Jobs run elsewhere, so paths handed to them must not depend on the current folder.
        let root = std::path::absolute(dir).map_err(StoreError::reading(dir))?;
        disk::refuse_unprintable(&root)?;
        Ok(Self {
            root,
            verified: Mutex::default(),
        })
    }

    fn layout_path(&self) -> PathBuf {
        self.root.join("store.json")
    }

    fn layout(&self) -> Result<Option<u32>, StoreError> {
        let path = self.layout_path();
        let damaged = |what: String| StoreError::Damaged {
            path: path.clone(),
            what,
        };
        let text = match disk::read_plain(&path, 64 * 1024) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(StoreError::reading(&path)(e)),
        };
        let value: serde_json::Value = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        match value["layout"].as_u64() {
            Some(n) if n == u64::from(LAYOUT) => Ok(Some(LAYOUT)),
            Some(n) => Err(StoreError::Newer {
                what: format!("layout {n}, this build knows {LAYOUT}"),
                path: path.clone(),
            }),
            None => Err(damaged("it names no layout".into())),
        }
    }

    /// What makes durable all that was published with [`Durability::Later`] before it is called.
    pub fn syncing(&self) -> impl FnOnce() -> Result<(), StoreError> + Send + 'static {
        // Either may be a link to another file system.
        let folders = ["objects", "actions"].map(|folder| self.root.join(folder));
        move || folders.iter().try_for_each(|folder| disk::sync_file_system(folder))
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of one invocation.
    pub fn run_dir(&self, run: &str) -> PathBuf {
        self.root.join("runs").join(run)
    }

    /// Where attempts and checkpoints of an action lie.
    pub fn work_dir(&self, key: &Digest) -> PathBuf {
        self.root.join("work").join(key.hex())
    }

    /// Takes the lock of an action if nobody holds it.
    pub fn try_lock(&self, key: &Digest, holder: &Holder) -> Result<Option<KeyLock>, StoreError> {
        KeyLock::try_take(&self.lock_path(key), holder)
    }

    /// Who runs an action now, if anybody does. Only a glance: the next moment it may be otherwise.
    pub fn held(&self, key: &Digest) -> Option<Holder> {
        KeyLock::held(&self.lock_path(key))
    }

    fn lock_path(&self, key: &Digest) -> PathBuf {
        self.root.join("locks").join(key.hex())
    }
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_made_and_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        Store::open(&path).unwrap();
        let store = Store::open(&path).unwrap();
        assert!(store.root().join("objects").is_dir());
        Store::open_read_only(&path).unwrap();
    }

    #[test]
    fn reading_makes_no_store() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none");
        let error = Store::open_read_only(&path).err().expect("nothing there");
        assert!(matches!(error, StoreError::Missing(_)), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn a_place_that_cannot_hold_a_store_is_an_error_with_its_path() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Store::open(&file.path().join("store"))
            .err()
            .expect("a file is no folder");
        assert!(
            error.to_string().contains(&file.path().display().to_string()),
            "{error}"
        );
    }

    #[test]
    fn a_store_that_is_a_link_is_the_store_it_leads_to() {
        use testing::{action, publish};
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let store = Store::open(&link).unwrap();
        publish(&store, &action(1), Some("a"), Some("1")).unwrap();
        for path in [&link, &real] {
            let store = Store::open_read_only(path).unwrap();
            assert!(store.lookup(&action(1).digest()).unwrap().complete());
            assert!(store.verify().unwrap().damages.is_empty());
        }
    }

    #[test]
    fn readers_wait_for_no_lock() {
        use testing::{action, publish, scratch};
        let (_dir, store) = scratch();
        publish(&store, &action(1), Some("a"), Some("1")).unwrap();
        let key = action(1).digest();
        let _lock = store.try_lock(&key, &Holder::this_process("t")).unwrap().unwrap();
        let _gate = store.alone().unwrap();
        let reader = Store::open_read_only(store.root()).unwrap();
        let data = reader.lookup(&key).unwrap().outputs["data"].digest;
        assert_eq!(reader.read_object(&data).unwrap(), b"a");
        assert!(reader.verify().unwrap().damages.is_empty());
        reader.usage().unwrap();
        reader.gc_plan(&Selection::default()).unwrap();
    }

    #[test]
    fn a_store_that_cannot_be_written_to_is_read_and_not_opened_for_writing() {
        use std::os::unix::fs::PermissionsExt;
        use testing::{action, publish, scratch};
        let (_dir, store) = scratch();
        publish(&store, &action(1), Some("a"), Some("1")).unwrap();
        let work = store.root().join("work");
        let allow = |mode| std::fs::set_permissions(&work, std::fs::Permissions::from_mode(mode)).unwrap();
        allow(0o555);
        let opened = Store::open(store.root());
        let reader = Store::open_read_only(store.root()).unwrap();
        assert!(reader.lookup(&action(1).digest()).is_some());
        allow(0o755);
        match opened {
            Err(error) => assert_eq!(error.exit_code(), 6, "{error}"),
            Ok(_) => eprintln!("half left out: permissions do not bind this user"),
        }
    }

    #[test]
    fn a_store_whose_path_is_no_line_of_text_is_refused_before_it_is_made() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tempfile::tempdir().unwrap();
        for name in [&b"st\xffore"[..], b"st\nore"] {
            let path = dir.path().join(std::ffi::OsStr::from_bytes(name));
            let error = Store::open(&path).err().expect("it cannot be handed to a worker");
            assert_eq!(error.exit_code(), 2, "{error}");
            assert!(error.to_string().contains("st\\"), "{error}");
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_store_of_a_newer_layout_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        Store::open(dir.path()).unwrap();
        std::fs::write(dir.path().join("store.json"), r#"{"layout": 2}"#).unwrap();
        for result in [Store::open(dir.path()), Store::open_read_only(dir.path())] {
            assert!(result.err().unwrap().to_string().contains("newer"));
        }
    }
}
