//! `moelab diff`.

use crate::args::{Common, Diff as Args};
use crate::compare::two_values;
use crate::exit::Exit;
use crate::setup::{Setup, print, store_if_any};
use crate::show::{is_key, unfinished};
use moelab_engine::plan::select::Filter;
use moelab_engine::store::Store;
use moelab_results::ResultsError;
use moelab_results::diff::Diff;
use moelab_results::lineage::Lineage;
use std::path::Path;
use std::process::ExitCode;

pub fn main(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let store = store_if_any(&common.store)?
        .ok_or_else(|| Exit::Usage(format!("there is no store in {}", common.store.display())))?;
    let side = |experiment: &Path, axis: Option<String>| lineage(common, args, &store, experiment, axis);
    let (a, b) = match (&args.b, &args.axis) {
        (Some(b), _) => (side(&args.a, None)?, side(b, None)?),
        (None, Some(text)) => {
            let (axis, [a, b]) = two_values(text)?;
            let filter = Filter::parse(None, &args.pick.conditions).map_err(|e| Exit::Usage(e.to_string()))?;
            if filter.conditions.iter().any(|(name, _)| *name == axis) {
                return Err(ResultsError::Compared { axis }.into());
            }
            (
                side(&args.a, Some(format!("{axis}={a}")))?,
                side(&args.a, Some(format!("{axis}={b}")))?,
            )
        }
        (None, None) => unreachable!("one of both is required"),
    };
    print(&Diff::of(&a, &b, &store)?, args.format)?;
    Ok(ExitCode::SUCCESS)
}

fn lineage(
    common: &Common,
    args: &Args,
    store: &Store,
    experiment: &Path,
    axis: Option<String>,
) -> Result<Lineage, Exit> {
    if let Some(prefix) = is_key(experiment) {
        return Ok(Lineage::stored(store, prefix)?);
    }
    let setup = Setup::of(experiment, &args.pick.overrides)?;
    let Some(stage) = &args.stage else {
        let names: Vec<&str> = setup
            .experiment
            .pipeline
            .stages
            .iter()
            .map(|stage| stage.name.as_str())
            .collect();
        return Err(Exit::Usage(format!(
            "say with --stage what to compare: one of {}",
            names.join(", ")
        )));
    };
    let conditions: Vec<String> = args.pick.conditions.iter().cloned().chain(axis).collect();
    let filter = Filter::parse(args.pick.seed, &conditions).map_err(|e| Exit::Usage(e.to_string()))?;
    let node = setup.plan.pick(&setup.experiment, stage, &filter);
    let node = node.map_err(|e| Exit::Usage(e.to_string()))?;
    let data = std::path::absolute(&common.data)?;
    match Lineage::planned(&setup.source(Some(store), &data), node) {
        Some(lineage) => Ok(lineage),
        None => Err(unfinished(common, &setup, Some(store), node)?),
    }
}
