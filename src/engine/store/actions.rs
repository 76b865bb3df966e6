//! Manifests: looking them up, listing them.

use super::files::{self, Kind};
use super::{MANIFEST, Manifest, Presence, Store, StoreError, disk, seal};
use crate::digest::Digest;
use crate::key::ActionKey;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The last layout whose text did not begin with its digest.
const UNSEALED: u32 = 1;
/// Larger files are no manifests: gathering 100,000 members takes a third of this.
const LARGEST: u64 = 64 << 20;

/// What lies at the place of a manifest.
pub(super) enum Record {
    None,
    Good(Box<Manifest>),
    /// Written by a newer build.
    Newer(u64),
    Damaged(String),
}

impl Store {
    pub(super) fn manifest_path(&self, key: &Digest) -> PathBuf {
        self.root.join("actions").join(format!("{}.json", key.sharded()))
    }

    /// The result of an action, if it can be used: its manifest reads well and every object that should be present is,
    /// with the right size.  Anything odd is a miss with a warning.
    pub fn lookup(&self, key: &Digest) -> Option<Manifest> {
        self.usable(key, |manifest| manifest.key() == *key)
    }

    /// [`Store::lookup`] for who has the action of that key at hand: to compare costs less than to hash.
    pub fn lookup_as(&self, key: &Digest, action: &ActionKey) -> Option<Manifest> {
        // Equal numbers may be spelled differently, and then only the key tells.
        self.usable(key, |manifest| manifest.action == *action || manifest.key() == *key)
    }

    fn usable(&self, key: &Digest, of_this_action: impl Fn(&Manifest) -> bool) -> Option<Manifest> {
        let miss = |what: &str| {
            tracing::warn!(
                "{}: {what}; the action counts as not done",
                self.manifest_path(key).display()
            );
            None
        };
        match self.record_if(key, of_this_action) {
            Record::None => None,
            Record::Damaged(what) => miss(&what),
            Record::Newer(version) => miss(&format!("it has version {version}, this build knows {MANIFEST}")),
            Record::Good(manifest) => match self.objects_there(&manifest) {
                Ok(()) => Some(*manifest),
                Err(what) => miss(&what),
            },
        }
    }

    /// The manifest of an action as it stands, whether or not its objects are there.
    pub fn manifest(&self, key: &Digest) -> Option<Manifest> {
        match self.record(key) {
            Record::Good(manifest) => Some(*manifest),
            _ => None,
        }
    }

    /// Fails if a newer build made the result of an action: this one could neither read nor replace it.
    pub(crate) fn refuse_newer(&self, key: &Digest) -> Result<(), StoreError> {
        match self.record(key) {
            Record::Newer(version) => Err(newer(self.manifest_path(key), version)),
            _ => Ok(()),
        }
    }

    /// Whether something lies at the place of an action's manifest that cannot be read.
    pub fn is_damaged(&self, key: &Digest) -> bool {
        matches!(self.record(key), Record::Damaged(_))
    }

    pub(super) fn record(&self, key: &Digest) -> Record {
        self.record_if(key, |manifest| manifest.key() == *key)
    }

    fn record_if(&self, key: &Digest, of_this_action: impl Fn(&Manifest) -> bool) -> Record {
        let path = self.manifest_path(key);
        let folder = path.parent().expect("manifests lie in a folder");
        if let Err(link) = disk::refuse_links(&self.root, folder) {
            return Record::Damaged(link.to_string());
        }
        match read(&path) {
            Record::Good(manifest) if !of_this_action(&manifest) => {
                Record::Damaged(format!("it describes action {}", manifest.key().short()))
            }
            other => other,
        }
    }

    /// Every present output has its object, in full length; otherwise says what is wrong.
    pub(super) fn objects_there(&self, manifest: &Manifest) -> Result<(), String> {
        for (name, output) in manifest.outputs.iter().filter(|(_, o)| o.state == Presence::Present) {
            let object = || self.object_path(&output.digest).display().to_string();
            match self.object_size(&output.digest) {
                Some(size) if size == output.size => {}
                Some(size) => {
                    return Err(format!(
                        "output {name}: {} has {size} bytes in place of {}",
                        object(),
                        output.size
                    ));
                }
                None => return Err(format!("output {name}: {} is missing", object())),
            }
        }
        Ok(())
    }

    /// All readable manifests, by key; damaged ones are named in a warning.
    pub fn manifests(&self) -> BTreeMap<Digest, Manifest> {
        let mut found = BTreeMap::new();
        let listed = files::list(&self.root.join("actions"), ".json").unwrap_or_else(|e| {
            tracing::warn!("{e}");
            vec![]
        });
        for entry in listed {
            let Kind::Named(key) = entry.kind else { continue };
            match self.record(&key) {
                Record::Good(manifest) => drop(found.insert(key, *manifest)),
                Record::None => {}
                Record::Newer(version) => tracing::warn!("{}: version {version} is unknown here", entry.path.display()),
                Record::Damaged(what) => tracing::warn!("{}: {what}", entry.path.display()),
            }
        }
        found
    }
}

/// What is said of a manifest of a newer build.
pub(super) fn newer(path: PathBuf, version: u64) -> StoreError {
    let what = format!("version {version}, this build knows {MANIFEST}");
    StoreError::Newer { path, what }
}

fn read(path: &Path) -> Record {
    match read_as(path, |manifest: &Manifest| manifest.version) {
        Ok(Some(manifest)) => Record::Good(Box::new(manifest)),
        Ok(None) => Record::None,
        Err(Flaw::Newer(version)) => Record::Newer(version),
        Err(Flaw::Damaged(what)) => Record::Damaged(what),
    }
}

/// What is wrong with a manifest.
pub(super) enum Flaw {
    Newer(u64),
    Damaged(String),
}

/// A manifest, or the part of it that `T` wants; none if there is none.
pub(super) fn read_as<T: DeserializeOwned>(path: &Path, version: impl Fn(&T) -> u32) -> Result<Option<T>, Flaw> {
    let text = match disk::read_plain(path, LARGEST) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Flaw::Damaged(e.to_string())),
    };
    let (sealed, intact) = (seal::sealed(&text), seal::intact(&text));
    if sealed && !intact {
        return Err(Flaw::Damaged("its text does not have the digest it begins with".into()));
    }
    #[derive(serde::Deserialize)]
    struct Header {
        version: u64,
    }
    let newest = u64::from(MANIFEST);
    match (serde_json::from_slice::<T>(&text), sealed) {
        (Ok(manifest), true) if version(&manifest) == MANIFEST => Ok(Some(manifest)),
        (Ok(manifest), false) if version(&manifest) == UNSEALED => Ok(Some(manifest)),
        (parsed, _) => match (serde_json::from_slice::<Header>(&text), parsed.err()) {
            (Ok(Header { version }), _) if version > newest => Err(Flaw::Newer(version)),
            (Ok(_), None) => Err(Flaw::Damaged("it does not begin with its digest".into())),
            (Ok(_), Some(e)) | (Err(e), _) => Err(Flaw::Damaged(format!("it cannot be read: {e}"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{action, damage, publish, scratch};
    use super::*;
    use serde_json::{Value, json};
    use std::fs;

    #[test]
    fn what_was_published_is_found_and_what_was_not_is_a_miss() {
        let (_dir, store) = scratch();
        publish(&store, &action(1), Some("a"), Some(r#"{"acc": 0.5}"#)).unwrap();
        let found = store.lookup(&action(1).digest()).unwrap();
        assert_eq!(found.outputs["data"].digest, Digest::of(b"a"));
        assert_eq!(found.values["score"], json!({"acc": 0.5}));
        assert!(store.lookup(&action(2).digest()).is_none());
    }

    #[test]
    fn a_torn_manifest_is_a_miss() {
        let (_dir, store) = scratch();
        publish(&store, &action(1), Some("a"), Some("1")).unwrap();
        let path = store.manifest_path(&action(1).digest());
        let text = fs::read(&path).unwrap();
        for length in [0, 1, text.len() / 2, text.len() - 3] {
            fs::write(&path, &text[..length]).unwrap();
            assert!(store.lookup(&action(1).digest()).is_none(), "{length} bytes");
            assert!(store.is_damaged(&action(1).digest()));
            assert!(store.manifests().is_empty());
        }
        fs::write(&path, &text).unwrap();
        assert!(store.lookup(&action(1).digest()).is_some());
    }

    #[test]
    fn a_flipped_bit_anywhere_in_a_manifest_is_a_miss() {
        let (_dir, store) = scratch();
        publish(&store, &action(1), Some("a"), Some(r#"{"acc": 0.97}"#)).unwrap();
        let path = store.manifest_path(&action(1).digest());
        let text = fs::read(&path).unwrap();
        for at in 0..text.len() {
            let mut flipped = text.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&path, &flipped).unwrap();
            assert!(store.manifest(&action(1).digest()).is_none(), "byte {at}");
        }
    }

    #[test]
    fn a_manifest_of_the_first_layout_is_read_and_one_stripped_of_its_digest_is_not() {
        let (_dir, store) = scratch();
        let manifest = publish(&store, &action(1), Some("a"), Some("1")).unwrap().manifest;
        let path = store.manifest_path(&action(1).digest());
        let write = |version| {
            let manifest = Manifest {
                version,
                ..manifest.clone()
            };
            fs::write(&path, serde_json::to_vec_pretty(&manifest).unwrap()).unwrap();
        };
        write(1);
        assert!(store.lookup(&action(1).digest()).is_some());
        write(2);
        assert!(store.lookup(&action(1).digest()).is_none());
    }

    #[test]
    fn a_manifest_that_is_a_link_or_huge_or_deep_is_a_miss() {
        let (dir, store) = scratch();
        publish(&store, &action(1), Some("a"), Some("1")).unwrap();
        let (path, target) = (store.manifest_path(&action(1).digest()), dir.path().join("target"));
        fs::rename(&path, &target).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(store.lookup(&action(1).digest()).is_none());
        fs::remove_file(&path).unwrap();
        fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert!(store.lookup(&action(1).digest()).is_none());
        fs::write(&path, "[".repeat(100_000)).unwrap();
        assert!(store.lookup(&action(1).digest()).is_none());
        fs::remove_file(&path).unwrap();
        fs::rename(&target, &path).unwrap();
        assert!(store.lookup(&action(1).digest()).is_some());
    }

    #[test]
    fn a_manifest_at_the_place_of_another_is_a_miss() {
        let (_dir, store) = scratch();
        publish(&store, &action(1), Some("a"), Some("1")).unwrap();
        let other = store.manifest_path(&action(2).digest());
        fs::create_dir_all(other.parent().unwrap()).unwrap();
        fs::copy(store.manifest_path(&action(1).digest()), other).unwrap();
        assert!(store.lookup(&action(2).digest()).is_none());
        assert!(store.lookup_as(&action(2).digest(), &action(2)).is_none());
    }

    #[test]
    fn who_has_the_action_finds_its_result_however_numbers_are_spelled() {
        let (_dir, store) = scratch();
        let with = |n: Value| ActionKey {
            config: json!({"n": n}),
            ..action(1)
        };
        publish(&store, &with(json!(100)), Some("a"), Some("1")).unwrap();
        for n in [json!(100), json!(100.0), json!(1e2)] {
            assert!(store.lookup_as(&with(n.clone()).digest(), &with(n)).is_some());
        }
        assert!(store.lookup_as(&with(json!(101)).digest(), &with(json!(101))).is_none());
    }

    #[test]
    fn a_missing_object_is_a_miss_and_so_is_a_short_one() {
        let (_dir, store) = scratch();
        publish(&store, &action(1), Some("abc"), Some("1")).unwrap();
        damage(&store, &Digest::of(b"abc"), b"ab");
        assert!(store.lookup(&action(1).digest()).is_none());
        damage(&store, &Digest::of(b"abc"), b"abc");
        assert!(store.lookup(&action(1).digest()).is_some());
        fs::remove_file(store.object_path(&Digest::of(b"abc"))).unwrap();
        assert!(store.lookup(&action(1).digest()).is_none());
    }

    #[test]
    fn an_evicted_output_is_still_a_hit() {
        let (_dir, store) = scratch();
        let mut manifest = publish(&store, &action(1), Some("abc"), Some("1")).unwrap().manifest;
        manifest.outputs.get_mut("data").unwrap().state = Presence::Evicted;
        let holder = super::super::Holder::this_process("gc");
        let lock = store.try_lock(&action(1).digest(), &holder).unwrap().unwrap();
        store.rewrite_manifest(&lock, &manifest).unwrap();
        fs::remove_file(store.object_path(&Digest::of(b"abc"))).unwrap();
        assert!(!store.lookup(&action(1).digest()).unwrap().complete());
    }

    #[test]
    fn a_manifest_of_a_newer_build_is_a_miss_and_is_not_overwritten() {
        let (_dir, store) = scratch();
        publish(&store, &action(1), Some("a"), Some("1")).unwrap();
        let path = store.manifest_path(&action(1).digest());
        fs::write(&path, r#"{"version": 99, "else": true}"#).unwrap();
        assert!(store.lookup(&action(1).digest()).is_none());
        let error = publish(&store, &action(1), Some("a"), Some("1")).unwrap_err();
        for error in [error, store.refuse_newer(&action(1).digest()).unwrap_err()] {
            let said = error.to_string();
            assert!(said.contains("newer moelab") && !said.contains("repairs"), "{said}");
        }
        assert!(fs::read_to_string(&path).unwrap().contains("else"));
    }
}
