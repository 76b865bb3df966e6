//! An experiment with what the store holds of it: where figures and reports take their data from.

use crate::error::ResultsError;
use crate::source::Source;
use crate::survey::{Standing, Survey};
use moelab_engine::plan::{self, Cell, NodeId, select};
use moelab_engine::store::{Manifest, Presence};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Every action of an experiment, and how far each has come.
pub struct Stored<'a> {
    pub from: Source<'a>,
    survey: Survey<'a>,
}

impl<'a> Stored<'a> {
    /// Looks up all actions. Nothing is run and no lock is taken.
    pub fn look(from: Source<'a>) -> Self {
        Self {
            from,
            survey: Survey::of(&from, from.plan.order()),
        }
    }

    /// What the table of the experiment needs.
    pub(crate) fn input(&self) -> Result<crate::input::Input, ResultsError> {
        self.from.table(&self.survey)
    }

    pub(crate) fn standing(&self, node: NodeId) -> &Standing {
        &self.survey.known[&node].standing
    }

    /// What a finished action left.
    pub fn manifest(&self, node: NodeId) -> Option<&Manifest> {
        self.survey.manifest(node)
    }

    /// [`Stored::manifest`], or why there is none and what to do.
    ///
    /// # Errors
    /// If the action has not run, or failed.
    pub fn finished(&self, node: NodeId) -> Result<&Manifest, ResultsError> {
        let action = self.describe(node);
        let remedy = format!(
            "`moelab run {} --only {}` makes it",
            self.name(),
            self.from.plan.graph[node].stage
        );
        match self.standing(node) {
            Standing::Done(manifest) => Ok(manifest),
            Standing::Missing(why) => Err(ResultsError::NotRun {
                action,
                why: why.clone(),
                remedy,
            }),
            Standing::Failed(message) => Err(ResultsError::HasFailed {
                action,
                message: message.clone(),
            }),
        }
    }

    /// Where an output lies, its bytes checked against their digest.
    ///
    /// # Errors
    /// If the action has not finished, has no such output, or its bytes are gone or damaged.
    pub fn path(&self, node: NodeId, output: &str) -> Result<PathBuf, ResultsError> {
        let manifest = self.finished(node)?;
        let stage = &self.from.plan.graph[node].stage;
        let stored = manifest.outputs.get(output).ok_or_else(|| {
            let there: Vec<String> = manifest
                .outputs
                .keys()
                .map(|name| format!("`{stage}.{name}`"))
                .collect();
            ResultsError::NoOutput {
                stage: stage.clone(),
                output: output.to_owned(),
                there: there.join(", "),
            }
        })?;
        if stored.state == Presence::Evicted {
            return Err(ResultsError::Evicted {
                what: format!("`{stage}.{output}`"),
                remedy: format!(
                    "`moelab run {} --only {stage} --force {stage}` makes it again",
                    self.name()
                ),
            });
        }
        let store = self.from.store.expect("only a store says that something is done");
        Ok(store.verified_path(&stored.digest)?)
    }

    /// What feeds a port of an action; none for a fan-in.
    pub fn source(&self, node: NodeId, port: &str) -> Option<&plan::Source> {
        self.from.plan.graph[node].inputs.iter().find_map(|input| match input {
            plan::Input::Port { port: name, from } if name == port => Some(from),
            _ => None,
        })
    }

    /// The actions of a stage in the cells that hold this other action.
    pub(crate) fn beside(&self, node: NodeId, stage: &str) -> BTreeSet<NodeId> {
        let with = |cell: &&Cell| cell.actions.values().any(|other| *other == node);
        let cells = self.from.plan.cells.iter().filter(with);
        cells.filter_map(|cell| cell.actions.get(stage).copied()).collect()
    }

    /// Stage and axes, as people say them.
    pub fn describe(&self, node: NodeId) -> String {
        let node = &self.from.plan.graph[node];
        if node.axes.is_empty() {
            return node.stage.clone();
        }
        format!("{} {}", node.stage, select::describe(&node.axes))
    }

    /// How the experiment is called on the command line.
    pub fn name(&self) -> &str {
        &self.from.experiment.name
    }
}
