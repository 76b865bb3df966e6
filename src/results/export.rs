//! Results for other programs: TensorBoard, MLflow, tables and arrays.

mod artifact;
mod mlflow;
mod table;
mod tensorboard;
#[cfg(test)]
mod tests;

pub use artifact::{Form, artifact, npy};
pub use mlflow::mlflow;
pub use table::{Table, TableForm};
pub use tensorboard::tensorboard;

use crate::error::ResultsError;
use moelab_engine::digest::Digest;
use moelab_engine::plan::{Axes, NodeId, Plan, SEED_AXIS};
use moelab_engine::run::NodeStatus;
use moelab_engine::store::{Manifest, Presence, Store};
use moelab_stages::artifact as types;
use moelab_stages::frame::read_parquet;
use polars::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The finished actions of an experiment.
pub struct Finished<'a> {
    pub experiment: &'a str,
    pub plan: &'a Plan,
    pub store: &'a Store,
    done: BTreeMap<NodeId, Manifest>,
}

impl<'a> Finished<'a> {
    /// Those of which [`plan_status`](moelab_engine::run::plan_status) found the key and the store has a result.
    pub fn of(experiment: &'a str, plan: &'a Plan, store: &'a Store, status: &[NodeStatus]) -> Self {
        let done = status.iter();
        let done = done.filter_map(|one| Some((one.node, store.lookup(&one.key?)?)));
        Self {
            experiment,
            plan,
            store,
            done: done.collect(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.done.is_empty()
    }
}

/// Writes a file, and the folders above it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), ResultsError> {
    let failed = |source| ResultsError::Export {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, bytes).map_err(failed)
}

/// One column of a history.
struct Curve {
    name: String,
    /// Position and value; positions ascend.
    points: Vec<(i64, f64)>,
}

/// All histories of an action that are in the store: a position is the epoch, or the step where an epoch has several
/// records.
fn curves(store: &Store, manifest: &Manifest) -> Result<Vec<Curve>, ResultsError> {
    let mut curves = vec![];
    for output in manifest.outputs.values() {
        if output.artifact != types::HISTORY || output.state == Presence::Evicted {
            continue;
        }
        let path = store.verified_path(&output.digest)?;
        let frame = read_parquet(&path).map_err(|e| ResultsError::Unreadable {
            path: path.clone(),
            source: Box::new(e),
        })?;
        let positions = |name: &str| -> PolarsResult<Vec<i64>> {
            let column = frame.column(name)?.cast(&DataType::Int64)?;
            Ok(column.i64()?.iter().map(|at| at.unwrap_or(0)).collect())
        };
        let mut at = positions("epoch")?;
        if at.windows(2).any(|pair| pair[0] >= pair[1]) {
            at = positions("step")?;
        }
        for column in frame.columns() {
            if ["epoch", "step"].contains(&column.name().as_str()) {
                continue;
            }
            let values = column.cast(&DataType::Float64)?;
            let points = at.iter().zip(values.f64()?.iter());
            curves.push(Curve {
                name: column.name().to_string(),
                points: points.filter_map(|(at, value)| Some((*at, value?))).collect(),
            });
        }
    }
    Ok(curves)
}

/// The numbers of an action's JSON outputs by name. One that is called as a curve is that curve's end, and left out.
fn numbers(values: &BTreeMap<String, Value>, curves: &[Curve]) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    for (output, value) in values {
        match value {
            Value::Object(fields) => {
                found.extend(fields.iter().filter_map(|(name, v)| Some((name.clone(), v.as_f64()?))));
            }
            other => found.extend(other.as_f64().map(|value| (output.clone(), value))),
        }
    }
    found.retain(|name, _| curves.iter().all(|curve| curve.name != *name));
    found
}

/// Leaves of a JSON document by dotted name.
fn leaves(value: &Value, name: &str, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (field, value) in fields {
                let name = if name.is_empty() {
                    field.clone()
                } else {
                    format!("{name}.{field}")
                };
                leaves(value, &name, found);
            }
        }
        leaf => drop(found.insert(name.to_owned(), leaf.clone())),
    }
}

/// Longest name of a folder, in bytes: file systems take 255.
const LONGEST_NAME: usize = 200;

/// `alpha=10,seed=0` as a part of a path; `all` where nothing varies. Where that is no name of a folder, a digest tells it
/// from others that would look alike.
fn folder_name(axes: &Axes) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "._=-[],".contains(c) {
            c
        } else {
            '_'
        }
    };
    let said = |(name, value): (&String, &Value)| format!("{name}={}", crate::input::display(value));
    // The seed last, so that rows of a matrix stand together.
    let (seed, others): (Vec<_>, Vec<_>) = axes.iter().partition(|(name, _)| *name == SEED_AXIS);
    let all: Vec<String> = others.into_iter().chain(seed).map(said).collect();
    if all.is_empty() {
        return "all".into();
    }
    let all = all.join(",");
    let mut name: String = all.chars().map(plain).collect();
    if name != all || name.len() > LONGEST_NAME {
        name.truncate(LONGEST_NAME);
        name = format!("{name}-{}", &Digest::of(all.as_bytes()).hex()[..8]);
    }
    name
}

/// When an action started, in seconds since 1970.
fn started(manifest: &Manifest) -> f64 {
    moelab_engine::store::seconds_of(&manifest.provenance.started).unwrap_or(0) as f64
}
