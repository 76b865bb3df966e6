//! The events of one invocation, added up.

use super::{Failed, JobState, Life, Position, StageState};
use crate::digest::Digest;
use crate::plan::{Axes, Node};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One stage of what an invocation set out to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outset {
    pub stage: String,
    pub kind: String,
    pub actions: usize,
    /// Stages it takes from.
    pub after: BTreeSet<String>,
}

impl Outset {
    pub(crate) fn of(node: &Node) -> Self {
        Self {
            stage: node.stage.clone(),
            kind: node.kind.clone(),
            actions: 0,
            after: BTreeSet::new(),
        }
    }
}

/// A line of `runs/<run>/events.jsonl`; fields that an event lacks are empty.
#[derive(Deserialize)]
pub(super) struct Record {
    event: String,
    at: String,
    #[serde(default)]
    experiment: Option<String>,
    #[serde(default)]
    pid: Option<u32>,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    jobs: Option<usize>,
    #[serde(default)]
    stages: Vec<Outset>,
    #[serde(default)]
    stage: String,
    #[serde(default)]
    axes: Axes,
    #[serde(default)]
    key: Option<Digest>,
    #[serde(default)]
    attempt: u32,
    #[serde(default)]
    device: String,
    #[serde(default)]
    how: String,
    #[serde(default)]
    detail: Value,
    #[serde(default)]
    holder: Value,
    #[serde(default)]
    interrupted: bool,
}

#[derive(Default)]
pub(super) struct Fold {
    pub(super) experiment: Option<String>,
    pub(super) pid: Option<u32>,
    pub(super) host: Option<String>,
    pub(super) jobs: usize,
    /// When it spoke first and last.
    pub(super) first: String,
    pub(super) last: String,
    pub(super) ended: Option<Life>,
    pub(super) outset: Vec<Outset>,
    /// Stage → seconds of the actions that this run made.
    pub(super) took: BTreeMap<String, Vec<f64>>,
    actions: BTreeMap<Digest, Action>,
    /// Actions that have not even a key.
    without_key: Vec<Failed>,
}

/// An action, and the nodes of the plan that it serves.
#[derive(Default)]
struct Action {
    nodes: BTreeSet<(String, String)>,
    state: State,
}

#[derive(Default)]
enum State {
    /// Stopped, or waiting for another attempt.
    #[default]
    Left,
    Cached,
    Made,
    Running(Running),
    Failed(Failed),
}

/// A job between its start and its end.
pub(super) struct Running {
    stage: String,
    axes: Axes,
    pub(super) attempt: u32,
    device: String,
    pub(super) since: String,
    pub(super) waits_for: Option<String>,
}

impl Running {
    /// `first` is the position its attempt began at.
    pub(super) fn state(&self, key: &Digest, seconds: f64, position: Option<Position>, first: Option<u64>) -> JobState {
        let pace = |at: &Position| {
            let since = at.done.checked_sub(first?).filter(|steps| *steps > 0)?;
            Some(seconds / since as f64 * at.total.saturating_sub(at.done) as f64)
        };
        JobState {
            stage: self.stage.clone(),
            axes: self.axes.clone(),
            key: *key,
            attempt: self.attempt,
            device: self.device.clone(),
            seconds,
            seconds_left: position.as_ref().and_then(pace),
            position,
            waits_for: self.waits_for.clone(),
        }
    }
}

impl Fold {
    pub(super) fn hear(&mut self, record: Record) {
        if self.first.is_empty() {
            self.first.clone_from(&record.at);
        }
        self.last.clone_from(&record.at);
        match (record.event.as_str(), record.key) {
            ("started", _) => {
                self.experiment = record.experiment;
                (self.pid, self.host, self.outset) = (record.pid, record.host, record.stages);
                self.jobs = record.jobs.unwrap_or(1).max(1);
            }
            ("finished", _) => {
                self.ended = Some(if record.interrupted {
                    Life::Interrupted
                } else {
                    Life::Finished
                });
            }
            ("not_started", None) => self.without_key.push(failed(&record)),
            (_, Some(key)) => {
                let action = self.actions.entry(key).or_default();
                let axes = serde_json::to_string(&record.axes).expect("axes are plain data");
                action.nodes.insert((record.stage.clone(), axes));
                if let Some(state) = state(&record) {
                    if let State::Made = state {
                        let seconds = record.detail.as_f64();
                        self.took.entry(record.stage.clone()).or_default().extend(seconds);
                    }
                    action.state = state;
                }
            }
            _ => {}
        }
    }

    pub(super) fn running(&self) -> impl Iterator<Item = (&Digest, &Running)> {
        self.actions.iter().filter_map(|(key, action)| match &action.state {
            State::Running(running) => Some((key, running)),
            _ => None,
        })
    }

    pub(super) fn failures(&self) -> Vec<Failed> {
        let with_key = self.actions.values().filter_map(|action| match &action.state {
            State::Failed(failed) => Some(failed),
            _ => None,
        });
        with_key.chain(&self.without_key).cloned().collect()
    }

    /// What became of each stage; nothing runs in a run that does not live.
    pub(super) fn stages(&self, lives: bool) -> Vec<StageState> {
        let count = |outset: &Outset| {
            let mut stage = StageState {
                stage: outset.stage.clone(),
                kind: outset.kind.clone(),
                ..StageState::default()
            };
            for action in self.actions.values() {
                let nodes = action.nodes.iter().filter(|node| node.0 == outset.stage).count();
                match &action.state {
                    State::Cached => stage.cached += nodes,
                    State::Made => stage.done += nodes,
                    State::Running(_) if lives => stage.running += nodes,
                    State::Failed(_) => stage.failed += nodes,
                    State::Running(_) | State::Left => {}
                }
            }
            stage.failed += self.without_key.iter().filter(|f| f.stage == outset.stage).count();
            stage.done += stage.cached;
            let begun = stage.done + stage.running + stage.failed;
            stage.left = outset.actions.saturating_sub(begun);
            stage
        };
        self.outset.iter().map(count).collect()
    }
}

/// What an event makes of an action; none if it changes nothing.
fn state(record: &Record) -> Option<State> {
    let running = |waits_for| {
        State::Running(Running {
            stage: record.stage.clone(),
            axes: record.axes.clone(),
            attempt: record.attempt,
            device: record.device.clone(),
            since: record.at.clone(),
            waits_for,
        })
    };
    match (record.event.as_str(), record.how.as_str()) {
        ("cached", _) | ("job_ended", "already_there") => Some(State::Cached),
        ("job_started", _) => Some(running(None)),
        ("waiting", _) => {
            let holder = serde_json::from_value::<crate::store::Holder>(record.holder.clone());
            Some(running(Some(
                holder.map_or_else(|_| "another process".into(), |h| h.to_string()),
            )))
        }
        ("job_ended", "done") => Some(State::Made),
        ("job_ended", "failed") => Some(State::Failed(failed(record))),
        ("job_ended", _) => Some(State::Left),
        _ => None,
    }
}

fn failed(record: &Record) -> Failed {
    Failed {
        stage: record.stage.clone(),
        axes: record.axes.clone(),
        message: record.detail["message"].as_str().unwrap_or_default().to_owned(),
    }
}
