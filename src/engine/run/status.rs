//! What a run would do, without doing it.

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
    let mut all = vec![];
    for index in order.into_iter().filter(|node| wanted.contains(node)) {
        let node = &plan.graph[index];
        let forced = question.force.contains(&node.stage);
        let mut estimate = None;
        let (key, status, why) = match plan.resolve(index, registry, data, &results) {
            Ok(Resolution::Ready { key, .. }) => {
                let digest = key.digest();
                let found = store.and_then(|store| store.lookup_as(&digest, &key));
                let (status, why) = match &found {
                    Some(_) if forced => (Status::WillRun, "forced".into()),
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
    all
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
