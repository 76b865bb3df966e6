//! From a validated experiment to a DAG of actions.
//!
//! A [`Node`] is one action: a stage with settings, a seed and inputs. Cells of the matrix that agree on all of that
//! share the node. Its key can be computed as soon as the digests of its inputs are known, see [`Plan::resolve`].
//!
//! Two stages of a pipeline that come out the same (kind, complete settings, seed, inputs) share their node too: their key
//! would be equal, and nothing runs twice. Such a node carries the name of the stage that comes first; the cells know it by
//! all its names, see [`Plan::of_stages`].

pub mod draw;
mod expand;
mod identity;
#[cfg(test)]
mod invariance;
pub mod part;
mod resolve;
pub mod select;
pub mod why;

use crate::spec::{Experiment, Report};
use crate::stage::Registry;
use petgraph::graph::{DiGraph, NodeIndex};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use petgraph::graph::NodeIndex as NodeId;

pub(crate) use resolve::key_of;
pub use resolve::{Finished, FinishedOutput, Found, Resolution, ResolveError};

/// Axis name → value. Seeds are the axis [`SEED_AXIS`].
pub type Axes = BTreeMap<String, Value>;

/// The name of the axis of seeds.
pub const SEED_AXIS: &str = "seed";

/// A DAG of actions for one experiment. Edges point from producer to consumer.
pub struct Plan {
    pub graph: DiGraph<Node, ()>,
    /// Rows of the matrix, each crossed with the seeds.
    pub cells: Vec<Cell>,
    /// The folder that holds `pipelines/`: files named in a pipeline are relative to it.
    pub project: PathBuf,
}

impl Plan {
    /// Expands an experiment.
    ///
    /// A stage has the axes its settings use and those of the stages it takes from; the axis of seeds only if it or one
    /// of those draws random numbers. A fan-in takes the axes it gathers away. Below a fan-in over seeds a stage that
    /// draws has no seed of the user's any more, unless another input brings one: it counts as seed 0 then.
    pub fn build(experiment: &Experiment, registry: &Registry) -> Result<Self, Report> {
        expand::build(experiment, registry)
    }

    /// Actions so that each comes after those it takes from. Nodes are made in this order, so it is that of their
    /// indices.
    pub fn order(&self) -> impl DoubleEndedIterator<Item = NodeIndex> + ExactSizeIterator + use<> {
        (0..self.graph.node_count()).map(NodeIndex::new)
    }
}

/// One combination of axis values with one seed, and the actions that serve it.
#[derive(Clone)]
pub struct Cell {
    /// The matrix axes, without the seed.
    pub axes: Axes,
    pub seed: u64,
    /// Stage name in the pipeline → its action in this cell.
    pub actions: BTreeMap<String, NodeIndex>,
}

/// One action.
#[derive(Clone, Debug)]
pub struct Node {
    /// Name in the pipeline.
    pub stage: String,
    /// Stage kind, a key of the registry.
    pub kind: String,
    /// Settings as written, interpolated, without those that another stage feeds: a mapping.
    pub settings: Arc<Value>,
    /// The action's own seed, only if its kind draws random numbers.
    pub seed: Option<u64>,
    /// The axis values this action depends on (itself or through an ancestor), the seed among them.
    pub axes: Axes,
    pub inputs: Vec<Input>,
}

/// Where one input of an action comes from.
#[derive(Clone, Debug)]
pub enum Input {
    /// An artifact at a port.
    Port { port: String, from: Source },
    /// A JSON output that becomes the value of a setting.
    Setting { setting: String, from: Source },
    /// A fan-in: one artifact per combination of the gathered axes, sorted by their values.
    Gather { port: String, members: Vec<(Axes, Source)> },
}

/// An output of another action of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub node: NodeIndex,
    pub output: String,
    /// Artifact type of that output.
    pub artifact: String,
}

impl Input {
    /// The port or setting.
    pub fn name(&self) -> &str {
        match self {
            Self::Port { port, .. } | Self::Gather { port, .. } => port,
            Self::Setting { setting, .. } => setting,
        }
    }

    /// The outputs behind it, in order.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        let (one, many) = match self {
            Self::Port { from, .. } | Self::Setting { from, .. } => (Some(from), &[][..]),
            Self::Gather { members, .. } => (None, &members[..]),
        };
        one.into_iter().chain(many.iter().map(|(_, from)| from))
    }
}

#[cfg(test)]
mod tests;
