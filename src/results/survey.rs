//! What the store knows of the actions of a plan.
//!
//! Nothing is run and no lock is taken: actions are resolved as far as results reach, and what lies beyond is missing.

use crate::error::ResultsError;
use crate::input::{Action, Done, Metric, State};
use crate::source::Source;
use moelab_engine::digest::Digest;
use moelab_engine::job::{JobResult, Outcome};
use moelab_engine::key::ActionKey;
use moelab_engine::plan::{Finished, FinishedOutput, Found, Node, NodeId, Plan, Resolution, ResolveError, SEED_AXIS};
use moelab_engine::stage::Registry;
use moelab_engine::store::{Manifest, Presence, Store};
use moelab_stages::artifact;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What is known of one node.
pub(crate) struct Known {
    key: Option<Digest>,
    /// Device kinds of the accelerated stages up to here. Others run on the processor wherever they run.
    devices: BTreeSet<String>,
    /// See [`Action::origins`].
    origins: BTreeSet<String>,
    pub(crate) standing: Standing,
}

/// How far a node has come.
pub(crate) enum Standing {
    Done(Box<Manifest>),
    Missing(Option<String>),
    Failed(String),
}

/// A walk through the plan, producers first.
pub(crate) struct Survey<'a> {
    plan: &'a Plan,
    registry: &'a Registry,
    store: Option<&'a Store>,
    data: &'a Path,
    pub(crate) known: BTreeMap<NodeId, Known>,
}

impl<'a> Survey<'a> {
    /// Knows nothing yet.
    pub(crate) fn new(source: &Source<'a>) -> Self {
        Self {
            plan: source.plan,
            registry: source.registry,
            store: source.store,
            data: source.data,
            known: BTreeMap::new(),
        }
    }

    /// Looks up these actions and all they need.
    pub(crate) fn of(source: &Source<'a>, wanted: impl IntoIterator<Item = NodeId>) -> Self {
        let mut survey = Self::new(source);
        let needed = survey.plan.with_ancestors(wanted);
        let order = survey.plan.order().filter(|node| needed.contains(node));
        order.for_each(|node| survey.look(node));
        survey
    }

    /// The result of an action; none if it has not finished.
    pub(crate) fn manifest(&self, id: NodeId) -> Option<&Manifest> {
        match &self.known.get(&id)?.standing {
            Standing::Done(manifest) => Some(manifest),
            _ => None,
        }
    }

    pub(crate) fn look(&mut self, id: NodeId) {
        let node = &self.plan.graph[id];
        let (key, standing) = match self.plan.resolve(id, self.registry, self.data, self) {
            Ok(Resolution::Ready { key, .. }) => {
                let digest = key.digest();
                (Some(digest), self.ask_store(&digest, &key, node))
            }
            Ok(Resolution::Waiting { .. }) => (None, self.inherited(node)),
            // What is not there yet may come; everything else fails again however often it is tried.
            Err(error @ ResolveError::Sources { .. }) => (None, Standing::Missing(Some(error.to_string()))),
            Err(error) => (None, Standing::Failed(error.to_string())),
        };
        let mut devices: BTreeSet<String> = self.producers(node).flat_map(|p| p.devices.iter().cloned()).collect();
        if let Standing::Done(manifest) = &standing
            && self
                .registry
                .get(&node.kind)
                .is_some_and(|stage| (stage.accelerated)(&node.settings))
        {
            devices.insert(kind(&manifest.provenance.device));
        }
        let origins = self.origins(node, &standing);
        let known = Known {
            key,
            devices,
            origins,
            standing,
        };
        self.known.insert(id, known);
    }

    fn origins(&self, node: &Node, standing: &Standing) -> BTreeSet<String> {
        match standing {
            // What draws random numbers from nothing makes results, not data.
            _ if node.inputs.is_empty() && node.axes.contains_key(SEED_AXIS) => BTreeSet::new(),
            Standing::Done(manifest) if node.inputs.is_empty() => {
                let of = |labels: bool| {
                    let outputs = manifest.outputs.values();
                    let wanted = outputs.filter(move |output| !labels || output.artifact == artifact::LABELS);
                    wanted.map(|output| output.digest.hex()).collect::<BTreeSet<_>>()
                };
                let labels = of(true);
                if labels.is_empty() { of(false) } else { labels }
            }
            _ => self.producers(node).flat_map(|p| p.origins.iter().cloned()).collect(),
        }
    }

    fn ask_store(&self, key: &Digest, action: &ActionKey, node: &Node) -> Standing {
        let Some(store) = self.store else {
            return Standing::Missing(None);
        };
        match store.lookup_as(key, action) {
            Some(manifest) => Standing::Done(Box::new(manifest)),
            None => match failure(store, key) {
                Some(message) => Standing::Failed(format!("{}: {message}", node.stage)),
                None => Standing::Missing(None),
            },
        }
    }

    /// What keeps a node from having a key: the failure of a producer, or that one is missing.
    fn inherited(&self, node: &Node) -> Standing {
        let mut missing = None;
        for producer in self.producers(node) {
            match &producer.standing {
                Standing::Failed(message) => return Standing::Failed(message.clone()),
                Standing::Missing(Some(message)) => missing = Some(message.clone()),
                _ => {}
            }
        }
        Standing::Missing(missing)
    }

    fn producers(&self, node: &Node) -> impl Iterator<Item = &Known> {
        node.inputs
            .iter()
            .flat_map(moelab_engine::plan::Input::sources)
            .filter_map(|source| self.known.get(&source.node))
    }

    pub(crate) fn action(&self, id: NodeId, metrics: &[Metric]) -> Result<Action, ResultsError> {
        let node = &self.plan.graph[id];
        let known = &self.known[&id];
        let mut devices = known.devices.clone();
        let state = match &known.standing {
            Standing::Missing(message) => State::Missing(message.clone()),
            Standing::Failed(message) => State::Failed(message.clone()),
            Standing::Done(manifest) => {
                if devices.is_empty() {
                    devices.insert(kind(&manifest.provenance.device));
                }
                let outputs: BTreeSet<&str> = metrics.iter().map(|metric| metric.output.as_str()).collect();
                State::Done(self.done(manifest, &outputs)?)
            }
        };
        let seeded = node.axes.contains_key(SEED_AXIS);
        Ok(Action {
            key: known.key.map(|key| key.hex()),
            seeded,
            devices,
            // A number is no data of its own.
            origins: if node.inputs.is_empty() {
                BTreeSet::new()
            } else {
                known.origins.clone()
            },
            state,
        })
    }

    /// The outputs that metrics read. Files are checked against their digest: a number from damaged bytes is no number.
    fn done(&self, manifest: &Manifest, outputs: &BTreeSet<&str>) -> Result<Done, ResultsError> {
        let mut done = Done::default();
        let store = self.store.expect("only a store says that something is done");
        for (name, output) in manifest
            .outputs
            .iter()
            .filter(|(name, _)| outputs.contains(name.as_str()))
        {
            if let Some(value) = manifest.values.get(name) {
                done.values.insert(name.clone(), value.clone());
                continue;
            }
            let present = output.state == Presence::Present;
            let path = present.then(|| store.verified_path(&output.digest)).transpose()?;
            done.files.insert(name.clone(), path);
        }
        Ok(done)
    }
}

impl Finished for Survey<'_> {
    fn output(&self, node: NodeId, output: &str) -> Found {
        let Some(Known {
            standing: Standing::Done(manifest),
            ..
        }) = self.known.get(&node)
        else {
            return Found::NotYet;
        };
        match manifest.outputs.get(output) {
            None => Found::Missing,
            Some(stored) => {
                let value = manifest.values.get(output).cloned();
                Found::Here(FinishedOutput {
                    digest: stored.digest,
                    value,
                })
            }
        }
    }
}

/// `cuda` of `cuda:1`.
fn kind(device: &str) -> String {
    device.split(':').next().unwrap_or_default().to_owned()
}

/// Why the last attempt of an action failed, if it did.
fn failure(store: &Store, key: &Digest) -> Option<String> {
    let attempt = store.latest_attempt(key)?;
    let text = std::fs::read(store.attempt_dir(key, attempt).join("result.json")).ok()?;
    let result: JobResult = serde_json::from_slice(&text).ok()?;
    match result.outcome {
        Outcome::Failed(failure) if result.key == *key => Some(failure.message),
        _ => None,
    }
}
