//! How often an action is tried again, by the kind of its failure.

use super::fields::Item;
use super::report::Problem;
use super::words;
use crate::job::FailureKind;
use std::collections::BTreeMap;

/// Most further attempts one kind may have: more of them hide what is wrong.
const MOST: u64 = 100;

/// The kinds another attempt can help with, as users write them.
const KINDS: [(&str, FailureKind); 8] = [
    ("stage", FailureKind::Stage),
    ("bad_input", FailureKind::BadInput),
    ("bug", FailureKind::Bug),
    ("killed", FailureKind::Killed),
    ("out_of_memory", FailureKind::OutOfMemory),
    ("device_out_of_memory", FailureKind::DeviceOutOfMemory),
    ("timeout", FailureKind::Timeout),
    ("lost_worker", FailureKind::LostWorker),
];

/// Kinds that are not tried again: within the same run nothing would go better.
const FINAL: [&str; 4] = ["disk_full", "store_not_writable", "store_damaged", "worker"];

/// Further attempts of an action by kind of failure; kinds that are not named have none.
///
/// By default an action is tried again once after `lost_worker` and after `out_of_memory` (with no other job beside it),
/// and twice after `device_out_of_memory` (alone on the device, then with the memory saver of its stage).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry(BTreeMap<FailureKind, u32>);

impl Default for Retry {
    fn default() -> Self {
        Self::none()
            .with(FailureKind::LostWorker, 1)
            .with(FailureKind::OutOfMemory, 1)
            .with(FailureKind::DeviceOutOfMemory, 2)
    }
}

impl Retry {
    /// No failure is tried again.
    pub fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// The same with another number of further attempts for one kind.
    pub fn with(mut self, kind: FailureKind, attempts: u32) -> Self {
        self.0.insert(kind, attempts);
        self
    }

    /// Further attempts after a failure of this kind.
    pub fn of(&self, kind: FailureKind) -> u32 {
        self.0.get(&kind).copied().unwrap_or(0)
    }
}

/// What may stand under `retry`.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(name, _)| *name)
}

/// Reads `retry`; kinds that are not written keep their default.
pub fn read(item: Option<Item<'_>>, problems: &mut Vec<Problem>) -> Retry {
    let mut retry = Retry::default();
    let Some(item) = item else { return retry };
    for entry in item.entries(
        "a mapping from kinds of failure to numbers of further attempts",
        problems,
    ) {
        let name = entry.name();
        match KINDS.iter().find(|(known, _)| *known == name) {
            Some((_, kind)) => match entry.count("a number of further attempts", 0, problems) {
                Some(n) if n > MOST => problems.push(entry.problem(format!("more than {MOST} further attempts"))),
                Some(n) => retry = retry.with(*kind, n as u32),
                None => {}
            },
            None if FINAL.contains(&name) => {
                let problem = entry.key_problem(format!("`{name}` is not tried again within a run"));
                problems.push(problem.hint("mend the cause; the next run goes on from the checkpoints"));
            }
            None => {
                let problem = entry.key_problem(format!("no kind of failure is called `{name}`"));
                problems.push(problem.maybe_hint(words::suggest(name, KINDS.map(|(known, _)| known))));
            }
        }
    }
    retry
}

#[cfg(test)]
mod tests {
    use super::super::fake::load;
    use super::*;

    fn retry(text: &str) -> Retry {
        load(text).unwrap().retry
    }

    #[test]
    fn without_a_word_only_lost_workers_and_shortages_of_memory_are_tried_again() {
        let retry = retry("");
        assert_eq!(retry, Retry::default());
        let tried: Vec<_> = KINDS.iter().filter(|(_, kind)| retry.of(*kind) > 0).collect();
        assert_eq!(
            tried.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            ["out_of_memory", "device_out_of_memory", "lost_worker"]
        );
    }

    #[test]
    fn what_is_written_replaces_the_default_of_its_kind_alone() {
        let retry = retry("retry: {killed: 3, lost_worker: 0}\n");
        assert_eq!(
            (retry.of(FailureKind::Killed), retry.of(FailureKind::LostWorker)),
            (3, 0)
        );
        assert_eq!(retry.of(FailureKind::OutOfMemory), 1);
    }

    #[test]
    fn every_kind_is_written_as_reports_spell_it() {
        for (name, kind) in KINDS {
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
        }
    }

    #[test]
    fn slips_are_told_with_their_places_and_the_nearest_kind() {
        let said = load("retry:\n  kiled: 1\n  timeout: -1\n  killed: 1000\n  disk_full: 2\n").unwrap_err();
        insta::assert_snapshot!(said, @r"
        error: no kind of failure is called `kiled`
         --> experiments/e.yaml:4:3
          |
        4 |   kiled: 1
          |   ^^^^^
          = did you mean `killed`?

        error: expects a number of further attempts, got -1
         --> experiments/e.yaml:5:12
          |
        5 |   timeout: -1
          |            ^^

        error: more than 100 further attempts
         --> experiments/e.yaml:6:11
          |
        6 |   killed: 1000
          |           ^^^^

        error: `disk_full` is not tried again within a run
         --> experiments/e.yaml:7:3
          |
        7 |   disk_full: 2
          |   ^^^^^^^^^
          = mend the cause; the next run goes on from the checkpoints
        ");
        assert!(
            load("retry: 3\n")
                .unwrap_err()
                .contains("a mapping from kinds of failure")
        );
    }
}
