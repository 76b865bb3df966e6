//! `moelab keep`: what a worker runs the programs of `command` stages with.

use crate::exit::Exit;
use moelab_engine::keeper;
use std::io::{self, BufReader};
use std::process::ExitCode;

pub fn main() -> Result<ExitCode, Exit> {
    keeper::serve(BufReader::new(io::stdin()), io::stdout())?;
    Ok(ExitCode::SUCCESS)
}
