//! `moelab`: plans, runs and reports. Links no libtorch; the work is done by `moelab-worker`.

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
mod schema;
mod setup;
mod show;
mod status;
mod table;
mod verify;

use args::{Args, Command};
use clap::Parser;
use exit::Exit;
use std::io;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Specs and plans are many small values, and a third of a run that has nothing to do went into getting memory for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    complete::answer();
    let args = Args::parse();
    let filter = EnvFilter::try_from_env("MOELAB_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .without_time()
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
