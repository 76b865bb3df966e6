//! Manifests: looking them up, listing them.

use super::{MANIFEST, Manifest, Presence, Store};
use crate::digest::Digest;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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
        let miss = |what: &str| {
            tracing::warn!(
                "{}: {what}; the action counts as not done",
                self.manifest_path(key).display()
            );
            None
        };
        match self.record(key) {
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

    pub(super) fn record(&self, key: &Digest) -> Record {
        let record = read(&self.manifest_path(key));
        match record {
            Record::Good(manifest) if manifest.key() != *key => {
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
        for path in files_two_deep(&self.root.join("actions")) {
            match read(&path) {
                Record::Good(manifest) => drop(found.insert(manifest.key(), *manifest)),
                Record::None => {}
                Record::Newer(version) => tracing::warn!("{}: version {version} is unknown here", path.display()),
                Record::Damaged(what) => tracing::warn!("{}: {what}", path.display()),
            }
        }
        found
    }

    /// Results of a stage kind, the newest first: what a changed action is compared with.
    pub fn newest(&self, kind: &str) -> Vec<Manifest> {
        let mut found: Vec<_> = self
            .manifests()
            .into_values()
            .filter(|m| m.action.stage == kind)
            .collect();
        // Equal seconds keep the order of keys: the sort is stable.
        found.sort_by(|a, b| b.provenance.started.cmp(&a.provenance.started));
        found
    }

    /// The content of a value output, from the manifest alone.
    pub fn value(&self, key: &Digest, output: &str) -> Option<Value> {
        self.manifest(key)?.values.remove(output)
    }
}

fn read(path: &Path) -> Record {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Record::None,
        Err(e) => return Record::Damaged(e.to_string()),
    };
    #[derive(serde::Deserialize)]
    struct Header {
        version: u64,
    }
    match serde_json::from_slice::<Header>(&text) {
        Ok(Header { version }) if version > u64::from(MANIFEST) => return Record::Newer(version),
        Ok(_) => {}
        Err(e) => return Record::Damaged(format!("it cannot be read: {e}")),
    }
    match serde_json::from_slice(&text) {
        Ok(manifest) => Record::Good(Box::new(manifest)),
        Err(e) => Record::Damaged(format!("it cannot be read: {e}")),
    }
}

/// Files at `dir/ab/name`, sorted, without temporary ones.
pub(super) fn files_two_deep(dir: &Path) -> Vec<PathBuf> {
    let entries = |dir: &Path| {
        fs::read_dir(dir)
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path())
            .collect::<Vec<_>>()
    };
    let temporary = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(super::disk::TEMPORARY))
    };
    let mut files: Vec<_> = entries(dir)
        .iter()
        .flat_map(|dir| entries(dir))
        .filter(|path| !temporary(path))
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::super::testing::{action, damage, publish, scratch};
    use super::*;
    use serde_json::json;

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
    fn a_value_is_read_without_its_object() {
        let (_dir, store) = scratch();
        publish(&store, &action(1), None, Some("12")).unwrap();
        fs::remove_file(store.object_path(&Digest::of(b"12"))).unwrap();
        assert_eq!(store.value(&action(1).digest(), "score"), Some(json!(12)));
        assert_eq!(store.value(&action(1).digest(), "data"), None);
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
            assert!(store.manifests().is_empty());
        }
        fs::write(&path, &text).unwrap();
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
        assert!(error.to_string().contains("newer"), "{error}");
        assert!(fs::read_to_string(&path).unwrap().contains("else"));
    }

    #[test]
    fn the_newest_results_of_a_kind_come_first() {
        let (_dir, store) = scratch();
        for (n, started) in [
            (1, "2026-01-01T00:00:00Z"),
            (2, "2026-03-01T00:00:00Z"),
            (3, "2026-02-01T00:00:00Z"),
        ] {
            let mut manifest = publish(&store, &action(n), None, Some("1")).unwrap().manifest;
            manifest.provenance.started = started.into();
            let lock = store
                .try_lock(&manifest.key(), &super::super::Holder::this_process("t"))
                .unwrap()
                .unwrap();
            store.rewrite_manifest(&lock, &manifest).unwrap();
        }
        let order: Vec<_> = store
            .newest("toy")
            .iter()
            .map(|m| m.action.config["n"].clone())
            .collect();
        assert_eq!(order, [2, 3, 1]);
        assert!(store.newest("other").is_empty());
    }
}
