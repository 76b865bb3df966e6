//! What the store knows of an experiment.
//!
//! Nothing is run and no lock is taken: actions are resolved as far as results reach, and what lies beyond is missing.

use crate::error::ResultsError;
use crate::input::{Action, Done, Input, Metric, Reading, Reduce, Reference, Run, State};
use moelab_engine::digest::Digest;
use moelab_engine::job::{JobResult, Outcome};
use moelab_engine::plan::{Finished, FinishedOutput, Found, Node, NodeId, Plan, Resolution, ResolveError, SEED_AXIS};
use moelab_engine::spec::{self, Experiment};
use moelab_engine::stage::Registry;
use moelab_engine::store::{Manifest, Presence, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

impl Input {
    /// Looks up everything the table of an experiment needs. Without a store all of it is missing.
    ///
    /// `data` is the folder of the user's data sets: data that are known by content need no file there.
    pub fn from_store(
        experiment: &Experiment,
        plan: &Plan,
        registry: &Registry,
        store: Option<&Store>,
        data: &Path,
    ) -> Result<Self, ResultsError> {
        let metrics = metrics(experiment);
        let stages: BTreeSet<&str> = metrics.iter().map(|metric| metric.stage.as_str()).collect();
        let at_metrics = |cell: &moelab_engine::plan::Cell| {
            let wanted = cell.actions.iter().filter(|(stage, _)| stages.contains(stage.as_str()));
            wanted
                .map(|(stage, node)| (stage.clone(), *node))
                .collect::<BTreeMap<String, NodeId>>()
        };
        let wanted: BTreeSet<NodeId> = plan
            .cells
            .iter()
            .flat_map(|cell| at_metrics(cell).into_values())
            .collect();
        let needed = plan.with_ancestors(wanted.iter().copied());
        let survey = Survey::of(plan, registry, store, data, |node| needed.contains(&node));

        let index: BTreeMap<NodeId, usize> = wanted.iter().enumerate().map(|(i, node)| (*node, i)).collect();
        let actions = wanted
            .iter()
            .map(|node| survey.action(*node, &metrics))
            .collect::<Result<_, _>>()?;
        let axes = axes(experiment);
        let runs = plan.cells.iter().map(|cell| Run {
            axes: axes
                .iter()
                .filter_map(|a| Some((a.clone(), experiment.value(a, &cell.axes)?)))
                .collect(),
            seed: cell.seed,
            actions: at_metrics(cell)
                .into_iter()
                .map(|(stage, node)| (stage, index[&node]))
                .collect(),
        });
        Ok(Self {
            experiment: experiment.name.clone(),
            runs: runs.collect(),
            actions,
            metrics,
            rows: experiment.table.rows.clone(),
            min_seeds: experiment.table.min_seeds,
            references: experiment.reference.iter().map(reference).collect(),
            axes,
        })
    }
}

/// The axes, and the parameters the table has rows by although they do not vary.
fn axes(experiment: &Experiment) -> Vec<String> {
    let mut axes = experiment.axes.clone();
    let others = experiment
        .table
        .rows
        .iter()
        .filter(|row| !experiment.axes.contains(row));
    axes.extend(others.cloned());
    axes
}

/// The metrics the table shows, in the order of its columns.
fn metrics(experiment: &Experiment) -> Vec<Metric> {
    let columns = experiment.table.columns.iter();
    columns
        .filter_map(|column| experiment.metrics.iter().find(|m| m.name == *column))
        .map(metric)
        .collect()
}

fn metric(metric: &spec::Metric) -> Metric {
    let reading = match &metric.reading {
        spec::Reading::Field(field) => Reading::Field(field.clone()),
        spec::Reading::Value => Reading::Value,
        spec::Reading::Column { column, reduce } => Reading::Column {
            column: column.clone(),
            reduce: match *reduce {
                spec::Reduce::Last => Reduce::Last,
                spec::Reduce::Min => Reduce::Min,
                spec::Reduce::Max => Reduce::Max,
                spec::Reduce::MeanLast(k) => Reduce::MeanLast(k),
                spec::Reduce::At(epoch) => Reduce::At(epoch),
            },
        },
    };
    Metric {
        name: metric.name.clone(),
        stage: metric.stage.clone(),
        output: metric.output.clone(),
        reading,
    }
}

fn reference(reference: &spec::Reference) -> Reference {
    Reference {
        labels: reference.labels.clone(),
        values: reference.values.clone(),
        runs: reference.runs.clone(),
        source: reference.source.clone(),
    }
}

/// What is known of one node.
pub(crate) struct Known {
    key: Option<Digest>,
    /// Device kinds of the accelerated stages up to here. Others run on the processor wherever they run.
    devices: BTreeSet<String>,
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
    /// Looks at the nodes that are wanted; whoever wants one wants its producers too.
    pub(crate) fn of(
        plan: &'a Plan,
        registry: &'a Registry,
        store: Option<&'a Store>,
        data: &'a Path,
        wanted: impl Fn(NodeId) -> bool,
    ) -> Self {
        let mut survey = Self {
            plan,
            registry,
            store,
            data,
            known: BTreeMap::new(),
        };
        plan.order()
            .filter(|node| wanted(*node))
            .for_each(|node| survey.look(node));
        survey
    }

    fn look(&mut self, id: NodeId) {
        let node = &self.plan.graph[id];
        let (key, standing) = match self.plan.resolve(id, self.registry, self.data, self) {
            Ok(Resolution::Ready { key, .. }) => {
                let key = key.digest();
                (Some(key), self.ask_store(&key, node))
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
        self.known.insert(id, Known { key, devices, standing });
    }

    fn ask_store(&self, key: &Digest, node: &Node) -> Standing {
        let Some(store) = self.store else {
            return Standing::Missing(None);
        };
        match store.lookup(key) {
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

    fn action(&self, id: NodeId, metrics: &[Metric]) -> Result<Action, ResultsError> {
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

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
