//! What a table is made of, apart from where it comes from.
//!
//! An [`Input`] is one experiment with what the store knows of it. It is plain data, so that tables can be built and
//! tested without a store; [`crate::Source::inputs`] fills it from a plan.

pub use moelab_engine::spec::{Better, Cells};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// One experiment: its cells, its actions and the table it wants.
#[derive(Clone, Debug, Default)]
pub struct Input {
    pub experiment: String,
    /// Names of everything that may tell rows apart, in the order of the spec; never the seed.
    pub axes: Vec<String>,
    /// Every combination of axis values with every seed, in the order of the spec.
    pub runs: Vec<Run>,
    pub actions: Vec<Action>,
    /// The columns, in the order of the table.
    pub metrics: Vec<Metric>,
    /// Axes that tell cells apart. An axis left out must not matter to any metric; one that does is added.
    pub rows: Vec<String>,
    /// Those of `rows` that stand in the columns of the table.
    pub spread: Vec<String>,
    /// What is printed of a cell.
    pub cells: Cells,
    /// Cells with fewer seeds are incomplete even if nothing more was asked for.
    pub min_seeds: u64,
    pub references: Vec<Reference>,
}

/// One cell of the matrix with one seed.
#[derive(Clone, Debug, Default)]
pub struct Run {
    pub axes: BTreeMap<String, Value>,
    pub seed: u64,
    /// Stage → index of the action that serves it here. Runs that share an action share the index.
    pub actions: BTreeMap<String, usize>,
}

/// One action, as far as a table is concerned.
#[derive(Clone, Debug)]
pub struct Action {
    /// Its key, if its inputs are known well enough to have one.
    pub key: Option<String>,
    /// Whether it depends on the seed. One that does not gives one value, however many seeds there are.
    pub seeded: bool,
    /// Device kinds (`cpu`, `cuda`, `flex`) on which it and its ancestors computed numbers that depend on the device.
    pub devices: BTreeSet<String>,
    /// Tells apart what it was computed from: digests of the labels, or else of the data, at the beginning of its DAG.
    pub origins: BTreeSet<String>,
    pub state: State,
}

#[derive(Clone, Debug)]
pub enum State {
    Done(Done),
    /// It has not run, or not to its end; what stands in its way, where that is known.
    Missing(Option<String>),
    /// It, or an ancestor, failed; the reason for people.
    Failed(String),
}

/// What a finished action left.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Content of the JSON outputs, by name.
    pub values: BTreeMap<String, Value>,
    /// Where the other outputs lie; none where the file was evicted.
    pub files: BTreeMap<String, Option<PathBuf>>,
}

/// A named number per run.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub name: String,
    pub stage: String,
    pub output: String,
    pub reading: Reading,
    /// Which way is better; that decides what is marked.
    pub better: Better,
}

/// How the number is read from the output.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A field of a JSON document.
    Field(String),
    /// A column of a history, reduced.
    Column { column: String, reduce: Reduce },
    /// The JSON document itself, which must be one number.
    Value,
}

/// From a column of a history to one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    Last,
    Min,
    Max,
    /// Over the last so many records.
    MeanLast(u64),
    /// At this epoch.
    At(u64),
}

/// A published result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reference {
    pub labels: BTreeMap<String, Value>,
    /// Metric → value.
    pub values: BTreeMap<String, f64>,
    /// How many runs stand behind it, in the source's words: `mean of 5`, `best of 10`.
    pub runs: Option<String>,
    pub source: String,
}

/// An axis value as people read it: text bare, everything else as JSON.
pub fn display(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
