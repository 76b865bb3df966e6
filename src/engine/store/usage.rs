//! What the store's bytes are spent on.

use super::catalogue::Held;
use super::files::{self, Kind};
use super::units::size;
use super::{Presence, Store, StoreError};
use crate::digest::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

/// A number of files and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Share {
    pub files: u64,
    pub bytes: u64,
}

impl Share {
    pub(super) fn add(&mut self, bytes: u64) {
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
    /// By the experiment that asked for the result first; an object of several counts once, as above.
    pub by_experiment: BTreeMap<String, Share>,
    /// Objects no manifest names.
    pub unreferenced: Share,
    /// Outputs given up for space, with the bytes they had.
    pub evicted: Share,
    /// Job folders, logs and checkpoints.
    pub work: Share,
    pub runs: Share,
}

impl Store {
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let mut usage = Usage::default();
        let mut named: BTreeMap<Digest, BTreeSet<(String, String)>> = BTreeMap::new();
        for entry in self.catalogue()?.entries {
            usage.actions += 1;
            for Held { stored, .. } in entry.outputs {
                match stored.state {
                    Presence::Present => {
                        let by = (stored.artifact, entry.origin.experiment.clone());
                        named.entry(stored.digest).or_default().insert(by);
                    }
                    Presence::Evicted => usage.evicted.add(stored.size),
                }
            }
        }
        for listed in files::list(&self.root.join("objects"), "")? {
            let Ok(meta) = listed.path.symlink_metadata() else {
                continue;
            };
            usage.objects.add(meta.len());
            let digest = match listed.kind {
                Kind::Named(digest) => Some(digest),
                _ => None,
            };
            match digest.and_then(|digest| named.get(&digest)?.first()) {
                Some((artifact, experiment)) => {
                    usage.by_artifact.entry(artifact.clone()).or_default().add(meta.len());
                    usage
                        .by_experiment
                        .entry(experiment.clone())
                        .or_default()
                        .add(meta.len());
                }
                None => usage.unreferenced.add(meta.len()),
            }
        }
        usage.work = tree(&self.root.join("work"));
        usage.runs = tree(&self.root.join("runs"));
        Ok(usage)
    }
}

/// All files below a folder; links count as themselves.
pub(super) fn tree(dir: &Path) -> Share {
    let mut share = Share::default();
    add_tree(dir, &mut share);
    share
}

fn add_tree(path: &Path, share: &mut Share) {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => {
            for (_, path, _) in files::entries(path).unwrap_or_default() {
                add_tree(&path, share);
            }
        }
        Ok(meta) => share.add(meta.len()),
        Err(_) => {}
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row =
            |name: &str, share: &Share| writeln!(f, "{name:<24} {:>9} {:>12}", share.files, size(share.bytes));
        row("objects", &self.objects)?;
        for (artifact, share) in &self.by_artifact {
            row(&format!("  {artifact}"), share)?;
        }
        if self.unreferenced.files > 0 {
            row("  of no result", &self.unreferenced)?;
        }
        row("work", &self.work)?;
        row("runs", &self.runs)?;
        if !self.by_experiment.is_empty() {
            writeln!(f, "\nobjects by the experiment that asked first")?;
        }
        for (experiment, share) in &self.by_experiment {
            let name = if experiment.is_empty() { "(none)" } else { experiment };
            writeln!(f, "  {name:<22} {:>9} {:>12}", share.files, size(share.bytes))?;
        }
        write!(f, "\n{} results", self.actions)?;
        if self.evicted.files > 0 {
            let Share { files, bytes } = self.evicted;
            write!(
                f,
                ", {files} outputs of which ({}) were given up for space",
                size(bytes)
            )?;
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{action, publish, put, scratch};
    use super::*;

    #[test]
    fn an_empty_store_uses_nothing() {
        let (_dir, store) = scratch();
        assert_eq!(store.usage().unwrap(), Usage::default());
    }

    #[test]
    fn bytes_are_counted_once_and_by_type() {
        let (_dir, store) = scratch();
        publish(&store, &action(1), Some("abc"), Some("1")).unwrap();
        publish(&store, &action(2), Some("abc"), Some("22")).unwrap();
        put(&store, b"nobody's");
        let usage = store.usage().unwrap();
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
        assert_eq!(usage.by_experiment[""], Share { files: 3, bytes: 6 });
        insta::assert_snapshot!(said(&usage), @r#"
        objects                          4         14 B
          metrics                        2          3 B
          points                         1          3 B
          of no result                   1          8 B
        runs                             0          0 B

        objects by the experiment that asked first
          (none)                         3          6 B

        2 results
        "#);
    }

    /// Without the lines whose figures depend on the clock's digits.
    fn said(usage: &Usage) -> String {
        let text = usage.to_string();
        let lines = text.lines().filter(|line| !line.starts_with("work"));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn links_are_counted_as_themselves() {
        let (dir, store) = scratch();
        std::fs::write(dir.path().join("big"), [0; 1000]).unwrap();
        std::os::unix::fs::symlink(dir.path(), store.root().join("work/link")).unwrap();
        assert!(store.usage().unwrap().work.bytes < 1000);
    }
}
