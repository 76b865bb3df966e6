//! `moelab graph`.

use crate::args::{Common, Graph, GraphFormat};
use crate::exit::Exit;
use crate::setup::{Setup, store_if_any};
use moelab_engine::plan::draw::Picture;
use moelab_results::Stored;
use moelab_results::figure::pipeline;
use std::io::{IsTerminal, Write, stdout};
use std::process::ExitCode;

pub fn main(common: &Common, args: &Graph) -> Result<ExitCode, Exit> {
    let setup = Setup::load(&args.experiment)?;
    let picture = Picture::of(&setup.experiment, &setup.plan);
    let drawing = match args.format {
        GraphFormat::Text => picture.text().into_bytes(),
        GraphFormat::Mermaid => picture.mermaid().into_bytes(),
        GraphFormat::Dot => picture.dot().into_bytes(),
        GraphFormat::Svg => drawn(common, &setup)?.svg.into_bytes(),
        GraphFormat::Png if stdout().is_terminal() => {
            return Err(Exit::Usage("PNG is no text: redirect the output to a file".into()));
        }
        GraphFormat::Png => drawn(common, &setup)?.png()?,
    };
    stdout().lock().write_all(&drawing)?;
    Ok(ExitCode::SUCCESS)
}

/// With what is done, and the time it took.
fn drawn(common: &Common, setup: &Setup) -> Result<moelab_results::figure::Figure, Exit> {
    let store = store_if_any(&common.store)?;
    let data = std::path::absolute(&common.data)?;
    let stored = Stored::look(setup.source(store.as_ref(), &data));
    Ok(pipeline(&stored))
}
