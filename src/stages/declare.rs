//! Small helpers that keep a stage's declaration short.

use crate::artifact;
use moelab_engine::digest::Digest;
use moelab_engine::spec::words;
use moelab_engine::stage::{Connected, Folders, Output, Settings, Sources, Unfit};
use moelab_engine::store::sources::SourceDigest;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::io;
use std::path::Path;

/// The settings of a stage, from their type.
pub(crate) fn settings<T: JsonSchema + Serialize + DeserializeOwned>() -> Settings {
    let schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<T>();
    Settings {
        schema: schema.to_value(),
        normalise: normalise::<T>,
        keyed: Value::clone,
    }
}

fn normalise<T: Serialize + DeserializeOwned>(settings: &Value) -> Result<Value, String> {
    let typed = T::deserialize(&whole(settings)).map_err(|e| e.to_string())?;
    serde_json::to_value(typed).map_err(|e| e.to_string())
}

/// The same with whole numbers written as such: YAML reads `1e3` as 1000.0, which no count would take.
fn whole(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(whole).collect(),
        Value::Object(map) => map.iter().map(|(name, item)| (name.clone(), whole(item))).collect(),
        Value::Number(_) => words::whole(value).map_or_else(|| value.clone(), Value::from),
        _ => value.clone(),
    }
}

/// Reads normalised settings back into their type.
pub(crate) fn typed<T: DeserializeOwned>(settings: &Value) -> T {
    T::deserialize(settings).expect("the engine hands out normalised settings")
}

/// Names, each with its meaning.
type Told = &'static [(&'static str, &'static str)];

/// What training a clustering model leaves, with what stands in its metrics and its history.
pub(crate) fn trained(measured: Told, curves: Told) -> Vec<Output> {
    vec![
        Output::file("model", artifact::MODEL),
        Output::file("assignments", artifact::ASSIGNMENTS),
        Output::file("history", artifact::HISTORY).holding(curves),
        Output::value("metrics", artifact::METRICS).holding(measured),
    ]
}

pub(crate) fn always(_: &Value) -> bool {
    true
}

pub(crate) fn never(_: &Value) -> bool {
    false
}

pub(crate) fn no_rules(_: &Value, _: &Connected<'_>) -> Result<(), Unfit> {
    Ok(())
}

pub(crate) fn no_sources(_: &Value, _: Folders<'_>) -> Result<Sources, String> {
    Ok(Sources::new())
}

/// The digest of an external file; the last one known, with a word, if the file is gone.
pub(crate) fn current(path: &Path, digest: io::Result<SourceDigest>) -> Result<Digest, String> {
    match digest {
        Ok(SourceDigest::Current(digest)) => Ok(digest),
        Ok(SourceDigest::Remembered(digest)) => {
            tracing::warn!("{} is not there; its last known content is assumed", path.display());
            Ok(digest)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(format!(
            "there is no {}; a relative path lies in the folder that --data or MOELAB_DATA names",
            path.display()
        )),
        Err(e) => Err(format!("{}: {e}", path.display())),
    }
}
