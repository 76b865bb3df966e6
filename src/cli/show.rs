//! `moelab show`.

use crate::args::{Common, One};
use crate::exit::Exit;
use crate::setup::{Setup, store_if_any};
use moelab_engine::plan::select::Filter;
use moelab_engine::run::{Question, Status, plan_status};
use moelab_engine::store::{Manifest, Presence, Store};
use std::io::{Write, stdout};
use std::process::ExitCode;

pub fn main(common: &Common, args: &One) -> Result<ExitCode, Exit> {
    let (store, manifest) = find(common, args)?;
    let mut out = stdout().lock();
    let (key, made) = (manifest.key(), &manifest.provenance);
    writeln!(out, "{} {key}", manifest.action.stage)?;
    let by = format!(
        "{} on {} ({}, {} threads)",
        made.started, made.host, made.device, made.threads
    );
    writeln!(out, "  made {by} in {:.1} s by build {}", made.seconds, made.build)?;
    writeln!(
        out,
        "  for {} stage {} in run {}",
        made.origin.experiment, made.origin.stage, made.origin.run
    )?;
    for (library, version) in &made.libraries {
        writeln!(out, "  {library} {version}")?;
    }
    writeln!(
        out,
        "settings {}",
        serde_json::to_string_pretty(&manifest.action.config).expect("settings are plain data")
    )?;
    if let Some(seed) = &manifest.action.seed {
        writeln!(out, "seed {seed}")?;
    }
    writeln!(out, "outputs")?;
    for (name, output) in &manifest.outputs {
        let place = match output.state {
            Presence::Present => store.object_path(&output.digest).display().to_string(),
            Presence::Evicted => format!("evicted, was {}", output.digest),
        };
        writeln!(out, "  {name} ({}, {} bytes) {place}", output.artifact, output.size)?;
        if let Some(value) = manifest.values.get(name) {
            writeln!(out, "    {value}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
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
    let all = plan_status(&setup.plan, &setup.registry, store.as_ref(), &data, Question::default());
    let status = all.iter().find(|one| one.node == node);
    let done = status
        .filter(|one| one.status == Status::Cached)
        .and_then(|one| one.key);
    match (store, done) {
        (Some(store), Some(key)) => match store.lookup(&key) {
            Some(manifest) => Ok((store, manifest)),
            None => Err(Exit::Usage(format!(
                "the result of `{}` is gone from the store",
                args.stage
            ))),
        },
        _ => {
            let why = status.map(|one| one.why.clone()).filter(|why| !why.is_empty());
            let why = why.map_or_else(String::new, |why| format!(" ({why})"));
            Err(Exit::Usage(format!(
                "`{}` has not run yet{why}: `moelab run` makes it",
                args.stage
            )))
        }
    }
}
