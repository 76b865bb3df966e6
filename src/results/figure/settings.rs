//! Runs of a stage by setting: those that differ in the seed alone.

use crate::stored::Stored;
use moelab_engine::plan::select::describe;
use moelab_engine::plan::{Axes, NodeId, SEED_AXIS};
use std::collections::BTreeSet;

/// The settings of a stage that have a result.
pub(crate) struct Settings {
    /// Axes that all results have alike, the seed too if there is only one.
    pub(super) shared: String,
    pub(crate) groups: Vec<Setting>,
    /// Settings that have none.
    pub(super) without: usize,
}

/// A setting with its runs, those that are missing too.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    /// What tells it from the others; empty if there are none.
    pub(super) name: String,
    /// All its axes.
    pub(super) axes: String,
    pub(super) nodes: Vec<NodeId>,
}

impl Settings {
    /// Of these actions of a stage; where nothing has run, all of them.
    pub(crate) fn of(stored: &Stored<'_>, nodes: &[NodeId]) -> Self {
        let axes = |node: &NodeId| stored.from.plan.graph[*node].axes.clone();
        let done = |node: &NodeId| stored.manifest(*node).is_some();
        let mut groups: Vec<(Axes, Vec<NodeId>)> = Vec::new();
        for node in nodes {
            let mut axes = axes(node);
            axes.remove(SEED_AXIS);
            match groups.iter_mut().find(|(known, _)| *known == axes) {
                Some((_, nodes)) => nodes.push(*node),
                None => groups.push((axes, vec![*node])),
            }
        }
        let all = groups.len();
        if nodes.iter().any(done) {
            groups.retain(|(_, nodes)| nodes.iter().any(done));
        }
        let results: Vec<Axes> = nodes.iter().filter(|node| done(node)).map(axes).collect();
        let settings: Vec<Axes> = groups.iter().map(|(axes, _)| axes.clone()).collect();
        let groups: Vec<Setting> = (names(&settings).into_iter().zip(groups))
            .map(|(name, (axes, nodes))| Setting {
                name,
                axes: said(&axes),
                nodes,
            })
            .collect();
        Self {
            shared: said(&shared(&results)),
            without: all - groups.len(),
            groups,
        }
    }
}

fn said(axes: &Axes) -> String {
    if axes.is_empty() { String::new() } else { describe(axes) }
}

/// The axes that all have alike.
fn shared(all: &[Axes]) -> Axes {
    let mut shared = all.first().cloned().unwrap_or_default();
    shared.retain(|axis, value| all.iter().all(|axes| axes.get(axis) == Some(&*value)));
    shared
}

/// What tells settings apart: without the axes that all have alike, and without those that some lack where the others do.
fn names(settings: &[Axes]) -> Vec<String> {
    let shared = shared(settings);
    let mut told = settings.to_vec();
    told.iter_mut()
        .for_each(|axes| axes.retain(|axis, _| !shared.contains_key(axis)));
    let lacking: BTreeSet<String> = (settings.iter().flat_map(|axes| axes.keys()))
        .filter(|axis| settings.iter().any(|axes| !axes.contains_key(*axis)))
        .cloned()
        .collect();
    for axis in lacking {
        let mut fewer = told.clone();
        fewer.iter_mut().for_each(|axes| drop(axes.remove(&axis)));
        if (1..fewer.len()).all(|i| !fewer[..i].contains(&fewer[i])) {
            told = fewer;
        }
    }
    let name = |axes: &Axes| match axes.is_empty() && settings.len() > 1 {
        true => "otherwise".to_owned(),
        false => said(axes),
    };
    told.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn axes(values: &[(&str, &str)]) -> Axes {
        let pair = |(axis, value): &(&str, &str)| ((*axis).to_owned(), json!(value));
        values.iter().map(pair).collect()
    }

    #[test]
    fn settings_are_named_by_what_tells_them_apart() {
        let all = [
            axes(&[("dataset", "usps"), ("variant", "vae"), ("side", "16")]),
            axes(&[("dataset", "usps"), ("l1", "1"), ("variant", "ae"), ("side", "16")]),
            axes(&[
                ("dataset", "mnist"),
                ("split", "test"),
                ("variant", "vae"),
                ("side", "16"),
            ]),
        ];
        assert_eq!(
            names(&all),
            [
                "dataset=usps variant=vae",
                "dataset=usps variant=ae",
                "dataset=mnist variant=vae"
            ]
        );
        assert_eq!(said(&shared(&all)), "side=16");
        assert_eq!(names(&all[..1]), [""]);
    }

    #[test]
    fn an_axis_that_some_lack_is_told_where_nothing_else_differs() {
        let all = [axes(&[("k", "2")]), axes(&[("k", "2"), ("flip", "true")])];
        assert_eq!(names(&all), ["otherwise", "flip=true"]);
    }
}
