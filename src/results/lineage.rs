//! From a result back to everything it was made from.

mod reports;
mod view;

use crate::error::ResultsError;
use crate::input::{Better, Metric};
use crate::reading::{Histories, read};
use crate::source::Source;
use crate::survey::Survey;
use moelab_engine::digest::Digest;
use moelab_engine::key::InputKey;
use moelab_engine::plan::select::Filter;
use moelab_engine::plan::{Axes, Input, NodeId};
use moelab_engine::store::{Manifest, Store};
use std::collections::BTreeMap;

pub(crate) use view::title;
pub use view::{Number, numbers_text};

/// An action with its ancestors.
pub struct Lineage {
    /// Producers first; the last is the action itself.
    pub(crate) steps: Vec<Step>,
}

/// One finished action.
pub(crate) struct Step {
    /// Its name in the pipeline.
    pub(crate) stage: String,
    pub(crate) axes: Axes,
    pub(crate) manifest: Manifest,
    pub(crate) feeds: Vec<Feed>,
}

/// What a step read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Feed {
    /// The port, or the setting that took its value from a stage.
    pub(crate) name: String,
    /// Of a member of a fan-in.
    pub(crate) axes: Axes,
    pub(crate) digest: Digest,
    /// Position of the step that made it; none if nobody knows.
    pub(crate) maker: Option<usize>,
}

impl Lineage {
    /// Of an action of a plan; none if it has not finished.
    pub fn planned(source: &Source<'_>, node: NodeId) -> Option<Self> {
        let survey = Survey::of(source, [node]);
        survey.manifest(node)?;
        let mut steps: Vec<Step> = Vec::new();
        let mut position: BTreeMap<NodeId, usize> = BTreeMap::new();
        // Nodes are numbered producers first.
        for id in source.plan.with_ancestors([node]) {
            let Some(manifest) = survey.manifest(id) else { continue };
            let planned = &source.plan.graph[id];
            let mut feeds = Vec::new();
            for input in &planned.inputs {
                let no_axes = Axes::new();
                let members: Vec<_> = match input {
                    Input::Port { from, .. } | Input::Setting { from, .. } => vec![(&no_axes, from)],
                    Input::Gather { members, .. } => members.iter().map(|(axes, from)| (axes, from)).collect(),
                };
                for (axes, from) in members {
                    let made = survey
                        .manifest(from.node)
                        .and_then(|maker| maker.outputs.get(&from.output));
                    feeds.extend(made.map(|made| Feed {
                        name: input.name().to_owned(),
                        axes: axes.clone(),
                        digest: made.digest,
                        maker: position.get(&from.node).copied(),
                    }));
                }
            }
            position.insert(id, steps.len());
            steps.push(Step {
                stage: planned.stage.clone(),
                axes: planned.axes.clone(),
                manifest: manifest.clone(),
                feeds,
            });
        }
        Some(Self { steps })
    }

    /// Of the action whose key begins so, by the store alone. Of several actions that made the same bytes, one that the
    /// result came from by another way counts as the maker, else one that did not pass them on as `select` does, else one
    /// of the same experiment; a setting that took its value from a stage stands as a plain setting.
    pub fn stored(store: &Store, prefix: &str) -> Result<Self, ResultsError> {
        let all = store.manifests();
        let found: Vec<&Digest> = all.keys().filter(|key| key.hex().starts_with(prefix)).collect();
        let [key] = found[..] else {
            return Err(ResultsError::NoSuchKey {
                prefix: prefix.to_owned(),
                found: found.len(),
            });
        };
        Ok(Self::among(all.values(), &all[key]))
    }

    /// Of one of these actions.
    fn among<'a>(all: impl Iterator<Item = &'a Manifest>, manifest: &Manifest) -> Self {
        let mut makers: BTreeMap<Digest, Vec<&Manifest>> = BTreeMap::new();
        for manifest in all {
            for output in manifest.outputs.values() {
                makers.entry(output.digest).or_default().push(manifest);
            }
        }
        let mut lineage = Self { steps: Vec::new() };
        lineage.add(manifest, &makers, &mut BTreeMap::new());
        lineage
    }

    fn add(
        &mut self,
        manifest: &Manifest,
        makers: &BTreeMap<Digest, Vec<&Manifest>>,
        known: &mut BTreeMap<Digest, Option<usize>>,
    ) -> usize {
        if let Some(Some(position)) = known.get(&manifest.key()) {
            return *position;
        }
        // Until it is done it is under way: nothing it came from was made by it.
        known.insert(manifest.key(), None);
        let origin = &manifest.provenance.origin;
        let read = inputs(manifest);
        let candidates = |digest: &Digest| makers.get(digest).map(Vec::as_slice).unwrap_or_default();
        // What has one maker comes first: it says which of several made the rest.
        let mut order: Vec<usize> = (0..read.len()).collect();
        order.sort_by_key(|&input| candidates(&read[input].2).len());
        let mut found: Vec<Option<usize>> = vec![None; read.len()];
        for input in order {
            let digest = &read[input].2;
            let finished = candidates(digest)
                .iter()
                .filter(|maker| known.get(&maker.key()) != Some(&None));
            let maker = finished.min_by_key(|maker| {
                let foreign = maker.provenance.origin.experiment != origin.experiment;
                let passes_on = inputs(maker).iter().any(|(_, _, read)| read == digest);
                (!known.contains_key(&maker.key()), passes_on, foreign)
            });
            found[input] = maker.map(|maker| self.add(maker, makers, known));
        }
        let feed = |((name, axes, digest), maker)| Feed {
            name,
            axes,
            digest,
            maker,
        };
        let feeds = read.into_iter().zip(found).map(feed).collect();
        self.steps.push(Step {
            stage: origin.stage.clone(),
            axes: origin.axes.clone(),
            manifest: manifest.clone(),
            feeds,
        });
        known.insert(manifest.key(), Some(self.steps.len() - 1));
        self.steps.len() - 1
    }

    /// The action itself.
    pub(crate) fn last(&self) -> &Step {
        self.steps.last().expect("a lineage holds at least the action it is of")
    }

    pub fn manifest(&self) -> &Manifest {
        &self.last().manifest
    }
}

/// What an action read: the port, for a member of a fan-in its axes, and the bytes.
fn inputs(manifest: &Manifest) -> Vec<(String, Axes, Digest)> {
    let mut read = Vec::new();
    for (name, input) in &manifest.action.inputs {
        match input {
            InputKey::One(digest) => read.push((name.clone(), Axes::new(), *digest)),
            InputKey::Gathered(members) => {
                read.extend(members.iter().map(|m| (name.clone(), m.axes.clone(), m.digest)));
            }
        }
    }
    read
}

/// The numbers behind a metric in the cells that a filter takes, one per action.
pub fn numbers(source: &Source<'_>, metric: &str, filter: &Filter) -> Result<Vec<Number>, ResultsError> {
    let experiment = source.experiment;
    let Some(declared) = experiment.metrics.iter().find(|m| m.name == metric) else {
        return Err(ResultsError::unknown_metric(metric, experiment));
    };
    let nodes = source.plan.matching(experiment, &declared.stage, filter)?;
    let survey = Survey::of(source, nodes.iter().copied());
    let metric: Metric = crate::source::metric(declared, Better::Neither);
    let number = |node: NodeId| {
        let action = survey.action(node, std::slice::from_ref(&metric))?;
        let found = read(&metric, &action, &mut Histories::default())?;
        Ok(Number {
            node,
            axes: source.plan.graph[node].axes.clone(),
            value: found.value,
            why: found.message.unwrap_or_else(|| found.status.name().to_owned()),
            manifest: survey.manifest(node).cloned(),
        })
    };
    nodes.into_iter().map(number).collect()
}

#[cfg(test)]
#[path = "lineage_tests.rs"]
mod tests;
