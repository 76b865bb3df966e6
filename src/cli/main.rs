//! `moelab`: plans, runs and reports. Links no libtorch; the work is done by `moelab-worker`.

#![deny(clippy::print_stderr, clippy::print_stdout)]

mod args;
mod assign;
mod compare;
mod complete;
mod device;
mod diff;
mod doctor;
mod du;
mod examples;
mod exit;
mod export;
mod gc;
mod generate;
mod graph;
mod init;
mod keep;
mod log;
mod man;
mod model;
mod plan;
mod plot;
mod progress;
mod report;
mod run;
mod say;
mod schema;
mod setup;
mod show;
mod status;
mod table;
mod verify;

use args::{Args, Command};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use exit::Exit;
use std::io;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Specs and plans are many small values, and a third of a run that has nothing to do went into getting memory for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What was typed. Folders that were not named are those of the project that the experiments are found in, which may lie
/// above.
fn read() -> Args {
    let matches = Args::command().get_matches();
    let mut args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let named = |option| {
        let source = |matches: &ArgMatches| matches.value_source(option);
        let below = matches.subcommand().and_then(|(_, below)| source(below));
        below.or(source(&matches)) != Some(ValueSource::DefaultValue)
    };
    let root = std::env::current_dir().ok().and_then(|here| {
        let project = moelab_engine::spec::project(&here)?;
        (project != here).then_some(project)
    });
    if let Some(root) = root {
        for (option, folder) in [("store", &mut args.common.store), ("data", &mut args.common.data)] {
            if !named(option) {
                *folder = root.join(&*folder);
            }
        }
    }
    args
}

fn main() -> ExitCode {
    complete::answer();
    let args = read();
    let filter = EnvFilter::try_from_env("MOELAB_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .without_time()
        .log_internal_errors(false)
        .with_ansi(console::colors_enabled_stderr())
        .with_writer(io::stderr)
        .init();
    let done = match &args.command {
        Command::Run(run) => run::main(&args.common, run),
        Command::Plan(plan) => plan::main(&args.common, plan),
        Command::Status(status) => status::main(&args.common, status),
        Command::Graph(graph) => graph::main(&args.common, graph),
        Command::Table(table) => table::main(&args.common, table),
        Command::Compare(compare) => compare::main(&args.common, compare),
        Command::Show(show) => show::main(&args.common, show),
        Command::Diff(diff) => diff::main(&args.common, diff),
        Command::Log(log) => log::main(&args.common, log),
        Command::Plot(plot) => plot::main(&args.common, plot),
        Command::Export(export) => export::main(&args.common, export),
        Command::Assign(assign) => assign::main(&args.common, assign),
        Command::Generate(generate) => generate::main(&args.common, generate),
        Command::Walk(walk) => generate::walk(&args.common, walk),
        Command::Report(report) => report::main(&args.common, report),
        Command::Verify(verify) => verify::main(&args.common, verify),
        Command::Gc(gc) => gc::main(&args.common, gc),
        Command::Du(du) => du::main(&args.common, du),
        Command::Schema(schema) => schema::main(schema),
        Command::Init(init) => init::main(init),
        Command::Doctor(doctor) => doctor::main(&args.common, doctor),
        Command::Completions(shell) => complete::main(shell),
        Command::Man(pages) => man::main(pages),
        Command::Keep => keep::main(),
    };
    done.unwrap_or_else(Exit::report)
}
