//! `moelab-worker`: runs jobs for `moelab`. The program that links libtorch.

mod command;

use clap::{Parser, Subcommand};
use moelab_engine::job::JobContext;
use moelab_engine::job::worker::Worker;
use moelab_engine::keeper::Keeper;
use moelab_science::{device, stage};
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tracing_subscriber::EnvFilter;

/// Runs the stages of moelab; started by `moelab run`, or by hand with the folder of one job.
#[derive(Parser)]
#[command(name = "moelab-worker", version = env!("MOELAB_BUILD"))]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run jobs whose folders come as lines on standard input.
    Serve,
    /// Run the job in one folder: exits with 0 if its result is in the store, 3 if it failed, 4 if another process runs it
    /// or its inputs are gone, 130 if it was asked to stop.
    Job { folder: PathBuf },
    /// Print what this program is and can use, as JSON.
    About,
    /// Print the devices this program can use, the fastest first.
    Devices,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::try_from_env("MOELAB_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(io::stderr)
        .init();
    match run(args.command) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> io::Result<ExitCode> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in moelab_engine::signals::stopping() {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    // The other program: it links no libtorch, so it starts at once and is small.
    let keeper = Keeper::new(std::env::current_exe()?.with_file_name("moelab"), &["keep"]);
    let run = |job: &JobContext| match job.stage() {
        "command" => command::run(job, &keeper),
        _ => stage::run(job),
    };
    let worker = Worker::new(env!("MOELAB_BUILD"), &run, stop);
    match command {
        Command::Serve => worker.serve(io::stdin().lock())?,
        Command::Job { folder } => {
            let result = worker.keep_output().run_job(&folder).map_err(io::Error::other)?;
            return Ok(ExitCode::from(result.outcome.exit_code()));
        }
        Command::About => {
            let devices: Vec<String> = device::available().iter().map(ToString::to_string).collect();
            let about = serde_json::json!({
                "build": env!("MOELAB_BUILD"),
                "libraries": device::library_info(),
                "devices": devices,
            });
            println!("{about}");
        }
        Command::Devices => device::available().iter().for_each(|device| println!("{device}")),
    }
    Ok(ExitCode::SUCCESS)
}
