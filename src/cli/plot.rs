//! `moelab plot`.

use crate::args::{Common, Plot};
use crate::exit::Exit;
use crate::setup::{Setup, store_if_any};
use moelab_engine::plan::select::Filter;
use moelab_results::Stored;
use moelab_results::figure::{Request, draw};
use std::io::{Write, stdout};
use std::process::ExitCode;

pub fn main(common: &Common, args: &Plot) -> Result<ExitCode, Exit> {
    let setup = Setup::load(&args.of.experiment)?;
    let store = store_if_any(&common.store)?;
    let data = std::path::absolute(&common.data)?;
    let stored = Stored::look(setup.source(store.as_ref(), &data));
    let filter = Filter::parse(args.of.seed, &args.of.conditions).map_err(|e| Exit::Usage(e.to_string()))?;
    let request = Request {
        what: &args.of.stage,
        filter: &filter,
        by: args.by.as_deref(),
    };
    let figure = draw(&stored, &request)?;
    match &args.to {
        Some(path) => {
            let png = path
                .extension()
                .is_some_and(|ending| ending.eq_ignore_ascii_case("png"));
            let drawing = if png { figure.png()? } else { figure.svg.into_bytes() };
            std::fs::write(path, drawing).map_err(|e| Exit::Usage(format!("{}: {e}", path.display())))?;
        }
        None => stdout().lock().write_all(figure.svg.as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}
