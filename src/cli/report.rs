//! `moelab report`.

use crate::args::{Common, Report};
use crate::exit::Exit;
use crate::setup::{Setup, store_if_any};
use moelab_results::{Program, Stored, report};
use std::io::{IsTerminal, Write, stdout};
use std::process::ExitCode;

pub fn main(common: &Common, args: &Report) -> Result<ExitCode, Exit> {
    if args.to.is_none() && stdout().is_terminal() {
        return Err(Exit::Usage(
            "a report is for a browser: name a file with --to, or redirect the output".into(),
        ));
    }
    let setup = Setup::load(&args.experiment)?;
    let store = store_if_any(&common.store)?;
    let data = std::path::absolute(&common.data)?;
    let stored = Stored::look(setup.source(store.as_ref(), &data));
    let program = Program {
        version: env!("MOELAB_BUILD"),
        overrides: &args.experiment.overrides,
    };
    let page = report(&stored, &program)?;
    match &args.to {
        Some(path) => std::fs::write(path, page).map_err(|e| Exit::Usage(format!("{}: {e}", path.display())))?,
        None => stdout().lock().write_all(page.as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}
