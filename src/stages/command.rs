//! `command`: runs a program of the user's. The only stage that runs code a spec names.

mod rules;
pub mod settings;
pub mod template;

use crate::artifact;
use crate::declare::{current, settings as declared, typed};
use moelab_engine::stage::{Folders, Output, Port, Settings, Sources, Stage};
use moelab_engine::store::sources::digest_file;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use settings::{Limit, Type, Word};
use std::borrow::Cow;
use std::collections::BTreeMap;
use template::Piece;

pub const VERSION: u32 = 1;

/// What every command may ask for beside its inputs, files and outputs.
pub const SEED: &str = "seed";
pub const THREADS: &str = "threads";
pub const DEVICE: &str = "device";

/// Settings of `command`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments; there is no shell. `{input}` stands for the path of an artifact (of a fan-in: as
    /// many arguments), `{file}` for that of a file below, `{output}` for where to write, `{seed}` for the action's seed
    /// (without it the stage draws no random numbers), `{threads}` and `{device}` for what it may use; `{{` is a brace.
    #[schemars(length(min = 1))]
    pub run: Vec<Word>,
    /// Files the command reads, by role, relative to the folder that holds `pipelines`. Their content is part of the key.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// What it writes: name and artifact type.
    pub outputs: BTreeMap<String, Type>,
    /// It is ended when this many seconds have passed, or after `90s`, `10m`, `2h`. Never part of the key.
    #[serde(default)]
    pub timeout: Option<Limit>,
    /// Variables it sees, beside PATH, HOME, LANG and TMPDIR.
    #[serde(default)]
    pub env: BTreeMap<String, Word>,
}

impl Command {
    pub fn words(&self) -> impl Iterator<Item = &str> + Clone {
        self.run.iter().map(|word| word.0.as_str())
    }

    /// Whether `{name}` stands in `run`.
    pub fn mentions(&self, name: &str) -> bool {
        let mut pieces = self.words().flat_map(|word| template::pieces(word).unwrap_or_default());
        pieces.any(|piece| matches!(piece, Piece::Name(found) if found == name))
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "command",
        version: VERSION,
        summary: "Runs a program with declared inputs, files and outputs.",
        inputs: vec![Port::ANY],
        outputs,
        settings: Settings {
            keyed,
            ..declared::<Command>()
        },
        draws: |settings| typed::<Command>(settings).mentions(SEED),
        check: rules::check,
        sources,
        accelerated: |settings| typed::<Command>(settings).mentions(DEVICE),
    }
}

fn outputs(settings: &Value) -> Vec<Output> {
    let outputs = typed::<Command>(settings).outputs;
    let output = |(name, Type(artifact)): (String, Type)| Output {
        name: Cow::Owned(name),
        artifact,
        value: artifact::VALUES.contains(&artifact),
        optional: false,
        fields: &[],
    };
    outputs.into_iter().map(output).collect()
}

fn sources(settings: &Value, folders: Folders<'_>) -> Result<Sources, String> {
    let files = typed::<Command>(settings).files;
    let digest = |(role, path): (String, String)| {
        let path = folders.project.join(path);
        // A pipe would be waited for, and a folder has no one content.
        if path.exists() && !path.is_file() {
            let what = format!(
                "file `{role}`: {} is no plain file; name files one by one",
                path.display()
            );
            return Err(what);
        }
        let digest = current(&path, digest_file(&path)).map_err(|what| format!("file `{role}`: {what}"))?;
        Ok((role, digest))
    };
    files.into_iter().map(digest).collect()
}

/// Without the time limit, and without paths: what lies there enters the key as a digest.
fn keyed(settings: &Value) -> Value {
    let mut settings = settings.clone();
    if let Value::Object(map) = &mut settings {
        map.shift_remove("timeout");
        map.shift_remove("files");
    }
    settings
}

#[cfg(test)]
#[path = "command/command_tests.rs"]
mod tests;
