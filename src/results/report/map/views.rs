//! Which maps there are, and what colours each.

use crate::error::ResultsError;
use crate::figure::Colouring;
use crate::stored::Stored;
use crate::tensors;
use moelab_engine::plan::select::describe;
use moelab_engine::plan::{NodeId, SEED_AXIS};

/// Points, and the action whose result colours them.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct View {
    pub(super) points: NodeId,
    pub(super) by: Option<NodeId>,
}

impl View {
    pub(super) fn name(self, stored: &Stored<'_>) -> String {
        let mut axes = stored.from.plan.graph[self.points].axes.clone();
        axes.extend(
            self.by
                .into_iter()
                .flat_map(|by| stored.from.plan.graph[by].axes.clone()),
        );
        match axes.get(SEED_AXIS) {
            Some(seed) if axes.len() == 1 => format!("seed {seed}"),
            _ => describe(&axes),
        }
    }
}

/// Every pair of points and colours that a cell of the matrix has.
pub(super) fn views(
    stored: &Stored<'_>,
    stage: &str,
    output: &str,
    nodes: &[NodeId],
) -> Result<Vec<View>, ResultsError> {
    let artifact = &stored.finished(nodes[0])?.outputs[output].artifact;
    let rows = tensors::points(&stored.path(nodes[0], output)?, artifact)?.rows();
    let by = colouring_stage(stored, nodes[0], rows)?;
    let mut views = Vec::new();
    for cell in &stored.from.plan.cells {
        let Some(points) = cell.actions.get(stage).copied().filter(|node| nodes.contains(node)) else {
            continue;
        };
        let by = by.and_then(|by| cell.actions.get(by).copied());
        let view = View {
            points,
            by: by.filter(|by| stored.manifest(*by).is_some()),
        };
        if !views.contains(&view) {
            views.push(view);
        }
    }
    Ok(views)
}

/// The stage that colours the maps: the last evaluation of such rows; without one, their last clustering.
fn colouring_stage<'s>(stored: &'s Stored<'_>, points: NodeId, rows: usize) -> Result<Option<&'s str>, ResultsError> {
    let stages = || stored.from.experiment.pipeline.stages.iter().rev();
    let evaluations = stages().filter(|stage| stage.kind == "evaluate");
    let others = stages().filter(|stage| stage.kind != "evaluate" && stage.kind != "load");
    for stage in evaluations.chain(others) {
        let beside = stored.beside(points, &stage.name);
        let Some(by) = beside.into_iter().find(|by| stored.manifest(*by).is_some()) else {
            continue;
        };
        if colours(stored, by, rows)?.is_some() {
            return Ok(Some(&stage.name));
        }
    }
    Ok(None)
}

/// What colours a map.
#[derive(Default)]
pub(super) struct Colours {
    pub(super) cluster: Option<Colouring>,
    pub(super) label: Option<Colouring>,
    pub(super) error: Option<Colouring>,
    /// Which actions they are from.
    pub(super) of: String,
}

/// The clusters, labels and errors of an evaluation, or the clusters of a clustering; none if they are of other rows.
pub(super) fn colours(stored: &Stored<'_>, by: NodeId, rows: usize) -> Result<Option<Colours>, ResultsError> {
    let fitting = |node: NodeId, output: &str| match Colouring::read(stored, node, output) {
        Ok(colouring) => Ok((colouring.rows() == rows).then_some(colouring)),
        // Bytes that were given up are no reason to go without a map.
        Err(ResultsError::Evicted { .. }) => Ok(None),
        Err(error) => Err(error),
    };
    if stored.from.plan.graph[by].kind != "evaluate" {
        let Some(output) = Colouring::output_of(stored, by, None) else {
            return Ok(None);
        };
        let cluster = fitting(by, &output)?;
        return Ok(cluster.map(|cluster| Colours {
            cluster: Some(cluster),
            of: stored.describe(by),
            ..Colours::default()
        }));
    }
    let (Some(scored), Some(labels)) = (stored.source(by, "assignments"), stored.source(by, "labels")) else {
        return Ok(None);
    };
    let Some(cluster) = fitting(scored.node, &scored.output)? else {
        return Ok(None);
    };
    Ok(Some(Colours {
        cluster: Some(cluster),
        label: fitting(labels.node, &labels.output)?,
        error: fitting(by, "confusion")?,
        of: format!("{}, scored by {}", stored.describe(scored.node), stored.describe(by)),
    }))
}
