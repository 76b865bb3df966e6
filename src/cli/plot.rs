//! `moelab plot`.

use crate::args::{Common, Plot};
use crate::exit::Exit;
use crate::show;
use moelab_results::figure::{CondensedTree, Dendrogram};
use moelab_stages::artifact;
use std::io::{Write, stdout};
use std::process::ExitCode;

/// Artifact types that can be drawn.
const DRAWN: [&str; 2] = [artifact::TREE, artifact::LINKAGE];

pub fn main(common: &Common, args: &Plot) -> Result<ExitCode, Exit> {
    let (store, manifest) = show::find(common, &args.of)?;
    let mut outputs = manifest.outputs.values();
    let Some(output) = outputs.find(|output| DRAWN.contains(&output.artifact.as_str())) else {
        return Err(Exit::Usage(format!(
            "stage `{}` is of kind `{}`, of which nothing is drawn; `hdbscan` and `single_linkage` leave a tree",
            args.of.stage, manifest.action.stage
        )));
    };
    let axes = manifest.provenance.origin.axes.iter();
    let axes: String = axes.map(|(axis, value)| format!(" {axis}={value}")).collect();
    let title = format!("{}{axes}", args.of.stage);
    let path = store.verified_path(&output.digest)?;
    let svg = match output.artifact.as_str() {
        artifact::TREE => CondensedTree::read(&path).and_then(|tree| tree.draw(&title)),
        _ => Dendrogram::read(&path).and_then(|tree| tree.draw(&title)),
    };
    let svg = svg.map_err(|e| Exit::Other(e.to_string()))?;
    match &args.to {
        Some(path) => std::fs::write(path, svg).map_err(|e| Exit::Usage(format!("{}: {e}", path.display())))?,
        None => stdout().lock().write_all(svg.as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}
