//! Specs: from two YAML files to a validated [`Experiment`], or to a [`Report`] of everything wrong with them.
//!
//! A file is read by two parsers: `serde_yaml` for its value, a marked parse for lines and columns ([`doc`]); they must
//! agree. The pipeline ([`pipeline`]) and the experiment on it are then read field by field, the matrix is expanded
//! ([`cells`]), and the settings of every stage are filled in and checked for every row ([`variants`], [`wiring`]). Nothing
//! here runs code or knows the store.

pub mod cells;
mod doc;
#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code))]
pub(crate) mod fake;
mod fields;
pub mod file_schema;
mod find;
pub mod interpolate;
mod marks;
pub mod matrix;
pub mod metrics;
mod params;
pub mod pipeline;
pub mod report;
pub mod retry;
mod scalar;
pub mod schema;
pub mod table;
mod trap;
pub mod variants;
pub(crate) mod wiring;
pub mod words;
mod written;

use crate::stage::Registry;
pub(crate) use doc::Part;
use doc::{Doc, Source};
use fields::Item;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use written::Written;

pub use cells::Row;
pub use fields::{NAME, is_name};
pub use find::{experiments, project};
pub use metrics::{Metric, Reading, Reduce};
pub use pipeline::{InputSpec, Pipeline, StageSpec};
pub use report::{Problem, Report};
pub use retry::Retry;
pub use table::{Better, Cells, Reference, Table};

/// A validated experiment.
#[derive(Clone, Debug)]
pub struct Experiment {
    pub name: String,
    pub file: PathBuf,
    pub description: Option<String>,
    pub pipeline: Pipeline,
    /// The pipeline's defaults with `set` and `--set` merged in; references within them unresolved.
    pub params: Map<String, Value>,
    /// Distinct, at least one, in the order written.
    pub seeds: Vec<u64>,
    /// What is tried again when it fails, and how often.
    pub retry: Retry,
    /// Names of the axes that occur in `rows`, those of the matrix first, in order of the file.
    pub axes: Vec<String>,
    /// Rows of the matrix: distinct, at least one.
    pub rows: Vec<Row>,
    pub metrics: Vec<Metric>,
    pub table: Table,
    pub reference: Vec<Reference>,
    pub(crate) variants: variants::Variants,
}

impl Experiment {
    /// The value of an axis or parameter in a row of the matrix; `None` for an unknown name.
    pub fn value(&self, name: &str, row: &Row) -> Option<Value> {
        cells::value_of(name, row, &self.params)
    }

    /// Whether an axis or parameter is called so.
    pub fn knows(&self, name: &str) -> bool {
        self.rows.iter().any(|row| self.value(name, row).is_some())
    }
}

/// Loads an experiment given as a file or as a name (see [`find`]), with `--set name=value` options applied.
pub fn load(experiment: impl AsRef<Path>, registry: &Registry, overrides: &[String]) -> Result<Experiment, Report> {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    load_from(experiment.as_ref(), &here, registry, overrides)
}

/// [`load`] with names looked up from another folder than the current one.
pub fn load_from(
    experiment: &Path,
    from: &Path,
    registry: &Registry,
    overrides: &[String],
) -> Result<Experiment, Report> {
    let file = find::experiment(experiment, from).map_err(|problem| Report::one(*problem))?;
    let doc = Doc::read(&file)?;
    let mut problems = Vec::new();
    let loaded = read(&doc, registry, overrides, &mut problems);
    Report::check(problems)?;
    Ok(loaded.expect("whatever stops reading is reported"))
}

/// Reads a value as a spec would: for options on the command line.
pub fn read_value(place: &Path, text: &str) -> Result<Value, Report> {
    Doc::parse(place, text).map(|doc| doc.value)
}

const FIELDS: [&str; 10] = [
    "experiment",
    "pipeline",
    "description",
    "set",
    "seeds",
    "retry",
    "matrix",
    "metrics",
    "table",
    "reference",
];

fn read(doc: &Doc, registry: &Registry, given: &[String], problems: &mut Vec<Problem>) -> Option<Experiment> {
    let root = Item::root(doc);
    let source: &Source = &doc.source;
    if !root.fields("an experiment", &FIELDS, problems) {
        return None;
    }
    let name = root.require("experiment", "an experiment", problems);
    let name = name
        .and_then(|item| item.text("the name of the experiment", problems))
        .unwrap_or_default();
    if !name.is_empty() && !fields::is_name(&name) {
        let problem = source.problem(
            &["experiment"],
            Part::Value,
            format!("`{}` cannot name an experiment", words::shorten(&name)),
        );
        problems.push(problem.hint(fields::NAME));
    }
    // A copy whose name was forgotten would be filed under the first.
    let other = source.file.with_file_name(format!("{name}.yaml"));
    if source.file.file_stem().is_some_and(|stem| *stem != *name) && fields::is_name(&name) && other.is_file() {
        let problem = source.problem(
            &["experiment"],
            Part::Value,
            format!("`{name}` is the experiment in {}", other.display()),
        );
        problems.push(problem.hint("give every experiment the name of its file"));
    }
    let description = root.get("description").and_then(|item| item.text("a text", problems));
    let seeds = seeds(root.get("seeds"), problems);
    let retry = retry::read(root.get("retry"), problems);
    // Without the pipeline nothing else means anything.
    let pipeline = read_pipeline(&root, registry, problems)?;

    let mut params = pipeline.params.clone();
    let mut set = Vec::new();
    if let Some(item) = root.get("set") {
        set = params::merge(&mut params, &item, problems);
    }
    let options = params::overrides(&mut params, &pipeline.params, given, problems);
    let written = Written {
        pipeline: &pipeline.source,
        experiment: source,
        given,
    };
    let told = !params::check(&params, written, problems);

    let before = problems.len();
    let known = [&pipeline.params, &params];
    let matrix = matrix::read(root.get("matrix"), known, problems);
    params::shadowed(&matrix, &set, &options, problems);
    let declared: Vec<&str> = matrix.axes.iter().map(|axis| axis.name.as_str()).collect();
    let included = matrix.include.iter().flatten().map(|(name, _)| name.as_str());
    let extra: BTreeSet<&str> = included.filter(|name| !declared.contains(name)).collect();
    let axes: Vec<String> = declared.into_iter().chain(extra).map(str::to_owned).collect();
    wiring::check(&pipeline, registry, &axes, problems);
    let rows = match cells::expand(&matrix, &params, seeds.len()) {
        // A matrix with wrong values in it is not expanded: its rows would repeat every problem.
        _ if problems[before..].iter().any(|p| p.file == source.file) => vec![Row::new()],
        Ok(rows) => rows,
        Err(message) => {
            problems.push(source.problem(&["matrix"], Part::Key, message));
            vec![Row::new()]
        }
    };
    let variants = variants::resolve(&pipeline, registry, &params, (&axes, &rows), written, told, problems);
    wiring::connect_rows(&pipeline, registry, &variants, rows.len(), problems);
    // After other problems some settings are unknown, and with them what they use.
    if problems.is_empty() {
        unused_axes(source, &axes, &matrix, &rows, &variants, problems);
    }

    let before = problems.len();
    let metrics = metrics::read(root.get("metrics"), &pipeline, &variants, problems);
    for metric in &metrics {
        if params::exists(&metric.name, known) || ["runs", "source"].contains(&metric.name.as_str()) {
            let message = format!("`{}` names a parameter or a column of the table already", metric.name);
            problems.push(
                source
                    .problem(&["metrics", &metric.name], Part::Key, message)
                    .hint("give the metric another name"),
            );
        }
    }
    let complete = problems.len() == before
        && metrics.len() == root.get("metrics").and_then(|m| Some(m.object()?.len())).unwrap_or(0);
    let names = table::Names {
        params: known,
        metrics: &metrics,
        complete,
    };
    let table = table::read(root.get("table"), &names, &axes, seeds.len(), problems);
    let reference = table::references(root.get("reference"), &names, problems);
    let file = source.file.clone();
    Some(Experiment {
        name,
        file,
        description,
        pipeline,
        params,
        seeds,
        retry,
        axes,
        rows,
        metrics,
        table,
        reference,
        variants,
    })
}

fn read_pipeline(root: &Item<'_>, registry: &Registry, problems: &mut Vec<Problem>) -> Option<Pipeline> {
    let item = root.require("pipeline", "an experiment", problems)?;
    let name = item.text("the name of a pipeline", problems)?;
    if !fields::is_name(&name) {
        let problem = item.problem(format!("`{}` is not the name of a pipeline", words::shorten(&name)));
        problems.push(problem.hint("`pipeline: moe` means pipelines/moe.yaml"));
        return None;
    }
    let file = match find::pipeline(&name, &root.source.file) {
        Ok(file) => file,
        Err((message, hint)) => {
            problems.push(item.problem(message).maybe_hint(hint));
            return None;
        }
    };
    let doc = match Doc::read(&file) {
        Ok(doc) => doc,
        Err(report) => {
            problems.extend(report.problems);
            return None;
        }
    };
    let pipeline = pipeline::read(&doc, registry, problems);
    if !pipeline.name.is_empty() && pipeline.name != name {
        let message = format!(
            "this file is pipeline `{name}` by its file name, but calls itself `{}`",
            pipeline.name
        );
        problems.push(
            pipeline
                .source
                .problem(&["pipeline"], Part::Value, message)
                .hint("let both be the same"),
        );
    }
    Some(pipeline)
}

/// A number of seeds, counted from 0, or their list.
fn seeds(item: Option<Item<'_>>, problems: &mut Vec<Problem>) -> Vec<u64> {
    let Some(item) = item else { return vec![0] };
    if !item.value.is_array() {
        let most = cells::MOST_RUNS as u64;
        let count = item.count("a number of seeds, or their list", 1, problems).unwrap_or(1);
        if count > most {
            problems.push(item.problem(format!("more than {most} seeds")));
        }
        return (0..count.min(most)).collect();
    }
    let mut seeds = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in item.items("", problems) {
        if let Some(seed) = entry.count("a seed: a whole number from 0", 0, problems) {
            if !seen.insert(seed) {
                problems.push(entry.problem(format!("the seed {seed} stands twice")));
            }
            seeds.push(seed);
        }
    }
    if item.value.as_array().is_some_and(Vec::is_empty) {
        problems.push(item.key_problem("at least one seed is needed"));
    }
    if seeds.is_empty() { vec![0] } else { seeds }
}

/// An axis that changes nothing would fill a table with equal rows. One that others look at chooses among their values.
fn unused_axes(
    source: &Source,
    axes: &[String],
    matrix: &matrix::Matrix,
    rows: &[Row],
    variants: &variants::Variants,
    problems: &mut Vec<Problem>,
) {
    let whens = matrix
        .axes
        .iter()
        .flat_map(|axis| &axis.choices)
        .map(|choice| &choice.when);
    let conditions = whens.chain(&matrix.exclude).flatten();
    let mut used: BTreeSet<&str> = conditions.map(|(name, _)| name.as_str()).collect();
    used.extend(
        variants
            .all
            .iter()
            .flatten()
            .flat_map(|variant| &variant.uses)
            .map(String::as_str),
    );
    let varies = |axis: &str| rows.iter().any(|row| row.contains_key(axis));
    for axis in axes.iter().filter(|axis| !used.contains(axis.as_str()) && varies(axis)) {
        let message = format!("no stage uses `{axis}`: every value of this axis would give the same");
        let problem = source.problem(&["matrix", "axes", axis], Part::Key, message);
        problems.push(problem.hint(format!("write ${{{axis}}} in a stage")));
    }
}

#[cfg(test)]
mod tests;
