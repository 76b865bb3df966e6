//! What the store's bytes are spent on.

use super::actions::files_two_deep;
use super::{Presence, Store};
use crate::digest::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A number of files and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Share {
    pub files: u64,
    pub bytes: u64,
}

impl Share {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// The numbers `moelab du` shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Usage {
    pub actions: u64,
    pub objects: Share,
    /// By artifact type; an object that serves two types counts for the alphabetically first.
    pub by_artifact: BTreeMap<String, Share>,
    /// Objects no manifest names.
    pub unreferenced: Share,
    /// Outputs given up for space, with the bytes they had.
    pub evicted: Share,
    /// Job folders, logs and checkpoints.
    pub work: Share,
    pub runs: Share,
}

impl Store {
    pub fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        let mut types: BTreeMap<Digest, BTreeSet<String>> = BTreeMap::new();
        for manifest in self.manifests().into_values() {
            usage.actions += 1;
            let divergent = manifest.divergent.iter().flat_map(|d| d.outputs.values());
            for output in manifest.outputs.values().chain(divergent) {
                match output.state {
                    Presence::Present => drop(types.entry(output.digest).or_default().insert(output.artifact.clone())),
                    Presence::Evicted => usage.evicted.add(output.size),
                }
            }
        }
        for path in files_two_deep(&self.root.join("objects")) {
            let Ok(meta) = fs::metadata(&path) else { continue };
            usage.objects.add(meta.len());
            match digest_of(&path).and_then(|digest| types.get(&digest)?.first()) {
                Some(artifact) => usage.by_artifact.entry(artifact.clone()).or_default().add(meta.len()),
                None => usage.unreferenced.add(meta.len()),
            }
        }
        add_tree(&self.root.join("work"), &mut usage.work);
        add_tree(&self.root.join("runs"), &mut usage.runs);
        usage
    }
}

/// The digest an object's path spells.
fn digest_of(path: &Path) -> Option<Digest> {
    let name = path.file_name()?.to_str()?;
    let shard = path.parent()?.file_name()?.to_str()?;
    format!("{shard}{name}").parse().ok()
}

fn add_tree(dir: &Path, share: &mut Share) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(meta) if meta.is_dir() => add_tree(&entry.path(), share),
            Ok(meta) => share.add(meta.len()),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{action, publish, put, scratch};
    use super::*;

    #[test]
    fn an_empty_store_uses_nothing() {
        let (_dir, store) = scratch();
        assert_eq!(store.usage(), Usage::default());
    }

    #[test]
    fn bytes_are_counted_once_and_by_type() {
        let (_dir, store) = scratch();
        publish(&store, &action(1), Some("abc"), Some("1")).unwrap();
        publish(&store, &action(2), Some("abc"), Some("22")).unwrap();
        put(&store, b"nobody's");
        let usage = store.usage();
        assert_eq!(usage.actions, 2);
        assert_eq!(
            usage.objects,
            Share {
                files: 4,
                bytes: 3 + 1 + 2 + 8
            }
        );
        assert_eq!(usage.by_artifact["points"], Share { files: 1, bytes: 3 });
        assert_eq!(usage.by_artifact["metrics"], Share { files: 2, bytes: 3 });
        assert_eq!(usage.unreferenced, Share { files: 1, bytes: 8 });
    }
}
