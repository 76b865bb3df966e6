//! What a run would do, without doing it.

use super::results::Results;
use super::schedule::with_producers;
use crate::digest::Digest;
use crate::key::ActionKey;
use crate::plan::{Axes, Plan, Resolution, SEED_AXIS, why};
use crate::stage::Registry;
use crate::store::{Entry, Store};
use petgraph::graph::NodeIndex;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

/// At most this many earlier results of a stage kind are compared with a new key, the newest first.
const COMPARED: usize = 200;

/// One action of a plan and what would become of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeStatus {
    #[serde(skip)]
    pub node: NodeIndex,
    pub stage: String,
    pub seed: Option<Value>,
    /// Without the seed.
    pub axes: Axes,
    pub key: Option<Digest>,
    pub status: Status,
    /// Why it runs or waits; empty if it is cached.
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Cached,
    WillRun,
    /// Its key depends on something that is not made yet.
    Waiting,
    /// It cannot run as things are.
    Error,
}

/// What to ask about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question<'a> {
    /// Only these stages and what they need; all if empty.
    pub only: &'a [String],
    /// Stages to run again although they are done.
    pub force: &'a [String],
}

/// The status of every action, producers before consumers.  Takes no lock; without a store everything is still to run.
pub fn plan_status(
    plan: &Plan,
    registry: &Registry,
    store: Option<&Store>,
    data: &Path,
    question: Question<'_>,
) -> Vec<NodeStatus> {
    let wanted = with_producers(&plan.graph, |node| {
        question.only.is_empty() || question.only.contains(&node.stage)
    });
    let order = petgraph::algo::toposort(&plan.graph, None).expect("a plan has no cycles");
    let mut results = Results::default();
    let mut earlier = Earlier {
        store,
        catalogue: None,
        keys: BTreeMap::new(),
    };
    let mut all = vec![];
    for index in order.into_iter().filter(|node| wanted.contains(node)) {
        let node = &plan.graph[index];
        let forced = question.force.contains(&node.stage);
        let (key, status, why) = match plan.resolve(index, registry, data, &results) {
            Ok(Resolution::Ready { key, .. }) => {
                let digest = key.digest();
                match store.and_then(|store| store.lookup(&digest)) {
                    Some(manifest) => {
                        results.insert(index, Rc::new(manifest));
                        let (status, why) = if forced {
                            (Status::WillRun, "forced")
                        } else {
                            (Status::Cached, "")
                        };
                        (Some(digest), status, why.to_owned())
                    }
                    None => (Some(digest), Status::WillRun, earlier.why(&key, &digest)),
                }
            }
            Ok(Resolution::Waiting { on }) => {
                let mut makers: Vec<_> = on.into_iter().map(|(_, stage)| stage).collect();
                makers.sort();
                makers.dedup();
                (None, Status::Waiting, format!("waits for {}", makers.join(", ")))
            }
            Err(e) => (None, Status::Error, e.to_string()),
        };
        let mut axes = node.axes.clone();
        let seed = axes.remove(SEED_AXIS);
        all.push(NodeStatus {
            node: index,
            stage: node.stage.clone(),
            seed,
            axes,
            key,
            status,
            why,
        });
    }
    all
}

/// Earlier results, read when the first reason is asked for.
struct Earlier<'a> {
    store: Option<&'a Store>,
    catalogue: Option<Vec<Entry>>,
    /// Keys by stage kind, the newest first.
    keys: BTreeMap<String, Vec<ActionKey>>,
}

impl Earlier<'_> {
    fn why(&mut self, key: &ActionKey, digest: &Digest) -> String {
        let Some(store) = self.store else {
            return "never run".into();
        };
        if store.manifest(digest).is_some() {
            return "its outputs are gone from the store".into();
        }
        if store.is_damaged(digest) {
            return "its record in the store is damaged".into();
        }
        let saved = store.checkpoints_dir(digest);
        if std::fs::read_dir(saved).is_ok_and(|mut entries| entries.next().is_some()) {
            return "was interrupted; goes on from its checkpoint".into();
        }
        let catalogue = self
            .catalogue
            .get_or_insert_with(|| store.catalogue().unwrap_or_default().entries);
        let known = self.keys.entry(key.stage.clone()).or_insert_with(|| {
            let mut same: Vec<_> = catalogue.iter().filter(|entry| entry.kind == key.stage).collect();
            same.sort_by(|a, b| b.started.cmp(&a.started));
            let newest = same.into_iter().take(COMPARED);
            newest
                .filter_map(|entry| Some(store.manifest(&entry.key)?.action))
                .collect()
        });
        match why::nearest(key, &*known) {
            None => "never run".into(),
            Some(old) => {
                let changes: Vec<_> = why::explain(key, old).iter().map(ToString::to_string).collect();
                changes.join(", ")
            }
        }
    }
}
