//! Two experiments, or two values of an axis, set against each other.
//!
//! ```text
//! sources ─▶ sides.rs: the samples of A and B, row by row ─▶ outcome.rs: what they say ─▶ view.rs: rows and columns
//!        └─▶ differences.rs: in which settings the two differ
//! ```

mod differences;
mod outcome;
mod sides;
mod view;

use crate::collect::read_all;
use crate::definition;
use crate::error::ResultsError;
use crate::render::{Format, write};
use crate::source::Source;
use crate::statistics::holm;
use differences::Differences;
use moelab_engine::plan::select::Filter;
use outcome::Outcome;
use serde_json::Value;
use sides::{Place, Sample, Side};

/// What is compared.
pub enum Question<'a> {
    Experiments(Source<'a>, Source<'a>),
    /// Two values of an axis within one experiment.
    Axis {
        source: Source<'a>,
        axis: String,
        values: [Value; 2],
    },
}

/// A comparison: one row per place in the table and metric.
pub struct Comparison {
    /// What A and B are, for people.
    names: [String; 2],
    /// Axes that tell the rows apart.
    axes: Vec<String>,
    rows: Vec<Row>,
    notes: Vec<String>,
}

struct Row {
    place: Place,
    metric: String,
    samples: [Sample; 2],
    outcome: Outcome,
    /// p-value adjusted for all rows that have one.
    holm: Option<f64>,
}

impl Comparison {
    /// Compares the metrics both have, or those that are named, in the rows a filter takes.
    pub fn build(question: &Question<'_>, metrics: &[String], filter: &Filter) -> Result<Self, ResultsError> {
        let metrics = sides::metrics(question, metrics)?;
        let surveyed = sides::survey(question, &metrics)?;
        let inputs = surveyed.each_ref().map(|(input, _)| input);
        let side = |which: usize| Side::of(question, which, inputs, &read_all(inputs[which])?, filter);
        let (a, b) = (side(0)?, side(1)?);
        for side in [&a, &b] {
            if side.samples.values().all(|sample| sample.values.is_empty()) {
                return Err(ResultsError::NeverRun {
                    experiment: side.experiment.clone(),
                    side: side.name.clone(),
                });
            }
        }
        let joined = sides::join(&a, &b)?;
        let differences = Differences::between(question, &surveyed, &joined.runs);
        let mut rows: Vec<Row> = Vec::new();
        for (place, [of_a, of_b]) in &joined.places {
            for metric in &metrics {
                let sample = |side: &Side, place: &Place| side.samples.get(&(place.clone(), metric.clone())).cloned();
                let (Some(left), Some(right)) = (sample(&a, of_a), sample(&b, of_b)) else {
                    continue;
                };
                rows.push(Row {
                    place: place.clone(),
                    metric: metric.clone(),
                    outcome: Outcome::of(&left, &right),
                    samples: [left, right],
                    holm: None,
                });
            }
        }
        if rows.is_empty() {
            return Err(ResultsError::NothingInCommon {
                a: a.name,
                b: b.name,
                why: "no row of one has a metric in a row of the other".into(),
            });
        }
        let tested: Vec<usize> = (0..rows.len()).filter(|&i| rows[i].outcome.p().is_some()).collect();
        let p: Vec<f64> = tested.iter().filter_map(|&i| rows[i].outcome.p()).collect();
        for (index, adjusted) in tested.into_iter().zip(holm::adjusted(&p)) {
            rows[index].holm = Some(adjusted);
        }
        let mut notes = definition::notes(inputs.into_iter());
        notes.extend(view::reading(&rows));
        notes.extend(joined.notes);
        notes.extend(a.notes.iter().cloned());
        notes.extend(b.notes.iter().filter(|note| !a.notes.contains(note)).cloned());
        notes.extend(differences.notes(question));
        Ok(Self {
            names: [a.name, b.name],
            axes: joined.axes,
            rows,
            notes,
        })
    }

    /// Whether every value that was asked for is there on both sides.
    pub fn complete(&self) -> bool {
        let mut samples = self.rows.iter().flat_map(|row| &row.samples);
        samples.all(|sample| sample.values.len() == sample.expected)
    }

    /// How the numbers came about, and what a reader should know beside them.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Writes it down. Everything but Parquet is UTF-8 that ends in a newline.
    pub fn render(&self, format: Format) -> Result<Vec<u8>, ResultsError> {
        write(format, &view::frame(self)?, || view::grid(self))
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
