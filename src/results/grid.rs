//! The table as people read it: text in rows and columns, before any syntax.

use crate::input::Cells;
use crate::mark::{Legend, Mark};
use crate::number::Digits;
use crate::table::{Cell, Table};
use std::collections::BTreeMap;

/// What stands where there is nothing.
pub(crate) const NOTHING: &str = "–";

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
    /// What neighbouring columns share: the value of an axis, or the metric.
    pub(crate) group: Option<String>,
    pub(crate) title: String,
    pub(crate) role: Role,
}

impl Head {
    pub(crate) fn new(title: &str, role: Role) -> Self {
        Self {
            group: None,
            title: title.to_owned(),
            role,
        }
    }

    pub(crate) fn right(&self) -> bool {
        matches!(self.role, Role::Number | Role::Seeds)
    }

    /// The whole title in one line.
    pub(crate) fn line(&self) -> String {
        match &self.group {
            Some(group) => format!("{group} {}", self.title),
            None => self.title.clone(),
        }
    }
}

/// Rows and columns of text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Grid {
    /// What stands above.
    pub(crate) title: Option<String>,
    pub(crate) heads: Vec<Head>,
    pub(crate) ours: Vec<Vec<String>>,
    pub(crate) published: Vec<Vec<String>>,
    /// (row of `ours`, column) → how that cell stands.
    pub(crate) marks: BTreeMap<(usize, usize), Mark>,
    /// How the marks are to be read.
    pub(crate) legend: Option<Legend>,
    pub(crate) notes: Vec<String>,
}

/// One column of numbers: a metric, at values of the axes that are spread.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place<'a> {
    spread: Vec<Option<&'a str>>,
    metric: &'a str,
}

impl Grid {
    /// Rows and columns as the experiment asks for.
    pub(crate) fn pivot(table: &Table) -> Self {
        let spread: Vec<usize> = positions(table, |axis| table.spread.contains(axis));
        let rows: Vec<usize> = positions(table, |axis| !table.spread.contains(axis));
        // Without axes a row needs a name all the same.
        let named = table.experiments > 1 || rows.is_empty();
        let places = places(table, &spread);
        let mut heads: Vec<Head> = named.then(|| Head::new("experiment", Role::Key)).into_iter().collect();
        heads.extend(rows.iter().map(|&axis| Head::new(&table.axes[axis], Role::Key)));
        let first = heads.len();
        heads.extend(places.iter().map(|place| head(place, table.metrics.len())));
        heads.push(Head::new("seeds", Role::Seeds));
        if !table.published.is_empty() {
            heads.push(Head::new("source", Role::Source));
        }
        let digits = digits(table);
        let key = |experiment: &str, axes: &[Option<String>]| {
            let mut row: Vec<String> = named.then(|| experiment.to_owned()).into_iter().collect();
            row.extend(rows.iter().map(|&axis| axes[axis].clone().unwrap_or_default()));
            row
        };
        let mut grid = Self {
            legend: table.legend.clone(),
            notes: table.notes().to_vec(),
            ..Self::default()
        };
        for cells in by_row(table, &rows) {
            let expected = seeds_of(&cells);
            let uniform = cells.iter().filter(|c| c.seeded).all(|c| c.expected == expected);
            let mut row = key(&cells[0].experiment, &cells[0].axes);
            for (column, place) in places.iter().enumerate() {
                let cell = cells.iter().find(|cell| place_of(cell, &spread) == *place);
                let digits = digits[place.metric];
                row.push(cell.map_or_else(String::new, |cell| text(cell, table.print, digits, uniform)));
                let mark = cell.and_then(|cell| cell.mark);
                grid.marks
                    .extend(mark.map(|mark| ((grid.ours.len(), first + column), mark)));
            }
            row.push(seeds(&cells));
            row.resize(heads.len(), String::new());
            grid.ours.push(row);
        }
        for reference in &table.published {
            let mut row = key("", &reference.axes);
            row.extend(places.iter().map(|place| {
                let metric = table.metrics.iter().position(|metric| metric == place.metric);
                let mut here = spread.iter().zip(&place.spread);
                let here = here.all(|(&axis, value)| reference.axes[axis].as_deref() == *value);
                let value = metric.and_then(|metric| reference.values[metric]).filter(|_| here);
                value.map_or_else(|| NOTHING.to_owned(), |x| digits[place.metric].with_spread(x, None))
            }));
            row.push(reference.runs.clone().unwrap_or_default());
            row.push(reference.source.clone());
            grid.publish(row);
        }
        // What mean ± std says of itself.
        if table.print != Cells::MeanStd {
            grid.notes.insert(0, format!("cells: {}", cells(table.print)));
        }
        grid.heads = heads;
        grid.plain()
    }

    /// Values and sources may hold anything; here they move no cursor and break no line.
    fn plain(mut self) -> Self {
        let heads = self
            .heads
            .iter_mut()
            .flat_map(|head| head.group.iter_mut().chain([&mut head.title]));
        let cells = self.ours.iter_mut().chain(&mut self.published).flatten();
        for text in heads.chain(cells).filter(|text| text.contains(char::is_control)) {
            *text = text.replace(char::is_control, " ");
        }
        self
    }

    /// Adds a published row. Experiments set beside each other often cite the same ones, and a source with a number for
    /// each of several columns is one row.
    fn publish(&mut self, row: Vec<String>) {
        let fits = |known: &[String]| {
            let mut cells = known.iter().zip(&row);
            cells.all(|(a, b)| a == b || a == NOTHING || b == NOTHING)
        };
        match self.published.iter_mut().find(|known| fits(known)) {
            Some(known) => {
                for (cell, new) in known.iter_mut().zip(row) {
                    if cell == NOTHING {
                        *cell = new;
                    }
                }
            }
            None => self.published.push(row),
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
            notes: table.notes().to_vec(),
            ..Self::default()
        }
    }
}

/// Positions of the axes for which something holds.
fn positions(table: &Table, holds: impl Fn(&String) -> bool) -> Vec<usize> {
    (0..table.axes.len()).filter(|&axis| holds(&table.axes[axis])).collect()
}

fn place_of<'a>(cell: &'a Cell, spread: &[usize]) -> Place<'a> {
    Place {
        spread: spread.iter().map(|&axis| cell.axes[axis].as_deref()).collect(),
        metric: &cell.metric,
    }
}

/// The columns of numbers: values of the spread axes as they come up, and under each the metrics.
fn places<'a>(table: &'a Table, spread: &[usize]) -> Vec<Place<'a>> {
    let mut values: Vec<Vec<Option<&str>>> = Vec::new();
    for cell in &table.cells {
        let place = place_of(cell, spread);
        if !values.contains(&place.spread) {
            values.push(place.spread);
        }
    }
    let place = |spread: &Vec<Option<&'a str>>, metric: &'a String| Place {
        spread: spread.clone(),
        metric,
    };
    let metrics = |spread: Vec<Option<&'a str>>| table.metrics.iter().map(move |metric| place(&spread, metric));
    values.into_iter().flat_map(metrics).collect()
}

/// Over several metrics stand the values; over the values of a single one stands the metric.
fn head(place: &Place<'_>, metrics: usize) -> Head {
    let values: Vec<&str> = place.spread.iter().map(|value| value.unwrap_or(NOTHING)).collect();
    let values = values.join(", ");
    match (values.is_empty(), metrics) {
        (true, _) => Head::new(place.metric, Role::Number),
        (false, 1) => Head {
            group: Some(place.metric.to_owned()),
            ..Head::new(&values, Role::Number)
        },
        (false, _) => Head {
            group: Some(values),
            ..Head::new(place.metric, Role::Number)
        },
    }
}

/// Cells by row, in the order of the table.
fn by_row<'a>(table: &'a Table, rows: &[usize]) -> Vec<Vec<&'a Cell>> {
    let mut index: BTreeMap<(&str, Vec<Option<&str>>), usize> = BTreeMap::new();
    let mut found: Vec<Vec<&Cell>> = Vec::new();
    for cell in &table.cells {
        let key = rows.iter().map(|&axis| cell.axes[axis].as_deref()).collect();
        let at = *index.entry((&cell.experiment, key)).or_insert_with(|| {
            found.push(Vec::new());
            found.len() - 1
        });
        found[at].push(cell);
    }
    found
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

/// What cells hold, in words.
pub(crate) fn cells(print: Cells) -> String {
    let level = 100.0 * crate::statistics::LEVEL;
    match print {
        Cells::MeanStd => "mean ± sample standard deviation over seeds".into(),
        Cells::MeanCi => format!("mean over seeds [its interval of {level} % confidence, bootstrap over the seeds]"),
        Cells::MedianRange => "median over seeds [least, greatest]".into(),
        Cells::Mean => "mean over seeds".into(),
    }
}

fn text(cell: &Cell, print: Cells, digits: Digits, uniform: bool) -> String {
    let count = format!("({}/{})", cell.n, cell.expected);
    let (Some(mean), Some([min, median, max])) = (cell.mean, cell.range) else {
        return format!("{NOTHING} {count}");
    };
    let text = match print {
        Cells::MeanStd => digits.with_spread(mean, cell.std),
        Cells::MeanCi => digits.with_bounds(mean, cell.ci),
        Cells::MedianRange => digits.with_bounds(median, (cell.n > 1).then_some((min, max))),
        Cells::Mean => digits.with_bounds(mean, None),
    };
    let counted = !cell.complete() || cell.seeded && !uniform;
    if counted { format!("{text} {count}") } else { text }
}

/// One number where all cells of the row have it, else from least to most; the cells then say their own.
fn seeds(cells: &[&Cell]) -> String {
    let seeded = cells.iter().any(|cell| cell.seeded);
    let counts = || cells.iter().filter(|cell| cell.seeded == seeded).map(|cell| cell.n);
    match (counts().min(), counts().max()) {
        (Some(least), Some(most)) if least < most => format!("{least} to {most}"),
        (least, _) => least.unwrap_or(0).to_string(),
    }
}

#[cfg(test)]
#[path = "grid_tests.rs"]
mod tests;
