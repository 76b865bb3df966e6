//! Scaffolding for tests of the store.

use super::{Declared, Durability, Holder, Provenance, Publication, Published, Store, StoreError};
use crate::digest::Digest;
use crate::key::{ActionKey, SCHEMA};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// A fresh store in a folder that goes away with the first value.
pub(crate) fn scratch() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    (dir, store)
}

/// A folder on another file system than the temporary folder, where the machine has one.
pub(crate) fn other_file_system() -> Option<TempDir> {
    use std::os::unix::fs::MetadataExt;
    let elsewhere = tempfile::tempdir_in("/dev/shm").ok()?;
    let device = |path: &std::path::Path| fs::metadata(path).map(|meta| meta.dev()).ok();
    (device(elsewhere.path()) != device(&std::env::temp_dir())).then_some(elsewhere)
}

/// The catalogue's entry of an action.
pub(crate) fn entry(store: &Store, key: &Digest) -> super::Entry {
    let all = store.catalogue().unwrap().entries;
    all.into_iter().find(|entry| entry.key == *key).unwrap()
}

/// Leaves the events of an invocation that found `keys` in the store; it runs until the result is dropped.
pub(crate) fn record_run(store: &Store, run: &str, experiment: &str, at: &str, keys: &[Digest]) -> fs::File {
    let dir = store.run_dir(run);
    fs::create_dir_all(&dir).unwrap();
    let mut text = json!({"event": "started", "experiment": experiment, "at": at}).to_string() + "\n";
    for key in keys {
        text += &(json!({"event": "cached", "key": key, "at": at}).to_string() + "\n");
    }
    fs::write(dir.join("events.jsonl"), text).unwrap();
    super::lock::mark_used(&dir.join("used")).unwrap()
}

pub(crate) fn put(store: &Store, bytes: &[u8]) -> Digest {
    let file = store.root().join("work/loose");
    fs::write(&file, bytes).unwrap();
    let digest = Digest::of(bytes);
    store.adopt(&file, &digest, Durability::Now).unwrap();
    digest
}

/// Overwrites an object in place, as no part of the program would.
pub(crate) fn damage(store: &Store, digest: &Digest, bytes: &[u8]) {
    let path = store.object_path(digest);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, bytes).unwrap();
}

/// An action with the outputs `data` (a file) and `score` (a value).
pub(crate) fn action(config: i64) -> ActionKey {
    ActionKey {
        schema: SCHEMA,
        stage: "toy".into(),
        version: 1,
        config: json!({ "n": config }),
        seed: None,
        inputs: BTreeMap::new(),
        sources: BTreeMap::new(),
        outputs: [
            ("data".to_owned(), "points".to_owned()),
            ("score".to_owned(), "metrics".to_owned()),
        ]
        .into(),
    }
}

/// Publishes an action as a worker would: `None` leaves an output out.
pub(crate) fn publish(
    store: &Store,
    action: &ActionKey,
    data: Option<&str>,
    score: Option<&str>,
) -> Result<Published, StoreError> {
    publish_with(store, action, data, score, &[])
}

pub(crate) fn publish_with(
    store: &Store,
    action: &ActionKey,
    data: Option<&str>,
    score: Option<&str>,
    inputs: &[Digest],
) -> Result<Published, StoreError> {
    let key = action.digest();
    let attempt = store.new_attempt(&key)?;
    for (name, text) in [("data", data), ("score", score)] {
        if let Some(text) = text {
            let path = attempt.output(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
    // A cleaner may hold it for a moment.
    let lock = loop {
        if let Some(lock) = store.try_lock(&key, &Holder::this_process("test"))? {
            break lock;
        }
        std::thread::yield_now();
    };
    let published = store.publish(
        &lock,
        Publication {
            action,
            attempt: &attempt,
            outputs: &[
                (
                    "data".to_owned(),
                    Declared {
                        artifact: "points".into(),
                        value: false,
                        optional: true,
                    },
                ),
                (
                    "score".to_owned(),
                    Declared {
                        artifact: "metrics".into(),
                        value: true,
                        optional: false,
                    },
                ),
            ]
            .into(),
            inputs,
            provenance: Provenance {
                attempt: attempt.number(),
                started: super::time::now(),
                ..Provenance::default()
            },
            durability: Durability::Now,
        },
    );
    store.sweep(&lock, &key, Some(attempt.number()), published.is_ok())?;
    published
}
