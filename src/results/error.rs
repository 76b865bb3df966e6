//! What can go wrong on the way from the store to a table.

use moelab_engine::spec::{Experiment, words};
use moelab_engine::store::StoreError;
use polars::prelude::PolarsError;
use std::path::PathBuf;

/// Why there is no table. A value that is missing or failed is no error: it is counted and shown.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    #[error("there is nothing to tabulate: no experiment was given")]
    Nothing,
    #[error("the experiment `{name}` was given twice; name each once")]
    Twice { name: String },
    #[error(
        "the experiment `{experiment}` declares no metrics, so its table has no columns\n  = name some under `metrics`, like acc: evaluation.acc"
    )]
    NoMetrics { experiment: String },
    #[error("the table of `{experiment}` wants rows by `{axis}`, which is no axis of it (it has {known})")]
    UnknownAxis {
        experiment: String,
        axis: String,
        known: String,
    },
    #[error("the metric `{metric}` reads `{wanted}` of stage `{stage}`, which no finished run holds\n  = {hint}")]
    NoSuchValue {
        metric: String,
        stage: String,
        wanted: String,
        hint: String,
    },
    #[error("`{experiment}` declares no metric `{metric}`\n  = {hint}")]
    UnknownMetric {
        metric: String,
        experiment: String,
        hint: String,
    },
    #[error("`{axis}` is no axis of the matrix of `{experiment}`\n  = {hint}")]
    NotAnAxis {
        axis: String,
        experiment: String,
        hint: String,
    },
    #[error("the axis `{axis}` of `{experiment}` has no value {value}\n  = it has {known}")]
    UnknownValue {
        axis: String,
        value: String,
        experiment: String,
        known: String,
    },
    #[error("`{axis}` is what is compared: leave it out of --where")]
    Compared { axis: String },
    #[error("{a} and {b} have nothing in common: {why}")]
    NothingInCommon { a: String, b: String, why: String },
    #[error("there is no finished number of {side} in the store\n  = `moelab run {experiment}` makes them")]
    NeverRun { experiment: String, side: String },
    #[error("{}", match found {
        0 => format!("no finished action of the store has a key that begins with {prefix}"),
        n => format!("{n} actions of the store have keys that begin with {prefix}; write more of it"),
    })]
    NoSuchKey { prefix: String, found: usize },
    #[error("{} cannot be read as Parquet: {source}\n  = `moelab verify` checks the store", path.display())]
    Unreadable { path: PathBuf, source: Box<PolarsError> },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the table cannot be written: {0}")]
    Write(#[from] std::io::Error),
    #[error("{}: {source}", path.display())]
    Export { path: PathBuf, source: std::io::Error },
    #[error("{} is not what it should be: {message}\n  = `moelab verify` checks the store", path.display())]
    NoTensors { path: PathBuf, message: String },
    #[error("`{action}` has not run yet{}\n  = {remedy}", why.as_ref().map_or(String::new(), |why| format!(" ({why})")))]
    NotRun {
        action: String,
        why: Option<String>,
        remedy: String,
    },
    #[error("`{action}` has failed: {message}\n  = `moelab log` shows more; mend it and run the experiment again")]
    HasFailed { action: String, message: String },
    #[error("{what} was given up for space\n  = {remedy}")]
    Evicted { what: String, remedy: String },
    #[error("the stage `{stage}` leaves no `{output}`; it leaves {there}")]
    NoOutput {
        stage: String,
        output: String,
        there: String,
    },
    #[error(transparent)]
    Select(#[from] moelab_engine::plan::select::SelectError),
    /// What was asked for cannot be drawn; the text says what can.
    #[error("{0}")]
    NotDrawn(String),
    #[error("the figure cannot be drawn: {0}")]
    Figure(String),
    /// Frames are built by this crate, so this is a bug of ours.
    #[error("internal error while computing the table (please report it): {0}")]
    Frame(Box<PolarsError>),
}

impl ResultsError {
    /// A metric that an experiment does not declare, with those it does.
    pub fn unknown_metric(metric: &str, experiment: &Experiment) -> Self {
        let known = experiment.metrics.iter().map(|known| known.name.as_str());
        Self::UnknownMetric {
            metric: metric.to_owned(),
            experiment: experiment.name.clone(),
            hint: words::suggest(metric, known).unwrap_or_else(|| "it declares none".into()),
        }
    }
}

impl From<PolarsError> for ResultsError {
    fn from(error: PolarsError) -> Self {
        Self::Frame(Box::new(error))
    }
}
