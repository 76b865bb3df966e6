//! `moelab plot`.

use crate::args::{Common, Plot};
use crate::exit::Exit;
use crate::setup::{Setup, store_if_any};
use moelab_engine::plan::select::Filter;
use moelab_results::Stored;
use moelab_results::figure::{Request, draw};
use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;

pub fn main(common: &Common, args: &Plot) -> Result<ExitCode, Exit> {
    let png = args.to.as_deref().map(is_png).transpose()?;
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
    let drawing = match png {
        Some(true) => figure.png()?,
        Some(false) | None => figure.svg.into_bytes(),
    };
    match &args.to {
        Some(path) => std::fs::write(path, drawing).map_err(|e| Exit::Usage(format!("{}: {e}", path.display())))?,
        None => stdout().lock().write_all(&drawing)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a file of this name is to be PNG; without an ending it is SVG, as standard output is.
fn is_png(path: &Path) -> Result<bool, Exit> {
    let Some(ending) = path.extension() else {
        return Ok(false);
    };
    let known = [("png", true), ("svg", false)];
    let fits = known.iter().find(|(name, _)| ending.eq_ignore_ascii_case(name));
    fits.map(|(_, png)| *png).ok_or_else(|| {
        Exit::Usage(format!(
            "{}: drawings are written as .svg or .png; give the file one of these endings",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawings_are_svg_or_png_and_nothing_else() {
        let png = |name: &str| is_png(Path::new(name)).ok();
        assert_eq!(
            ["a.png", "a.PNG", "a.svg", "a"].map(png),
            [Some(true), Some(true), Some(false), Some(false)]
        );
        assert_eq!(["a.pdf", "a.jpg", "a.v2"].map(png), [None; 3]);
    }
}
