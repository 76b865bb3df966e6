//! The worker side of the protocol: takes a job folder, runs the stage, publishes.

use super::bell::Bell;
use super::log::Redirected;
use super::{
    Event, Failure, FailureKind, Job, JobContext, JobResult, MEMORY, Memory, Outcome, PARENT, PROTOCOL, QUICK, panics,
};
use crate::digest::Digest;
use crate::store::{
    Attempt, Durability, Holder, KeyLock, Provenance, Publication, Store, StoreError, disk, failpoint, time,
};
use rustix::io::Errno;
use serde::Deserialize;
use std::cell::RefCell;
use std::fs;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Runs the stage of a job.
pub type Runner<'a> = dyn Fn(&JobContext) -> Result<(), Failure> + 'a;

/// A process that runs jobs, one at a time.
pub struct Worker<'a> {
    build: String,
    runner: &'a Runner<'a>,
    stop: Arc<AtomicBool>,
    redirect: bool,
    /// Kept open, since it remembers which objects it has verified.
    store: RefCell<Option<(PathBuf, Rc<Store>)>>,
}

/// A job folder in which not even a result can be written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {what}", path = path.display())]
pub struct NoJob {
    pub path: PathBuf,
    pub what: String,
}

/// What is read first, so that a runner of another build gets an answer.
#[derive(Deserialize)]
struct Header {
    protocol: u32,
    build: String,
    key: Digest,
    attempt: u32,
    nonce: String,
}

impl<'a> Worker<'a> {
    /// `build` must be the runner's; `stop` is set when the process is asked to end (SIGINT, SIGTERM).
    pub fn new(build: impl Into<String>, runner: &'a Runner<'a>, stop: Arc<AtomicBool>) -> Self {
        Self {
            build: build.into(),
            runner,
            stop,
            redirect: true,
            store: RefCell::default(),
        }
    }

    /// Leaves standard output and error alone while a job runs, in place of sending them to its log.
    pub fn keep_output(mut self) -> Self {
        self.redirect = false;
        self
    }

    /// Runs jobs whose folders come as lines, until the input ends. Dies with the process that [`PARENT`] names.
    pub fn serve(&self, input: impl BufRead) -> io::Result<()> {
        if !die_with_parent() {
            return Ok(());
        }
        let bell = Bell::of_input();
        for line in input.lines() {
            let line = line?;
            if let Err(e) = self.run_job(Path::new(line.trim_end())) {
                // Without a result the runner would wait for ever: it has to see this process end.
                return Err(io::Error::other(e.to_string()));
            }
            bell.ring();
        }
        Ok(())
    }

    /// Runs the job in a folder and writes its `result.json`.
    pub fn run_job(&self, dir: &Path) -> Result<JobResult, NoJob> {
        let dir = std::path::absolute(dir).map_err(|e| no_job(dir, e))?;
        let path = dir.join("job.json");
        let text = fs::read(&path).map_err(|e| no_job(&path, e))?;
        let header: Header = serde_json::from_slice(&text).map_err(|e| no_job(&path, e))?;
        let redirected = if self.redirect {
            Some(Redirected::to(&dir.join("log")).map_err(|e| no_job(&dir.join("log"), e))?)
        } else {
            None
        };
        let started = Instant::now();
        let outcome = self
            .outcome(&dir, &header, &text)
            .unwrap_or_else(|failure| match failure.kind {
                FailureKind::Interrupted => Outcome::Interrupted,
                _ => {
                    tracing::error!("{failure}");
                    Outcome::Failed(about_room(failure))
                }
            });
        drop(redirected);
        let result = JobResult {
            protocol: PROTOCOL,
            key: header.key,
            attempt: header.attempt,
            nonce: header.nonce,
            outcome,
            seconds: started.elapsed().as_secs_f64(),
        };
        let text = serde_json::to_vec_pretty(&result).expect("a result is plain data");
        let path = dir.join("result.json");
        disk::write_message(&path, &text).map_err(|e| NoJob {
            path,
            what: e.to_string(),
        })?;
        Ok(result)
    }

    fn outcome(&self, dir: &Path, header: &Header, text: &[u8]) -> Result<Outcome, Failure> {
        if header.protocol != PROTOCOL || header.build != self.build {
            return Err(Failure::new(
                FailureKind::Worker,
                format!(
                    "moelab-worker is of another build than moelab: {} (protocol {PROTOCOL}) against {} (protocol {}); \
                     build both again with `make build`",
                    self.build, header.build, header.protocol
                ),
            ));
        }
        let job: Job = serde_json::from_slice(text).map_err(|e| Failure::bug(format!("job.json: {e}")))?;
        let found = job.action.digest();
        if found != job.key {
            return Err(Failure::bug(format!(
                "job.json names action {} but describes {}",
                job.key.short(),
                found.short()
            )));
        }
        let store = self.store(&job.store)?;
        // Marked as used by the worker too: it may outlive a runner on another machine.
        let attempt = store.join_attempt(dir, job.attempt)?;
        let context = JobContext::new(job, dir, self.stop.clone());
        self.locked(&store, &attempt, &context)
    }

    fn locked(&self, store: &Store, attempt: &Attempt, context: &JobContext) -> Result<Outcome, Failure> {
        let job = context.job();
        // Not waited for here: the runner gives the slot to other work meanwhile.
        let Some(lock) = store.try_lock(&job.key, &Holder::this_process(&job.origin.run))? else {
            return Ok(Outcome::Busy);
        };
        store.refuse_newer(&job.key)?;
        let there = !job.force && store.lookup(&job.key).is_some_and(|manifest| manifest.complete());
        clear_up(store, &lock, attempt, job, there);
        if there {
            return Ok(Outcome::AlreadyThere);
        }
        let inputs: Vec<Digest> = job.inputs.values().flatten().map(|input| input.digest).collect();
        let gone = gone(store, &inputs)?;
        if !gone.is_empty() {
            return Ok(Outcome::InputsGone(gone.join("; ")));
        }
        context.event(&Event::Started {
            device: job.device.clone(),
            threads: job.threads,
        });
        failpoint::reached("job-started");

        let (started, clock) = (time::now(), Instant::now());
        if job.memory != Memory::Normal {
            context.library(MEMORY, job.memory.name());
        }
        panics::catch(|| (self.runner)(context)).map_err(Failure::bug)??;
        let provenance = Provenance {
            build: self.build.clone(),
            host: time::host(),
            device: job.device.clone(),
            threads: job.threads,
            libraries: context.libraries(),
            started,
            seconds: clock.elapsed().as_secs_f64(),
            origin: job.origin.clone(),
            attempt: attempt.number(),
        };
        let durability = if job.runner_syncs && clock.elapsed() < QUICK {
            Durability::Later
        } else {
            Durability::Now
        };
        let published = store.publish(
            &lock,
            Publication {
                action: &job.action,
                attempt,
                outputs: &job.outputs,
                inputs: &inputs,
                provenance,
                durability,
            },
        )?;
        if published.divergent {
            context.note("this run gave other bytes than the first; the first result stands");
        }
        clear_up(store, &lock, attempt, job, true);
        Ok(Outcome::Published)
    }

    fn store(&self, root: &Path) -> Result<Rc<Store>, StoreError> {
        let mut cached = self.store.borrow_mut();
        match &*cached {
            Some((at, store)) if at == root => Ok(store.clone()),
            _ => {
                let store = Rc::new(Store::open(root)?);
                *cached = Some((root.to_owned(), store.clone()));
                Ok(store)
            }
        }
    }
}

/// Removes what earlier attempts left.  What cannot be removed, as files of another user, is in nobody's way.
fn clear_up(store: &Store, lock: &KeyLock, attempt: &Attempt, job: &Job, finished: bool) {
    if let Err(e) = store.sweep(lock, &job.key, Some(attempt.number()), finished) {
        tracing::warn!("what earlier attempts left cannot be removed: {e}");
    }
}

/// Libraries hand a full disk on as words, which the system ends with its number for it.
fn about_room(failure: Failure) -> Failure {
    let full = [Errno::NOSPC, Errno::DQUOT].map(|errno| format!("(os error {})", errno.raw_os_error()));
    match full.iter().any(|words| failure.message.contains(words)) {
        true => Failure::new(
            FailureKind::DiskFull,
            format!(
                "{}; the disk is full: free some space and run again, it goes on from the last checkpoint",
                failure.message
            ),
        ),
        false => failure,
    }
}

/// What is wrong with inputs that cannot be read.  The damaged ones are put out of the way, so that the runner finds
/// them missing and has them made again.
fn gone(store: &Store, inputs: &[Digest]) -> Result<Vec<String>, Failure> {
    let mut gone = vec![];
    for digest in inputs {
        match store.verified_path(digest) {
            Ok(_) => {}
            Err(StoreError::Damaged { path, what }) => {
                store.set_aside(digest)?;
                gone.push(format!(
                    "the input {} was damaged and is set aside: {what}",
                    path.display()
                ));
            }
            // Perhaps another reader found it damaged a moment ago.
            Err(absent @ StoreError::Absent { .. }) => gone.push(absent.to_string()),
            Err(other) => return Err(other.into()),
        }
    }
    Ok(gone)
}

fn no_job(path: &Path, e: impl std::fmt::Display) -> NoJob {
    NoJob {
        path: path.to_owned(),
        what: e.to_string(),
    }
}

/// Has the kernel kill this process when its parent dies; says `false` if that has happened already.
fn die_with_parent() -> bool {
    let Some(parent) = std::env::var(PARENT).ok().and_then(|pid| pid.parse::<i32>().ok()) else {
        return true;
    };
    if let Err(e) = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)) {
        tracing::warn!("this worker will not die with its runner: {e}");
    }
    // The parent may have died before the request; then this process has another parent by now.
    rustix::process::getppid().is_some_and(|pid| pid.as_raw_nonzero().get() == parent)
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
