//! What a run would do, without doing it.

use super::folder::reads;
use super::history::{Estimate, History};
use super::results::Results;
use crate::digest::Digest;
use crate::key::ActionKey;
use crate::plan::{Axes, Input, Node, Plan, Resolution, SEED_AXIS, why};
use crate::stage::Registry;
use crate::store::Store;
use petgraph::graph::NodeIndex;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

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
    /// What it will take; absent if it is cached or nothing like it ever ran.
    pub estimate: Option<Estimate>,
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

/// Why an action runs although it is done.
pub(super) const NEEDED: &str = "its bytes are needed and are not in the store";

/// What to ask about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question<'a> {
    /// Only these actions and what they need: see [`Plan::part`].
    pub wanted: Option<&'a BTreeSet<NodeIndex>>,
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
    let wanted = plan.wanted(question.wanted);
    let order = petgraph::algo::toposort(&plan.graph, None).expect("a plan has no cycles");
    let mut results = Results::default();
    let mut earlier = Earlier {
        store,
        history: None,
        newest: HashMap::new(),
    };
    let forced = plan.of_stages(question.force);
    let (mut all, mut needed) = (vec![], BTreeSet::new());
    for index in order.into_iter().filter(|node| wanted.contains(node)) {
        let node = &plan.graph[index];
        let mut estimate = None;
        let (key, status, why) = match plan.resolve(index, registry, data, &results) {
            Ok(Resolution::Ready { key, .. }) => {
                let digest = key.digest();
                let found = store.and_then(|store| store.lookup_as(&digest, &key));
                let (status, why) = match &found {
                    Some(_) if forced.contains(&index) => (Status::WillRun, "forced".into()),
                    Some(_) => (Status::Cached, String::new()),
                    None => (Status::WillRun, earlier.why(&key, &digest)),
                };
                if let Some(manifest) = found {
                    results.insert(index, &manifest);
                }
                if status == Status::WillRun {
                    estimate = earlier
                        .history()
                        .and_then(|history| history.like(&node.kind, &key.config));
                    if let Some(store) = store {
                        needed.extend(reads(store, node, &key, &results).missing);
                    }
                }
                (Some(digest), status, why)
            }
            Ok(Resolution::Waiting { on }) => {
                let mut makers: Vec<_> = on.into_iter().map(|(_, stage)| stage).collect();
                makers.sort();
                makers.dedup();
                let config = settings_to_come(node, registry);
                estimate = earlier.history().and_then(|history| match config {
                    Some(config) => history.like(&node.kind, &config),
                    None => history.of_kind(&node.kind),
                });
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
            estimate,
        });
    }
    earlier.bring_back(plan, &results, needed, &mut all);
    share(&mut all);
    all
}

/// The actions of these nodes: of those with one key the first.
pub fn distinct(nodes: &[NodeStatus]) -> impl Iterator<Item = &NodeStatus> {
    let mut seen = BTreeSet::new();
    nodes
        .iter()
        .filter(move |node| node.key.is_none_or(|key| seen.insert(key)))
}

/// Nodes with one key are one action: it runs if one of them has to.
fn share(all: &mut [NodeStatus]) {
    let runs = all.iter().filter(|one| one.status == Status::WillRun);
    let runs: HashMap<Digest, (String, Option<Estimate>)> = runs
        .filter_map(|one| Some((one.key?, (one.why.clone(), one.estimate))))
        .collect();
    for one in all.iter_mut().filter(|one| one.status == Status::Cached) {
        if let Some((why, estimate)) = one.key.and_then(|key| runs.get(&key)) {
            (one.status, one.why, one.estimate) = (Status::WillRun, why.clone(), *estimate);
        }
    }
}

/// The settings that the key of a node will hold, if no other stage feeds one.
fn settings_to_come(node: &Node, registry: &Registry) -> Option<Value> {
    if node.inputs.iter().any(|input| matches!(input, Input::Setting { .. })) {
        return None;
    }
    let settings = &registry.get(&node.kind)?.settings;
    let complete = (settings.normalise)(&node.settings).ok()?;
    Some((settings.keyed)(&complete))
}

/// Earlier results, read when the first of them is asked for.
struct Earlier<'a> {
    store: Option<&'a Store>,
    history: Option<History>,
    /// Keys of the newest results, by stage kind.
    newest: HashMap<String, Vec<ActionKey>>,
}

impl Earlier<'_> {
    fn history(&mut self) -> Option<&History> {
        let store = self.store?;
        Some(self.history.get_or_insert_with(|| History::read(store)))
    }

    /// Marks the makers of bytes that will be read and are not there, and, since they will read too, theirs in turn.
    fn bring_back(&mut self, plan: &Plan, results: &Results, mut needed: BTreeSet<NodeIndex>, all: &mut [NodeStatus]) {
        let Some(store) = self.store else { return };
        let cached = all.iter_mut().rev().filter(|one| one.status == Status::Cached);
        for one in cached {
            if !needed.contains(&one.node) {
                continue;
            }
            let Some(manifest) = one.key.and_then(|key| store.manifest(&key)) else {
                continue;
            };
            let (node, key) = (&plan.graph[one.node], &manifest.action);
            let history = self.history();
            one.estimate = history.and_then(|history| history.like(&node.kind, &key.config));
            (one.status, one.why) = (Status::WillRun, NEEDED.into());
            needed.extend(reads(store, node, key, results).missing);
        }
    }

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
            return "was interrupted; goes on from its checkpoint with the same --threads and --device".into();
        }
        match why::nearest(key, self.newest(store, &key.stage)) {
            None => "never run".into(),
            Some(old) => {
                let changes: Vec<_> = why::explain(key, old).iter().map(ToString::to_string).collect();
                changes.join(", ")
            }
        }
    }
    fn newest(&mut self, store: &Store, kind: &str) -> &[ActionKey] {
        if !self.newest.contains_key(kind) {
            let digests = self.history().map_or(&[][..], |history| history.newest(kind));
            let keys = digests.iter().filter_map(|digest| store.manifest(digest));
            let keys = keys.map(|manifest| manifest.action).collect();
            self.newest.insert(kind.to_owned(), keys);
        }
        &self.newest[kind]
    }
}
