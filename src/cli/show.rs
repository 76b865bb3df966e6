//! `moelab show`.

use crate::args::{Common, One, RunFormat, Show};
use crate::exit::Exit;
use crate::setup::{Setup, store_if_any};
use crate::table::width;
use moelab_engine::plan::NodeId;
use moelab_engine::plan::select::Filter;
use moelab_engine::spec;
use moelab_engine::store::{Manifest, Store};
use moelab_results::Stored;
use moelab_results::lineage::{self, Lineage};
use serde_json::json;
use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;

pub fn main(common: &Common, args: &Show) -> Result<ExitCode, Exit> {
    let store = store_if_any(&common.store)?;
    let lineage = match (is_key(&args.experiment), &args.stage, &args.metric) {
        (Some(prefix), None, None) => Lineage::stored(existing(common, store.as_ref())?, prefix)?,
        (_, None, None) => {
            let what = "say which stage, or which number with --metric";
            return Err(Exit::Usage(format!(
                "{what}: moelab show {} STAGE",
                args.experiment.display()
            )));
        }
        _ => {
            let setup = Setup::of(&args.experiment, &args.pick.overrides)?;
            let filter =
                Filter::parse(args.pick.seed, &args.pick.conditions).map_err(|e| Exit::Usage(e.to_string()))?;
            let data = std::path::absolute(&common.data)?;
            let source = setup.source(store.as_ref(), &data);
            let node = match (&args.stage, &args.metric) {
                (Some(stage), _) => setup.plan.pick(&setup.experiment, stage, &filter),
                (None, metric) => {
                    let metric = metric.as_deref().unwrap_or_default();
                    let numbers = lineage::numbers(&source, metric, &filter)?;
                    if args.format == RunFormat::Text {
                        stdout()
                            .lock()
                            .write_all(lineage::numbers_text(metric, &numbers).as_bytes())?;
                    } else if numbers.len() != 1 {
                        let all = numbers
                            .iter()
                            .map(|one| json!({"axes": one.axes, "value": one.value, "key": one.key()}));
                        writeln!(stdout().lock(), "{:#}", all.collect::<serde_json::Value>())?;
                    }
                    match &numbers[..] {
                        [one] => Ok(one.node),
                        _ => return Ok(ExitCode::SUCCESS),
                    }
                }
            };
            let node = node.map_err(|e| Exit::Usage(e.to_string()))?;
            match Lineage::planned(&source, node) {
                Some(lineage) => lineage,
                None => return Err(unfinished(common, &setup, store.as_ref(), node)?),
            }
        }
    };
    let text = match args.format {
        RunFormat::Text => lineage.text(existing(common, store.as_ref())?, width()),
        RunFormat::Json => format!("{:#}\n", lineage.json()),
    };
    stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn existing<'a>(common: &Common, store: Option<&'a Store>) -> Result<&'a Store, Exit> {
    store.ok_or_else(|| Exit::Usage(format!("there is no store in {}", common.store.display())))
}

/// The beginning of a key, unless an experiment is called so.
pub fn is_key(name: &Path) -> Option<&str> {
    let text = name.to_str()?;
    let hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    let key = (6..=64).contains(&text.len()) && text.chars().all(hex);
    let here = std::env::current_dir().unwrap_or_default();
    (key && !name.exists() && !spec::experiments(&here).iter().any(|known| known == text)).then_some(text)
}

/// Says why an action has no result.
pub fn unfinished(common: &Common, setup: &Setup, store: Option<&Store>, node: NodeId) -> Result<Exit, Exit> {
    let data = std::path::absolute(&common.data)?;
    let stored = Stored::look(setup.source(store, &data));
    Ok(match stored.finished(node) {
        Err(why) => why.into(),
        Ok(_) => Exit::Usage("it has finished just now: ask again".into()),
    })
}

/// The finished action that is meant.
pub fn find(common: &Common, args: &One) -> Result<(Store, Manifest), Exit> {
    let setup = Setup::load(&args.experiment)?;
    let filter = Filter::parse(args.seed, &args.conditions).map_err(|e| Exit::Usage(e.to_string()))?;
    let node = setup
        .plan
        .pick(&setup.experiment, &args.stage, &filter)
        .map_err(|e| Exit::Usage(e.to_string()))?;
    let store = store_if_any(&common.store)?;
    let data = std::path::absolute(&common.data)?;
    let manifest = Stored::look(setup.source(store.as_ref(), &data))
        .finished(node)?
        .clone();
    Ok((store.expect("only a store says that something is done"), manifest))
}
