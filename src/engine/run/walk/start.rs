//! Starting jobs: order, permits, leases, and bringing back bytes that are gone.

use super::super::folder::{self, Order, Reads};
use super::super::schedule::ranks;
use super::{Running, Status, Walk};
use crate::digest::Digest;
use crate::job::Failure;
use crate::plan::Node;
use crate::store::{Store, StoreError};
use petgraph::graph::NodeIndex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

impl Walk<'_> {
    pub(super) fn enqueue(&mut self, digest: Digest) {
        let node = self.actions[&digest].nodes[0];
        let ranks = self.ranks.get_or_insert_with(|| {
            let known = typical_times(self.store);
            ranks(&self.plan.graph, |node| {
                known.get(&node.kind).copied().unwrap_or(UNKNOWN).max(1)
            })
        });
        self.queue.insert(ranks[&node], digest);
    }

    pub(super) fn start_jobs(&mut self) -> Result<(), StoreError> {
        while !self.stopping && self.running.len() < self.options.jobs.max(1) {
            let fitting = self.queue.iter().find_map(|(rank, digest)| {
                let node = &self.plan.graph[self.actions[digest].nodes[0]];
                self.device_for(node)
                    .map(|(device, lease)| (*rank, *digest, device, lease))
            });
            let Some((rank, digest, device, lease)) = fitting else {
                break;
            };
            self.queue.remove(&rank);
            self.start(digest, device, lease)?;
            // An action may have been put back to wait for its inputs, which are ready by now.
            self.resolve_ready();
        }
        Ok(())
    }

    /// The device a node would run on now, and the lease it takes; none if it has to wait for one.
    pub(super) fn device_for(&self, node: &Node) -> Option<(String, Option<String>)> {
        let device = &self.options.device;
        if !device.starts_with("cuda") {
            return Some((device.clone(), None));
        }
        let settings = Value::Object(node.settings.clone());
        if !self
            .registry
            .get(&node.kind)
            .is_some_and(|stage| (stage.accelerated)(&settings))
        {
            return Some(("cpu".into(), None));
        }
        let free = |name: &&str| {
            self.running
                .values()
                .all(|running| running.lease.as_deref() != Some(*name))
        };
        let lease = device.split(',').map(str::trim).find(free)?.to_owned();
        Some((lease.clone(), Some(lease)))
    }

    pub(super) fn start(&mut self, digest: Digest, device: String, lease: Option<String>) -> Result<(), StoreError> {
        let action = &self.actions[&digest];
        let node = &self.plan.graph[action.nodes[0]];
        let Reads { inputs, missing } = folder::reads(self.store, node, &action.key, &self.results);
        if !missing.is_empty() {
            self.bring_back(digest, &missing);
            return Ok(());
        }
        let Some(stage) = self.registry.get(&node.kind) else {
            let what = Failure::bug(format!("there is no stage kind `{}`", node.kind));
            self.fail_action(digest, what, None);
            return Ok(());
        };
        let force = action.force;
        let order = Order {
            node,
            stage,
            key: &action.key,
            settings: &action.settings,
            project: &self.plan.project,
            inputs,
            device: device.clone(),
            force,
        };
        let (attempt, nonce) = folder::make(self.store, self.options, order)?;
        let info = self.info(&digest, attempt.number(), &device);
        self.next_id += 1;
        if let Err(failure) = self.pool.start(self.next_id, attempt.dir(), &nonce, &device) {
            self.fail_action(digest, failure, None);
            return Ok(());
        }
        self.record.event(
            "job_started",
            json!({"stage": info.stage, "axes": info.axes, "key": digest, "attempt": info.attempt, "device": device}),
        );
        self.observer.job_started(&info);
        self.running.insert(
            self.next_id,
            Running {
                action: digest,
                info,
                attempt,
                lease,
            },
        );
        Ok(())
    }

    /// Bytes an action reads are not there (evicted, or damaged and set aside): their makers run again first.
    pub(super) fn bring_back(&mut self, digest: Digest, makers: &BTreeSet<NodeIndex>) {
        let makers: BTreeSet<Digest> = self
            .actions
            .iter()
            .filter(|(_, a)| a.nodes.iter().any(|n| makers.contains(n)))
            .map(|(d, _)| *d)
            .collect();
        if let Some(maker) = makers.iter().find(|maker| self.actions[*maker].retried) {
            let stage = &self.plan.graph[self.actions[maker].nodes[0]].stage;
            let what = format!(
                "the bytes it reads from `{stage}` are gone and running `{stage}` again gave other bytes; \
                 run `{stage}` with --force, or with the device it ran on first"
            );
            self.fail_action(digest, Failure::bad_input(what), None);
            return;
        }
        for maker in makers {
            let action = self.actions.get_mut(&maker).expect("taken from the map");
            (action.status, action.force, action.retried) = (Status::Pending, true, true);
            for node in action.nodes.clone() {
                self.schedule.reopen(node);
            }
            self.note(&format!(
                "{} runs again: its bytes are needed and are not in the store",
                self.info(&maker, 0, "")
            ));
            self.enqueue(maker);
        }
        // Resolved anew afterwards, since its inputs may be others then.
        let action = self.actions.remove(&digest).expect("taken from the map");
        for node in action.nodes {
            self.schedule.put_back(node);
        }
    }
}

/// Weight of a stage kind that never ran.
const UNKNOWN: u64 = 1000;

/// Mean milliseconds of earlier runs by stage kind: whole numbers, so that equal paths compare equal.
fn typical_times(store: &Store) -> BTreeMap<String, u64> {
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for manifest in store.manifests().into_values() {
        let sum = sums.entry(manifest.action.stage).or_default();
        *sum = (sum.0 + manifest.provenance.seconds.max(0.0), sum.1 + 1.0);
    }
    sums.into_iter()
        .map(|(kind, (seconds, n))| (kind, (seconds / n * 1000.0) as u64))
        .collect()
}
