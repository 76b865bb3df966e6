//! All manifests at a glance: what cleaning, checking and forecasting need of each, without the rest.

use super::actions::{Flaw, read_as};
use super::files::{self, Kind};
use super::{Divergent, Presence, Store, StoreError, StoredOutput, parallel};
use crate::digest::Digest;
use crate::job::{DEVICE_MEMORY, Origin};
use crate::key::{InputKey, settings_digest};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Every manifest of a store.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// By key.
    pub entries: Vec<Entry>,
    /// Files at places of manifests that cannot be read.
    pub unreadable: Vec<Unreadable>,
}

/// One finished action.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: Digest,
    /// The stage kind.
    pub kind: String,
    /// See [`settings_digest`].
    pub settings: Digest,
    /// Digests of the artifacts it read.
    pub inputs: Vec<Digest>,
    pub outputs: Vec<Held>,
    pub device: String,
    /// Bytes of an accelerator's memory that it told of.
    pub device_memory: Option<u64>,
    pub attempt: u32,
    /// UTC, RFC 3339.
    pub started: String,
    pub seconds: f64,
    /// Who asked for it first.
    pub origin: Origin,
}

/// An output of an [`Entry`].
#[derive(Clone, Debug)]
pub struct Held {
    pub name: String,
    pub stored: StoredOutput,
    /// Its content stands in the manifest, too.
    pub value: bool,
    /// From a later attempt that gave other bytes.
    pub divergent: bool,
}

/// A manifest that this build cannot read.
#[derive(Debug)]
pub struct Unreadable {
    pub path: PathBuf,
    /// None if its file name is no key.
    pub key: Option<Digest>,
    pub what: String,
    /// Written by a newer build, so it is no damage.
    pub newer: bool,
}

impl Entry {
    /// Outputs whose objects should be there.
    pub fn present(&self) -> impl Iterator<Item = &Held> {
        self.outputs.iter().filter(|o| o.stored.state == Presence::Present)
    }

    /// Bytes of its first outputs.
    pub fn bytes(&self) -> u64 {
        let first = self.outputs.iter().filter(|output| !output.divergent);
        first.map(|output| output.stored.size).sum()
    }
}

/// The part of a manifest that is read.
#[derive(Deserialize)]
struct Sketch {
    version: u32,
    action: Action,
    outputs: BTreeMap<String, StoredOutput>,
    #[serde(default)]
    values: BTreeMap<String, IgnoredAny>,
    provenance: Provenance,
    #[serde(default)]
    divergent: Vec<Divergent>,
}

#[derive(Deserialize)]
struct Action {
    stage: String,
    config: Value,
    inputs: BTreeMap<String, InputKey>,
}

#[derive(Deserialize)]
struct Provenance {
    device: String,
    #[serde(default)]
    libraries: BTreeMap<String, String>,
    #[serde(default)]
    attempt: u32,
    started: String,
    seconds: f64,
    origin: Origin,
}

impl Sketch {
    fn entry(self, key: Digest) -> Entry {
        let Self { values, .. } = self;
        let held = |(name, stored): (String, StoredOutput), divergent: bool| Held {
            value: !divergent && values.contains_key(&name),
            name,
            stored,
            divergent,
        };
        let first = self.outputs.into_iter().map(|output| held(output, false));
        let others = self.divergent.into_iter().flat_map(|other| other.outputs);
        let inputs = self.action.inputs.into_values().flat_map(|input| match input {
            InputKey::One(digest) => vec![digest],
            InputKey::Gathered(all) => all.into_iter().map(|member| member.digest).collect(),
        });
        Entry {
            key,
            kind: self.action.stage,
            settings: settings_digest(&self.action.config),
            inputs: inputs.collect(),
            outputs: first.chain(others.map(|output| held(output, true))).collect(),
            device: self.provenance.device,
            device_memory: self
                .provenance
                .libraries
                .get(DEVICE_MEMORY)
                .and_then(|n| n.parse().ok()),
            attempt: self.provenance.attempt,
            started: self.provenance.started,
            seconds: self.provenance.seconds.max(0.0),
            origin: self.provenance.origin,
        }
    }
}

impl Store {
    /// All manifests, each read once and most of it forgotten.  An error means that the folder cannot be listed.
    pub fn catalogue(&self) -> Result<Catalogue, StoreError> {
        let listed = files::list(&self.root.join("actions"), ".json")?;
        let read = parallel::map(&listed, |listed| {
            let (key, what, newer) = match listed.kind {
                Kind::Temporary | Kind::Foreign => return None,
                Kind::Link => (None, StoreError::Link(listed.path.clone()).to_string(), false),
                Kind::Named(key) => match read_as(&listed.path, |sketch: &Sketch| sketch.version) {
                    Ok(sketch) => return sketch.map(|sketch| Ok(sketch.entry(key))),
                    Err(Flaw::Damaged(what)) => (Some(key), what, false),
                    Err(Flaw::Newer(version)) => (Some(key), newer_words(version), true),
                },
            };
            let path = listed.path.clone();
            Some(Err(Unreadable { path, key, what, newer }))
        });
        let mut catalogue = Catalogue::default();
        for one in read.into_iter().flatten() {
            match one {
                Ok(entry) => catalogue.entries.push(entry),
                Err(unreadable) => catalogue.unreadable.push(unreadable),
            }
        }
        Ok(catalogue)
    }
}

fn newer_words(version: u64) -> String {
    format!("it has version {version}, this build knows {}", super::MANIFEST)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{action, publish, publish_with, put, scratch};
    use super::*;
    use std::fs;

    #[test]
    fn a_catalogue_holds_what_the_manifests_say() {
        let (_dir, store) = scratch();
        let input = put(&store, b"input");
        let mut reader = action(2);
        reader.inputs.insert("points".into(), InputKey::One(input));
        publish(&store, &action(1), Some("abc"), Some("1")).unwrap();
        publish(&store, &action(1), Some("abcd"), Some("1")).unwrap();
        publish_with(&store, &reader, None, Some("2"), &[input]).unwrap();
        let catalogue = store.catalogue().unwrap();
        let find = |key: Digest| catalogue.entries.iter().find(|entry| entry.key == key).unwrap();
        let entry = find(action(1).digest());
        let outputs: Vec<_> = entry
            .outputs
            .iter()
            .map(|o| (o.name.as_str(), o.stored.size, o.value, o.divergent))
            .collect();
        assert_eq!(
            outputs,
            [
                ("data", 3, false, false),
                ("score", 1, true, false),
                ("data", 4, false, true)
            ]
        );
        assert_eq!((entry.kind.as_str(), entry.bytes()), ("toy", 4));
        assert_eq!(find(reader.digest()).inputs, [input]);
    }

    #[test]
    fn manifests_that_cannot_be_read_are_named_and_newer_ones_are_no_damage() {
        let (_dir, store) = scratch();
        for n in 1..4 {
            publish(&store, &action(n), None, Some("1")).unwrap();
        }
        let path = |n| store.manifest_path(&action(n).digest());
        fs::write(path(1), "{").unwrap();
        fs::write(path(2), r#"{"version": 99}"#).unwrap();
        let catalogue = store.catalogue().unwrap();
        assert_eq!(catalogue.entries.len(), 1);
        let mut newer: Vec<_> = catalogue.unreadable.iter().map(|u| (u.newer, u.path.clone())).collect();
        newer.sort();
        assert_eq!(newer, [(false, path(1)), (true, path(2))]);
    }
}
