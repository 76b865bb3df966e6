//! `moelab table`.

use crate::args::{Common, Table as Args, TableFormat};
use crate::exit::Exit;
use crate::say::say;
use crate::setup::{Setup, store_if_any};
use moelab_engine::store::Store;
use moelab_results::{Format, Lines, ResultsError, Source, Table, render};
use std::io::{IsTerminal, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Width of a line where no terminal tells its own.
const WIDTH: usize = 120;
/// Narrower terminals are treated as if they had so many columns.
const LEAST: usize = 40;

pub fn main(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let setup = |name: &PathBuf| Setup::of(name, &args.overrides);
    let mut setups: Vec<Setup> = args.experiments.iter().map(setup).collect::<Result<_, Exit>>()?;
    Setup::narrow(&mut setups, &args.seeds, &args.conditions)?;
    if !args.metrics.is_empty() {
        keep(&mut setups, &args.metrics)?;
    }
    let store = store_if_any(&common.store)?;
    let incomplete = print(
        store.as_ref(),
        &setups,
        args.format,
        args.raw,
        args.to.as_deref(),
        common,
    )?;
    Ok(ExitCode::from(if incomplete { 4 } else { 0 }))
}

/// Makes these metrics the columns: of each experiment those that it declares, which must be one at least.
fn keep(setups: &mut [Setup], metrics: &[String]) -> Result<(), Exit> {
    let declares = |setup: &Setup, name: &String| setup.experiment.metrics.iter().any(|metric| metric.name == *name);
    let nobodys = |name: &&String| !setups.iter().any(|setup| declares(setup, name));
    let unknown = metrics.iter().find(nobodys);
    for setup in setups.iter_mut() {
        let columns: Vec<String> = metrics.iter().filter(|name| declares(setup, name)).cloned().collect();
        if let Some(metric) = unknown.or(metrics.first().filter(|_| columns.is_empty())) {
            return Err(ResultsError::unknown_metric(metric, &setup.experiment).into());
        }
        setup.experiment.table.columns = columns;
    }
    Ok(())
}

/// Prints the table of these experiments; whether it is incomplete or below `min_seeds`.
pub fn print(
    store: Option<&Store>,
    setups: &[Setup],
    format: Option<TableFormat>,
    raw: bool,
    to: Option<&Path>,
    common: &Common,
) -> Result<bool, Exit> {
    let data = std::path::absolute(&common.data)?;
    let sources: Vec<Source<'_>> = setups.iter().map(|setup| setup.source(store, &data)).collect();
    let table = Table::build(&Source::inputs(&sources)?)?;
    let lines = if raw { Lines::Raw } else { Lines::Cells };
    output(format, to, table.notes(), |format| render(&table, format, lines))?;
    Ok(!table.complete() || !table.below_min_seeds().is_empty())
}

/// Writes to a file or to standard output, in the format asked for or that of the file's ending, and the notes that have no
/// place in the document to standard error.
pub fn output(
    format: Option<TableFormat>,
    to: Option<&Path>,
    notes: &[String],
    render: impl Fn(Format) -> Result<Vec<u8>, ResultsError>,
) -> Result<(), Exit> {
    let ending = to
        .and_then(Path::extension)
        .map(|ending| ending.to_string_lossy().to_lowercase());
    let of_ending = || match ending.as_deref() {
        None | Some("txt") => Ok(TableFormat::Text),
        Some("md") => Ok(TableFormat::Md),
        Some("tex") => Ok(TableFormat::Latex),
        Some("csv") => Ok(TableFormat::Csv),
        Some("parquet") => Ok(TableFormat::Parquet),
        Some("json") => Ok(TableFormat::Json),
        Some(ending) => Err(Exit::Usage(format!(
            "no table is written as .{ending}\n  = end the name with .txt, .md, .tex, .csv, .parquet or .json, or say --format"
        ))),
    };
    let format = match format.map_or_else(of_ending, Ok)? {
        TableFormat::Text => Format::Terminal { width: width() },
        TableFormat::Md => Format::Markdown,
        TableFormat::Latex => Format::Latex,
        TableFormat::Csv => Format::Csv,
        TableFormat::Parquet => Format::Parquet,
        TableFormat::Json => Format::Json,
    };
    if format == Format::Parquet && to.is_none() && stdout().is_terminal() {
        return Err(Exit::Usage(
            "Parquet is no text: name a file with --to, or redirect the output".into(),
        ));
    }
    let bytes = render(format)?;
    match to {
        Some(file) => {
            std::fs::write(file, bytes).map_err(|e| Exit::Usage(format!("cannot write {}: {e}", file.display())))?;
        }
        None => stdout().lock().write_all(&bytes)?,
    }
    // Who writes a file does not look at it at once.
    if !format.holds_notes() || to.is_some() {
        notes.iter().for_each(|note| say!("note: {note}"));
    }
    Ok(())
}

/// Characters of a line.
pub fn width() -> usize {
    if !stdout().is_terminal() {
        // A pager or a script may know better.
        let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        return told.unwrap_or(WIDTH).max(LEAST);
    }
    usize::from(console::Term::stdout().size().1).max(LEAST)
}

impl From<ResultsError> for Exit {
    fn from(error: ResultsError) -> Self {
        match error {
            ResultsError::Store(error) => Self::Store(error),
            other => Self::Usage(other.to_string()),
        }
    }
}
