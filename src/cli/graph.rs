//! `moelab graph`.

use crate::args::{Graph, GraphFormat};
use crate::exit::Exit;
use crate::setup::Setup;
use moelab_engine::plan::draw::Picture;
use std::io::{Write, stdout};
use std::process::ExitCode;

pub fn main(args: &Graph) -> Result<ExitCode, Exit> {
    let setup = Setup::load(&args.experiment)?;
    let picture = Picture::of(&setup.experiment, &setup.plan);
    let text = match args.format {
        GraphFormat::Text => picture.text(),
        GraphFormat::Mermaid => picture.mermaid(),
        GraphFormat::Dot => picture.dot(),
    };
    stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
