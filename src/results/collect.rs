//! From experiments to one tidy frame: a line per metric and action behind it.

use crate::definition;
use crate::error::ResultsError;
use crate::gaps;
use crate::input::{Input, Reading};
use crate::reading::{Found, Histories, Status, read};
use crate::rows::{Grid, Place, Spelling, decide};
use polars::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Names of the tidy columns; an axis called like one of them becomes `param.NAME`.
const RESERVED: [&str; 21] = [
    "experiment",
    "kind",
    "metric",
    "n",
    "expected",
    "missing",
    "failed",
    "mean",
    "std",
    "ci_low",
    "ci_high",
    "min",
    "median",
    "max",
    "mark",
    "source",
    "seed",
    "value",
    "status",
    "key",
    "device",
];
/// Number of the action in the whole frame: what tells two equal values from one value read twice.
/// No axis can be called so.
pub(crate) const ACTION: &str = "#action";

/// Everything the tables are computed from.
pub(crate) struct Collected {
    /// `experiment`, the axes, `seed`, `metric`, `value`, `status`, `key`, `device` and [`ACTION`]: one line per run and
    /// metric, sorted by rows, metrics, seeds. `seed` is null where the seed does not matter.
    pub(crate) frame: DataFrame,
    /// Columns of the axes that tell rows apart, over all experiments.
    pub(crate) axes: Vec<String>,
    /// Metrics over all experiments, in the order of the columns.
    pub(crate) metrics: Vec<String>,
    /// How values of the axes are written.
    pub(crate) spelling: Spelling,
    /// Identity of the data behind each action, by its number in the frame.
    pub(crate) origins: Vec<BTreeSet<String>>,
    pub(crate) notes: Vec<String>,
}

/// The column of an axis.
pub(crate) fn axis_column(axis: &str) -> String {
    if RESERVED.contains(&axis) {
        format!("param.{axis}")
    } else {
        axis.to_owned()
    }
}

/// One line of the frame.
struct Line<'a> {
    experiment: &'a str,
    axes: &'a BTreeMap<String, Value>,
    place: Place,
    seed: Option<u64>,
    metric: usize,
    found: &'a Found,
    action: usize,
}

pub(crate) fn collect(inputs: &[Input]) -> Result<Collected, ResultsError> {
    check(inputs)?;
    let mut notes = definition::notes(inputs.iter());
    let mut parts = Vec::new();
    for input in inputs {
        let grid = Grid::of(input);
        let (rows, said) = decide(input, &grid)?;
        notes.extend(said);
        let found = read_all(input)?;
        notes.extend(gaps::notes(input, &grid, &rows, &found));
        parts.push((input, grid, rows, found));
    }
    let axes = union(
        parts
            .iter()
            .flat_map(|(_, _, rows, _)| rows)
            .map(|axis| axis_column(axis)),
    );
    let metrics = union(
        inputs
            .iter()
            .flat_map(|input| &input.metrics)
            .map(|metric| metric.name.clone()),
    );

    let spelling = Spelling::of(inputs.iter());
    let mut columns = Columns::new(axes.clone());
    let mut before = 0;
    for (input, grid, rows, found) in &parts {
        let mut lines = Vec::new();
        for (index, run) in input.runs.iter().enumerate() {
            for (metric, declared) in input.metrics.iter().enumerate() {
                // A run whose pipeline lacks the stage altogether does not owe a value.
                let Some(&action) = run.actions.get(&declared.stage) else {
                    continue;
                };
                let seed = input.actions[action].seeded.then_some(run.seed);
                let (place, found) = (grid.place(index, rows), &found[&(action, metric)]);
                lines.push(Line {
                    experiment: &input.experiment,
                    axes: &run.axes,
                    place,
                    seed,
                    metric,
                    found,
                    action,
                });
            }
        }
        // Runs come seed by seed within cells; rows may be asked for in another order of axes than the spec's.
        lines.sort_by(|a, b| (&a.place, a.metric, a.seed).cmp(&(&b.place, b.metric, b.seed)));
        for line in &lines {
            columns.push(line, input, &spelling, rows, before);
        }
        before += input.actions.len();
    }
    Ok(Collected {
        frame: columns.frame()?,
        axes,
        metrics,
        spelling,
        origins: inputs
            .iter()
            .flat_map(|input| &input.actions)
            .map(|a| a.origins.clone())
            .collect(),
        notes,
    })
}

fn check(inputs: &[Input]) -> Result<(), ResultsError> {
    let mut names = BTreeSet::new();
    for input in inputs {
        if !names.insert(&input.experiment) {
            return Err(ResultsError::Twice {
                name: input.experiment.clone(),
            });
        }
        if input.metrics.is_empty() {
            return Err(ResultsError::NoMetrics {
                experiment: input.experiment.clone(),
            });
        }
    }
    if inputs.is_empty() {
        Err(ResultsError::Nothing)
    } else {
        Ok(())
    }
}

/// In order of first appearance.
fn union(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.filter(|name| seen.insert(name.clone())).collect()
}

/// (action, metric) → what was found.
pub(crate) type Readings = BTreeMap<(usize, usize), Found>;

pub(crate) fn read_all(input: &Input) -> Result<Readings, ResultsError> {
    let mut wanted = BTreeSet::new();
    for run in &input.runs {
        for (metric, declared) in input.metrics.iter().enumerate() {
            wanted.extend(run.actions.get(&declared.stage).map(|&action| (action, metric)));
        }
    }
    let mut readings = Readings::new();
    let mut histories = (usize::MAX, Histories::default());
    for (action, metric) in wanted {
        // Sorted by action, so the histories of one at a time are kept.
        if histories.0 != action {
            histories = (action, Histories::default());
        }
        let found = read(&input.metrics[metric], &input.actions[action], &mut histories.1)?;
        readings.insert((action, metric), found);
    }
    for (metric, declared) in input.metrics.iter().enumerate() {
        let mut of_this = readings
            .iter()
            .filter(|((_, m), _)| *m == metric)
            .map(|(_, found)| found);
        // One good value proves that the name is right; without any it is a slip of the pen, not a hundred failures.
        if of_this.clone().any(|found| found.status == Status::Ok) {
            continue;
        }
        if let Some(there) = of_this.find_map(|found| found.unknown.as_ref()) {
            let (Reading::Field(wanted) | Reading::Column { column: wanted, .. }) = &declared.reading else {
                continue;
            };
            return Err(ResultsError::NoSuchValue {
                metric: declared.name.clone(),
                stage: declared.stage.clone(),
                wanted: wanted.clone(),
                hint: format!(
                    "it holds {}",
                    if there.is_empty() {
                        "nothing".into()
                    } else {
                        there.join(", ")
                    }
                ),
            });
        }
    }
    Ok(readings)
}

#[derive(Default)]
struct Columns {
    names: Vec<String>,
    axes: Vec<Vec<Option<String>>>,
    experiment: Vec<String>,
    seed: Vec<Option<u64>>,
    metric: Vec<String>,
    value: Vec<Option<f64>>,
    status: Vec<&'static str>,
    key: Vec<Option<String>>,
    device: Vec<String>,
    action: Vec<u64>,
}

impl Columns {
    fn new(names: Vec<String>) -> Self {
        Self {
            axes: vec![Vec::new(); names.len()],
            names,
            ..Self::default()
        }
    }

    fn push(&mut self, line: &Line<'_>, input: &Input, spelling: &Spelling, rows: &[String], before: usize) {
        for (name, column) in self.names.iter().zip(&mut self.axes) {
            let axis = rows.iter().find(|axis| axis_column(axis) == *name);
            column.push(axis.and_then(|axis| Some(spelling.text(axis, line.axes.get(axis)?))));
        }
        let action = &input.actions[line.action];
        self.experiment.push(line.experiment.to_owned());
        self.seed.push(line.seed);
        self.metric.push(input.metrics[line.metric].name.clone());
        self.value.push(line.found.value);
        self.status.push(line.found.status.name());
        self.key.push(action.key.clone());
        self.device
            .push(action.devices.iter().cloned().collect::<Vec<_>>().join("+"));
        self.action.push((before + line.action) as u64);
    }

    fn frame(self) -> Result<DataFrame, ResultsError> {
        let height = self.experiment.len();
        let mut columns = vec![Column::new("experiment".into(), self.experiment)];
        columns.extend(
            self.names
                .iter()
                .zip(self.axes)
                .map(|(name, values)| Column::new(name.into(), values)),
        );
        columns.extend([
            Column::new("seed".into(), self.seed),
            Column::new("metric".into(), self.metric),
            Column::new("value".into(), self.value),
            Column::new("status".into(), self.status),
            Column::new("key".into(), self.key),
            Column::new("device".into(), self.device),
            Column::new(ACTION.into(), self.action),
        ]);
        Ok(DataFrame::new(height, columns)?)
    }
}

#[cfg(test)]
#[path = "collect_tests.rs"]
mod tests;
