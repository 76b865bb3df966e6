//! Which values are missing or failed, and why.

use crate::collect::Readings;
use crate::input::Input;
use crate::reading::Status;
use crate::rows::{Grid, Place};
use std::collections::{BTreeMap, BTreeSet};

/// Gaps that are told one by one.
const TOLD: usize = 8;
/// Rows or seeds that are named one by one.
const NAMED: usize = 6;

/// What the gaps of one row have in common: rows that share it share a note.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Gap<'a> {
    status: &'static str,
    message: &'a str,
    seeds: BTreeSet<u64>,
    /// Positions.
    metrics: BTreeSet<usize>,
}

/// One note per gap.
pub(crate) fn notes(input: &Input, grid: &Grid, rows: &[String], found: &Readings) -> Vec<String> {
    let name = &input.experiment;
    if found
        .values()
        .all(|found| found.status == Status::Missing && found.message.is_none())
    {
        return vec![format!(
            "{name}: no number is finished yet; `moelab run {name}` makes them"
        )];
    }
    let mut places: BTreeSet<Place> = BTreeSet::new();
    // Seeds metric by metric: what some metrics lack, others of the same row may have.
    let mut seeds = BTreeMap::<(Place, &str, &str, usize), BTreeSet<u64>>::new();
    for (index, run) in input.runs.iter().enumerate() {
        for (metric, declared) in input.metrics.iter().enumerate() {
            let Some(&action) = run.actions.get(&declared.stage) else {
                continue;
            };
            let (place, found) = (grid.place(index, rows), &found[&(action, metric)]);
            places.insert(place.clone());
            if found.status == Status::Ok {
                continue;
            }
            let message = found.message.as_deref().unwrap_or_default();
            let seeds = seeds.entry((place, found.status.name(), message, metric)).or_default();
            seeds.extend(input.actions[action].seeded.then_some(run.seed));
        }
    }
    let mut metrics = BTreeMap::<(Place, &str, &str, BTreeSet<u64>), BTreeSet<usize>>::new();
    for ((place, status, message, metric), seeds) in seeds {
        metrics
            .entry((place, status, message, seeds))
            .or_default()
            .insert(metric);
    }
    let mut shared: BTreeMap<Gap<'_>, Vec<Place>> = BTreeMap::new();
    for ((place, status, message, seeds), metrics) in metrics {
        let gap = Gap {
            status,
            message,
            seeds,
            metrics,
        };
        shared.entry(gap).or_default().push(place);
    }
    let all: BTreeSet<u64> = input.runs.iter().map(|run| run.seed).collect();
    let note = |(gap, at): (&Gap<'_>, &Vec<Place>)| {
        let metrics: Vec<String> = gap
            .metrics
            .iter()
            .map(|&m| format!("`{}`", input.metrics[m].name))
            .collect();
        let seeds = match gap.seeds.len() {
            0 => String::new(),
            1 => format!(" for seed {}", gap.seeds.iter().map(u64::to_string).collect::<String>()),
            n if n == all.len() => format!(" for all {n} seeds"),
            _ => format!(" for seeds {}", listed(gap.seeds.iter().map(u64::to_string), ", ")),
        };
        let rows = match at.len() {
            _ if rows.is_empty() => String::new(),
            n if n == places.len() && n > 1 => format!(" in all {n} rows"),
            _ => format!(
                " at {}",
                listed(at.iter().map(|place| described(grid, rows, place)), "; ")
            ),
        };
        let why = if gap.message.is_empty() {
            String::new()
        } else {
            format!(": {}", gap.message)
        };
        format!("{name}: {} {}{seeds}{rows}{why}", metrics.join(", "), gap.status)
    };
    let mut notes: Vec<String> = shared.iter().take(TOLD).map(note).collect();
    if shared.len() > TOLD {
        notes.push(format!("{name}: … and {} other gaps", shared.len() - TOLD));
    }
    notes
}

/// `alpha=10 dataset=mnist`, as `--where` would take it.
fn described(grid: &Grid, rows: &[String], place: &Place) -> String {
    let said = rows.iter().zip(place);
    let said = said.filter_map(|(axis, rank)| Some(format!("{axis}={}", grid.domains[axis].text((*rank)?))));
    said.collect::<Vec<_>>().join(" ")
}

fn listed(names: impl ExactSizeIterator<Item = String>, between: &str) -> String {
    let all = names.len();
    let mut named: Vec<String> = names.take(NAMED).collect();
    if all > NAMED {
        named.push(format!("… {} more", all - NAMED));
    }
    named.join(between)
}

#[cfg(test)]
mod tests {
    use crate::collect::collect;
    use crate::input::State;
    use crate::testing::{Build, action, field, sample};
    use serde_json::json;

    fn notes(build: Build) -> Vec<String> {
        collect(&[build.input]).unwrap().notes
    }

    #[test]
    fn missing_seeds_are_named_with_their_rows() {
        let build = sample(&[(10, &[Some(0.5), None, None]), (20, &[None, Some(0.5), Some(0.5)])]);
        assert_eq!(
            notes(build),
            [
                "mnist-moe: `acc` missing for seed 0 at alpha=20",
                "mnist-moe: `acc` missing for seeds 1, 2 at alpha=10"
            ]
        );
    }

    #[test]
    fn rows_with_the_same_gap_share_a_note() {
        let build = sample(&[
            (1, &[Some(0.5), None]),
            (2, &[Some(0.5), None]),
            (3, &[Some(0.5), Some(0.5)]),
        ]);
        assert_eq!(
            notes(build),
            ["mnist-moe: `acc` missing for seed 1 at alpha=1; alpha=2"]
        );
        let all = sample(&[(1, &[Some(0.5), None]), (2, &[Some(0.5), None])]);
        assert_eq!(notes(all), ["mnist-moe: `acc` missing for seed 1 in all 2 rows"]);
        let seeds = sample(&[(1, &[Some(0.5), Some(0.5)]), (2, &[None, None])]);
        assert_eq!(notes(seeds), ["mnist-moe: `acc` missing for all 2 seeds at alpha=2"]);
    }

    #[test]
    fn an_experiment_that_never_ran_says_how_to() {
        let build = sample(&[(1, &[None, None]), (2, &[None, None])]);
        assert_eq!(
            notes(build),
            ["mnist-moe: no number is finished yet; `moelab run mnist-moe` makes them"]
        );
    }

    #[test]
    fn what_depends_on_no_seed_names_none() {
        let mut build = sample(&[(10, &[Some(0.5)])]);
        build.input.metrics.push(field("size", "data", "size"));
        build.act(0, "data", "d", action(State::Missing(None))).seeded = false;
        assert_eq!(notes(build), ["mnist-moe: `size` missing at alpha=10"]);
    }

    #[test]
    fn a_reason_is_told_once_for_all_it_stopped() {
        let mut build = sample(&[(10, &[Some(0.5)])]);
        for seed in 1..4 {
            let run = build.run(json!({"alpha": 10}), seed);
            let failed = action(State::Failed("moe: out of memory".into()));
            build.act(run, "evaluation", &format!("f{seed}"), failed);
        }
        build.input.metrics.push(field("same", "evaluation", "acc"));
        assert_eq!(
            notes(build),
            ["mnist-moe: `acc`, `same` failed for seeds 1, 2, 3 at alpha=10: moe: out of memory"]
        );
    }

    #[test]
    fn a_value_that_is_there_is_not_said_to_be_missing() {
        let mut build = sample(&[(10, &[None, None])]);
        build.input.metrics.push(field("size", "vae", "size"));
        build.done(0, "vae", "v0", json!({"size": 10}));
        build.act(1, "vae", "v1", action(State::Missing(None)));
        assert_eq!(
            notes(build),
            [
                "mnist-moe: `acc` missing for all 2 seeds at alpha=10",
                "mnist-moe: `size` missing for seed 1 at alpha=10"
            ]
        );
    }

    #[test]
    fn many_reasons_are_cut_short() {
        let mut build = sample(&[(10, &[Some(0.5)])]);
        for seed in 1..=20 {
            let run = build.run(json!({"alpha": 10}), seed);
            let failed = action(State::Failed(format!("reason {seed:02}")));
            build.act(run, "evaluation", &format!("f{seed}"), failed);
        }
        let notes = notes(build);
        assert_eq!((notes.len(), notes[8].as_str()), (9, "mnist-moe: … and 12 other gaps"));
    }
}
