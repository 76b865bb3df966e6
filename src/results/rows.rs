//! Which axes tell the rows of a table apart, and in what order their values come.

use crate::error::ResultsError;
use crate::input::{Input, Run, display};
use moelab_engine::spec::matrix::same;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The values of one axis, in the order in which the spec brings them up. Equal numbers are one value, which is written as
/// it was first met: `1` and `1.0` are the same setting and the same action.
pub(crate) struct Domain {
    values: Vec<Value>,
    texts: Vec<String>,
}

impl Domain {
    pub(crate) fn of<'a>(axis: &str, runs: impl Iterator<Item = &'a Run>) -> Self {
        let mut values: Vec<Value> = Vec::new();
        for value in runs.filter_map(|run| run.axes.get(axis)) {
            if !values.iter().any(|known| same(known, value)) {
                values.push(value.clone());
            }
        }
        let mut texts: Vec<String> = values.iter().map(display).collect();
        if texts.iter().collect::<BTreeSet<_>>().len() < texts.len() {
            // The text "10" and the number 10 are two values and must not share a row.
            texts = values.iter().map(Value::to_string).collect();
        }
        Self { values, texts }
    }

    /// Position of a value in the order of the spec.
    pub(crate) fn rank(&self, value: &Value) -> Option<usize> {
        self.values.iter().position(|known| same(known, value))
    }

    pub(crate) fn text(&self, rank: usize) -> &str {
        &self.texts[rank]
    }
}

/// How values are written where experiments stand beside each other: an equal one of another experiment the same way.
pub(crate) struct Spelling(BTreeMap<String, Domain>);

impl Spelling {
    pub(crate) fn of<'a>(inputs: impl Iterator<Item = &'a Input> + Clone) -> Self {
        let axes: BTreeSet<&String> = inputs.clone().flat_map(|input| &input.axes).collect();
        let runs = || inputs.clone().flat_map(|input| &input.runs);
        Self(
            axes.into_iter()
                .map(|axis| (axis.clone(), Domain::of(axis, runs())))
                .collect(),
        )
    }

    pub(crate) fn text(&self, axis: &str, value: &Value) -> String {
        let known = self
            .0
            .get(axis)
            .and_then(|domain| Some(domain.text(domain.rank(value)?)));
        known.map_or_else(|| display(value), str::to_owned)
    }
}

/// Ranks of a run's values on some axes; none where the run does not have the axis.
pub(crate) type Place = Vec<Option<usize>>;

/// All runs of an input with their axis values as ranks.
pub(crate) struct Grid {
    pub(crate) domains: BTreeMap<String, Domain>,
    ranks: Vec<BTreeMap<String, usize>>,
}

impl Grid {
    pub(crate) fn of(input: &Input) -> Self {
        let domains: BTreeMap<_, _> = input
            .axes
            .iter()
            .map(|a| (a.clone(), Domain::of(a, input.runs.iter())))
            .collect();
        let rank = |run: &Run, axis: &str| run.axes.get(axis).and_then(|value| domains[axis].rank(value));
        let ranks = input.runs.iter().map(|run| {
            input
                .axes
                .iter()
                .filter_map(|axis| Some((axis.clone(), rank(run, axis)?)))
                .collect::<BTreeMap<_, _>>()
        });
        Self {
            ranks: ranks.collect(),
            domains,
        }
    }

    /// Where run number `run` stands on `axes`.
    pub(crate) fn place(&self, run: usize, axes: &[String]) -> Place {
        axes.iter().map(|axis| self.ranks[run].get(axis).copied()).collect()
    }
}

/// The axes of the rows: those the table asks for, and those it left out although they matter.
///
/// Where two runs with one seed fall into one row but a metric comes from different actions, a mean over both would mix
/// different settings. Then the axis in which they differ becomes a row axis too, and the note says so.
pub(crate) fn decide(input: &Input, grid: &Grid) -> Result<(Vec<String>, Vec<String>), ResultsError> {
    let mut rows = input.rows.clone();
    if let Some(unknown) = rows.iter().find(|row| !input.axes.contains(row)) {
        let known = if input.axes.is_empty() {
            "none".to_owned()
        } else {
            input.axes.join(", ")
        };
        let (experiment, axis) = (input.experiment.clone(), unknown.clone());
        return Err(ResultsError::UnknownAxis {
            experiment,
            axis,
            known,
        });
    }
    let hidden = || input.axes.iter().filter(|axis| !input.rows.contains(axis));
    let mut needed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut stages: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for metric in &input.metrics {
        stages.entry(&metric.stage).or_default().insert(&metric.name);
    }
    for (stage, metrics) in &stages {
        for axis in hidden() {
            let others: Vec<String> = input.axes.iter().filter(|other| *other != axis).cloned().collect();
            if !conflicts(input, grid, stage, &others).is_empty() {
                needed.entry(axis).or_default().extend(metrics);
            }
        }
    }
    rows.extend(hidden().filter(|axis| needed.contains_key(axis.as_str())).cloned());
    // With exclusions no two runs may differ in one axis alone; then whatever varies among the runs in conflict is taken.
    for (stage, metrics) in &stages {
        for axis in hidden() {
            let varies = |runs: &Vec<usize>| {
                runs.iter()
                    .map(|&run| grid.place(run, std::slice::from_ref(axis)))
                    .collect::<BTreeSet<_>>()
                    .len()
                    > 1
            };
            if !rows.contains(axis) && conflicts(input, grid, stage, &rows).iter().any(varies) {
                rows.push(axis.clone());
                needed.entry(axis).or_default().extend(metrics);
            }
        }
    }
    let notes = hidden().filter_map(|axis| {
        let metrics = needed.get(axis.as_str())?;
        // In the order of the columns, not of the alphabet.
        let names = input
            .metrics
            .iter()
            .map(|m| &m.name)
            .filter(|name| metrics.contains(name.as_str()));
        let names = names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Some(format!(
            "{}: `{axis}` was added to the rows, because it changes {names}",
            input.experiment
        ))
    });
    let notes = notes.collect();
    Ok((rows, notes))
}

/// Groups of runs that share `axes` and seed but get `stage` from different actions.
fn conflicts(input: &Input, grid: &Grid, stage: &str, axes: &[String]) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<(Place, u64), Vec<usize>> = BTreeMap::new();
    for (index, run) in input.runs.iter().enumerate() {
        if run.actions.contains_key(stage) {
            groups
                .entry((grid.place(index, axes), run.seed))
                .or_default()
                .push(index);
        }
    }
    let action = |run: &usize| input.runs[*run].actions[stage];
    groups
        .into_values()
        .filter(|runs| runs.iter().any(|run| action(run) != action(&runs[0])))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Build, field};
    use serde_json::json;

    /// Two axes; the stage `a` depends on `x`, the stage `b` on both.
    fn two() -> Build {
        let mut build = Build::new("e", &["x", "y"]).metrics([field("one", "a", "v"), field("two", "b", "v")]);
        for (x, y) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            for seed in 0..2 {
                let run = build.run(json!({"x": x, "y": y}), seed);
                build.done(run, "a", &format!("a{x}-{seed}"), json!({"v": x}));
                build.done(run, "b", &format!("b{x}{y}-{seed}"), json!({"v": y}));
            }
        }
        build
    }

    fn rows(build: Build, rows: &[&str]) -> (Vec<String>, Vec<String>) {
        let input = build.rows(rows).input;
        decide(&input, &Grid::of(&input)).unwrap()
    }

    #[test]
    fn axes_that_are_asked_for_stand_as_written() {
        assert_eq!(rows(two(), &["y", "x"]), (vec!["y".into(), "x".into()], vec![]));
    }

    #[test]
    fn an_axis_that_matters_is_added_with_a_note() {
        let (axes, notes) = rows(two(), &["x"]);
        assert_eq!(axes, ["x", "y"]);
        assert_eq!(notes, ["e: `y` was added to the rows, because it changes `two`"]);
    }

    #[test]
    fn an_axis_that_does_not_matter_is_not_added() {
        let only = two().metrics([field("one", "a", "v")]);
        assert_eq!(rows(only, &["x"]), (vec!["x".into()], vec![]));
    }

    #[test]
    fn all_axes_that_matter_are_added_in_the_order_of_the_spec() {
        let (axes, notes) = rows(two(), &[]);
        assert_eq!((axes, notes.len()), (vec!["x".into(), "y".into()], 2));
    }

    #[test]
    fn a_diagonal_matrix_is_told_apart_by_one_axis() {
        let mut build = Build::new("e", &["x", "y"]).metrics([field("one", "a", "v")]);
        for n in [1, 2] {
            let run = build.run(json!({"x": n, "y": n}), 0);
            build.done(run, "a", &format!("a{n}"), json!({"v": n}));
        }
        let (axes, notes) = rows(build, &[]);
        assert_eq!((axes, notes.len()), (vec!["x".to_owned()], 1));
    }

    #[test]
    fn an_unknown_axis_is_refused() {
        let input = two().rows(&["z"]).input;
        let error = decide(&input, &Grid::of(&input)).unwrap_err().to_string();
        assert_eq!(
            error,
            "the table of `e` wants rows by `z`, which is no axis of it (it has x, y)"
        );
    }

    #[test]
    fn values_come_in_the_order_of_the_spec() {
        let run = |value: Value| Run {
            axes: [("x".to_owned(), value)].into(),
            ..Run::default()
        };
        let domain = Domain::of("x", [run(json!(100)), run(json!(10)), run(json!(100))].iter());
        assert_eq!(
            (
                domain.rank(&json!(100)),
                domain.rank(&json!(10)),
                domain.rank(&json!(1))
            ),
            (Some(0), Some(1), None)
        );
        assert_eq!(domain.text(1), "10");
    }

    #[test]
    fn a_text_and_a_number_that_look_alike_stay_apart() {
        let run = |value: Value| Run {
            axes: [("x".to_owned(), value)].into(),
            ..Run::default()
        };
        let domain = Domain::of("x", [run(json!("10")), run(json!(10))].iter());
        assert_eq!((domain.text(0), domain.text(1)), ("\"10\"", "10"));
    }
    #[test]
    fn equal_numbers_are_one_value_in_the_first_spelling_met() {
        let input = |value: Value| {
            let mut build = Build::new("e", &["x"]);
            build.run(json!({"x": value}), 0);
            build.input
        };
        let inputs = [input(json!([1.0, 2])), input(json!([1, 2])), input(json!([3]))];
        let runs = inputs.iter().flat_map(|input| &input.runs);
        assert_eq!(Domain::of("x", runs).rank(&json!([3])), Some(1));
        let spelling = Spelling::of(inputs.iter());
        assert_eq!(spelling.text("x", &json!([1, 2.0])), "[1.0,2]");
        assert_eq!(
            spelling.text("x", &json!([4])),
            "[4]",
            "what is met nowhere stays as it is"
        );
    }
}
