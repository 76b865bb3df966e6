//! From what is asked for to a figure: which actions, which of their outputs, how it is drawn.

use super::colouring::Colouring;
use super::confusion::ConfusionMatrix;
use super::curves::LearningCurves;
use super::map::EmbeddingMap;
use super::settings::Settings;
use super::spectrum::ExplainedVariance;
use super::tree::CondensedTree;
use super::{Dendrogram, Figure, portrait};
use crate::error::ResultsError;
use crate::stored::Stored;
use crate::tensors;
use moelab_engine::plan::NodeId;
use moelab_engine::plan::select::{Filter, SelectError};
use moelab_stages::artifact;
use std::collections::BTreeSet;

/// Artifact types that can be drawn.
pub(crate) const DRAWN: [&str; 8] = [
    artifact::HISTORY,
    artifact::SPECTRUM,
    artifact::POINTS,
    artifact::FEATURES,
    artifact::CONFUSION,
    artifact::TREE,
    artifact::LINKAGE,
    artifact::PICTURE,
];

/// What is to be drawn.
pub struct Request<'a> {
    /// `STAGE`, `STAGE.OUTPUT`, or of a history `STAGE.OUTPUT.QUANTITY`.
    pub what: &'a str,
    pub filter: &'a Filter,
    /// `STAGE` or `STAGE.OUTPUT` whose clusters, labels or errors colour a map.
    pub by: Option<&'a str>,
}

/// Draws it: histories and spectra over all actions that match, everything else of the one that does.
///
/// # Errors
/// If nothing of the stage is drawn, nothing has run, or the request fits several actions or drawings.
pub fn draw(stored: &Stored<'_>, request: &Request<'_>) -> Result<Figure, ResultsError> {
    let mut parts = request.what.splitn(3, '.');
    let stage = parts.next().unwrap_or_default();
    let (wanted, quantity) = (parts.next(), parts.next());
    let nodes = stored
        .from
        .plan
        .matching(stored.from.experiment, stage, request.filter)?;
    let first = nodes.iter().copied().find(|node| stored.manifest(*node).is_some());
    let first = first
        .or_else(|| nodes.first().copied())
        .expect("a stage has an action in every cell");
    let (output, artifact) = output_of(stored, first, stage, wanted)?;
    if request.by.is_some() && !is_map(&artifact) {
        let text = format!("`{stage}.{output}` is no map: --by is for points");
        return Err(ResultsError::NotDrawn(text));
    }
    if quantity.is_some() && artifact != artifact::HISTORY {
        let text = format!("`{stage}.{output}` is no history: it has no quantities to choose from");
        return Err(ResultsError::NotDrawn(text));
    }
    match artifact.as_str() {
        artifact::HISTORY => {
            let curves = LearningCurves::read(stored, Settings::of(stored, &nodes), &output)?;
            match quantity {
                Some(quantity) => curves.only(quantity, stage)?.figure(stage),
                None => curves.figure(stage),
            }
        }
        artifact::SPECTRUM => ExplainedVariance::read(stored, &nodes, &output)?.figure(stage),
        _ => {
            let node = stored.from.plan.pick(stored.from.experiment, stage, request.filter)?;
            let by = match request.by {
                Some(by) => Some(by_stage(stored, node, by, request.filter)?),
                None if is_map(&artifact) => clusters_of(stored, node, request.filter),
                None => None,
            };
            of_action(
                stored,
                node,
                &output,
                by.as_ref().map(|(node, output)| (*node, output.as_str())),
            )
        }
    }
}

fn is_map(artifact: &str) -> bool {
    artifact == artifact::POINTS || artifact == artifact::FEATURES
}

/// The output that is drawn, and its artifact type.
fn output_of(
    stored: &Stored<'_>,
    node: NodeId,
    stage: &str,
    wanted: Option<&str>,
) -> Result<(String, String), ResultsError> {
    let manifest = stored.finished(node)?;
    let outputs = manifest.outputs.iter();
    let drawn: Vec<_> = outputs
        .filter(|(name, output)| {
            DRAWN.contains(&output.artifact.as_str()) && wanted.is_none_or(|wanted| wanted == name.as_str())
        })
        .collect();
    match drawn[..] {
        [(name, output)] => Ok((name.clone(), output.artifact.clone())),
        [] => {
            if let Some(wanted) = wanted.filter(|wanted| !manifest.outputs.contains_key(*wanted)) {
                stored.path(node, wanted)?;
            }
            Err(ResultsError::NotDrawn(format!(
                "of `{stage}{}` (a stage of kind `{}`) nothing is drawn; drawn are {}",
                wanted.map_or(String::new(), |wanted| format!(".{wanted}")),
                manifest.action.stage,
                DRAWN.join(", ")
            )))
        }
        [..] => {
            let names: Vec<String> = drawn.iter().map(|(name, _)| format!("`{stage}.{name}`")).collect();
            let names = names.join(" or ");
            Err(ResultsError::NotDrawn(format!(
                "there is more than one drawing: say {names}"
            )))
        }
    }
}

/// Draws what one action left; a map is coloured by an output of another.
pub(crate) fn of_action(
    stored: &Stored<'_>,
    node: NodeId,
    output: &str,
    by: Option<(NodeId, &str)>,
) -> Result<Figure, ResultsError> {
    let path = stored.path(node, output)?;
    let artifact = stored.finished(node)?.outputs[output].artifact.as_str();
    let title = stored.describe(node);
    match artifact {
        artifact::POINTS | artifact::FEATURES => {
            let points = tensors::points(&path, artifact)?;
            let colouring = by
                .map(|(node, output)| Colouring::read(stored, node, output))
                .transpose()?;
            let title = match by {
                Some((by, _)) => format!("{title}, by {}", stored.from.plan.graph[by].stage),
                None => title,
            };
            EmbeddingMap::new(&points, colouring)?.figure(&title)
        }
        artifact::CONFUSION => ConfusionMatrix::read(&path)?.figure(&title),
        artifact::TREE => CondensedTree::read(&path)?.figure(&title),
        artifact::LINKAGE => Dendrogram::read(&path)?.figure(&title),
        artifact::PICTURE => portrait::figure(stored, node, output, &format!("{title}, {output}")),
        other => Err(ResultsError::NotDrawn(format!("{other} is drawn over all its actions"))),
    }
}

/// The actions of a stage in the cells that hold this other action and pass the filter.
fn beside(stored: &Stored<'_>, node: NodeId, stage: &str, filter: &Filter) -> Result<BTreeSet<NodeId>, SelectError> {
    stored
        .from
        .plan
        .matching(stored.from.experiment, stage, &Filter::default())?;
    let cells = stored.from.plan.cells_matching(stored.from.experiment, filter)?;
    let with = cells
        .iter()
        .filter(|cell| cell.actions.values().any(|other| *other == node));
    Ok(with.filter_map(|cell| cell.actions.get(stage).copied()).collect())
}

/// The action and output that colour a map as asked.
fn by_stage(stored: &Stored<'_>, node: NodeId, by: &str, filter: &Filter) -> Result<(NodeId, String), ResultsError> {
    let (stage, wanted) = by
        .split_once('.')
        .map_or((by, None), |(stage, output)| (stage, Some(output)));
    let found: Vec<NodeId> = beside(stored, node, stage, filter)?.into_iter().collect();
    let [by] = found[..] else {
        let axes = |node: &NodeId| stored.from.plan.graph[*node].axes.clone();
        return Err(ResultsError::Select(SelectError::Several {
            stage: stage.to_owned(),
            matches: found.iter().map(axes).collect(),
        }));
    };
    stored.finished(by)?;
    let output = Colouring::output_of(stored, by, wanted).ok_or_else(|| {
        ResultsError::NotDrawn(format!(
            "nothing of `{stage}` colours a map: that takes clusters, assignments or labels, or a stage of kind \
             `evaluate` for errors"
        ))
    })?;
    Ok((by, output))
}

/// The first clustering further down the pipeline, if it is the only one of its stage here.
fn clusters_of(stored: &Stored<'_>, node: NodeId, filter: &Filter) -> Option<(NodeId, String)> {
    let stages = stored.from.experiment.pipeline.stages.iter();
    stages
        .filter(|stage| stage.kind != "evaluate" && stage.kind != "load")
        .find_map(|stage| {
            let found = beside(stored, node, &stage.name, filter).ok()?;
            let only = (found.len() == 1).then(|| found.into_iter().next()).flatten()?;
            let output = Colouring::output_of(stored, only, None)?;
            Some((only, output))
        })
}
