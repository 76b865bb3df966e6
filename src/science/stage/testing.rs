//! Jobs for tests of stages that run as a whole.

use super::cluster_table::Clusters;
use crate::cluster::one_hot;
use crate::matrix::Matrix;
use crate::tensors::{Content, write};
use moelab_engine::digest::Digest;
use moelab_engine::job::{InputFile, Job, JobContext, Origin, PROTOCOL};
use moelab_engine::key::{ActionKey, SCHEMA};
use moelab_engine::store::Declared;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A stage and what it is given, in a folder that goes with it.
pub struct Bench {
    dir: tempfile::TempDir,
    stage: &'static str,
    settings: Value,
    inputs: BTreeMap<String, Vec<InputFile>>,
}

impl Bench {
    pub fn new(stage: &'static str, settings: Value) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            stage,
            settings,
            inputs: BTreeMap::new(),
        }
    }

    /// One more artifact at a port, written by `make`; gathered where it has an axis.
    pub fn given(mut self, port: &str, artifact: &str, axis: Option<(&str, u64)>, make: impl FnOnce(&Path)) -> Self {
        let members = self.inputs.entry(port.to_owned()).or_default();
        let path = self.dir.path().join(format!("{port}-{}", members.len()));
        make(&path);
        members.push(InputFile {
            axes: axis
                .map(|(axis, value)| (axis.to_owned(), json!(value)))
                .into_iter()
                .collect(),
            digest: Digest::of(&std::fs::read(&path).unwrap()),
            artifact: artifact.to_owned(),
            path,
        });
        self
    }

    /// Where the artifact at a port lies.
    pub fn input(&self, port: &str, member: usize) -> PathBuf {
        self.inputs[port][member].path.clone()
    }

    /// Where an output lies.
    pub fn output(&self, name: &str) -> PathBuf {
        self.dir.path().join("out").join(name)
    }

    /// What the stage told the user.
    pub fn events(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("events.jsonl")).unwrap_or_default()
    }

    /// A job that declares these outputs.
    pub fn job(&self, outputs: &[&str]) -> JobContext {
        let declared = |artifact: &str| Declared {
            artifact: artifact.to_owned(),
            value: false,
            optional: false,
        };
        let action = ActionKey {
            schema: SCHEMA,
            stage: self.stage.to_owned(),
            version: 1,
            config: self.settings.clone(),
            seed: None,
            inputs: BTreeMap::new(),
            sources: BTreeMap::new(),
            outputs: BTreeMap::new(),
        };
        let job = Job {
            protocol: PROTOCOL,
            build: "test".to_owned(),
            key: action.digest(),
            action,
            settings: self.settings.clone(),
            seed: 0,
            inputs: self.inputs.clone(),
            outputs: outputs.iter().map(|&name| (name.to_owned(), declared(name))).collect(),
            force: false,
            store: self.dir.path().to_owned(),
            data: self.dir.path().to_owned(),
            project: self.dir.path().to_owned(),
            device: "flex".to_owned(),
            threads: 1,
            memory: Default::default(),
            runner_syncs: false,
            nonce: "nonce".to_owned(),
            attempt: 1,
            origin: Origin::default(),
        };
        JobContext::new(job, self.dir.path(), Default::default())
    }
}

/// Writes points.
pub fn points(points: &Matrix) -> impl FnOnce(&Path) {
    let shape = [points.rows(), points.cols()];
    move |path| write(path, &[("points", &shape[..], Content::F32(points.data()))], &json!({})).unwrap()
}

/// Writes clusters of these labels.
pub fn clusters(labels: &[i32]) -> impl FnOnce(&Path) {
    let clusters = Clusters {
        labels: labels.to_vec(),
        probabilities: vec![1.0; labels.len()],
        outlier_scores: vec![0.0; labels.len()],
        memberships: one_hot(labels, labels.iter().max().map_or(0, |most| (most + 1) as usize)),
    };
    move |path| clusters.write(path).unwrap()
}
