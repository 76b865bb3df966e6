//! `moelab plan`.

use crate::args::{Common, Plan, RunFormat};
use crate::exit::Exit;
use crate::run::default_jobs;
use crate::setup::{Setup, store_if_any};
use moelab_engine::run::{NodeStatus, Question, Status, distinct, forecast, plan_status};
use std::io::{Write, stdout};
use std::process::ExitCode;

pub fn main(common: &Common, args: &Plan) -> Result<ExitCode, Exit> {
    let setup = Setup::load(&args.experiment)?;
    let store = store_if_any(&common.store)?;
    let data = std::path::absolute(&common.data)?;
    let wanted = setup.part(&args.part)?;
    setup.check_forced(&args.force, wanted.as_ref())?;
    let question = Question {
        wanted: wanted.as_ref(),
        force: &args.force,
    };
    let all = plan_status(&setup.plan, &setup.registry, store.as_ref(), &data, question);
    let mut out = stdout().lock();
    match args.format {
        RunFormat::Json => {
            writeln!(
                out,
                "{}",
                serde_json::to_string_pretty(&all).expect("a status is plain data")
            )?;
        }
        RunFormat::Text => {
            let wide = all.iter().map(|one| name(one).chars().count()).max().unwrap_or(0);
            for one in &all {
                let (word, why) = (word(one.status), one.why.replace('\n', "; "));
                writeln!(out, "{word:<8} {:<wide$}  {why}", name(one))?;
            }
            let count = |status| distinct(&all).filter(|one| one.status == status).count();
            let counts = [Status::Cached, Status::WillRun, Status::Waiting, Status::Error]
                .map(|status| (count(status), word(status)))
                .into_iter()
                .filter(|(n, _)| *n > 0)
                .map(|(n, word)| format!("{n} {word}"));
            writeln!(out, "{}", counts.collect::<Vec<_>>().join(", "))?;
            let forecast = forecast(&setup.plan, &all, default_jobs() as usize);
            if forecast.actions > 0 {
                writeln!(out, "{forecast}")?;
            }
        }
    }
    let broken = all.iter().any(|one| one.status == Status::Error);
    Ok(ExitCode::from(if broken { 2 } else { 0 }))
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Cached => "cached",
        Status::WillRun => "run",
        Status::Waiting => "waiting",
        Status::Error => "error",
    }
}

fn name(one: &NodeStatus) -> String {
    let axes = one.axes.iter().map(|(axis, value)| (axis.as_str(), value));
    let seed = one.seed.iter().map(|seed| (moelab_engine::plan::SEED_AXIS, seed));
    let say = |(axis, value): (&str, &serde_json::Value)| {
        format!(
            " {axis}={}",
            value.as_str().map_or_else(|| value.to_string(), str::to_owned)
        )
    };
    one.stage.clone() + &axes.chain(seed).map(say).collect::<String>()
}
