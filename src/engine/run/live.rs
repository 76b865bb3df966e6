//! What invocations are doing, told from outside by what they write to the store.
//!
//! Reading only: no lock is held, nothing is written, and a run does not notice.  Whether a run lives is told by its mark
//! (`runs/<run>/used`), which the system takes away when its process dies.

mod fold;
mod left;

pub use fold::Outset;

use super::history::History;
use crate::digest::Digest;
use crate::job::Event;
use crate::job::events::EventTail;
use crate::plan::Axes;
use crate::store::{Store, StoreError, lock, time};
use fold::{Fold, Record, Running};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;

/// One invocation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunState {
    pub run: String,
    pub experiment: String,
    pub life: Life,
    /// UTC, RFC 3339.
    pub started: String,
    /// Since it started; of one that ended, until its last word.
    pub seconds: f64,
    /// Time left, judged by earlier results; absent if it ended or nothing is known of a stage that is left. Actions that
    /// turn out to be equal to others count until then, so it errs upwards.
    pub seconds_left: Option<f64>,
    pub pid: Option<u32>,
    pub host: Option<String>,
    /// In the order of the pipeline.
    pub stages: Vec<StageState>,
    pub running: Vec<JobState>,
    pub failures: Vec<Failed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    Running,
    Finished,
    /// It was asked to stop and did.
    Interrupted,
    /// Its process is gone and left no last word: killed, or the machine went down.
    Killed,
}

/// The actions of one stage: `done + running + failed + left` of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StageState {
    pub stage: String,
    pub kind: String,
    /// Found in the store, those that other processes made included.
    pub cached: usize,
    /// `cached` and those this run made.
    pub done: usize,
    pub running: usize,
    pub failed: usize,
    /// Not begun, or blocked by a failure.
    pub left: usize,
}

/// A job that runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobState {
    pub stage: String,
    pub axes: Axes,
    pub key: Digest,
    pub attempt: u32,
    pub device: String,
    /// Since it started.
    pub seconds: f64,
    pub seconds_left: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Another process does it; this one waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

/// How far a training is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Position {
    pub done: u64,
    pub total: u64,
    pub unit: String,
    /// Named numbers (loss, …).
    pub values: BTreeMap<String, f64>,
}

/// An action that failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failed {
    pub stage: String,
    pub axes: Axes,
    pub message: String,
}

impl RunState {
    /// Actions, done ones, failed ones.
    pub fn counts(&self) -> [usize; 3] {
        let sum = |count: fn(&StageState) -> usize| self.stages.iter().map(count).sum();
        [
            sum(|s| s.done + s.running + s.failed + s.left),
            sum(|s| s.done),
            sum(|s| s.failed),
        ]
    }
}

/// Looks at the invocations of a store, again and again: what was read once is not read again.
pub struct Monitor<'a> {
    store: &'a Store,
    runs: BTreeMap<String, Followed>,
    jobs: BTreeMap<(Digest, u32), Job>,
    history: Option<History>,
}

struct Followed {
    tail: EventTail<Record>,
    fold: Fold,
}

/// The events of a running job.
struct Job {
    tail: EventTail,
    /// Where it began: above 0 if it went on from a checkpoint.
    first: Option<u64>,
    last: Option<Position>,
}

impl<'a> Monitor<'a> {
    pub fn new(store: &'a Store) -> Self {
        Self {
            store,
            runs: BTreeMap::new(),
            jobs: BTreeMap::new(),
            history: None,
        }
    }

    /// All invocations that live, and the newest of each experiment; sorted by their start.
    pub fn look(&mut self) -> Result<Vec<RunState>, StoreError> {
        let folder = self.store.root().join("runs");
        let mut names: Vec<String> = match fs::read_dir(&folder) {
            Ok(entries) => entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => vec![],
            Err(e) => return Err(StoreError::reading(&folder)(e)),
        };
        // Names begin with the second a run started in; of two runs in one second the later one wrote last.
        names.sort_by_cached_key(|name| {
            let written = fs::metadata(folder.join(name).join("events.jsonl")).and_then(|meta| meta.modified());
            (name.split('-').next().unwrap_or_default().to_owned(), written.ok())
        });
        // The newest first, so that older ones of the same experiment are seen to be that.
        let (mut told, mut known) = (vec![], vec![]);
        for name in names.iter().rev() {
            let dir = self.store.run_dir(name);
            // Asked first: a run that ends in between has written its last word when its mark is gone.
            let marked = lock::in_use(&dir.join("used"));
            let followed = self.runs.entry(name.clone()).or_insert_with(|| Followed {
                tail: EventTail::new(dir.join("events.jsonl")),
                fold: Fold::default(),
            });
            if followed.fold.ended.is_none() {
                followed
                    .tail
                    .read()
                    .into_iter()
                    .for_each(|event| followed.fold.hear(event));
            }
            let fold = &followed.fold;
            let Some(experiment) = &fold.experiment else { continue };
            let newest = !known.contains(experiment);
            known.push(experiment.clone());
            if newest || marked && fold.ended.is_none() {
                told.push((name.clone(), marked));
            }
        }
        told.reverse();
        Ok(told.iter().map(|(name, marked)| self.state(name, *marked)).collect())
    }

    fn state(&mut self, name: &str, marked: bool) -> RunState {
        let fold = &self.runs[name].fold;
        let life = match fold.ended {
            Some(life) => life,
            None if marked => Life::Running,
            None => Life::Killed,
        };
        let lives = life == Life::Running;
        let until = if lives { time::now() } else { fold.last.clone() };
        let mut seconds = between(&fold.first, &until);
        if life == Life::Killed {
            seconds = seconds.max(self.last_sign(fold));
        }
        let mut running = vec![];
        if lives {
            for (key, job) in fold.running() {
                let seen = self.jobs.entry((*key, job.attempt)).or_insert_with(|| Job {
                    tail: EventTail::new(self.store.attempt_dir(key, job.attempt).join("events.jsonl")),
                    first: None,
                    last: None,
                });
                if job.waits_for.is_none() {
                    seen.hear();
                }
                running.push(job.state(key, between(&job.since, &until), seen.last.clone(), seen.first));
            }
        }
        let mut state = RunState {
            run: name.to_owned(),
            experiment: fold.experiment.clone().unwrap_or_default(),
            life,
            started: fold.first.clone(),
            seconds,
            seconds_left: None,
            pid: fold.pid,
            host: fold.host.clone(),
            stages: fold.stages(lives),
            running,
            failures: fold.failures(),
        };
        if lives {
            let history = self.history.get_or_insert_with(|| History::read(self.store));
            state.seconds_left = left::seconds(fold, &mut state, history);
        }
        state
    }
}

impl Monitor<'_> {
    /// Seconds from the start of a run to the last sign of a job that it left behind.
    fn last_sign(&self, fold: &Fold) -> f64 {
        let start = time::seconds(&fold.first).unwrap_or(0) as f64;
        let sign = |(key, job): (&Digest, &Running)| {
            let path = self.store.attempt_dir(key, job.attempt).join("events.jsonl");
            let at = fs::metadata(path).and_then(|meta| meta.modified()).ok()?;
            Some(at.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs_f64() - start)
        };
        fold.running().filter_map(sign).fold(0.0, f64::max)
    }
}

impl Job {
    fn hear(&mut self) {
        for event in self.tail.read() {
            if let Event::Progress {
                done,
                total,
                unit,
                values,
            } = event
            {
                self.first.get_or_insert(done);
                self.last = Some(Position {
                    done,
                    total,
                    unit,
                    values,
                });
            }
        }
    }
}

/// Seconds from one time to another; 0 if either is none.
fn between(from: &str, to: &str) -> f64 {
    match (time::seconds(from), time::seconds(to)) {
        (Some(from), Some(to)) => to.saturating_sub(from) as f64,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests;
