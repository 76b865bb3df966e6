//! `moelab table`.

use crate::args::{Common, Table as Args, TableFormat};
use crate::exit::Exit;
use crate::setup::{Setup, store_if_any};
use moelab_engine::store::Store;
use moelab_results::input::Input;
use moelab_results::{Format, Lines, ResultsError, Table, render};
use std::io::{IsTerminal, Write, stdout};
use std::path::Path;
use std::process::ExitCode;

/// Width of a line where no terminal tells its own.
const WIDTH: usize = 120;

pub fn main(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let setups: Vec<Setup> = args
        .experiments
        .iter()
        .map(|name| Setup::of(name, &args.overrides))
        .collect::<Result<_, _>>()?;
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

/// Prints the table of these experiments; whether it is incomplete or below `min_seeds`.
pub fn print(
    store: Option<&Store>,
    setups: &[Setup],
    format: TableFormat,
    raw: bool,
    to: Option<&Path>,
    common: &Common,
) -> Result<bool, Exit> {
    let data = std::path::absolute(&common.data)?;
    let input = |setup: &Setup| Input::from_store(&setup.experiment, &setup.plan, &setup.registry, store, &data);
    let inputs = setups.iter().map(input).collect::<Result<Vec<_>, _>>()?;
    let table = Table::build(&inputs)?;
    let format = match format {
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
    let bytes = render(&table, format, if raw { Lines::Raw } else { Lines::Cells })?;
    match to {
        Some(file) => {
            std::fs::write(file, bytes).map_err(|e| Exit::Usage(format!("cannot write {}: {e}", file.display())))?;
        }
        None => stdout().lock().write_all(&bytes)?,
    }
    if !format.holds_notes() {
        table.notes().iter().for_each(|note| eprintln!("note: {note}"));
    }
    Ok(!table.complete() || !table.below_min_seeds().is_empty())
}

fn width() -> usize {
    if !stdout().is_terminal() {
        return WIDTH;
    }
    usize::from(console::Term::stdout().size().1).max(40)
}

impl From<ResultsError> for Exit {
    fn from(error: ResultsError) -> Self {
        match error {
            ResultsError::Store(error) => Self::Store(error),
            other => Self::Usage(other.to_string()),
        }
    }
}
