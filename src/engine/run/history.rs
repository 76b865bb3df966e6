//! What earlier results tell of the actions to come: how long they take, how much room, how much of a device.

use crate::digest::Digest;
use crate::job::DEVICE_MEMORY;
use crate::key::ActionKey;
use crate::store::{Manifest, Store};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// At most this many keys of a stage kind are kept to be compared with a new one, the newest first.
const COMPARED: usize = 50;

/// What an action will take, judged by earlier results: the medians of those.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    pub seconds: f64,
    /// Size of its outputs.
    pub bytes: u64,
    /// The most memory of an accelerator that any of them told of, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_memory: Option<u64>,
    /// How many results stand behind it.
    pub results: usize,
    pub basis: Basis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Results of the same stage kind and settings: other seeds, other inputs.
    SameSettings,
    /// Results of the same stage kind.
    SameKind,
}

/// Earlier results by stage kind.
#[derive(Default)]
pub(super) struct History(HashMap<String, Kind>);

#[derive(Default)]
struct Kind {
    typical: Option<Estimate>,
    by_settings: HashMap<Digest, Estimate>,
    /// The newest first.
    keys: Vec<ActionKey>,
}

impl History {
    pub(super) fn read(store: &Store) -> Self {
        Self::from(store.manifests().into_values())
    }

    fn from(manifests: impl Iterator<Item = Manifest>) -> Self {
        let mut kinds: BTreeMap<String, Vec<Manifest>> = BTreeMap::new();
        for manifest in manifests {
            kinds.entry(manifest.action.stage.clone()).or_default().push(manifest);
        }
        let kind = |mut all: Vec<Manifest>| {
            all.sort_by(|a, b| b.provenance.started.cmp(&a.provenance.started));
            let mut groups: HashMap<Digest, Vec<&Manifest>> = HashMap::new();
            for manifest in &all {
                groups
                    .entry(settings(&manifest.action.config))
                    .or_default()
                    .push(manifest);
            }
            let same = |group: Vec<&Manifest>| estimate(&group, Basis::SameSettings);
            Kind {
                typical: Some(estimate(&all.iter().collect::<Vec<_>>(), Basis::SameKind)),
                by_settings: groups
                    .into_iter()
                    .map(|(settings, group)| (settings, same(group)))
                    .collect(),
                keys: all.into_iter().take(COMPARED).map(|manifest| manifest.action).collect(),
            }
        };
        Self(kinds.into_iter().map(|(name, all)| (name, kind(all))).collect())
    }

    /// What an action of these settings takes.
    pub(super) fn like(&self, kind: &str, config: &Value) -> Option<Estimate> {
        let kind = self.0.get(kind)?;
        kind.by_settings.get(&settings(config)).copied().or(kind.typical)
    }

    /// What an action of this kind takes.
    pub(super) fn of_kind(&self, kind: &str) -> Option<Estimate> {
        self.0.get(kind)?.typical
    }

    /// Keys of the newest results of a kind.
    pub(super) fn keys(&self, kind: &str) -> &[ActionKey] {
        self.0.get(kind).map_or(&[], |kind| &kind.keys)
    }
}

/// Equal for equal settings, however their numbers are spelled.
fn settings(config: &Value) -> Digest {
    let text = serde_json_canonicalizer::to_string(config).expect("settings hold finite numbers");
    Digest::of(text.as_bytes())
}

fn estimate(results: &[&Manifest], basis: Basis) -> Estimate {
    // The seconds of a later attempt are those since its last checkpoint.
    let whole: Vec<&&Manifest> = results.iter().filter(|m| m.provenance.attempt == 1).collect();
    let timed = if whole.is_empty() {
        results.iter().collect()
    } else {
        whole
    };
    let seconds = timed.iter().map(|m| m.provenance.seconds.max(0.0));
    let bytes = results
        .iter()
        .map(|m| m.outputs.values().map(|output| output.size).sum());
    let peaks = results
        .iter()
        .map(|m| m.provenance.libraries.get(DEVICE_MEMORY)?.parse().ok());
    Estimate {
        seconds: median(seconds.collect(), f64::total_cmp),
        bytes: median(bytes.collect(), Ord::cmp),
        // Other settings say nothing of it, and too little of it costs the job.
        device_memory: if basis == Basis::SameSettings {
            peaks.max().flatten()
        } else {
            None
        },
        results: results.len(),
        basis,
    }
}

/// The upper one of two in the middle.
fn median<T: Copy>(mut values: Vec<T>, order: impl Fn(&T, &T) -> std::cmp::Ordering) -> T {
    values.sort_by(order);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{action, publish, scratch};
    use serde_json::json;

    /// A result of `action(n)` that took so long.
    fn result(store: &Store, n: i64, seconds: f64) -> Manifest {
        let mut manifest = publish(store, &action(n), Some("abc"), Some("1")).unwrap().manifest;
        manifest.provenance.seconds = seconds;
        manifest.provenance.attempt = 1;
        manifest
    }

    fn of(results: &[Manifest]) -> History {
        History::from(results.iter().cloned())
    }

    #[test]
    fn results_of_the_same_settings_come_before_those_of_the_kind() {
        let (_dir, store) = scratch();
        let known = of(&[
            result(&store, 1, 10.0),
            result(&store, 2, 20.0),
            result(&store, 3, 90.0),
        ]);
        let one = known.like("toy", &action(1).config).unwrap();
        assert_eq!((one.seconds, one.results, one.basis), (10.0, 1, Basis::SameSettings));
        let other = known.like("toy", &json!({"n": 7})).unwrap();
        assert_eq!((other.seconds, other.results, other.basis), (20.0, 3, Basis::SameKind));
        assert_eq!(known.like("other", &action(1).config), None);
    }

    #[test]
    fn other_seeds_count_as_the_same_settings_and_the_middle_one_is_typical() {
        let (_dir, store) = scratch();
        let seeded = |seed: &str, seconds| {
            let mut manifest = result(&store, 1, seconds);
            manifest.action.seed = Some(seed.into());
            manifest
        };
        let known = of(&[seeded("1", 1.0), seeded("2", 100.0), seeded("3", 3.0)]);
        let typical = known.like("toy", &action(1).config).unwrap();
        assert_eq!((typical.seconds, typical.results), (3.0, 3));
    }

    #[test]
    fn the_room_is_that_of_all_outputs() {
        let (_dir, store) = scratch();
        assert_eq!(of(&[result(&store, 1, 1.0)]).of_kind("toy").unwrap().bytes, 3 + 1);
    }

    #[test]
    fn an_attempt_that_went_on_from_a_checkpoint_does_not_tell_the_time() {
        let (_dir, store) = scratch();
        let (whole, mut resumed) = (result(&store, 1, 50.0), result(&store, 1, 1.0));
        resumed.provenance.attempt = 2;
        assert_eq!(
            of(&[whole, resumed.clone(), resumed.clone()])
                .of_kind("toy")
                .unwrap()
                .seconds,
            50.0
        );
        assert_eq!(of(&[resumed]).of_kind("toy").unwrap().seconds, 1.0);
    }

    #[test]
    fn memory_of_a_device_is_known_for_the_same_settings_only() {
        let (_dir, store) = scratch();
        let mut told = result(&store, 1, 1.0);
        told.provenance.libraries.insert(DEVICE_MEMORY.into(), "1000".into());
        let known = of(&[told, result(&store, 1, 1.0)]);
        assert_eq!(known.like("toy", &action(1).config).unwrap().device_memory, Some(1000));
        assert_eq!(known.like("toy", &action(2).config).unwrap().device_memory, None);
    }
}
