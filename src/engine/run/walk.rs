//! The walk through a plan.
//!
//! A node that becomes ready gets its key; nodes with one key are one [`Action`]. An action the store holds is done at
//! once; the others queue for a worker, the longest path of work first.

mod end;
mod start;
mod wait;

use super::history::History;
use super::lease::Leases;
use super::live::Outset;
use super::observe::{Ended, JobInfo, Observer};
use super::pool::Pool;
use super::record::Record;
use super::results::Results;
use super::schedule::{Rank, Schedule, State};
use super::sync::Syncing;
use super::{FailedAction, RunOptions, RunReport};
use crate::digest::Digest;
use crate::job::{Failure, FailureKind, Memory};
use crate::key::ActionKey;
use crate::plan::{Input, Node, Plan, Resolution, ResolveError};
use crate::stage::Registry;
use crate::store::{Attempt, Holder, Manifest, Store, StoreError, time};
use end::vanished;
use petgraph::graph::NodeIndex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

pub(super) struct Walk<'a> {
    plan: &'a Plan,
    registry: &'a Registry,
    store: &'a Store,
    options: &'a RunOptions,
    observer: &'a mut dyn Observer,
    record: Record,
    pool: Pool,
    schedule: Schedule<'a, Node>,
    results: Results,
    actions: BTreeMap<Digest, Action>,
    /// Nodes to run although the store has a result.
    forced: BTreeSet<NodeIndex>,
    /// Of actions put back until their inputs are there again.
    put_back: BTreeMap<Digest, Tries>,
    /// Actions that may run now.
    queue: BTreeMap<Rank, Digest>,
    /// Actions another process runs, and the holder the user was told of.
    waiting: BTreeMap<Digest, Option<Holder>>,
    /// When the others were looked at last.
    asked: Instant,
    /// Made when the first action has to run: a plan that is all cached needs no order.
    ranks: Option<BTreeMap<NodeIndex, Rank>>,
    /// Read together with the ranks.
    history: History,
    leases: Leases,
    running: BTreeMap<u64, Running>,
    next_id: u64,
    failures: Vec<FailedAction>,
    /// Attempts after the first.
    retried: usize,
    syncing: Syncing<'a>,
    /// Nothing new is started.
    stopping: bool,
    /// The highest level of [`RunOptions::cancel`] acted upon.
    cancelled: u8,
    /// A job was stopped, by us or by somebody else.
    interrupted: bool,
    started: Instant,
}

/// All nodes with one key.
struct Action {
    key: ActionKey,
    /// Complete settings, of which the key holds the part that bears meaning.
    settings: Value,
    nodes: Vec<NodeIndex>,
    status: Status,
    /// Run although the store has a result.
    force: bool,
    /// Was run again for its bytes: once is enough.
    remade: bool,
    tries: Tries,
}

/// What earlier attempts of an action in this run mean for the next.
#[derive(Default)]
struct Tries {
    /// How often its worker found inputs gone.
    without_inputs: u32,
    /// How often it failed and was tried again, by kind.
    failed: BTreeMap<FailureKind, u32>,
    memory: Memory,
    /// No other job may run beside it.
    whole_machine: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Pending,
    Cached,
    Executed,
    Waited,
    Failed,
}

struct Running {
    action: Digest,
    info: JobInfo,
    /// Keeps the folder marked as used.
    attempt: Attempt,
    whole_machine: bool,
}

/// The longest time between two looks at the workers; a worker that is done rings earlier.
const LOOK: Duration = Duration::from_millis(20);

impl<'a> Walk<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        registry: &'a Registry,
        store: &'a Store,
        options: &'a RunOptions,
        observer: &'a mut dyn Observer,
    ) -> Result<Self, StoreError> {
        let record = Record::new(store, &options.run, &options.spec_text)?;
        let wanted = plan.wanted(options.wanted.as_ref());
        observer.planned(wanted.len());
        Ok(Self {
            plan,
            registry,
            store,
            options,
            observer,
            pool: Pool::new(options.worker.clone(), record.worker_log()),
            record,
            schedule: Schedule::new(&plan.graph, &wanted),
            results: Results::default(),
            actions: BTreeMap::new(),
            forced: plan.of_stages(&options.force),
            put_back: BTreeMap::new(),
            queue: BTreeMap::new(),
            waiting: BTreeMap::new(),
            asked: Instant::now(),
            ranks: None,
            history: History::default(),
            leases: Leases::new(options.devices.accelerators(), &options.device_locks, &options.run),
            running: BTreeMap::new(),
            next_id: 0,
            failures: vec![],
            retried: 0,
            syncing: Syncing::new(store),
            stopping: false,
            cancelled: 0,
            interrupted: false,
            started: Instant::now(),
        })
    }

    pub(super) fn run(mut self) -> Result<RunReport, StoreError> {
        self.record.event("started", self.outset());
        if let Some(warning) = self.store.locks()?.warning() {
            self.note(&warning);
        }
        loop {
            self.heed_cancel();
            if self.cancelled == 0 {
                self.resolve_ready();
                self.ask_others();
            }
            if let Err(e) = self.syncing.look() {
                self.note(&e.to_string());
            }
            self.start_jobs();
            let nothing_left = self.queue.is_empty() && self.waiting.is_empty();
            if self.running.is_empty() && (self.stopping || nothing_left) {
                break;
            }
            self.record.flush();
            if !self.hear() {
                self.pool.wait(LOOK);
            }
        }
        self.finish()
    }

    /// What whoever watches from outside must know of the whole: see [`super::live`].
    fn outset(&self) -> Value {
        let (mut stages, mut places) = (Vec::<Outset>::new(), HashMap::new());
        let wanted = |node: &NodeIndex| self.schedule.state(*node) != State::Unwanted;
        for index in self.plan.order().filter(wanted) {
            let node = &self.plan.graph[index];
            let place = *places.entry(node.stage.as_str()).or_insert(stages.len());
            if place == stages.len() {
                stages.push(Outset::of(node));
            }
            let makers = node.inputs.iter().flat_map(Input::sources);
            let makers = makers.map(|source| self.plan.graph[source.node].stage.clone());
            stages[place].after.extend(makers);
            stages[place].actions += 1;
        }
        json!({
            "experiment": self.options.experiment, "build": self.options.build, "jobs": self.options.jobs,
            "pid": std::process::id(), "host": time::host(), "stages": stages,
        })
    }

    fn heed_cancel(&mut self) {
        let level = self.options.cancel.load(Ordering::SeqCst);
        if level > self.cancelled {
            self.stopping = true;
            self.cancelled = level;
            match level {
                1 => self.pool.ask_to_stop(),
                _ => {
                    self.pool.kill();
                    for (_, running) in std::mem::take(&mut self.running) {
                        self.tell_end(&running.info, &Ended::Interrupted);
                    }
                }
            }
        }
    }

    fn resolve_ready(&mut self) {
        while let Some(node) = self.schedule.take() {
            match self
                .plan
                .resolve(node, self.registry, &self.options.data, &self.results)
            {
                Ok(Resolution::Ready { key, settings }) => self.resolved(node, key, settings),
                Ok(other) => {
                    let what = format!("its inputs are unknown although all producers are done: {other:?}");
                    self.fail_node(node, Failure::bug(what));
                }
                Err(e) => {
                    let stopping = self.stopping;
                    self.fail_node(node, Failure::stage(e.to_string()));
                    // What the data do not have stops nothing that can do without.
                    if let ResolveError::MissingOutput { .. } = e {
                        self.stopping = stopping;
                    }
                }
            }
        }
    }

    fn resolved(&mut self, node: NodeIndex, key: ActionKey, settings: Value) {
        let digest = key.digest();
        let force = self.forced.contains(&node);
        if let Some(action) = self.actions.get_mut(&digest) {
            action.nodes.push(node);
            let Node { stage, axes, .. } = &self.plan.graph[node];
            self.record
                .event("same", json!({"stage": stage, "axes": axes, "key": digest}));
            match action.status {
                Status::Pending => action.force |= force,
                // Found before it was known that this node is the same.
                Status::Cached | Status::Waited if force => self.run_again(digest, true),
                Status::Failed => self.schedule.fail(node),
                Status::Cached | Status::Executed | Status::Waited => {
                    // Equal keys, equal results: whichever node came first knows them.
                    match self.store.lookup(&digest) {
                        Some(manifest) => self.node_done(node, &manifest),
                        None => self.fail_node(node, vanished(&digest)),
                    }
                }
            }
            return;
        }
        let found = if force {
            None
        } else {
            self.store.lookup_as(&digest, &key)
        };
        let status = if found.is_some() {
            Status::Cached
        } else {
            Status::Pending
        };
        self.actions.insert(
            digest,
            Action {
                key,
                settings,
                nodes: vec![node],
                status,
                force,
                remade: false,
                tries: self.put_back.remove(&digest).unwrap_or_default(),
            },
        );
        match found {
            Some(manifest) => {
                let info = self.info(&digest, 0, "");
                self.record
                    .event("cached", json!({"stage": info.stage, "axes": info.axes, "key": digest}));
                self.observer.cached(&info);
                self.node_done(node, &manifest);
            }
            None => self.enqueue(digest),
        }
    }

    fn node_done(&mut self, node: NodeIndex, manifest: &Manifest) {
        self.results.insert(node, manifest);
        self.schedule.done(node);
    }

    fn note(&mut self, text: &str) {
        self.record.event("note", json!({"text": text}));
        self.observer.note(text);
    }

    fn info(&self, digest: &Digest, attempt: u32, device: &str) -> JobInfo {
        let node = &self.plan.graph[self.actions[digest].nodes[0]];
        JobInfo {
            stage: node.stage.clone(),
            kind: node.kind.clone(),
            axes: node.axes.clone(),
            key: *digest,
            attempt,
            device: device.to_owned(),
        }
    }

    fn finish(mut self) -> Result<RunReport, StoreError> {
        let count = |status| self.actions.values().filter(|action| action.status == status).count();
        let left = [State::Waiting, State::Ready, State::Taken]
            .map(|state| self.schedule.count(state))
            .iter()
            .sum();
        let report = RunReport {
            run: self.options.run.clone(),
            executed: count(Status::Executed),
            cached: count(Status::Cached),
            failed: self.failures.len(),
            waited: count(Status::Waited),
            retried: self.retried,
            blocked: self.schedule.count(State::Blocked),
            not_started: left,
            interrupted: self.interrupted || self.cancelled > 0,
            keep_going: self.options.keep_going,
            seconds: self.started.elapsed().as_secs_f64(),
            failures: std::mem::take(&mut self.failures),
        };
        self.record.event(
            "finished",
            json!({"executed": report.executed, "failed": report.failed, "interrupted": report.interrupted}),
        );
        self.record.flush();
        self.record.report(&report);
        self.syncing.finish()?;
        Ok(report)
    }
}
