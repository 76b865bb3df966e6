//! `moelab run`.

use crate::args::{Common, Run, RunFormat, TableFormat};
use crate::exit::Exit;
use crate::progress::Progress;
use crate::say::say;
use crate::setup::Setup;
use crate::{device, table};
use moelab_engine::run::{self, RunOptions, RunReport, WorkerCommand};
use moelab_engine::shell::quoted;
use moelab_engine::signals;
use moelab_engine::spec::Experiment;
use moelab_engine::store::{Store, sources};
use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;
use std::io::{ErrorKind, Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};

/// Jobs at the same time unless the user says otherwise: small networks profit more from a core each than from threads,
/// but every job has its own memory.
const MOST_JOBS: u64 = 4;

pub fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u64)
}

/// Jobs at the same time unless the user says otherwise.
pub fn default_jobs() -> u64 {
    cores().min(MOST_JOBS)
}

pub fn main(common: &Common, args: &Run) -> Result<ExitCode, Exit> {
    let setup = Setup::load(&args.experiment)?;
    let wanted = setup.part(&args.part)?;
    setup.check_forced(&args.force, wanted.as_ref())?;
    let worker = device::worker()?;
    let store = Store::open(&common.store)?;
    sources::remember_with(store.source_memory());
    let jobs = args.jobs.unwrap_or_else(default_jobs);
    let watched = Watched::start()?;
    let options = RunOptions {
        jobs: jobs as usize,
        threads: args.threads.unwrap_or_else(|| (cores() / jobs).max(1)) as usize,
        devices: device::resolve(&args.device, &worker)?,
        keep_going: args.keep_going,
        retry: setup.experiment.retry.clone(),
        wanted,
        force: args.force.clone(),
        data: std::path::absolute(&common.data)?,
        experiment: setup.experiment.name.clone(),
        pipeline: setup.experiment.pipeline.name.clone(),
        spec_text: spec_text(&setup.experiment)?,
        cancel: Arc::clone(&watched.cancel),
        ..RunOptions::new(command(worker), env!("MOELAB_BUILD"))
    };
    let mut progress = Progress::new();
    // From the main thread: workers die with the thread that starts them.
    let report = run::run(&setup.plan, &setup.registry, &store, &options, &mut progress)?;
    progress.finish();
    summarise(&report);
    // A full disk must not hide what came of the run, and forgetting costs the next one time alone.
    if let Err(error) = sources::save() {
        say!("note: digests of external files were not remembered: {error}");
    }
    if report.interrupted {
        // Before the table, which may fail.
        let again: Vec<String> = std::env::args().map(|word| quoted(&word)).collect();
        say!(
            "interrupted; finished stages and checkpoints are kept. Continue with:\n  {}",
            again.join(" ")
        );
    }
    let mut code = report.exit_code();
    match args.format {
        RunFormat::Json => {
            let text = serde_json::to_string_pretty(&report).expect("a report is plain data");
            match writeln!(stdout().lock(), "{text}") {
                // Who no longer listens to the report may still ask how the run ended.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                written => written?,
            }
        }
        // Without metrics there is no table, and that is no error of a run.
        RunFormat::Text if args.part.only.is_empty() && !setup.experiment.metrics.is_empty() => {
            let mut setups = [setup];
            Setup::narrow(&mut setups, &args.part.seeds, &args.part.conditions)?;
            let incomplete = table::print(Some(&store), &setups, Some(TableFormat::Text), false, None, common)?;
            // Of a part nobody expects a complete table.
            if code == 0 && incomplete && options.wanted.is_none() {
                code = 4;
            }
        }
        RunFormat::Text => {}
    }
    // A signal to a worker alone interrupts a run as well.
    if let (true, signal @ 1..) = (report.interrupted, watched.signal.load(Ordering::Relaxed)) {
        code = 128_u8.saturating_add(u8::try_from(signal).unwrap_or(0));
    }
    Ok(ExitCode::from(code))
}

/// The worker, told not to spin. OpenMP threads wait for each other in a busy loop; where other processes want the cores,
/// that loop makes two threads twenty times slower than one (measured). A short spin costs a tenth when nobody does.
pub fn command(worker: PathBuf) -> WorkerCommand {
    let mut command = WorkerCommand::serve(worker);
    if ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"]
        .iter()
        .all(|name| std::env::var_os(name).is_none())
    {
        command.env.push(("GOMP_SPINCOUNT".to_owned(), "5000".to_owned()));
    }
    // `cuda:0` is then the device that nvidia-smi lists as 0, which leases on devices rely on.
    if std::env::var_os("CUDA_DEVICE_ORDER").is_none() {
        command
            .env
            .push(("CUDA_DEVICE_ORDER".to_owned(), "PCI_BUS_ID".to_owned()));
    }
    // What deterministic products of matrices ask for.
    if std::env::var_os("CUBLAS_WORKSPACE_CONFIG").is_none() {
        command
            .env
            .push(("CUBLAS_WORKSPACE_CONFIG".to_owned(), ":4096:8".to_owned()));
    }
    command
}

/// Both files as they are now, kept with the run.
fn spec_text(experiment: &Experiment) -> Result<String, Exit> {
    let files = [&experiment.file, &experiment.pipeline.file];
    let texts = files.map(|file| Ok(format!("# {}\n{}", file.display(), std::fs::read_to_string(file)?)));
    texts
        .into_iter()
        .collect::<Result<Vec<_>, std::io::Error>>()
        .map(|texts| texts.join("\n---\n"))
        .map_err(Exit::from)
}

fn summarise(report: &RunReport) {
    let mut parts = vec![
        format!("{} executed", report.executed),
        format!("{} cached", report.cached),
    ];
    let more = [
        (report.waited, "made by another process"),
        (report.retried, "tried again"),
        (report.failed, "failed"),
        (report.blocked, "blocked by a failure"),
        (report.not_started, "not started"),
    ];
    parts.extend(
        more.iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("{n} {what}")),
    );
    say!("{} in {:.1} s", parts.join(", "), report.seconds);
    for failure in &report.failures {
        let axes: Vec<String> = failure
            .axes
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let attempts = match failure.attempts {
            0 | 1 => String::new(),
            n => format!(" after {n} attempts"),
        };
        say!(
            "\nFAILED {} {}{attempts}\n  {}",
            failure.stage,
            axes.join(" "),
            failure.message.replace('\n', "\n  ")
        );
        if let Some(log) = &failure.log {
            say!("  log: {}", log.display());
        }
    }
}

/// Signals: the first asks the run to stop, the second ends it now.
struct Watched {
    cancel: Arc<AtomicU8>,
    signal: Arc<AtomicI32>,
}

impl Watched {
    fn start() -> Result<Self, Exit> {
        let watched = Self {
            cancel: Arc::default(),
            signal: Arc::new(AtomicI32::new(SIGINT)),
        };
        let (cancel, last) = (Arc::clone(&watched.cancel), Arc::clone(&watched.signal));
        let mut signals = Signals::new(signals::stopping())?;
        std::thread::spawn(move || {
            for signal in signals.forever() {
                last.store(signal, Ordering::Relaxed);
                if cancel.fetch_add(1, Ordering::Relaxed) == 0 {
                    say!("stopping: running stages save a checkpoint; once more to stop now");
                } else {
                    // Never more than 2: the runner knows no third degree.
                    cancel.store(2, Ordering::Relaxed);
                }
            }
        });
        Ok(watched)
    }
}
