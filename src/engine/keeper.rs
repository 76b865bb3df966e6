//! Runs foreign programs so that nothing of them outlives their job.
//!
//! A worker can be killed at any moment, and the kernel tells at most its children of that, never theirs. So a foreign
//! program runs below a *keeper*: a small process that adopts whatever the program leaves behind, and kills all of it when
//! the program ends, when it is told to, and when its input ends because its owner is gone. A keeper serves one program
//! after another: its start is paid once, and programs are started from a small process, not from one full of libraries.

mod family;
mod serve;

pub use serve::serve;

use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How often a running program's owner asks whether to stop it.
const PERIOD: Duration = Duration::from_millis(50);

/// A program to run, with nothing inherited but what is said here.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Order {
    /// A path, or a name that is looked up in the `PATH` of `env`.
    pub program: String,
    pub args: Vec<String>,
    /// All variables it sees.
    pub env: BTreeMap<String, String>,
    /// Its working folder.
    pub dir: PathBuf,
    /// The file both its outputs are appended to; the keeper's standard error if there is none. Its input is empty.
    pub log: Option<PathBuf>,
}

/// When to end a program that does not end by itself.
pub struct Limits<'a> {
    pub timeout: Option<Duration>,
    /// How long it may take to end after SIGTERM, before SIGKILL.
    pub grace: Duration,
    /// Asked again and again.
    pub stop: &'a dyn Fn() -> bool,
}

/// How a program ended. Everything it had started has ended too.
#[derive(Debug)]
pub enum End {
    /// With this status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    NotStarted(io::Error),
    TimedOut,
    Stopped,
}

/// What an owner writes, as lines of JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    Run(Order),
    /// SIGTERM to the running program and its group.
    Terminate,
    /// SIGKILL to all there is.
    Kill,
}

/// What a keeper answers, as lines of JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Started { group: i32 },
    NotStarted { code: Option<i32>, text: String },
    Exited(i32),
    Killed(i32),
}

/// The owner's side: a keeper process, started when it is first needed.
pub struct Keeper {
    program: PathBuf,
    args: Vec<String>,
    process: RefCell<Option<Process>>,
}

struct Process {
    child: Child,
    stdin: ChildStdin,
    replies: Receiver<Reply>,
}

impl Keeper {
    /// `program` with `args` must call [`serve`] on its standard input and output.
    pub fn new(program: impl Into<PathBuf>, args: &[&str]) -> Self {
        Self {
            program: program.into(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            process: RefCell::default(),
        }
    }

    /// Runs a program to its end. An error means that the keeper itself is missing or has died.
    pub fn run(&self, order: Order, limits: &Limits<'_>) -> io::Result<End> {
        let mut process = self.process.borrow_mut();
        let kept = match process.take() {
            Some(kept) => kept,
            None => self.start()?,
        };
        // Put back only if it goes on: a keeper that has died is replaced by the next call.
        let kept = process.insert(kept);
        let end = kept.run(order, limits);
        if end.is_err() {
            *process = None;
        }
        end
    }

    fn start(&self) -> io::Result<Process> {
        let broken = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", self.program.display()));
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Whoever kills its owner's group must leave it the time to kill its own.
            .process_group(0)
            .spawn()
            .map_err(broken)?;
        let stdin = child.stdin.take().expect("it was asked to be piped");
        let stdout = child.stdout.take().expect("it was asked to be piped");
        let (send, replies) = channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            // What is no reply comes from somebody else who writes to the same output.
            for reply in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
                if send.send(reply).is_err() {
                    return;
                }
            }
        });
        Ok(Process { child, stdin, replies })
    }
}

impl Process {
    fn run(&mut self, order: Order, limits: &Limits<'_>) -> io::Result<End> {
        let started = Instant::now();
        self.ask(&Request::Run(order))?;
        let mut group = None;
        // Why it was asked to end, and until when it may take.
        let mut ending: Option<(End, Instant)> = None;
        loop {
            let reply = match self.replies.recv_timeout(PERIOD) {
                Ok(reply) => reply,
                Err(RecvTimeoutError::Disconnected) => return Err(abandoned(group)),
                Err(RecvTimeoutError::Timeout) => {
                    match &mut ending {
                        Some((_, until)) if Instant::now() >= *until => {
                            self.ask(&Request::Kill).map_err(|_| abandoned(group))?;
                            *until += limits.grace.max(PERIOD);
                        }
                        Some(_) => {}
                        None => {
                            let late = limits.timeout.is_some_and(|limit| started.elapsed() >= limit);
                            let why = match late {
                                true => End::TimedOut,
                                false if (limits.stop)() => End::Stopped,
                                false => continue,
                            };
                            self.ask(&Request::Terminate).map_err(|_| abandoned(group))?;
                            ending = Some((why, Instant::now() + limits.grace));
                        }
                    }
                    continue;
                }
            };
            let end = match reply {
                Reply::Started { group: id } => {
                    group = Some(id);
                    continue;
                }
                Reply::NotStarted { code, text } => {
                    End::NotStarted(code.map_or_else(|| io::Error::other(text), io::Error::from_raw_os_error))
                }
                Reply::Exited(status) => End::Exited(status),
                Reply::Killed(signal) => End::Killed(signal),
            };
            return Ok(ending.map_or(end, |(why, _)| why));
        }
    }

    fn ask(&mut self, request: &Request) -> io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.stdin.write_all(&line)
    }
}

/// The keeper is gone: what is left of the program's group ends here, since nobody else will do it.
fn abandoned(group: Option<i32>) -> io::Error {
    if let Some(group) = group.and_then(rustix::process::Pid::from_raw) {
        let _gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    io::Error::other("the process that watches over it has died")
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input would do; only without a wait it would stay a zombie.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
