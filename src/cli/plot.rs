//! `moelab plot`.

use crate::args::{Common, One, Plot};
use crate::exit::Exit;
use crate::show;
use moelab_engine::store::StoredOutput;
use moelab_results::figure::{CondensedTree, Dendrogram};
use moelab_stages::artifact;
use std::io::{Write, stdout};
use std::process::ExitCode;

/// Artifact types that can be drawn.
const DRAWN: [&str; 3] = [artifact::TREE, artifact::LINKAGE, artifact::PICTURE];

pub fn main(common: &Common, args: &Plot) -> Result<ExitCode, Exit> {
    let (stage, wanted) = match args.of.stage.split_once('.') {
        Some((stage, output)) => (stage, Some(output)),
        None => (args.of.stage.as_str(), None),
    };
    let one = One {
        stage: stage.to_owned(),
        ..args.of.clone()
    };
    let (store, manifest) = show::find(common, &one)?;
    let drawn: Vec<(&String, &StoredOutput)> = manifest
        .outputs
        .iter()
        .filter(|(name, output)| {
            DRAWN.contains(&output.artifact.as_str()) && wanted.is_none_or(|wanted| wanted == name.as_str())
        })
        .collect();
    let output = match drawn[..] {
        [(_, output)] => output,
        [] => {
            return Err(Exit::Usage(format!(
                "`{}` is of a stage of kind `{}`, of which nothing is drawn; `hdbscan` and `single_linkage` leave a \
                 tree, `portray` pictures",
                args.of.stage, manifest.action.stage
            )));
        }
        [..] => {
            let names: Vec<String> = drawn.iter().map(|(name, _)| format!("`{stage}.{name}`")).collect();
            return Err(Exit::Usage(format!(
                "there is more than one drawing: say {}",
                names.join(" or ")
            )));
        }
    };
    let axes = manifest.provenance.origin.axes.iter();
    let axes: String = axes.map(|(axis, value)| format!(" {axis}={value}")).collect();
    let title = format!("{stage}{axes}");
    let path = store.verified_path(&output.digest)?;
    let unreadable = |e: &dyn std::fmt::Display| Exit::Other(e.to_string());
    let drawing = match output.artifact.as_str() {
        artifact::TREE => CondensedTree::read(&path)
            .and_then(|tree| tree.draw(&title))
            .map(String::into_bytes)
            .map_err(|e| unreadable(&e))?,
        artifact::LINKAGE => Dendrogram::read(&path)
            .and_then(|tree| tree.draw(&title))
            .map(String::into_bytes)
            .map_err(|e| unreadable(&e))?,
        _ => std::fs::read(&path).map_err(|e| unreadable(&format!("{}: {e}", path.display())))?,
    };
    match &args.to {
        Some(path) => std::fs::write(path, drawing).map_err(|e| Exit::Usage(format!("{}: {e}", path.display())))?,
        None => stdout().lock().write_all(&drawing)?,
    }
    Ok(ExitCode::SUCCESS)
}
