//! Figures in the page.

use super::files::{download, slug};
use super::html::{Section, tabs};
use crate::error::ResultsError;
use crate::figure::{ExplainedVariance, Figure, LearningCurves, MOST_GROUPS, PORTRAITS, Settings, of_action};
use crate::stored::Stored;
use maud::{Markup, PreEscaped, html};
use moelab_engine::plan::select::describe;
use moelab_engine::plan::{NodeId, SEED_AXIS};
use moelab_engine::store::Presence;
use moelab_stages::artifact;
use std::collections::BTreeSet;

/// Drawings of one kind and stage; the others are named.
pub(super) const MOST_DRAWINGS: usize = 20;
/// Bytes of portraits in the page; the others are named.
const PORTRAIT_BYTES: usize = 3_000_000;

/// A figure with its caption and its data.
pub(super) fn inline(figure: &Figure, id: &str) -> Markup {
    html! {
        figure id=(id) {
            div class="scroll" tabindex="0" role="region" aria-label=(format!("Drawing: {}", figure.title)) { (drawing(figure)) }
            figcaption {
                (figure.alt) " "
                @if figure.csv.is_empty() {
                    a class="data" data-picture=(id) download=(format!("{}.png", slug(&figure.title))) hidden { "picture (PNG)" }
                } @else {
                    (download(&format!("{}.csv", slug(&figure.title)), "text/csv", "data (CSV)", &figure.csv))
                }
            }
        }
    }
}

/// Sections for what the stages left, in order of the pipeline; kinds of drawings that nothing fills are left out.
pub(super) fn sections(stored: &Stored<'_>) -> Result<Vec<Section>, ResultsError> {
    let found = [
        ("curves", "Learning curves", curves(stored)?),
        ("spectra", "Explained variance", spectra(stored)?),
        ("confusion", "Confusion", single(stored, &[artifact::CONFUSION])?),
        ("trees", "Trees", single(stored, &[artifact::TREE, artifact::LINKAGE])?),
        ("portraits", "What the experts have learnt", portraits(stored)?),
    ];
    let filled = found
        .into_iter()
        .filter_map(|(id, title, body)| Some(Section::new(id, title, body?)));
    Ok(filled.collect())
}

/// The stages with an output of such a type that is there, with the actions that have it.
pub(super) fn stages(stored: &Stored<'_>, types: &[&str]) -> Vec<(String, String, Vec<NodeId>)> {
    let mut found = Vec::new();
    // Stages that come out the same share their actions, which are drawn once.
    let mut seen: BTreeSet<NodeId> = BTreeSet::new();
    for stage in &stored.from.experiment.pipeline.stages {
        let cells = stored.from.plan.cells.iter();
        let nodes: BTreeSet<NodeId> = cells
            .filter_map(|cell| cell.actions.get(&stage.name).copied())
            .collect();
        let nodes: Vec<NodeId> = nodes.into_iter().filter(|node| seen.insert(*node)).collect();
        let Some(manifest) = nodes.iter().find_map(|node| stored.manifest(*node)) else {
            continue;
        };
        let outputs = manifest.outputs.iter();
        let fits = outputs.filter(|(_, output)| types.contains(&output.artifact.as_str()));
        for (output, _) in fits {
            let there = nodes.iter().copied().filter(|node| present(stored, *node, output));
            found.push((stage.name.clone(), output.clone(), there.collect()));
        }
    }
    found
}

fn present(stored: &Stored<'_>, node: NodeId, output: &str) -> bool {
    let manifest = stored.manifest(node);
    let output = manifest.and_then(|manifest| manifest.outputs.get(output));
    output.is_some_and(|output| output.state == Presence::Present)
}

fn curves(stored: &Stored<'_>) -> Result<Option<Markup>, ResultsError> {
    let mut body = Vec::new();
    for (stage, output, nodes) in stages(stored, &[artifact::HISTORY]) {
        if nodes.is_empty() {
            continue;
        }
        let mut settings = Settings::of(stored, &nodes);
        let all = settings.groups.len();
        settings.groups.truncate(MOST_GROUPS);
        let curves = LearningCurves::read(stored, settings, &output)?;
        let figures = curves.figures(&stage)?;
        let id = slug(&format!("curves-{stage}"));
        body.push(html! {
            h3 { (stage) }
            p class="note" {
                (curves.caption(&stage))
                @if MOST_GROUPS < all { ". The first " (MOST_GROUPS) " of " (all) " settings" }
                ". " (download(&format!("{id}.csv"), "text/csv", "data (CSV)", &curves.csv()))
            }
            div class="panels" {
                @for (i, figure) in figures.iter().enumerate() {
                    figure id=(format!("{id}-{i}")) { (drawing(figure)) figcaption { (figure.alt) } }
                }
            }
        });
    }
    Ok(joined(body))
}

/// The drawing as a part of the page, with its description.
fn drawing(figure: &Figure) -> Markup {
    let label = html! { (figure.alt) };
    let open = format!("<svg role=\"img\" class=\"drawing\" aria-label=\"{}\" ", label.0);
    PreEscaped(figure.svg.replacen("<svg ", &open, 1))
}

fn spectra(stored: &Stored<'_>) -> Result<Option<Markup>, ResultsError> {
    let mut body = Vec::new();
    for (stage, output, nodes) in stages(stored, &[artifact::SPECTRUM]) {
        let per_cluster = |node: &NodeId| {
            stored
                .manifest(*node)
                .is_some_and(|m| m.action.config["per"] == "cluster")
        };
        let drawn = |nodes: &[NodeId]| ExplainedVariance::read(stored, nodes, &output)?.figure(&stage);
        let figures: Vec<(String, Figure)> = if nodes.iter().any(per_cluster) {
            let first = nodes.iter().take(MOST_DRAWINGS);
            first
                .map(|node| Ok((tab(stored, *node), drawn(&[*node])?)))
                .collect::<Result<_, ResultsError>>()?
        } else if nodes.is_empty() {
            continue;
        } else {
            vec![(stage.clone(), drawn(&nodes)?)]
        };
        body.push(html! { h3 { (stage) } (panels(&format!("spectrum-{stage}"), &stage, &figures)) });
    }
    Ok(joined(body))
}

/// Drawings of single actions, a tab each.
fn single(stored: &Stored<'_>, types: &[&str]) -> Result<Option<Markup>, ResultsError> {
    let mut body = Vec::new();
    for (stage, output, nodes) in stages(stored, types) {
        let one = |node: &NodeId| Ok((tab(stored, *node), of_action(stored, *node, &output, None)?));
        let figures = nodes
            .iter()
            .take(MOST_DRAWINGS)
            .map(one)
            .collect::<Result<Vec<_>, ResultsError>>()?;
        if figures.is_empty() {
            continue;
        }
        body.push(html! {
            h3 { (stage) }
            @if nodes.len() > MOST_DRAWINGS {
                p class="note" {
                    "The first " (MOST_DRAWINGS) " of " (nodes.len()) "; any other: "
                    code { "moelab plot " (stored.name()) " " (stage) " --seed S --where AXIS=VALUE" }
                }
            }
            (panels(&format!("{output}-{stage}"), &stage, &figures))
        });
    }
    Ok(joined(body))
}

fn portraits(stored: &Stored<'_>) -> Result<Option<Markup>, ResultsError> {
    let (mut body, mut bytes) = (Vec::new(), 0);
    for (stage, output, nodes) in stages(stored, &[artifact::PICTURE]) {
        let (mut figures, mut left_out) = (Vec::new(), Vec::new());
        for node in nodes {
            let figure = of_action(stored, node, &output, None)?;
            if bytes + figure.svg.len() > PORTRAIT_BYTES {
                left_out.push(tab(stored, node));
                continue;
            }
            bytes += figure.svg.len();
            figures.push((tab(stored, node), figure));
        }
        let words = PORTRAITS
            .iter()
            .find(|(name, _)| *name == output)
            .map_or(output.as_str(), |(_, words)| *words);
        body.push(html! {
            h3 { (stage) ": " (words) }
            @if !figures.is_empty() { (panels(&format!("{output}-{stage}"), &stage, &figures)) }
            @if !left_out.is_empty() {
                p class="note" {
                    "Left out for the size of this page: " (left_out.join(", ")) ". "
                    code { "moelab plot " (stored.name()) " " (stage) "." (output) " --seed S --to FILE.png" } " draws them."
                }
            }
        });
    }
    Ok(joined(body))
}

/// Short name of an action: its seed, and its other axes if it has any.
pub(super) fn tab(stored: &Stored<'_>, node: NodeId) -> String {
    let axes = &stored.from.plan.graph[node].axes;
    match axes.get(SEED_AXIS) {
        Some(seed) if axes.len() == 1 => format!("seed {seed}"),
        _ => describe(axes),
    }
}

fn panels(id: &str, label: &str, figures: &[(String, Figure)]) -> Markup {
    let id = slug(id);
    let panel = |(i, (name, figure)): (usize, &(String, Figure))| (name.clone(), inline(figure, &format!("{id}-{i}")));
    let panels: Vec<(String, Markup)> = figures.iter().enumerate().map(panel).collect();
    tabs(&id, label, &panels)
}

fn joined(body: Vec<Markup>) -> Option<Markup> {
    (!body.is_empty()).then(|| html! { @for part in &body { (part) } })
}
