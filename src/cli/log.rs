//! `moelab log`.

use crate::args::{Common, One};
use crate::exit::Exit;
use crate::show;
use std::io::{Write, stdout};
use std::process::ExitCode;

pub fn main(common: &Common, args: &One) -> Result<ExitCode, Exit> {
    let (store, manifest) = show::find(common, args)?;
    let log = store
        .attempt_dir(&manifest.key(), manifest.provenance.attempt)
        .join("log");
    let text = std::fs::read(&log).map_err(|e| Exit::Usage(format!("the log is gone: {}: {e}", log.display())))?;
    stdout().lock().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}
