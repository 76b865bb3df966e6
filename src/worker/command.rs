//! Runs `command`: a program of the user's, in folders of its own, with nothing but what was declared.

use moelab_engine::digest::HashingWriter;
use moelab_engine::job::log::last_lines;
use moelab_engine::job::{Failure, FailureKind, JobContext};
use moelab_engine::keeper::{End, Keeper, Limits, Order};
use moelab_engine::oom::Kills;
use moelab_stages::command::settings::Word;
use moelab_stages::command::{Command, DEVICE, SEED, THREADS, template};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a program may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);
/// How much later a signal to all processes of a run may reach this one, and how often that is looked at.
const LAG: Duration = Duration::from_millis(200);
const LAG_LOOKS: u32 = 10;
/// Lines of its log that stand in an error.
const LINES: usize = 12;

/// What a command sees of the variables of the worker; the others are set here or by the user.
const PASSED_ON: [&str; 3] = ["PATH", "HOME", "CUDA_VISIBLE_DEVICES"];

pub fn run(job: &JobContext, keeper: &Keeper) -> Result<(), Failure> {
    let command: Command = job.settings()?;
    let folders = Folders::make(job.dir())?;
    let values = values(job, &command, &folders)?;
    let mut words = template::fill(command.words(), &values).map_err(Failure::bug)?;
    if words.is_empty() {
        return Err(Failure::bug("there is no program to run"));
    }
    let args = words.split_off(1);
    let env = environment(&command, &folders);
    let program = find(&words[0], env.get("PATH"))?;
    job.library("program", program.display().to_string());
    let log = job.dir().join("log");
    let order = Order {
        program: program.display().to_string(),
        args,
        env,
        dir: folders.scratch.clone(),
        // A job run by hand has its output at the terminal.
        log: log.exists().then(|| log.clone()),
    };
    let limits = Limits {
        timeout: command.timeout.as_ref().and_then(|limit| limit.duration()),
        grace: GRACE,
        stop: &|| job.should_stop(),
    };
    let kills = Kills::of(std::process::id());
    let end = keeper.run(order, &limits);
    if !matches!(end, Ok(End::Exited(0))) && asked_to_stop(job) {
        return Err(job.interrupted());
    }
    let end = end.map_err(|e| {
        let what = format!("the command cannot be watched over: {e}");
        Failure::new(FailureKind::LostWorker, what)
    })?;
    let said = |what: String| match &last_lines(&log, LINES)[..] {
        [] => what,
        lines => format!("{what}; it said last:\n  {}", lines.join("\n  ")),
    };
    match end {
        End::Exited(0) => only_declared(job, &folders.out),
        End::Exited(status) => {
            let what = said(format!("`{}` ended with status {status}", name(&program)));
            Err(Failure::stage(what + &undeclared_files(job, &command)))
        }
        End::Killed(9) if kills.since().is_some() => Err(Failure::new(
            FailureKind::OutOfMemory,
            said("the system ran out of memory and killed the command; use fewer --jobs".into()),
        )),
        End::Killed(signal) => Err(Failure::new(
            FailureKind::Killed,
            said(format!("`{}` was killed by signal {signal}", name(&program))),
        )),
        End::NotStarted(e) => Err(Failure::stage(format!(
            "{} cannot be run: {e}{}",
            program.display(),
            remedy(&e)
        ))),
        End::TimedOut => {
            let limit = limits.timeout.unwrap_or_default().as_secs_f64();
            let what = said(format!(
                "the command took longer than its `timeout` of {limit} s and was ended"
            ));
            Err(Failure::new(FailureKind::Timeout, what))
        }
        End::Stopped => Err(job.interrupted()),
    }
}

/// Whether the end of a command is that of the whole run. A batch system ends all processes of a job one after the other,
/// and the command, or whoever watches over it, may be hit a moment before this process is.
fn asked_to_stop(job: &JobContext) -> bool {
    (0..LAG_LOOKS).any(|_| {
        let asked = job.should_stop();
        if !asked {
            std::thread::sleep(LAG / LAG_LOOKS);
        }
        asked
    })
}

/// Where a command works.
struct Folders {
    /// Its working folder: empty at the start, nobody's at the end.
    scratch: PathBuf,
    /// For TMPDIR.
    temporary: PathBuf,
    /// Copies of its files, laid out as in the project.
    files: PathBuf,
    /// What lies here in the end has to be declared.
    out: PathBuf,
}

impl Folders {
    fn make(job: &Path) -> io::Result<Self> {
        let fresh = |name: &str| {
            let folder = job.join(name);
            match fs::remove_dir_all(&folder) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            fs::create_dir(&folder)?;
            Ok(folder)
        };
        Ok(Self {
            scratch: fresh("scratch")?,
            temporary: fresh("tmp")?,
            files: fresh("files")?,
            out: fresh("out")?,
        })
    }
}

/// What stands for each placeholder.
fn values(job: &JobContext, command: &Command, folders: &Folders) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let text = |path: &Path| path.display().to_string();
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (port, artifacts) in &job.job().inputs {
        values.insert(
            port.clone(),
            artifacts.iter().map(|artifact| text(&artifact.path)).collect(),
        );
    }
    for (role, path) in &command.files {
        values.insert(role.clone(), vec![text(&copy(job, role, path, &folders.files)?)]);
    }
    for output in command.outputs.keys() {
        values.insert(output.clone(), vec![text(&job.output(output)?)]);
    }
    let known = [
        (SEED, job.seed().to_string()),
        (THREADS, job.threads().to_string()),
        (DEVICE, job.device().to_owned()),
    ];
    values.extend(known.map(|(name, value)| (name.to_owned(), vec![value])));
    Ok(values)
}

/// Copies a file of the project, so that what is read is what the key says, whatever its owner does meanwhile.
fn copy(job: &JobContext, role: &str, path: &str, to: &Path) -> Result<PathBuf, Failure> {
    let (from, to) = (job.project().join(path), to.join(path));
    let broken = |e: io::Error| Failure::bad_input(format!("file `{role}`: {}: {e}", from.display()));
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut source = File::open(&from).map_err(broken)?;
    let mut copy = HashingWriter::new(File::create(&to)?);
    io::copy(&mut source, &mut copy).map_err(broken)?;
    let (digest, _, copy) = copy.finish();
    if job.job().action.sources.get(role) != Some(&digest) {
        let what = format!(
            "file `{role}`: {} has changed since this run began; run again",
            from.display()
        );
        return Err(Failure::bad_input(what));
    }
    copy.set_permissions(source.metadata().map_err(broken)?.permissions())?;
    Ok(to)
}

fn environment(command: &Command, folders: &Folders) -> BTreeMap<String, String> {
    let passed = PASSED_ON
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    let mut env: BTreeMap<String, String> = passed.collect();
    // One language for all, since it decides how a program sorts and what it says.
    env.insert("LANG".into(), "C.UTF-8".into());
    env.insert("TMPDIR".into(), folders.temporary.display().to_string());
    env.extend(
        command
            .env
            .iter()
            .map(|(name, Word(value))| (name.clone(), value.clone())),
    );
    env
}

/// The file behind the name of a program.
fn find(program: &str, path: Option<&String>) -> Result<PathBuf, Failure> {
    if program.contains('/') {
        return Ok(program.into());
    }
    let folders = path.map_or("", String::as_str);
    let mut places = std::env::split_paths(folders).map(|folder| folder.join(program));
    places.find(|place| place.is_file()).ok_or_else(|| {
        let what = format!("there is no program `{program}` in PATH ({folders}); install it, or set PATH under `env`");
        Failure::stage(what)
    })
}

fn name(program: &Path) -> String {
    program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned()
}

fn remedy(e: &io::Error) -> &'static str {
    match e.kind() {
        io::ErrorKind::PermissionDenied => "; make it executable (chmod +x), or run it by its interpreter",
        // The interpreter of its first line: the program itself was found.
        io::ErrorKind::NotFound => "; is the interpreter that its first line names there?",
        _ if e.raw_os_error() == Some(8) => "; a script needs a first line like #!/bin/sh",
        _ => "",
    }
}

/// Words that name a file of the project which the command does not have: the usual cause of a file not found.
fn undeclared_files(job: &JobContext, command: &Command) -> String {
    let file = |word: &&str| {
        let inside = !word.is_empty() && Path::new(word).is_relative() && !word.contains("..");
        inside && job.project().join(word).is_file()
    };
    match command.words().find(file) {
        Some(word) => format!(
            "\n`{word}` is a file of the project, but a command starts in an empty folder: declare it under `files` \
             and write {{its name}}"
        ),
        None => String::new(),
    }
}

/// Refuses what lies in the folder of outputs and was not declared. That declared ones are there, and are plain files,
/// is seen to when they are published.
fn only_declared(job: &JobContext, out: &Path) -> Result<(), Failure> {
    if !fs::symlink_metadata(out).is_ok_and(|meta| meta.is_dir()) {
        return Err(Failure::stage("the command has removed the folder of its outputs"));
    }
    for entry in fs::read_dir(out)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if job.declares(&name) {
            continue;
        }
        let declared = job.job().outputs.keys();
        let extended = declared
            .into_iter()
            .find(|output| name.starts_with(&format!("{output}.")));
        let hint = match extended {
            Some(output) => {
                format!("if the program adds an ending by itself, rename the file to {{{output}}} afterwards")
            }
            None => "declare it under `outputs`, or write it to the working folder, which goes away".to_owned(),
        };
        let what = format!("the command wrote `{name}` among its outputs, which it does not declare; {hint}");
        return Err(Failure::stage(what));
    }
    Ok(())
}
