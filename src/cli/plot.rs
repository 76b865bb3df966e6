//! `moelab plot`.

use crate::args::{Common, Plot};
use crate::exit::Exit;
use crate::show;
use moelab_results::figure::CondensedTree;
use moelab_stages::artifact;
use std::io::{Write, stdout};
use std::process::ExitCode;

pub fn main(common: &Common, args: &Plot) -> Result<ExitCode, Exit> {
    let (store, manifest) = show::find(common, &args.of)?;
    let tree = manifest
        .outputs
        .values()
        .find(|output| output.artifact == artifact::TREE);
    let Some(tree) = tree else {
        return Err(Exit::Usage(format!(
            "stage `{}` is of kind `{}`, of which nothing is drawn; `hdbscan` leaves a condensed tree",
            args.of.stage, manifest.action.stage
        )));
    };
    let axes = manifest.provenance.origin.axes.iter();
    let axes: String = axes.map(|(axis, value)| format!(" {axis}={value}")).collect();
    let title = format!("{}{axes}", args.of.stage);
    let path = store.verified_path(&tree.digest)?;
    let svg = CondensedTree::read(&path)
        .and_then(|tree| tree.draw(&title))
        .map_err(|e| Exit::Other(e.to_string()))?;
    match &args.to {
        Some(path) => std::fs::write(path, svg).map_err(|e| Exit::Usage(format!("{}: {e}", path.display())))?,
        None => stdout().lock().write_all(svg.as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}
