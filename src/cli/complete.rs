//! `moelab completions`, and what stands behind it: names of experiments and stages as they are now.

use crate::args::{Args, Completions};
use crate::exit::Exit;
use clap::CommandFactory;
use clap_complete::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};
use moelab_engine::spec;
use std::ffi::OsStr;
use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;

/// The variable by which a shell asks for completions.
const ASKS: &str = "COMPLETE";

/// Answers a shell that asks, and ends then.
pub fn answer() {
    CompleteEnv::with_factory(Args::command).var(ASKS).complete();
}

/// Prints what a shell has to source: it then asks this program.
pub fn main(args: &Completions) -> Result<ExitCode, Exit> {
    let shells = Shells::builtins();
    let shell = args.shell.to_string();
    let completer = shells
        .completer(&shell)
        .ok_or_else(|| Exit::Usage(format!("no completions for {shell}")))?;
    let mut script = vec![];
    completer.write_registration(ASKS, "moelab", "moelab", "moelab", &mut script)?;
    stdout().lock().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Experiments of this project, and files.
pub fn experiments(current: &OsStr) -> Vec<CompletionCandidate> {
    let here = std::env::current_dir().unwrap_or_default();
    let typed = current.to_string_lossy();
    let names = spec::experiments(&here)
        .into_iter()
        .filter(|name| name.starts_with(&*typed));
    names.map(CompletionCandidate::new).collect()
}

/// Stages of the experiment that stands before on the line.
pub fn stages(current: &OsStr) -> Vec<CompletionCandidate> {
    let here = std::env::current_dir().unwrap_or_default();
    let known = spec::experiments(&here);
    let named = |word: &String| known.contains(word) || Path::new(word).is_file() && word.ends_with(".yaml");
    let words = std::env::args().skip(1).skip_while(|word| word != "--");
    let Some(experiment) = words.skip(2).find(named) else {
        return vec![];
    };
    let Ok(experiment) = spec::load(experiment, &moelab_stages::registry(), &[]) else {
        return vec![];
    };
    let typed = current.to_string_lossy();
    let stages = experiment.pipeline.stages.iter().map(|stage| stage.name.clone());
    stages
        .filter(|name| name.starts_with(&*typed))
        .map(CompletionCandidate::new)
        .collect()
}
