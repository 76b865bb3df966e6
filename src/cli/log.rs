//! `moelab log`.

use crate::args::{Common, One};
use crate::exit::Exit;
use crate::setup::{Setup, store_if_any};
use crate::show::unfinished;
use moelab_engine::plan::select::Filter;
use moelab_engine::run::{Question, plan_status};
use std::io::{Write, stdout};
use std::process::ExitCode;

/// Of the attempt that was published, else of the latest: of what failed the log is wanted most.
pub fn main(common: &Common, args: &One) -> Result<ExitCode, Exit> {
    let setup = Setup::load(&args.experiment)?;
    let filter = Filter::parse(args.seed, &args.conditions).map_err(|e| Exit::Usage(e.to_string()))?;
    let node = setup.plan.pick(&setup.experiment, &args.stage, &filter);
    let node = node.map_err(|e| Exit::Usage(e.to_string()))?;
    let store = store_if_any(&common.store)?;
    let data = std::path::absolute(&common.data)?;
    let all = plan_status(&setup.plan, &setup.registry, store.as_ref(), &data, Question::default());
    let key = all.iter().find(|one| one.node == node).and_then(|one| one.key);
    let found = store.as_ref().zip(key).and_then(|(store, key)| {
        let published = store.lookup(&key).map(|manifest| manifest.provenance.attempt);
        let attempt = published.or_else(|| store.latest_attempt(&key))?;
        Some(store.attempt_dir(&key, attempt).join("log"))
    });
    let Some(log) = found else {
        return Err(unfinished(common, &setup, store.as_ref(), node)?);
    };
    let text = std::fs::read(&log).map_err(|e| Exit::Usage(format!("the log is gone: {}: {e}", log.display())))?;
    stdout().lock().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}
