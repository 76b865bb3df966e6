//! Which invocations used which results, and when, from the events that each invocation leaves in `runs/`.
//!
//! Nothing is written for it: reading a result stays reading.

use super::files::{self, Entry as Place};
use super::{Entry, Store, StoreError, disk, lock, time};
use crate::digest::Digest;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

/// Longer lines are no events of ours.
const LONGEST: u64 = 1 << 20;

/// The uses of every result.
#[derive(Default)]
pub(super) struct Uses {
    by_key: BTreeMap<Digest, Use>,
}

#[derive(Default)]
struct Use {
    /// Seconds since 1970.
    last: u64,
    experiments: BTreeSet<Rc<str>>,
    /// By an invocation that is still running.
    live: bool,
}

#[derive(Deserialize)]
struct Event {
    at: String,
    key: Option<Digest>,
    experiment: Option<String>,
}

impl Store {
    pub(super) fn uses(&self) -> Result<Uses, StoreError> {
        let mut uses = Uses::default();
        for (_, run, kind) in files::entries(&self.root.join("runs"))? {
            if kind == Place::Folder {
                uses.read(&run);
            }
        }
        Ok(uses)
    }
}

impl Uses {
    fn read(&mut self, run: &Path) {
        let live = lock::in_use(&run.join("used"));
        let Ok(file) = disk::open_plain(&run.join("events.jsonl")) else {
            return;
        };
        let (mut events, mut line) = (BufReader::new(file), vec![]);
        let mut experiment: Rc<str> = "".into();
        // Half a line at the end, or one of a later build, says nothing: then the manifest's own date counts.
        while events
            .by_ref()
            .take(LONGEST)
            .read_until(b'\n', &mut line)
            .is_ok_and(|n| n > 0)
        {
            if let Ok(event) = serde_json::from_slice::<Event>(&line) {
                if let Some(name) = event.experiment {
                    experiment = name.into();
                }
                if let Some(key) = event.key {
                    let used = self.by_key.entry(key).or_default();
                    used.last = used.last.max(time::seconds(&event.at).unwrap_or(0));
                    used.experiments.insert(experiment.clone());
                    used.live |= live;
                }
            }
            line.clear();
        }
    }

    /// When a result was used last, in seconds since 1970; when it was made if no invocation is known to have used it.
    pub(super) fn last(&self, entry: &Entry) -> u64 {
        let made = time::seconds(&entry.started).unwrap_or(0);
        self.by_key.get(&entry.key).map_or(made, |used| used.last.max(made))
    }

    /// Whether `experiment` alone is known to have used it.
    pub(super) fn only_by(&self, entry: &Entry, experiment: &str) -> bool {
        let known = self.by_key.get(&entry.key).filter(|used| !used.experiments.is_empty());
        entry.origin.experiment == experiment
            && known.is_none_or(|used| used.experiments.iter().all(|by| **by == *experiment))
    }

    /// Whether an invocation that still runs counts on it.
    pub(super) fn live(&self, key: &Digest) -> bool {
        self.by_key.get(key).is_some_and(|used| used.live)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{action, entry, publish, record_run, scratch};
    use super::*;

    #[test]
    fn a_result_was_used_when_an_invocation_named_it_last() {
        let (_dir, store) = scratch();
        publish(&store, &action(1), None, Some("1")).unwrap();
        let key = action(1).digest();
        let used = |store: &Store| store.uses().unwrap().last(&entry(store, &key));
        let made = used(&store);
        drop(record_run(&store, "r1", "x", "2001-01-01T00:00:00Z", &[key]));
        assert_eq!(used(&store), made, "an older use does not make it older than it is");
        drop(record_run(&store, "r2", "x", "2101-01-01T00:00:00Z", &[key]));
        assert_eq!(used(&store), time::seconds("2101-01-01T00:00:00Z").unwrap());
    }

    #[test]
    fn a_result_that_two_experiments_used_belongs_to_neither_alone() {
        let (_dir, store) = scratch();
        publish(&store, &action(1), None, Some("1")).unwrap();
        let key = action(1).digest();
        let mut made = entry(&store, &key);
        made.origin.experiment = "a".into();
        assert!(store.uses().unwrap().only_by(&made, "a"));
        assert!(!store.uses().unwrap().only_by(&made, "b"));
        drop(record_run(&store, "r1", "a", "2026-01-01T00:00:00Z", &[key]));
        assert!(store.uses().unwrap().only_by(&made, "a"));
        drop(record_run(&store, "r2", "b", "2026-01-01T00:00:00Z", &[key]));
        assert!(!store.uses().unwrap().only_by(&made, "a"));
    }

    #[test]
    fn a_running_invocation_counts_on_what_it_named_until_it_ends() {
        let (_dir, store) = scratch();
        let key = action(1).digest();
        let running = record_run(&store, "r", "x", "2026-01-01T00:00:00Z", &[key]);
        assert!(store.uses().unwrap().live(&key));
        drop(running);
        assert!(!store.uses().unwrap().live(&key));
    }

    #[test]
    fn events_that_are_torn_or_hostile_are_passed_over() {
        let (_dir, store) = scratch();
        let key = action(1).digest();
        drop(record_run(&store, "r", "x", "2026-01-01T00:00:00Z", &[key]));
        let path = store.run_dir("r").join("events.jsonl");
        let mut text = b"\xff\xfe\n{\"at\":\n".to_vec();
        text.extend("[".repeat(3 << 20).into_bytes());
        text.push(b'\n');
        text.extend(std::fs::read(&path).unwrap());
        text.extend(b"{\"event\": \"cached\", \"at");
        std::fs::write(&path, text).unwrap();
        assert!(store.uses().unwrap().by_key.contains_key(&key));
    }
}
