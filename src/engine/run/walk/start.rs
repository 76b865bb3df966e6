//! Starting jobs: order, permits, leases, and bringing back bytes that are gone.

use super::super::device::Devices;
use super::super::folder::{self, Order, Reads};
use super::super::history::History;
use super::super::schedule::{Rank, ranks};
use super::super::status::NEEDED;
use super::{Action, Running, Status, Walk};
use crate::digest::Digest;
use crate::job::{Failure, FailureKind, Memory};
use crate::plan::{Input, Node, Source};
use crate::store::Presence;
use petgraph::graph::NodeIndex;
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Walk<'_> {
    pub(super) fn enqueue(&mut self, digest: Digest) {
        let node = self.actions[&digest].nodes[0];
        let ranks = self.ranks.get_or_insert_with(|| {
            self.history = History::read(self.store);
            let weight = |node: &Node| {
                self.history
                    .of_kind(&node.kind)
                    .map_or(UNKNOWN, |typical| typical.seconds)
            };
            // Whole milliseconds, so that equal paths compare equal.
            ranks(&self.plan.graph, |node| ((weight(node) * 1000.0) as u64).max(1))
        });
        self.queue.insert(ranks[&node], digest);
    }

    pub(super) fn start_jobs(&mut self) {
        while !self.stopping && self.running.len() < self.options.jobs.max(1) {
            self.next_id += 1;
            let Some((rank, digest, device)) = self.next_job() else {
                break;
            };
            self.queue.remove(&rank);
            if !self.start(digest, device) {
                self.leases.release(self.next_id);
            }
            // An action may have been put back to wait for its inputs, which are ready by now.
            self.resolve_ready();
        }
        for (device, holder) in self.leases.settle() {
            self.note(&format!("waits for {device}, which {holder} uses"));
        }
        for device in self.leases.asked_for() {
            self.pool.retire(Some(&device));
            self.leases.let_go(&device);
        }
    }

    /// The first action in the queue that may run now, and its device.
    fn next_job(&mut self) -> Option<(Rank, Digest, String)> {
        if self.running.values().any(|running| running.whole_machine) {
            return None;
        }
        for (rank, digest) in &self.queue {
            let action = &self.actions[digest];
            if action.tries.whole_machine && !self.running.is_empty() {
                // Nothing is started before it, or it would wait for ever.
                return None;
            }
            let node = &self.plan.graph[action.nodes[0]];
            let device = match &self.options.devices {
                Devices::Host(name) => Some(name.clone()),
                Devices::Accelerators(_) if !self.profits(node, &action.settings) => Some("cpu".into()),
                Devices::Accelerators(_) => {
                    let known = || self.history.like(&node.kind, &action.key.config)?.device_memory;
                    let normal = action.tries.memory == Memory::Normal;
                    let need = if normal { known() } else { None };
                    self.leases.take(self.next_id, need)
                }
            };
            if let Some(device) = device {
                return Some((*rank, *digest, device));
            }
        }
        None
    }

    /// Whether an accelerator would help an action.
    fn profits(&self, node: &Node, settings: &Value) -> bool {
        self.registry
            .get(&node.kind)
            .is_some_and(|stage| (stage.accelerated)(settings))
    }

    /// Starts a job; says `false` if it could not or need not.
    fn start(&mut self, digest: Digest, device: String) -> bool {
        if self.store.held(&digest).is_some() {
            self.wait_for(digest);
            return false;
        }
        let action = &self.actions[&digest];
        let node = &self.plan.graph[action.nodes[0]];
        let Reads { inputs, missing } = folder::reads(self.store, node, &action.key, &self.results);
        if !missing.is_empty() {
            self.bring_back(digest, &missing);
            return false;
        }
        let Some(stage) = self.registry.get(&node.kind) else {
            let what = Failure::bug(format!("there is no stage kind `{}`", node.kind));
            self.fail_action(digest, what, None);
            return false;
        };
        let (force, memory, whole_machine) = (action.force, action.tries.memory, action.tries.whole_machine);
        let order = Order {
            node,
            stage,
            key: &action.key,
            settings: &action.settings,
            project: &self.plan.project,
            inputs,
            device: device.clone(),
            memory,
            force,
        };
        let (attempt, nonce) = match folder::make(self.store, self.options, order) {
            Ok(made) => made,
            Err(e) => {
                self.fail_action(digest, e.into(), None);
                return false;
            }
        };
        if memory != Memory::Normal {
            // Warm workers that wait for work keep what they have allocated.
            self.pool.retire((!whole_machine).then_some(device.as_str()));
        }
        let info = self.info(&digest, attempt.number(), &device);
        self.record.event(
            "job_started",
            json!({"stage": info.stage, "axes": info.axes, "key": digest, "attempt": info.attempt, "device": device,
                   "memory": memory}),
        );
        // A cleaner has to know that this run counts on the result before there is one.
        self.record.flush();
        if let Err(failure) = self.pool.start(self.next_id, attempt.dir(), &nonce, &device) {
            self.fail_action(digest, failure, Some((info, attempt.dir().join("log"))));
            return false;
        }
        self.observer.job_started(&info);
        self.running.insert(
            self.next_id,
            Running {
                action: digest,
                info,
                attempt,
                whole_machine,
            },
        );
        true
    }

    /// Bytes an action reads are not there (evicted, or damaged and set aside): their makers run again first.
    fn bring_back(&mut self, digest: Digest, makers: &BTreeSet<NodeIndex>) {
        let makers: BTreeSet<Digest> = self
            .actions
            .iter()
            .filter(|(_, a)| a.nodes.iter().any(|n| makers.contains(n)))
            .map(|(d, _)| *d)
            .collect();
        // One that another reader asked for is on its way.
        let ended = |maker: &&Digest| self.actions[*maker].remade && self.actions[*maker].status != Status::Pending;
        if let Some(maker) = makers.iter().find(ended) {
            let failure = self.not_brought_back(&digest, maker);
            self.fail_action(digest, failure, None);
            return;
        }
        for maker in makers {
            let action = self.actions.get_mut(&maker).expect("taken from the map");
            if action.status == Status::Pending {
                continue;
            }
            action.remade = true;
            self.note(&format!("{} runs again: {NEEDED}", self.info(&maker, 0, "")));
            // Not forced: another run may be bringing the same bytes back, and then they are taken.
            self.run_again(maker, false);
        }
        // Resolved anew afterwards, since its inputs may be others then.
        let action = self.actions.remove(&digest).expect("taken from the map");
        self.put_back.insert(digest, action.tries);
        for node in action.nodes {
            self.schedule.put_back(node);
        }
    }

    /// Why bytes are not there although their maker ran again.
    fn not_brought_back(&self, reader: &Digest, maker: &Digest) -> Failure {
        let Action { nodes, status, .. } = &self.actions[maker];
        let stage = &self.plan.graph[nodes[0]].stage;
        let manifest = self.store.manifest(maker);
        // What one looks for is what the maker gave, and yet not in the store.
        let lost = |from: &Source| {
            let stored = manifest
                .as_ref()
                .and_then(|manifest| manifest.outputs.get(&from.output));
            stored.is_some_and(|stored| {
                stored.state == Presence::Present
                    && self.results.digest(from.node, &from.output) == Some(stored.digest)
                    && self.store.object_size(&stored.digest).is_none()
            })
        };
        let node = &self.plan.graph[self.actions[reader].nodes[0]];
        let mut sources = node.inputs.iter().flat_map(Input::sources);
        let again = sources.any(|from| nodes.contains(&from.node) && lost(from));
        let how = match status {
            Status::Failed => "failed",
            _ if again => {
                let what = format!(
                    "the bytes it reads from `{stage}` were damaged again after `{stage}` had made them anew; \
                     the disk may be failing, and `moelab verify` says what else is damaged"
                );
                return Failure::new(FailureKind::StoreDamaged, what);
            }
            _ => "gave other bytes",
        };
        let what = format!(
            "the bytes it reads from `{stage}` are gone and running `{stage}` again {how}; \
             run `{stage}` with --force, or with the device it ran on first"
        );
        Failure::bad_input(what)
    }

    /// A finished action runs again: with `force` although the store has all of its bytes.
    pub(super) fn run_again(&mut self, digest: Digest, force: bool) {
        let action = self.actions.get_mut(&digest).expect("finished actions are known");
        (action.status, action.force) = (Status::Pending, force);
        for node in action.nodes.clone() {
            self.schedule.reopen(node);
        }
        self.enqueue(digest);
    }
}

/// Seconds that a stage kind is taken to need if it never ran.
const UNKNOWN: f64 = 1.0;
