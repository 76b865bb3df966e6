//! What earlier results tell of the actions to come: how long they take, how much room, how much of a device.

use crate::digest::Digest;
use crate::key::settings_digest;
use crate::store::{Catalogue, Entry, Store};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// At most this many results of a stage kind are compared with a new action, the newest first.
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
    keys: Vec<Digest>,
}

impl History {
    pub(super) fn read(store: &Store) -> Self {
        let catalogue = store.catalogue().unwrap_or_else(|e| {
            tracing::warn!("{e}");
            Catalogue::default()
        });
        Self::of(catalogue.entries)
    }

    fn of(entries: Vec<Entry>) -> Self {
        let mut kinds: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for entry in entries {
            kinds.entry(entry.kind.clone()).or_default().push(entry);
        }
        let kind = |mut all: Vec<Entry>| {
            all.sort_by(|a, b| b.started.cmp(&a.started));
            let mut groups: HashMap<Digest, Vec<&Entry>> = HashMap::new();
            for entry in &all {
                groups.entry(entry.settings).or_default().push(entry);
            }
            let same = |group: Vec<&Entry>| estimate(&group, Basis::SameSettings);
            Kind {
                typical: Some(estimate(&all.iter().collect::<Vec<_>>(), Basis::SameKind)),
                by_settings: groups
                    .into_iter()
                    .map(|(settings, group)| (settings, same(group)))
                    .collect(),
                keys: all.iter().take(COMPARED).map(|entry| entry.key).collect(),
            }
        };
        Self(kinds.into_iter().map(|(name, all)| (name, kind(all))).collect())
    }

    /// What an action of these settings takes.
    pub(super) fn like(&self, kind: &str, config: &Value) -> Option<Estimate> {
        let kind = self.0.get(kind)?;
        let same = kind.by_settings.get(&settings_digest(config));
        same.copied().or(kind.typical)
    }

    /// What an action of this kind takes.
    pub(super) fn of_kind(&self, kind: &str) -> Option<Estimate> {
        self.0.get(kind)?.typical
    }

    /// The newest results of a kind, the newest first.
    pub(super) fn newest(&self, kind: &str) -> &[Digest] {
        self.0.get(kind).map_or(&[], |kind| &kind.keys)
    }
}

fn estimate(results: &[&Entry], basis: Basis) -> Estimate {
    // The seconds of a later attempt are those since its last checkpoint.
    let whole: Vec<_> = results.iter().filter(|entry| entry.attempt == 1).collect();
    let timed = if whole.is_empty() {
        results.iter().collect()
    } else {
        whole
    };
    let seconds = timed.iter().map(|entry| entry.seconds);
    let bytes = results.iter().map(|entry| entry.bytes());
    Estimate {
        seconds: median(seconds.collect(), f64::total_cmp),
        bytes: median(bytes.collect(), Ord::cmp),
        // Other settings say nothing of it, and too little of it costs the job.
        device_memory: if basis == Basis::SameSettings {
            results.iter().filter_map(|entry| entry.device_memory).max()
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
    use crate::key::seed_text;
    use crate::store::testing::{action, entry, publish, scratch};
    use serde_json::json;

    /// A result of `action(n)` that took so long.
    fn result(store: &Store, n: i64, seconds: f64) -> Entry {
        publish(store, &action(n), Some("abc"), Some("1")).unwrap();
        Entry {
            seconds,
            attempt: 1,
            ..entry(store, &action(n).digest())
        }
    }

    fn of(results: &[Entry]) -> History {
        History::of(results.to_vec())
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
        let seeded = |seed: u8, seconds| {
            let mut action = action(1);
            action.seed = Some(seed_text(seed.into()));
            publish(&store, &action, None, Some("1")).unwrap();
            Entry {
                seconds,
                attempt: 1,
                ..entry(&store, &action.digest())
            }
        };
        let known = of(&[seeded(1, 1.0), seeded(2, 100.0), seeded(3, 3.0)]);
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
        resumed.attempt = 2;
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
        told.device_memory = Some(1000);
        let known = of(&[told, result(&store, 1, 1.0)]);
        assert_eq!(known.like("toy", &action(1).config).unwrap().device_memory, Some(1000));
        assert_eq!(known.like("toy", &action(2).config).unwrap().device_memory, None);
    }
    #[test]
    fn the_newest_results_of_a_kind_come_first() {
        let (_dir, store) = scratch();
        let started = |n, started: &str| Entry {
            started: started.into(),
            ..result(&store, n, 1.0)
        };
        let all = [
            started(1, "2026-01-01T00:00:00Z"),
            started(2, "2026-03-01T00:00:00Z"),
            started(3, "2026-02-01T00:00:00Z"),
        ];
        assert_eq!(of(&all).newest("toy"), [2, 3, 1].map(|n| action(n).digest()));
        assert!(of(&all).newest("other").is_empty());
    }
}
