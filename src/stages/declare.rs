//! Small helpers that keep a stage's declaration short.

use moelab_engine::stage::Settings;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
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
    let typed: T = serde_json::from_value(settings.clone()).map_err(|e| e.to_string())?;
    serde_json::to_value(typed).map_err(|e| e.to_string())
}

/// Reads normalised settings back into their type.
pub(crate) fn typed<T: DeserializeOwned>(settings: &Value) -> T {
    serde_json::from_value(settings.clone()).expect("the engine hands out normalised settings")
}

pub(crate) fn always(_: &Value) -> bool {
    true
}

pub(crate) fn never(_: &Value) -> bool {
    false
}

pub(crate) fn no_rules(_: &Value, _: &[&str]) -> Result<(), String> {
    Ok(())
}

pub(crate) fn no_sources(_: &Value, _: &Path) -> Result<moelab_engine::stage::Sources, String> {
    Ok(moelab_engine::stage::Sources::new())
}
