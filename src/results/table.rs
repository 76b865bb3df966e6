//! The result table of one or several experiments.

use crate::aggregate::{LINES, SEEDED, aggregate, distinct, lines};
use crate::collect::{ACTION, Collected, axis_column, collect};
use crate::error::ResultsError;
use crate::input::{Cells, Input};
use crate::mark::{self, Legend, Mark};
use crate::reference::{self, Published};
use polars::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// One row of the table and one metric, over the seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub experiment: String,
    /// Per axis column of the table.
    pub axes: Vec<Option<String>>,
    pub metric: String,
    /// Values there are; `n + missing + failed = expected`.
    pub n: u32,
    pub expected: u32,
    pub missing: u32,
    pub failed: u32,
    pub mean: Option<f64>,
    /// Sample standard deviation, none at n = 1.
    pub std: Option<f64>,
    /// 95 % bootstrap interval of the mean, none at n = 1.
    pub ci: Option<(f64, f64)>,
    /// Least, median and greatest value.
    pub range: Option<[f64; 3]>,
    /// The values there are, with their seeds where the metric depends on them.
    pub values: Vec<(Option<u64>, f64)>,
    /// What the values were computed from: only cells of the same data can be better or worse than each other.
    pub origins: BTreeSet<String>,
    /// How it stands among the cells of its metric and data.
    pub mark: Option<Mark>,
    /// Whether the metric depends on the seed at all; if not, one value is all there can be.
    pub seeded: bool,
    /// Values without which the cell counts as incomplete, `min_seeds` considered.
    pub wanted: u32,
}

impl Cell {
    pub fn complete(&self) -> bool {
        self.n == self.expected
    }
}

/// A table: tidy, raw and in the order in which people read it.
pub struct Table {
    tidy: DataFrame,
    raw: DataFrame,
    pub(crate) axes: Vec<String>,
    pub(crate) metrics: Vec<String>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) published: Vec<Published>,
    pub(crate) experiments: usize,
    /// Those of the axes that stand in the columns.
    pub(crate) spread: Vec<String>,
    pub(crate) print: Cells,
    /// How the marks are to be read; none if there are none.
    pub(crate) legend: Option<Legend>,
    notes: Vec<String>,
}

impl Table {
    /// Builds the table of experiments; their rows follow each other, axes and metrics are united.
    pub fn build(inputs: &[Input]) -> Result<Self, ResultsError> {
        let collected = collect(inputs)?;
        let raw = distinct(&collected)?;
        let aggregated = aggregate(&raw, &collected)?;
        let published: Vec<_> = inputs
            .iter()
            .flat_map(|input| reference::published(input, &collected))
            .collect();
        let least = inputs
            .iter()
            .map(|i| (i.experiment.as_str(), u32::try_from(i.min_seeds).unwrap_or(u32::MAX)));
        let mut cells = cells(&aggregated, &raw, &collected, &least.collect())?;
        let legend = mark::mark(&mut cells, inputs);
        let mut notes = collected.notes.clone();
        notes.extend(inputs.iter().filter_map(|input| too_few(input, &cells)));
        notes.extend(mixed_devices(&raw, &collected.axes)?);
        let tidy = tidy(aggregated, &cells, &collected, &published)?;
        let raw = raw.drop(ACTION)?;
        let Collected { axes, metrics, .. } = collected;
        Ok(Self {
            tidy,
            raw,
            axes,
            metrics,
            cells,
            published,
            experiments: inputs.len(),
            spread: spread(inputs),
            print: inputs[0].cells,
            legend,
            notes,
        })
    }

    /// One line per row and metric: `experiment`, `kind`, the axes, `metric`, `n`, `expected`, `missing`, `failed`,
    /// `mean`, `std`, `ci_low`, `ci_high`, `min`, `median`, `max`, `mark` (`best`, `not_worse`), `source`.
    pub fn tidy(&self) -> &DataFrame {
        &self.tidy
    }

    /// One line per row, metric and seed: `experiment`, the axes, `seed`, `metric`, `value`, `status`, `key`, `device`.
    pub fn raw(&self) -> &DataFrame {
        &self.raw
    }

    /// Our rows, metric by metric.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// What a reader should know beside the numbers: axes that were added, reasons of failures, mixed devices.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether every value that was asked for is there.
    pub fn complete(&self) -> bool {
        self.cells.iter().all(Cell::complete)
    }

    /// Cells with fewer values than the table's `min_seeds`.
    pub fn below_min_seeds(&self) -> Vec<&Cell> {
        self.cells.iter().filter(|cell| cell.n < cell.wanted).collect()
    }
}

/// Ours and the published rows in the columns of the tidy table.
fn tidy(
    aggregated: DataFrame,
    cells: &[Cell],
    collected: &Collected,
    published: &[Published],
) -> PolarsResult<DataFrame> {
    let mut ours = aggregated.drop(SEEDED)?.drop(LINES)?;
    let height = ours.height();
    ours.insert_column(1, Column::new("kind".into(), vec!["ours"; height]))?;
    let marks: Vec<_> = cells.iter().map(|cell| cell.mark.map(Mark::name)).collect();
    ours.with_column(Column::new("mark".into(), marks))?;
    ours.with_column(Column::full_null("source".into(), height, &DataType::String))?;
    ours.vstack_mut(&reference::frame(published, &collected.axes, &collected.metrics)?)?;
    ours.rechunk_mut();
    Ok(ours)
}

/// The axes in the columns: those that some experiment puts there and all have.
fn spread(inputs: &[Input]) -> Vec<String> {
    let wanted = inputs.iter().flat_map(|input| &input.spread);
    let mut spread: Vec<String> = Vec::new();
    for axis in wanted.filter(|axis| inputs.iter().all(|input| input.rows.contains(axis))) {
        let column = axis_column(axis);
        if !spread.contains(&column) {
            spread.push(column);
        }
    }
    spread
}

fn cells(
    frame: &DataFrame,
    raw: &DataFrame,
    collected: &Collected,
    least: &BTreeMap<&str, u32>,
) -> PolarsResult<Vec<Cell>> {
    let axes = &collected.axes;
    let (value, seed, action) = (
        raw.column("value")?.f64()?,
        raw.column("seed")?.u64()?,
        raw.column(ACTION)?.u64()?,
    );
    let lines = lines(frame)?;
    let text = |name: &str| frame.column(name).and_then(|column| column.str());
    let count = |name: &str| frame.column(name).and_then(|column| column.u32());
    let axes = axes.iter().map(|axis| text(axis)).collect::<PolarsResult<Vec<_>>>()?;
    let (experiment, metric) = (text("experiment")?, text("metric")?);
    let counts = [count("n")?, count("expected")?, count("missing")?, count("failed")?];
    let number = |name: &str| frame.column(name).and_then(|column| column.f64());
    let (mean, std) = (number("mean")?, number("std")?);
    let (low, high) = (number("ci_low")?, number("ci_high")?);
    let (min, median, max) = (number("min")?, number("median")?, number("max")?);
    let seeded = frame.column(SEEDED)?.bool()?;
    let cell = |row: usize| {
        let [n, expected, missing, failed] = counts.map(|column| column.get(row).unwrap_or(0));
        let experiment = experiment.get(row).unwrap_or_default();
        let seeded = seeded.get(row).unwrap_or(false);
        let least = least.get(experiment).copied().unwrap_or(1);
        Cell {
            axes: axes.iter().map(|axis| axis.get(row).map(str::to_owned)).collect(),
            metric: metric.get(row).unwrap_or_default().to_owned(),
            mean: mean.get(row),
            std: std.get(row),
            ci: low.get(row).zip(high.get(row)),
            range: (|| Some([min.get(row)?, median.get(row)?, max.get(row)?]))(),
            values: lines[row]
                .iter()
                .filter_map(|line| Some((seed.get(*line as usize), value.get(*line as usize)?)))
                .collect(),
            origins: lines[row]
                .iter()
                .filter_map(|line| action.get(*line as usize))
                .flat_map(|action| collected.origins[action as usize].iter().cloned())
                .collect(),
            mark: None,
            wanted: if seeded { least } else { least.min(expected) },
            experiment: experiment.to_owned(),
            n,
            expected,
            missing,
            failed,
            seeded,
        }
    };
    Ok((0..frame.height()).map(cell).collect())
}

/// Says that `min_seeds` is not met; the least, one, speaks for itself.
fn too_few(input: &Input, cells: &[Cell]) -> Option<String> {
    let below = cells
        .iter()
        .filter(|cell| cell.experiment == input.experiment && cell.n < cell.wanted);
    match (below.count(), input.min_seeds) {
        (0, _) | (_, ..=1) => None,
        (1, least) => Some(format!(
            "{}: 1 cell has fewer than the {least} seeds of `min_seeds`",
            input.experiment
        )),
        (n, least) => Some(format!(
            "{}: {n} cells have fewer than the {least} seeds of `min_seeds`",
            input.experiment
        )),
    }
}

/// Warns of cells whose values come from different device kinds: their last digits differ for that reason alone.
fn mixed_devices(raw: &DataFrame, axes: &[String]) -> PolarsResult<Vec<String>> {
    let text = |name: &str| frame_text(raw, name);
    let axis_columns = axes.iter().map(|axis| text(axis)).collect::<PolarsResult<Vec<_>>>()?;
    let (experiment, metric, device, status) = (text("experiment")?, text("metric")?, text("device")?, text("status")?);
    let mut kinds: BTreeMap<(String, String, String), (usize, BTreeSet<&str>)> = BTreeMap::new();
    for row in 0..raw.height() {
        if status.get(row) != Some("ok") {
            continue;
        }
        let place: Vec<_> = axes
            .iter()
            .zip(&axis_columns)
            .filter_map(|(axis, column)| Some(format!("{axis} = {}", column.get(row)?)))
            .collect();
        let own = |column: &StringChunked| column.get(row).unwrap_or_default().to_owned();
        let cell = kinds
            .entry((own(experiment), place.join(", "), own(metric)))
            .or_insert((row, BTreeSet::new()));
        cell.1.extend(
            device
                .get(row)
                .unwrap_or_default()
                .split('+')
                .filter(|kind| !kind.is_empty()),
        );
    }
    // One note per experiment and mixture, with the first cell as an example, in the order of the table.
    let mut mixtures: BTreeMap<(String, BTreeSet<&str>), (usize, usize, String)> = BTreeMap::new();
    for ((experiment, place, metric), (row, kinds)) in kinds {
        if kinds.len() > 1 {
            let example = if place.is_empty() {
                format!("`{metric}`")
            } else {
                format!("`{metric}` at {place}")
            };
            let entry = mixtures.entry((experiment, kinds)).or_insert((0, row, example.clone()));
            entry.0 += 1;
            if row < entry.1 {
                (entry.1, entry.2) = (row, example);
            }
        }
    }
    let note = |((experiment, kinds), (cells, _, example)): (&(String, BTreeSet<&str>), &(usize, usize, String))| {
        let kinds = kinds.iter().copied().collect::<Vec<_>>().join(", ");
        let cells = if *cells == 1 {
            "1 cell mixes".to_owned()
        } else {
            format!("{cells} cells mix")
        };
        format!("{experiment}: warning: {cells} device kinds ({kinds}): {example}, for one")
    };
    Ok(mixtures.iter().map(note).collect())
}

fn frame_text<'a>(frame: &'a DataFrame, name: &str) -> PolarsResult<&'a StringChunked> {
    frame.column(name)?.str()
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
