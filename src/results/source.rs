//! From an experiment and a store to an [`Input`].

use crate::error::ResultsError;
use crate::input::{Input, Metric, Reading, Reduce, Reference, Run};
use crate::survey::Survey;
use moelab_engine::plan::{Cell, NodeId, Plan};
use moelab_engine::spec::{self, Better, Experiment};
use moelab_engine::stage::Registry;
use moelab_engine::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// An experiment, and where its results lie. Without a store all of them are missing.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub experiment: &'a Experiment,
    pub plan: &'a Plan,
    pub registry: &'a Registry,
    pub store: Option<&'a Store>,
    /// The folder of the user's data sets: data that are known by content need no file there.
    pub data: &'a Path,
}

impl<'a> Source<'a> {
    /// All that the tables of these experiments need, side by side: what tells the rows of one apart is told of all.
    pub fn inputs(sources: &[Self]) -> Result<Vec<Input>, ResultsError> {
        let axes: Vec<String> = sources.iter().flat_map(|source| source.rows()).collect();
        let input = |source: &Source<'_>| {
            let mut rows = source.rows();
            let others = axes.iter().filter(|axis| source.experiment.knows(axis));
            rows.extend(others.cloned());
            Ok(source.input(&source.experiment.table.columns, &distinct(rows))?.0)
        };
        sources.iter().map(input).collect()
    }

    /// The axes and parameters that the table sets apart, in the order of its rows, then columns.
    fn rows(&self) -> Vec<String> {
        let table = &self.experiment.table;
        table.rows.iter().chain(&table.spread).cloned().collect()
    }

    /// Looks up what these metrics need; `rows` may name parameters.
    pub(crate) fn input(&self, metrics: &[String], rows: &[String]) -> Result<(Input, Survey<'a>), ResultsError> {
        let metrics = self.metrics(metrics);
        let survey = Survey::of(self, self.cells(&metrics).into_iter().flat_map(BTreeMap::into_values));
        Ok((self.gather(metrics, rows, &survey)?, survey))
    }

    /// What the table needs, from a survey of all actions.
    pub(crate) fn table(&self, survey: &Survey<'_>) -> Result<Input, ResultsError> {
        self.gather(self.metrics(&self.experiment.table.columns), &self.rows(), survey)
    }

    fn metrics(&self, names: &[String]) -> Vec<Metric> {
        let experiment = self.experiment;
        let declared = |name: &String| experiment.metrics.iter().find(|m| m.name == *name);
        let declared = names.iter().filter_map(declared);
        let usual = |one: &spec::Metric| {
            let stage = experiment.pipeline.stages.iter().find(|stage| stage.name == one.stage);
            match stage.is_some_and(|stage| stage.kind == "evaluate") && is_score(&one.reading) {
                true => Better::Higher,
                false => Better::Neither,
            }
        };
        let better = |one: &spec::Metric| experiment.table.better.get(&one.name).copied();
        declared
            .map(|one| metric(one, better(one).unwrap_or_else(|| usual(one))))
            .collect()
    }

    /// Of every cell, the stages that the metrics are of, with their actions.
    fn cells(&self, metrics: &[Metric]) -> Vec<BTreeMap<String, NodeId>> {
        let of = |cell: &Cell| {
            let wanted = cell.actions.iter();
            let wanted = wanted.filter(|(stage, _)| metrics.iter().any(|metric| metric.stage == **stage));
            wanted.map(|(stage, node)| (stage.clone(), *node)).collect()
        };
        self.plan.cells.iter().map(of).collect()
    }

    fn gather(&self, metrics: Vec<Metric>, rows: &[String], survey: &Survey<'_>) -> Result<Input, ResultsError> {
        let experiment = self.experiment;
        let cells = self.cells(&metrics);
        let wanted: BTreeSet<NodeId> = cells.iter().flat_map(|cell| cell.values().copied()).collect();
        let index: BTreeMap<NodeId, usize> = wanted.iter().enumerate().map(|(i, node)| (*node, i)).collect();
        let actions = wanted
            .iter()
            .map(|node| survey.action(*node, &metrics))
            .collect::<Result<_, _>>()?;
        let axes = distinct(experiment.axes.iter().chain(rows).cloned().collect());
        let runs = self.plan.cells.iter().zip(cells).map(|(cell, actions)| Run {
            axes: axes
                .iter()
                .filter_map(|a| Some((a.clone(), experiment.value(a, &cell.axes)?)))
                .collect(),
            seed: cell.seed,
            actions: actions.into_iter().map(|(stage, node)| (stage, index[&node])).collect(),
        });
        Ok(Input {
            experiment: experiment.name.clone(),
            runs: runs.collect(),
            actions,
            rows: rows.to_vec(),
            spread: experiment.table.spread.clone(),
            cells: experiment.table.cells,
            min_seeds: experiment.table.min_seeds,
            references: experiment.reference.iter().map(reference).collect(),
            axes,
            metrics,
        })
    }
}

/// In order of first appearance.
pub(crate) fn distinct(names: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

/// Scores of `evaluate` that are better the higher they are, each with its variants (`acc_labelled`).
const SCORES: [&str; 8] = [
    "acc",
    "nmi",
    "ari",
    "ami",
    "homogeneity",
    "completeness",
    "v",
    "agreement",
];

fn is_score(reading: &spec::Reading) -> bool {
    matches!(reading, spec::Reading::Field(field) if SCORES.contains(&field.split('_').next().unwrap_or(field)))
}

pub(crate) fn metric(metric: &spec::Metric, better: Better) -> Metric {
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
        better,
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

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
