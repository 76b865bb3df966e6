//! Worker processes: started when needed, kept warm, one job at a time each.

use super::WorkerCommand;
use super::death;
use crate::job::events::EventTail;
use crate::job::{Event, Failure, FailureKind, JobResult, PARENT, STOP};
use crate::oom::Kills;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// The workers of one run.  Dropping it ends them.
pub(super) struct Pool {
    command: WorkerCommand,
    log: PathBuf,
    workers: Vec<Worker>,
    /// A word comes when a worker rings or is gone.
    bells: (Sender<()>, Receiver<()>),
}

struct Worker {
    child: Child,
    /// Job folders go in; a byte comes back when one is finished.
    line: UnixStream,
    /// The device of all its jobs; empty once it is dead.
    device: String,
    job: Option<Assigned>,
    /// Kills for memory as they were counted before its last job: a warm worker may be killed between two jobs, and then
    /// the next one finds it dead with the kill counted already.
    kills_before: Kills,
    /// As they were counted at the start of its job, or at its own.
    kills_seen: Kills,
}

struct Assigned {
    id: u64,
    dir: PathBuf,
    nonce: String,
    events: EventTail,
}

/// What became of a job since the last look.
pub(super) enum News {
    Event(Event),
    Result(JobResult),
    /// Its worker is no more.
    Died(Failure),
}

impl Pool {
    pub(super) fn new(command: WorkerCommand, log: PathBuf) -> Self {
        Self {
            command,
            log,
            workers: vec![],
            bells: channel(),
        }
    }

    /// Hands a job folder to a warm worker of this device, or to a new one.
    pub(super) fn start(&mut self, id: u64, dir: &Path, nonce: &str, device: &str) -> Result<(), Failure> {
        let index = match self.idle(device) {
            Some(index) => index,
            None => {
                self.workers.push(self.spawn()?);
                self.workers.len() - 1
            }
        };
        let worker = &mut self.workers[index];
        device.clone_into(&mut worker.device);
        let now = Kills::of(worker.child.id());
        worker.kills_before = std::mem::replace(&mut worker.kills_seen, now);
        worker.job = Some(Assigned {
            id,
            dir: dir.to_owned(),
            nonce: nonce.to_owned(),
            events: EventTail::new(dir.join("events.jsonl")),
        });
        // If the worker is gone, the next look says so.
        if let Err(e) = writeln!(worker.line, "{}", dir.display()) {
            tracing::debug!("worker {}: {e}", worker.child.id());
        }
        Ok(())
    }

    fn idle(&mut self, device: &str) -> Option<usize> {
        self.workers
            .retain_mut(|worker| worker.job.is_some() || matches!(worker.child.try_wait(), Ok(None)));
        // Of another device it would keep memory there, unseen.
        let fits = |worker: &Worker| worker.job.is_none() && worker.device == device;
        self.workers.iter().position(fits)
    }

    fn spawn(&self) -> Result<Worker, Failure> {
        let program = &self.command.program;
        let broken = |e: io::Error| {
            let what = match e.kind() {
                io::ErrorKind::NotFound => format!("the program {} is missing", program.display()),
                _ => format!("the program {} does not start: {e}", program.display()),
            };
            Failure::new(
                FailureKind::Worker,
                format!("{what}; `make build` builds moelab and moelab-worker"),
            )
        };
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(broken)?;
        let (line, theirs) = UnixStream::pair().map_err(broken)?;
        let child = Command::new(program)
            .args(&self.command.args)
            .envs(self.command.env.iter().map(|(name, value)| (name, value)))
            .env(PARENT, std::process::id().to_string())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C at a terminal reaches the runner alone, which then asks its workers to stop.
            .process_group(0)
            .spawn()
            .map_err(broken)?;
        let (bell, sender) = (line.try_clone().map_err(broken)?, self.bells.0.clone());
        std::thread::spawn(move || listen(bell, &sender));
        Ok(Worker {
            kills_before: Kills::default(),
            kills_seen: Kills::of(child.id()),
            child,
            line,
            device: String::new(),
            job: None,
        })
    }

    /// Waits until a worker rings, but not longer than this.
    pub(super) fn wait(&self, most: Duration) {
        // The pool has a sender of its own, so the only error is that the time is over.
        if self.bells.1.recv_timeout(most).is_ok() {
            while self.bells.1.try_recv().is_ok() {}
        }
    }

    /// Ends idle workers that used this device, or all of them: they keep memory that somebody else needs.
    pub(super) fn retire(&mut self, device: Option<&str>) {
        let stays = |worker: &Worker| worker.job.is_some() || device.is_some_and(|device| worker.device != device);
        let (stay, go) = std::mem::take(&mut self.workers).into_iter().partition(stays);
        self.workers = stay;
        go.into_iter().for_each(Worker::end);
    }

    /// What happened to the running jobs, in no particular order.
    pub(super) fn news(&mut self) -> Vec<(u64, News)> {
        let mut news = vec![];
        for worker in &mut self.workers {
            worker.look(&self.log, &mut news);
        }
        self.workers
            .retain_mut(|worker| worker.job.is_some() || !worker.device.is_empty());
        news
    }

    /// Asks running jobs to stop.
    pub(super) fn ask_to_stop(&self) {
        for job in self.workers.iter().filter_map(|worker| worker.job.as_ref()) {
            if let Err(e) = fs::write(job.dir.join(STOP), "") {
                tracing::warn!("{}: {e}", job.dir.display());
            }
        }
    }

    /// Kills all workers and what they started.
    pub(super) fn kill(&mut self) {
        self.workers.drain(..).for_each(Worker::end);
    }
}

/// Passes on what comes from a worker until it is gone, which counts as well.
fn listen(mut bell: UnixStream, sender: &Sender<()>) {
    let mut bytes = [0; 64];
    loop {
        let heard = bell.read(&mut bytes);
        let gone = !matches!(heard, Ok(1..));
        if sender.send(()).is_err() || gone {
            return;
        }
    }
}

impl Worker {
    /// Kills it and what it started, and waits for its end.
    fn end(mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            kill_group(&self.child);
        }
        drop(self.child.wait());
    }

    fn look(&mut self, worker_log: &Path, news: &mut Vec<(u64, News)>) {
        let Some(job) = &mut self.job else { return };
        // Asked first: a worker that is gone now has written all it ever will.
        let dead = self.child.try_wait().ok().flatten();
        let result = job.result();
        news.extend(job.events.read().into_iter().map(|event| (job.id, News::Event(event))));
        let end = match (result, dead) {
            (Some(result), _) => News::Result(result),
            (None, Some(status)) => News::Died(death::explain(
                status,
                &self.kills_before,
                &job.dir.join("log"),
                worker_log,
            )),
            (None, None) => return,
        };
        news.push((job.id, end));
        self.job = None;
        if dead.is_some() {
            self.device.clear();
            // What it started must not outlive it.
            kill_group(&self.child);
        }
    }
}

/// Kills a worker with all its children: it leads a group of its own.
fn kill_group(leader: &Child) {
    if let Some(group) = i32::try_from(leader.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

impl Assigned {
    /// The result of this very attempt: one left by another has another nonce.
    fn result(&self) -> Option<JobResult> {
        let text = fs::read(self.dir.join("result.json")).ok()?;
        let result: JobResult = serde_json::from_slice(&text).ok()?;
        (result.nonce == self.nonce).then_some(result)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Whatever an idle worker did is published, and a busy one's run is over: there is nothing to wait for.
        self.kill();
    }
}
