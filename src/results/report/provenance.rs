//! How the results came to be, and how to make them again.

use super::Program;
use super::tables::{table, text};
use crate::stored::Stored;
use maud::{Markup, html};
use moelab_engine::plan::NodeId;
use moelab_engine::shell::quoted;
use moelab_engine::store::Manifest;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// `nodes` are the actions that the page is about.
pub(super) fn section(stored: &Stored<'_>, program: &Program<'_>, nodes: &BTreeSet<NodeId>) -> Markup {
    let manifests: Vec<&Manifest> = nodes.iter().filter_map(|node| stored.manifest(*node)).collect();
    let seeds: Vec<String> = stored.from.experiment.seeds.iter().map(u64::to_string).collect();
    let mut rows = vec![
        ["experiment".to_owned(), stored.name().to_owned()],
        ["pipeline".to_owned(), stored.from.experiment.pipeline.name.clone()],
        ["seeds".to_owned(), seeds.join(", ")],
    ];
    rows.extend(
        facts(&manifests)
            .into_iter()
            .map(|(name, values)| [name, said(&values)]),
    );
    let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
    html! {
        p { "To make everything again, in the folder that holds " code { "experiments" } " and " code { "pipelines" } ":" }
        pre class="command" tabindex="0" { code { (command(stored, program)) } }
        (table("Where the results come from", &[text("what"), text("value")], &rows, &[]))
        (data(stored, nodes))
        (file("Experiment", &stored.from.experiment.file))
        (file("Pipeline", &stored.from.experiment.pipeline.file))
    }
}

/// What makes everything that is missing.
pub(super) fn command(stored: &Stored<'_>, program: &Program<'_>) -> String {
    let set = program
        .overrides
        .iter()
        .map(|option| format!(" --set {}", quoted(option)));
    format!("moelab run {}{}", stored.name(), set.collect::<String>())
}

/// What was used, with how many results.
fn facts(manifests: &[&Manifest]) -> Vec<(String, BTreeMap<String, usize>)> {
    let mut facts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    let mut add = |name: &str, value: &str| {
        *facts
            .entry(name.to_owned())
            .or_default()
            .entry(value.to_owned())
            .or_default() += 1;
    };
    for manifest in manifests {
        let made = &manifest.provenance;
        add("moelab", &made.build);
        add("device", &made.device);
        add("threads", &made.threads.to_string());
        made.libraries
            .iter()
            .for_each(|(library, version)| add(library, version));
    }
    let started = || manifests.iter().map(|manifest| manifest.provenance.started.as_str());
    if let (Some(first), Some(last)) = (started().min(), started().max()) {
        let span = if first == last {
            first.to_owned()
        } else {
            format!("{first} to {last}")
        };
        facts.insert("started (UTC)".to_owned(), [(span, manifests.len())].into());
    }
    facts.into_iter().collect()
}

fn said(values: &BTreeMap<String, usize>) -> String {
    match values.len() {
        1 => values.keys().cloned().collect(),
        _ => {
            let each = values.iter().map(|(value, n)| format!("{value} ({n} results)"));
            each.collect::<Vec<_>>().join("; ")
        }
    }
}

/// What came in from outside, by content.
fn data(stored: &Stored<'_>, nodes: &BTreeSet<NodeId>) -> Markup {
    let loads = nodes
        .iter()
        .filter(|node| stored.from.plan.graph[**node].inputs.is_empty());
    let rows: Vec<Vec<String>> = loads
        .filter_map(|node| Some((node, stored.manifest(*node)?)))
        .flat_map(|(node, manifest)| {
            let action = stored.describe(*node);
            let outputs = manifest.outputs.iter();
            outputs.map(move |(name, output)| {
                vec![
                    action.clone(),
                    name.clone(),
                    output.size.to_string(),
                    output.digest.hex(),
                ]
            })
        })
        .collect();
    html! {
        @if !rows.is_empty() {
            (table("Data, by content", &[text("stage"), text("output"), super::tables::number("bytes"), text("SHA-256")], &rows, &[]))
        }
    }
}

fn file(title: &str, path: &Path) -> Markup {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    html! {
        details {
            summary { (title) " (" (name) ")" }
            @match std::fs::read_to_string(path) {
                Ok(text) => { pre tabindex="0" { code { (text) } } }
                Err(_) => { p { "The file is gone." } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_versions_say_how_many_results_each_has() {
        let values = [("1".to_owned(), 3), ("2".to_owned(), 1)].into();
        assert_eq!(said(&values), "1 (3 results); 2 (1 results)");
    }
}
