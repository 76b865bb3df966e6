//! Hearing how jobs go on, and what their end means for the others.

use super::super::FailedAction;
use super::super::observe::{Ended, JobInfo};
use super::super::pool::News;
use super::{Running, Status, Walk};
use crate::digest::Digest;
use crate::job::{Event, Failure, FailureKind, JobResult, Outcome, PROTOCOL};
use crate::plan::Node;
use crate::store::{Manifest, disk};
use petgraph::graph::NodeIndex;
use serde_json::json;
use std::path::PathBuf;

/// How often an action may find inputs gone between its start and the worker's look at them.
const STARTS_WITHOUT_INPUTS: u32 = 3;

impl Walk<'_> {
    /// Listens to the workers; says whether there was anything.
    pub(super) fn hear(&mut self) -> bool {
        let news = self.pool.news();
        let any = !news.is_empty();
        for (id, news) in news {
            match news {
                News::Event(event) => self.event(id, &event),
                News::Result(result) => self.ended(id, result.outcome, result.seconds),
                News::Died(failure) => {
                    self.record_death(id, &failure);
                    self.ended(id, Outcome::Failed(failure), 0.0);
                }
            }
        }
        any
    }

    /// A dead worker wrote no result; a later table must still see that the action failed.
    fn record_death(&self, id: u64, failure: &Failure) {
        let Some(running) = self.running.get(&id) else { return };
        let result = JobResult {
            protocol: PROTOCOL,
            key: running.action,
            attempt: running.attempt.number(),
            nonce: String::new(),
            outcome: Outcome::Failed(failure.clone()),
            seconds: 0.0,
        };
        let text = serde_json::to_vec_pretty(&result).expect("a result is plain data");
        let path = running.attempt.dir().join("result.json");
        if let Err(e) = disk::write_message(&path, &text) {
            tracing::warn!("{}: {e}", path.display());
        }
    }

    pub(super) fn event(&mut self, id: u64, event: &Event) {
        if let Some(running) = self.running.get(&id) {
            self.observer.job_progress(&running.info, event);
        }
    }

    pub(super) fn ended(&mut self, id: u64, outcome: Outcome, seconds: f64) {
        let Some(Running {
            action: digest,
            info,
            attempt,
            ..
        }) = self.running.remove(&id)
        else {
            return;
        };
        self.leases.release(id);
        let (status, ended) = match outcome {
            Outcome::Published => {
                self.syncing.published();
                (Status::Executed, Ended::Done { seconds })
            }
            Outcome::AlreadyThere => (Status::Waited, Ended::AlreadyThere),
            Outcome::Busy => {
                self.tell_end(&info, &Ended::Busy);
                self.wait_for(digest);
                return;
            }
            Outcome::Interrupted => {
                (self.stopping, self.interrupted) = (true, true);
                self.tell_end(&info, &Ended::Interrupted);
                return;
            }
            // Found when it is started again, and made again by then.
            Outcome::InputsGone(what) if self.may_start_again(digest) => {
                self.note(&format!("{info}: {what}"));
                self.enqueue(digest);
                return;
            }
            Outcome::InputsGone(what) => {
                let log = attempt.dir().join("log");
                self.fail_action(digest, Failure::bad_input(what), Some((info, log)));
                return;
            }
            Outcome::Failed(failure) => {
                if !self.stopping && self.may_retry(digest, failure.kind) {
                    self.retry(digest, &info, failure);
                } else {
                    self.fail_action(digest, failure, Some((info, attempt.dir().join("log"))));
                }
                return;
            }
        };
        let Some(manifest) = self.store.lookup(&digest) else {
            self.fail_action(digest, vanished(&digest), Some((info, attempt.dir().join("log"))));
            return;
        };
        self.finished(digest, status, &info, &ended, &manifest);
    }

    pub(super) fn finished(
        &mut self,
        digest: Digest,
        status: Status,
        info: &JobInfo,
        ended: &Ended,
        manifest: &Manifest,
    ) {
        self.tell_end(info, ended);
        let action = self.actions.get_mut(&digest).expect("running actions are known");
        (action.status, action.force) = (status, false);
        for node in action.nodes.clone() {
            self.node_done(node, manifest);
        }
    }

    /// Whether an action that failed this way has attempts left.
    fn may_retry(&self, digest: Digest, kind: FailureKind) -> bool {
        let used = self.actions[&digest].tries.failed.get(&kind).copied().unwrap_or(0);
        used < self.options.retry.of(kind)
    }

    /// Queues another attempt; it goes on from the checkpoints of the last. One that ran out of memory gets more of it.
    fn retry(&mut self, digest: Digest, info: &JobInfo, failure: Failure) {
        let action = self.actions.get_mut(&digest).expect("running actions are known");
        let tries = &mut action.tries;
        *tries.failed.entry(failure.kind).or_default() += 1;
        if matches!(failure.kind, FailureKind::OutOfMemory | FailureKind::DeviceOutOfMemory) {
            tries.memory = tries.memory.next();
        }
        tries.whole_machine |= failure.kind == FailureKind::OutOfMemory;
        let memory = tries.memory;
        self.retried += 1;
        self.tell_end(info, &Ended::Retried { failure, memory });
        self.enqueue(digest);
    }

    /// Whether an action whose inputs were gone is tried again.  They may be back by now, if another reader missed them
    /// first; a disk that damages them each time has to be told of.
    fn may_start_again(&mut self, digest: Digest) -> bool {
        let action = self.actions.get_mut(&digest).expect("running actions are known");
        action.tries.without_inputs += 1;
        action.tries.without_inputs <= STARTS_WITHOUT_INPUTS
    }

    pub(super) fn fail_action(&mut self, digest: Digest, failure: Failure, job: Option<(JobInfo, PathBuf)>) {
        let info = job
            .as_ref()
            .map_or_else(|| self.info(&digest, 0, ""), |(info, _)| info.clone());
        let action = self.actions.get_mut(&digest).expect("failing actions are known");
        action.status = Status::Failed;
        for node in action.nodes.clone() {
            self.schedule.fail(node);
        }
        self.tell_end(&info, &Ended::Failed(failure.clone()));
        self.failed(&info, Some(digest), failure, job.map(|(_, log)| log));
    }

    /// A node fails that has not even a key.
    pub(super) fn fail_node(&mut self, node: NodeIndex, failure: Failure) {
        let Node { stage, kind, axes, .. } = self.plan.graph[node].clone();
        self.schedule.fail(node);
        self.record
            .event("not_started", json!({"stage": stage, "axes": axes, "detail": failure}));
        let info = JobInfo {
            stage,
            kind,
            axes,
            key: Digest::of(b""),
            attempt: 0,
            device: String::new(),
        };
        self.failed(&info, None, failure, None);
    }

    pub(super) fn failed(&mut self, info: &JobInfo, key: Option<Digest>, failure: Failure, log: Option<PathBuf>) {
        // Without a worker nothing can run, and it is enough to say so once.
        let no_worker = failure.kind == FailureKind::Worker;
        let store_unusable = matches!(failure.kind, FailureKind::DiskFull | FailureKind::StoreNotWritable);
        self.stopping |= no_worker || store_unusable || !self.options.keep_going;
        if no_worker && self.failures.iter().any(|other| other.kind == FailureKind::Worker) {
            return;
        }
        let (stage, axes) = (info.stage.clone(), info.axes.clone());
        let before: u32 = key.map_or(0, |key| self.actions[&key].tries.failed.values().sum());
        let log = log.filter(|path| path.exists());
        self.failures.push(FailedAction {
            stage,
            kind: failure.kind,
            message: failure.message,
            axes,
            key,
            attempts: before + u32::from(info.attempt > 0),
            log,
        });
    }

    pub(super) fn tell_end(&mut self, info: &JobInfo, ended: &Ended) {
        let (how, detail) = match ended {
            Ended::Done { seconds } => ("done", json!(seconds)),
            Ended::AlreadyThere => ("already_there", json!(null)),
            Ended::Busy => ("busy", json!(null)),
            Ended::Interrupted => ("interrupted", json!(null)),
            Ended::Retried { failure, memory } => ("retried", json!({"failure": failure, "memory": memory})),
            Ended::Failed(failure) => ("failed", json!(failure)),
        };
        self.record.event(
            "job_ended",
            json!({"stage": info.stage, "axes": info.axes, "key": info.key, "attempt": info.attempt, "how": how,
                   "detail": detail}),
        );
        self.observer.job_finished(info, ended);
    }
}

pub(super) fn vanished(key: &Digest) -> Failure {
    Failure::new(
        FailureKind::StoreDamaged,
        format!(
            "the result of action {} was in the store and cannot be read now; `moelab verify` says more",
            key.short()
        ),
    )
}
