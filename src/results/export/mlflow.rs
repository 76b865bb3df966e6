//! MLflow's file store: `EXPERIMENT/RUN/{meta.yaml, params, metrics, tags}`, a run per row of the matrix and seed.

use super::{Finished, curves, folder_name, leaves, numbers, started, write};
use crate::error::ResultsError;
use crate::input::display;
use moelab_engine::digest::Digest;
use moelab_engine::plan::{Cell, SEED_AXIS};
use moelab_engine::store::Manifest;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Longest value of a parameter that MLflow takes, in characters.
const LONGEST: usize = 6000;

/// Writes all rows and seeds of which anything is finished below `to`; gives how many they are. Names of the folders
/// follow from what they hold, so a second export replaces the first.
///
/// Parameters are the axes, the seed and the settings of the finished stages (`STAGE.SETTING`); metrics are
/// `STAGE.NAME`, with an entry per epoch where there is a history; tags hold the keys of the actions.
pub fn mlflow(finished: &Finished<'_>, to: &Path) -> Result<usize, ResultsError> {
    let experiment = number(&format!("mlflow/{}", finished.experiment));
    let folder = to.join(&experiment);
    let mut span: Option<(f64, f64)> = None;
    let mut runs = 0;
    for cell in &finished.plan.cells {
        let Some((start, end)) = run(finished, cell, &experiment, &folder)? else {
            continue;
        };
        let (first, last) = span.unwrap_or((start, end));
        span = Some((first.min(start), last.max(end)));
        runs += 1;
    }
    let Some((first, last)) = span else { return Ok(0) };
    let meta = Meta::new()
        .text("artifact_location", &url(&folder))
        .number("creation_time", millis(first))
        .text("experiment_id", &experiment)
        .number("last_update_time", millis(last))
        .text("lifecycle_stage", "active")
        .text("name", finished.experiment);
    write(&folder.join("meta.yaml"), meta.0.as_bytes())?;
    Ok(runs)
}

/// Writes one run; gives its start and end, or none if nothing of it is finished.
fn run(
    finished: &Finished<'_>,
    cell: &Cell,
    experiment: &str,
    folder: &Path,
) -> Result<Option<(f64, f64)>, ResultsError> {
    let done = cell
        .actions
        .iter()
        .filter_map(|(stage, node)| Some((stage, finished.done.get(node)?)));
    let done: BTreeMap<&String, &Manifest> = done.collect();
    let ends = done
        .values()
        .map(|made| (started(made), started(made) + made.provenance.seconds));
    let Some((start, end)) = ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) else {
        return Ok(None);
    };
    let mut axes = cell.axes.clone();
    axes.insert(SEED_AXIS.to_owned(), Value::from(cell.seed));
    let name = folder_name(&axes);
    let id = Digest::of(format!("mlflow/{}/{name}", finished.experiment).as_bytes()).hex()[..32].to_owned();
    let run = folder.join(&id);

    let mut params: BTreeMap<String, Value> = axes;
    let mut tags: BTreeMap<String, String> = [("mlflow.runName".to_owned(), name.clone())].into();
    for (stage, manifest) in &done {
        leaves(&manifest.action.config, stage, &mut params);
        tags.insert(format!("moelab.key.{stage}"), manifest.key().hex());
        tags.insert(format!("moelab.device.{stage}"), manifest.provenance.device.clone());
        let at = started(manifest);
        let curves = curves(finished.store, manifest)?;
        for curve in &curves {
            let last = curve.points.last().map_or(1, |(at, _)| *at).max(1) as f64;
            let line = |(step, value): &(i64, f64)| {
                let when = at + manifest.provenance.seconds * *step as f64 / last;
                format!("{} {} {step}\n", millis(when), number_text(*value))
            };
            let text: String = curve.points.iter().map(line).collect();
            write(
                &run.join("metrics").join(file(&format!("{stage}.{}", curve.name))),
                text.as_bytes(),
            )?;
        }
        for (name, value) in numbers(&manifest.values, &curves) {
            let when = millis(at + manifest.provenance.seconds);
            let text = format!("{when} {} 0\n", number_text(value));
            write(
                &run.join("metrics").join(file(&format!("{stage}.{name}"))),
                text.as_bytes(),
            )?;
        }
    }
    for (name, value) in params {
        let text: String = display(&value).chars().take(LONGEST).collect();
        write(&run.join("params").join(file(&name)), text.as_bytes())?;
    }
    for (name, text) in tags {
        write(&run.join("tags").join(file(&name)), text.as_bytes())?;
    }
    let meta = Meta::new()
        .text("artifact_uri", &url(&run.join("artifacts")))
        .number("end_time", millis(end))
        .text("entry_point_name", "")
        .text("experiment_id", experiment)
        .text("lifecycle_stage", "active")
        .text("run_id", &id)
        .text("run_name", &name)
        .text("run_uuid", &id)
        .text("source_name", "moelab")
        // RunStatus.FINISHED and SourceType.LOCAL.
        .number("source_type", 4)
        .text("source_version", "")
        .number("start_time", millis(start))
        .number("status", 3)
        .raw("tags", "[]")
        .text("user_id", "");
    write(&run.join("meta.yaml"), meta.0.as_bytes())?;
    std::fs::create_dir_all(run.join("artifacts")).map_err(|source| ResultsError::Export {
        path: run.clone(),
        source,
    })?;
    Ok(Some((start, end)))
}

/// Eighteen digits that a text always gives: how MLflow names experiments.
fn number(text: &str) -> String {
    let bytes = Digest::of(text.as_bytes()).bytes()[..8]
        .try_into()
        .expect("eight bytes of thirty-two");
    format!(
        "{}",
        100_000_000_000_000_000 + u64::from_be_bytes(bytes) % 900_000_000_000_000_000
    )
}

/// A name that MLflow takes: letters, digits, `_`, `-`, `.`, space and `/`.
fn file(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "_-.".contains(c) {
            c
        } else {
            '_'
        }
    };
    name.chars().map(plain).collect()
}

fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0) as i64
}

/// As Python's `float` reads it back.
fn number_text(value: f64) -> String {
    match value {
        _ if value.is_nan() => "nan".into(),
        _ if value.is_infinite() => if value > 0.0 { "inf" } else { "-inf" }.into(),
        _ => format!("{value:?}"),
    }
}

fn url(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"/-._~".contains(&c);
    let text: String = path.display().to_string().bytes().fold(String::new(), |mut text, c| {
        match plain(c) {
            true => text.push(c.into()),
            false => text += &format!("%{c:02X}"),
        }
        text
    });
    format!("file://{text}")
}

/// A small YAML mapping; JSON strings are YAML.
struct Meta(String);

impl Meta {
    fn new() -> Self {
        Self(String::new())
    }

    fn text(self, name: &str, value: &str) -> Self {
        let value = Value::from(value).to_string();
        self.raw(name, &value)
    }

    fn number(self, name: &str, value: i64) -> Self {
        self.raw(name, &value.to_string())
    }

    fn raw(mut self, name: &str, value: &str) -> Self {
        self.0 += &format!("{name}: {value}\n");
        self
    }
}
