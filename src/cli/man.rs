//! `moelab man`.

use crate::args::{Args, ManPages};
use crate::exit::Exit;
use clap::CommandFactory;
use std::io::{Write, stdout};
use std::process::ExitCode;

pub fn main(args: &ManPages) -> Result<ExitCode, Exit> {
    match &args.to {
        Some(folder) => {
            let failed = |e: std::io::Error| Exit::Usage(format!("cannot write to {}: {e}", folder.display()));
            std::fs::create_dir_all(folder).map_err(failed)?;
            clap_mangen::generate_to(Args::command(), folder).map_err(failed)?;
        }
        None => {
            let mut page = vec![];
            clap_mangen::Man::new(Args::command()).render(&mut page)?;
            stdout().lock().write_all(&page)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
