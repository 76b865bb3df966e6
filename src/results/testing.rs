//! Small inputs for tests.

use crate::input::{Action, Better, Done, Input, Metric, Reading, Reduce, Run, State};
use polars::prelude::df;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(crate) fn field(name: &str, stage: &str, field: &str) -> Metric {
    let reading = Reading::Field(field.into());
    Metric {
        name: name.into(),
        stage: stage.into(),
        output: "metrics".into(),
        reading,
        better: Better::Higher,
    }
}

pub(crate) fn column(name: &str, stage: &str, column: &str, reduce: Reduce) -> Metric {
    let reading = Reading::Column {
        column: column.into(),
        reduce,
    };
    Metric {
        name: name.into(),
        stage: stage.into(),
        output: "history".into(),
        reading,
        better: Better::Neither,
    }
}

pub(crate) fn action(state: State) -> Action {
    Action {
        key: None,
        seeded: true,
        devices: BTreeSet::from(["cpu".to_owned()]),
        origins: BTreeSet::from(["labels".to_owned()]),
        state,
    }
}

pub(crate) fn done(output: &str, document: Value) -> Action {
    action(State::Done(Done {
        values: [(output.to_owned(), document)].into(),
        ..Done::default()
    }))
}

/// A history with the columns epoch (from 1), step and loss.
pub(crate) fn history_file(dir: &Path, losses: &[f64]) -> PathBuf {
    let path = dir.join("history.parquet");
    let epochs: Vec<u32> = (1..=losses.len() as u32).collect();
    let mut frame = df!("epoch" => &epochs, "step" => &vec![0_u64; losses.len()], "loss" => losses).unwrap();
    moelab_stages::frame::write_parquet(&mut frame, &path).unwrap();
    path
}

/// Builds an [`Input`] run by run. Actions are named: the same name is the same action.
pub(crate) struct Build {
    pub(crate) input: Input,
    names: BTreeMap<String, usize>,
}

impl Build {
    /// All axes are row axes until told otherwise.
    pub(crate) fn new(experiment: &str, axes: &[&str]) -> Self {
        let axes: Vec<String> = axes.iter().map(|&axis| axis.to_owned()).collect();
        let input = Input {
            experiment: experiment.into(),
            rows: axes.clone(),
            axes,
            min_seeds: 1,
            ..Input::default()
        };
        Self {
            input,
            names: BTreeMap::new(),
        }
    }

    pub(crate) fn metrics(mut self, metrics: impl IntoIterator<Item = Metric>) -> Self {
        self.input.metrics = metrics.into_iter().collect();
        self
    }

    pub(crate) fn rows(mut self, rows: &[&str]) -> Self {
        self.input.rows = rows.iter().map(|&row| row.to_owned()).collect();
        self
    }

    pub(crate) fn run(&mut self, axes: Value, seed: u64) -> usize {
        let axes = axes
            .as_object()
            .expect("tests write axes as objects")
            .clone()
            .into_iter()
            .collect();
        self.input.runs.push(Run {
            axes,
            seed,
            actions: BTreeMap::new(),
        });
        self.input.runs.len() - 1
    }

    pub(crate) fn act(&mut self, run: usize, stage: &str, name: &str, action: Action) -> &mut Action {
        let index = *self.names.entry(name.to_owned()).or_insert_with(|| {
            self.input.actions.push(Action {
                key: Some(format!("key-{name}")),
                ..action
            });
            self.input.actions.len() - 1
        });
        self.input.runs[run].actions.insert(stage.to_owned(), index);
        &mut self.input.actions[index]
    }

    pub(crate) fn done(&mut self, run: usize, stage: &str, name: &str, metrics: Value) -> &mut Action {
        self.act(run, stage, name, done("metrics", metrics))
    }
}

/// One axis `alpha`, the stages `evaluation` and `moe`: what most tests need. `None` is a run that is missing.
pub(crate) fn sample(values: &[(i64, &[Option<f64>])]) -> Build {
    let mut build = Build::new("mnist-moe", &["alpha"]).metrics([field("acc", "evaluation", "acc")]);
    for (alpha, seeds) in values {
        for (seed, value) in seeds.iter().enumerate() {
            let run = build.run(serde_json::json!({"alpha": alpha}), seed as u64);
            let name = format!("e-{alpha}-{seed}");
            match value {
                Some(acc) => build.done(run, "evaluation", &name, serde_json::json!({"acc": acc})),
                None => build.act(run, "evaluation", &name, action(State::Missing(None))),
            };
        }
    }
    build
}

/// A file with one tensor, named `name`.
pub(crate) fn safetensors_file(
    dir: &Path,
    name: &str,
    dtype: safetensors::Dtype,
    shape: &[usize],
    bytes: &[u8],
    meta: &str,
) -> PathBuf {
    let path = dir.join(name);
    let view = safetensors::tensor::TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
    let meta = std::collections::HashMap::from([("moelab".to_owned(), meta.to_owned())]);
    safetensors::serialize_to_file([(name, view)], Some(meta), &path).unwrap();
    path
}
