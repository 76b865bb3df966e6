//! The table as people read it: text in rows and columns, before any syntax.

use crate::number::Digits;
use crate::table::{Cell, Table};
use std::collections::BTreeMap;

/// What stands where there is nothing.
const NOTHING: &str = "–";

/// What a column is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Tells rows apart.
    Key,
    Number,
    /// How many seeds, and of what.
    Seeds,
    /// Where a published row is from.
    Source,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    pub(crate) title: String,
    pub(crate) role: Role,
}

impl Head {
    fn new(title: &str, role: Role) -> Self {
        Self {
            title: title.to_owned(),
            role,
        }
    }

    pub(crate) fn right(&self) -> bool {
        matches!(self.role, Role::Number | Role::Seeds)
    }
}

/// Rows and columns of text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grid {
    pub(crate) heads: Vec<Head>,
    pub(crate) ours: Vec<Vec<String>>,
    pub(crate) published: Vec<Vec<String>>,
    pub(crate) notes: Vec<String>,
}

impl Grid {
    /// Rows as the experiment asks for, one column per metric.
    pub(crate) fn pivot(table: &Table) -> Self {
        // Without axes a row needs a name all the same.
        let named = table.experiments > 1 || table.axes.is_empty();
        let mut heads: Vec<Head> = named.then(|| Head::new("experiment", Role::Key)).into_iter().collect();
        heads.extend(table.axes.iter().map(|axis| Head::new(axis, Role::Key)));
        heads.extend(table.metrics.iter().map(|metric| Head::new(metric, Role::Number)));
        heads.push(Head::new("seeds", Role::Seeds));
        if !table.published.is_empty() {
            heads.push(Head::new("source", Role::Source));
        }
        let digits = digits(table);
        let width = heads.len();
        let key = |experiment: &str, axes: &[Option<String>]| {
            let mut row: Vec<String> = named.then(|| experiment.to_owned()).into_iter().collect();
            row.extend(axes.iter().map(|value| value.clone().unwrap_or_default()));
            row
        };
        let ours = rows(table).into_iter().map(|cells| {
            let uniform = cells
                .iter()
                .filter(|c| c.seeded)
                .all(|c| c.expected == seeds_of(&cells));
            let mut row = key(&cells[0].experiment, &cells[0].axes);
            row.extend(table.metrics.iter().map(|metric| {
                let cell = cells.iter().find(|cell| cell.metric == *metric);
                cell.map_or_else(String::new, |cell| text(cell, digits[metric.as_str()], uniform))
            }));
            row.push(seeds(&cells));
            row.resize(width, String::new());
            row
        });
        let ours = ours.collect();
        let mut published: Vec<Vec<String>> = Vec::new();
        for reference in &table.published {
            let mut row = key("", &reference.axes);
            row.extend(table.metrics.iter().zip(&reference.values).map(|(metric, value)| {
                value.map_or_else(|| NOTHING.to_owned(), |x| digits[metric.as_str()].with_spread(x, None))
            }));
            row.push(reference.runs.clone().unwrap_or_default());
            row.push(reference.source.clone());
            // Experiments set beside each other often cite the same rows.
            if !published.contains(&row) {
                published.push(row);
            }
        }
        Self {
            heads,
            ours,
            published,
            notes: table.notes().to_vec(),
        }
    }

    /// Every line of the raw table.
    pub(crate) fn raw(table: &Table) -> Self {
        let frame = table.raw();
        let role = |name: &str| {
            if matches!(name, "seed" | "value") {
                Role::Number
            } else {
                Role::Key
            }
        };
        let heads = frame
            .get_column_names()
            .into_iter()
            .map(|name| Head::new(name, role(name)))
            .collect();
        let line = |row: usize| {
            let cells = frame.columns().iter().map(|column| {
                let text = crate::render::json::value(column, row);
                match (column.name().as_str(), text) {
                    (_, serde_json::Value::Null) => String::new(),
                    // The first digits tell keys apart, and a whole one fills the line.
                    ("key", serde_json::Value::String(key)) => key.chars().take(8).collect(),
                    (_, value) => crate::input::display(&value),
                }
            });
            cells.collect()
        };
        Self {
            heads,
            ours: (0..frame.height()).map(line).collect(),
            published: Vec::new(),
            notes: table.notes().to_vec(),
        }
    }
}

/// Cells by row, in the order of the table.
fn rows(table: &Table) -> Vec<Vec<&Cell>> {
    let mut index: BTreeMap<(&str, &[Option<String>]), usize> = BTreeMap::new();
    let mut rows: Vec<Vec<&Cell>> = Vec::new();
    for cell in &table.cells {
        let at = *index.entry((&cell.experiment, &cell.axes)).or_insert_with(|| {
            rows.push(Vec::new());
            rows.len() - 1
        });
        rows[at].push(cell);
    }
    rows
}

/// Digits per metric, from all values and published ones.
fn digits(table: &Table) -> BTreeMap<&str, Digits> {
    let mut values: BTreeMap<&str, Vec<f64>> = table.metrics.iter().map(|m| (m.as_str(), Vec::new())).collect();
    let raw = table.raw();
    let metric = raw
        .column("metric")
        .and_then(|column| column.str())
        .expect("the raw table names its metrics");
    let value = raw
        .column("value")
        .and_then(|column| column.f64())
        .expect("the raw table has values");
    for (metric, value) in metric.iter().zip(value.iter()) {
        if let (Some(metric), Some(value)) = (metric, value) {
            values
                .get_mut(metric)
                .expect("metrics of the table are those of its lines")
                .push(value);
        }
    }
    for reference in &table.published {
        for (metric, value) in table.metrics.iter().zip(&reference.values) {
            values
                .get_mut(metric.as_str())
                .expect("filled from the same list")
                .extend(*value);
        }
    }
    values
        .into_iter()
        .map(|(metric, values)| (metric, Digits::of(values.into_iter())))
        .collect()
}

/// Seeds asked for, as the first cell that depends on seeds has it.
fn seeds_of(cells: &[&Cell]) -> u32 {
    cells.iter().find(|cell| cell.seeded).map_or(1, |cell| cell.expected)
}

fn text(cell: &Cell, digits: Digits, uniform: bool) -> String {
    let count = format!("({}/{})", cell.n, cell.expected);
    match cell.mean {
        None => format!("{NOTHING} {count}"),
        Some(mean) => {
            let text = digits.with_spread(mean, cell.std);
            let marked = !cell.complete() || cell.seeded && !uniform;
            if marked { format!("{text} {count}") } else { text }
        }
    }
}

/// One number where all cells of the row have it, else from least to most; the cells then say their own.
fn seeds(cells: &[&Cell]) -> String {
    let seeded = cells.iter().any(|cell| cell.seeded);
    let counts = || cells.iter().filter(|cell| cell.seeded == seeded).map(|cell| cell.n);
    match (counts().min(), counts().max()) {
        (Some(least), Some(most)) if least < most => format!("{least}–{most}"),
        (least, _) => least.unwrap_or(0).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::State;
    use crate::testing::{Build, action, field, sample};
    use serde_json::json;

    fn pivot(build: Build) -> Grid {
        Grid::pivot(&Table::build(&[build.input]).unwrap())
    }

    #[test]
    fn a_complete_row_says_its_seeds_once() {
        let grid = pivot(sample(&[(10, &[Some(0.9), Some(0.8), Some(0.7)])]));
        assert_eq!(grid.ours, [["10", "0.800 ± 0.100", "3"]]);
    }

    #[test]
    fn a_gap_is_marked_in_the_cell() {
        let grid = pivot(sample(&[
            (10, &[Some(0.9), None, Some(0.7)]),
            (20, &[None, None, None]),
        ]));
        assert_eq!(grid.ours, [["10", "0.800 ± 0.141 (2/3)", "2"], ["20", "– (0/3)", "0"]]);
    }

    #[test]
    fn cells_of_different_counts_give_a_range() {
        let mut build = sample(&[(10, &[Some(0.9), Some(0.7)])]);
        build.input.metrics.push(field("nmi", "other", "nmi"));
        build.done(0, "other", "o0", json!({"nmi": 0.5}));
        build.act(1, "other", "o1", action(State::Missing(None)));
        assert_eq!(pivot(build).ours, [["10", "0.800 ± 0.141", "0.500 (1/2)", "1–2"]]);
    }

    #[test]
    fn what_depends_on_no_seed_does_not_lower_the_count() {
        let mut build = sample(&[(10, &[Some(0.9), Some(0.7)])]);
        build.input.metrics.push(field("size", "data", "size"));
        for run in [0, 1] {
            build.done(run, "data", "d", json!({"size": 70000})).seeded = false;
        }
        assert_eq!(pivot(build).ours, [["10", "0.800 ± 0.141", "70000", "2"]]);
    }

    #[test]
    fn a_metric_that_a_row_does_not_have_is_blank() {
        let mut build = sample(&[(10, &[Some(0.9)]), (20, &[Some(0.7)])]);
        build.input.metrics.push(field("nmi", "other", "nmi"));
        build.done(0, "other", "o", json!({"nmi": 0.5}));
        assert_eq!(pivot(build).ours[1], ["20", "0.700", "", "1"]);
    }

    #[test]
    fn a_table_without_axes_names_its_experiment() {
        let build = Build::new("one", &[]).metrics([field("acc", "a", "acc")]);
        let mut build = build;
        let run = build.run(json!({}), 0);
        build.done(run, "a", "a", json!({"acc": 0.5}));
        let grid = pivot(build);
        assert_eq!(
            (grid.heads[0].title.as_str(), grid.ours[0][0].as_str()),
            ("experiment", "one")
        );
    }

    #[test]
    fn a_raw_line_has_a_short_key() {
        let table = Table::build(&[sample(&[(10, &[Some(0.9), None])]).input]).unwrap();
        let grid = Grid::raw(&table);
        assert_eq!(
            grid.ours[0],
            ["mnist-moe", "10", "0", "acc", "0.9", "ok", "key-e-10", "cpu"]
        );
        assert_eq!(grid.ours[1][4..6], ["", "missing"]);
    }
}
