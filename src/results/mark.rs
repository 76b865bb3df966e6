//! Which cells are best, and which are not significantly worse.

use crate::input::{Better, Input};
use crate::pairing::{Pairing, pair};
use crate::statistics::student::{self, Estimate};
use crate::statistics::{ALPHA, difference};
use crate::table::Cell;
use std::collections::{BTreeMap, BTreeSet};

/// How a cell stands among those of its metric and data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Best,
    /// Worse than the best, but a test does not tell them apart.
    NotWorse,
}

impl Mark {
    pub fn name(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::NotWorse => "not_worse",
        }
    }
}

/// What the marks of a table rest on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Legend {
    paired: bool,
    unpaired: bool,
    untested: bool,
    incomplete: bool,
}

impl Legend {
    /// `best` and `not_worse` say how the marks look.
    pub(crate) fn text(&self, best: &str, not_worse: &str) -> String {
        let test = match (self.paired, self.unpaired) {
            (true, false) => "paired t-test on shared seeds",
            (false, true) => "Welch's t-test, no shared seeds",
            (true, true) => "paired t-test on shared seeds, Welch's where there are none",
            (false, false) => "",
        };
        let mut text = format!("{best}: best mean among the rows on the same data");
        if !test.is_empty() {
            text +=
                &format!("; {not_worse}: not significantly worse ({test}; two-sided p ≥ {ALPHA}, each row by itself)");
        }
        if self.untested {
            text += "; single values cannot be tested";
        }
        if self.incomplete {
            text += "; incomplete cells take no part";
        }
        text
    }
}

/// Marks the cells of each metric that has a better end.
///
/// Cells compete if they were computed from the same data. Incomplete ones do not, since the seeds that are left may be
/// the lucky ones; neither do published rows, whose seeds nobody has.
pub(crate) fn mark(cells: &mut [Cell], inputs: &[Input]) -> Option<Legend> {
    let mut better: BTreeMap<&str, Better> = BTreeMap::new();
    for metric in inputs.iter().flat_map(|input| &input.metrics) {
        let known = better.entry(&metric.name).or_insert(metric.better);
        if *known == Better::Neither {
            *known = metric.better;
        }
    }
    let mut groups: BTreeMap<(String, BTreeSet<String>), Vec<usize>> = BTreeMap::new();
    for (index, cell) in cells.iter().enumerate() {
        groups
            .entry((cell.metric.clone(), cell.origins.clone()))
            .or_default()
            .push(index);
    }
    let mut legend = Legend::default();
    let mut marked = false;
    for ((metric, _), group) in groups {
        let sign = match better.get(metric.as_str()) {
            Some(Better::Higher) => 1.0,
            Some(Better::Lower) => -1.0,
            _ => continue,
        };
        let takes_part = |cell: &Cell| cell.complete() && cell.n >= cell.wanted;
        let rivals: Vec<usize> = group.iter().copied().filter(|&i| takes_part(&cells[i])).collect();
        let score = |index: usize| cells[index].mean.map_or(f64::NEG_INFINITY, |mean| sign * mean);
        let equal = |a: usize, b: usize| difference(score(a), score(b)) == 0.0;
        // Alone, or among equals only, nobody is best.
        let Some(best) = rivals
            .iter()
            .copied()
            .reduce(|a, b| if score(b) > score(a) { b } else { a })
        else {
            continue;
        };
        if rivals.iter().all(|rival| equal(*rival, best)) {
            continue;
        }
        marked = true;
        legend.incomplete |= rivals.len() < group.len();
        let mut mark_of = |rival: usize| {
            if equal(rival, best) {
                return Some(Mark::Best);
            }
            // On the seeds that both have, the order may be another than that of the means.
            let found = test(&cells[rival], &cells[best], &mut legend);
            let not_worse = |found: Estimate| found.p >= ALPHA || sign * found.difference <= 0.0;
            found.is_some_and(not_worse).then_some(Mark::NotWorse)
        };
        let marks: Vec<_> = rivals.into_iter().map(|rival| (rival, mark_of(rival))).collect();
        marks.into_iter().for_each(|(rival, mark)| cells[rival].mark = mark);
    }
    marked.then_some(legend)
}

/// By how much `b` is above `a`; none if there is nothing to test.
fn test(a: &Cell, b: &Cell, legend: &mut Legend) -> Option<Estimate> {
    let (found, kind) = match pair(&a.values, &b.values) {
        Pairing::Paired(differences) => (student::paired(&differences), &mut legend.paired),
        Pairing::Unpaired(a, b) => (student::welch(&a, &b), &mut legend.unpaired),
        Pairing::Fixed(_) | Pairing::Empty => return None,
    };
    *kind |= found.is_some();
    legend.untested |= found.is_none();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;
    use crate::testing::{Build, field, sample};
    use serde_json::json;

    fn marks(build: Build) -> Vec<Option<Mark>> {
        let table = Table::build(&[build.input]).unwrap();
        table.cells().iter().map(|cell| cell.mark).collect()
    }

    const BEST: Option<Mark> = Some(Mark::Best);
    const NOT_WORSE: Option<Mark> = Some(Mark::NotWorse);

    fn three() -> Build {
        sample(&[
            (1, &[Some(0.90), Some(0.80), Some(0.70), Some(0.60)]),
            // Always less by about a tenth: paired, that is sure, although the ranges overlap.
            (2, &[Some(0.80), Some(0.71), Some(0.60), Some(0.51)]),
            // Less on average, but not always.
            (3, &[Some(0.60), Some(0.82), Some(0.72), Some(0.62)]),
        ])
    }

    #[test]
    fn the_best_and_those_that_pairs_do_not_tell_from_it_are_marked() {
        assert_eq!(marks(three()), [BEST, None, NOT_WORSE]);
    }

    #[test]
    fn rounding_puts_nobody_ahead() {
        let build = sample(&[
            (1, &[Some(0.3), Some(0.3)]),
            (2, &[Some(0.1 + 0.2), Some(0.1 + 0.2)]),
            (3, &[Some(0.2), Some(0.2)]),
        ]);
        assert_eq!(marks(build), [BEST, BEST, None]);
    }

    #[test]
    fn who_is_ahead_on_the_seeds_of_both_is_not_worse() {
        let mut build = Build::new("e", &["alpha"]).metrics([field("acc", "a", "acc")]);
        let ahead = (0..3).map(|seed| (1, seed, 0.91 + 0.01 * seed as f64));
        let alone = (3..10).map(|seed| (1, seed, 0.5));
        let behind = (0..3).map(|seed| (2, seed, 0.90 + 0.01 * seed as f64));
        for (alpha, seed, acc) in ahead.chain(alone).chain(behind) {
            let run = build.run(json!({"alpha": alpha}), seed);
            build.done(run, "a", &format!("{alpha}-{seed}"), json!({"acc": acc}));
        }
        assert_eq!(
            marks(build),
            [NOT_WORSE, BEST],
            "best by the means, though always behind"
        );
    }

    #[test]
    fn where_less_is_better_the_least_is_best() {
        let mut build = three();
        build.input.metrics[0].better = Better::Lower;
        // By 0.035 from 2 to 3, with a spread four times that.
        assert_eq!(marks(build), [None, BEST, NOT_WORSE]);
        let mut neither = three();
        neither.input.metrics[0].better = Better::Neither;
        assert_eq!(marks(neither), [None; 3]);
    }

    #[test]
    fn other_data_are_no_rivals() {
        let mut build = three();
        for action in &mut build.input.actions[8..] {
            action.origins = ["other".to_owned()].into();
        }
        assert_eq!(marks(build), [BEST, None, None]);
    }

    #[test]
    fn an_incomplete_cell_is_not_best_and_is_said_to_take_no_part() {
        let build = sample(&[
            (1, &[Some(0.9), None]),
            (2, &[Some(0.8), Some(0.8)]),
            (3, &[Some(0.7), Some(0.6)]),
        ]);
        let table = Table::build(&[build.input]).unwrap();
        let marks: Vec<_> = table.cells().iter().map(|cell| cell.mark).collect();
        assert_eq!(marks, [None, BEST, NOT_WORSE]);
        let legend = table.legend.unwrap().text("*", "~");
        assert!(legend.contains("incomplete cells take no part"), "{legend}");
    }

    #[test]
    fn equals_are_all_best_and_nobody_is_best_alone() {
        assert_eq!(marks(sample(&[(1, &[Some(0.5)]), (2, &[Some(0.5)])])), [None, None]);
        assert_eq!(marks(sample(&[(1, &[Some(0.5)])])), [None]);
        let build = sample(&[(1, &[Some(0.5)]), (2, &[Some(0.5)]), (3, &[Some(0.4)])]);
        assert_eq!(marks(build), [BEST, BEST, None]);
    }

    #[test]
    fn seeds_that_are_not_shared_are_tested_unpaired() {
        let mut build = Build::new("e", &["alpha"]).metrics([field("acc", "a", "acc")]);
        for (alpha, seed, acc) in [(1, 0, 0.90), (1, 1, 0.91), (2, 2, 0.50), (2, 3, 0.51)] {
            let run = build.run(json!({"alpha": alpha}), seed);
            build.done(run, "a", &format!("{alpha}-{seed}"), json!({"acc": acc}));
        }
        let table = Table::build(&[build.input]).unwrap();
        assert_eq!(table.cells()[1].mark, None);
        assert!(table.legend.unwrap().text("*", "~").contains("Welch"));
    }

    #[test]
    fn a_value_without_seeds_stands_against_all_seeds_of_the_other() {
        let mut build = sample(&[(1, &[Some(0.7), Some(0.8), Some(0.9)])]);
        for seed in 0..3 {
            let run = build.run(json!({"alpha": 2}), seed);
            build.done(run, "evaluation", "only", json!({"acc": 0.78})).seeded = false;
        }
        assert_eq!(marks(build), [BEST, NOT_WORSE]);
    }
}
