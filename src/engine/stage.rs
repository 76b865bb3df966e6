//! What the engine knows of a stage kind: ports, outputs, settings, randomness, resources.
//!
//! The engine holds no list of stages; a [`Registry`] is handed to it.

use crate::digest::Digest;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Content digests of the external files an action reads, by role.
pub type Sources = BTreeMap<String, Digest>;

/// One kind of stage, as declared to the engine.
pub struct Stage {
    /// The word users write after `stage:`.
    pub kind: &'static str,
    /// Raised when the meaning or the numerics of the stage change; part of every key.
    pub version: u32,
    /// One sentence for people.
    pub summary: &'static str,
    pub inputs: Vec<Port>,
    /// What it produces under these (normalised) settings.
    pub outputs: fn(settings: &Value) -> Vec<Output>,
    pub settings: Settings,
    /// Whether it draws random numbers under these settings: if so its seed is part of its key.
    pub draws: fn(settings: &Value) -> bool,
    /// Rules that no schema can state: which ports go together, which settings exclude each other. Gets the normalised
    /// settings and the names of the connected ports.
    pub check: fn(settings: &Value, ports: &[&str]) -> Result<(), String>,
    /// Digests of external files; `data` is the folder the user keeps data sets in.
    pub sources: fn(settings: &Value, data: &Path) -> Result<Sources, String>,
    /// Whether it profits from an accelerator (and so takes a lease on one).
    pub accelerated: bool,
}

/// The settings of a stage kind: their schema, and how given settings become complete ones.
pub struct Settings {
    /// JSON Schema (draft 2020-12) of the mapping, with `default` and `description` on every property.
    pub schema: Value,
    /// Fills defaults in and brings every value to its one spelling (`100` for `100.0`). Fails only on what the schema
    /// cannot express.
    pub normalise: fn(settings: &Value) -> Result<Value, String>,
    /// The part of normalised settings that decides what is produced and enters the key. Everything, but for a path:
    /// what lies there enters as a digest of [`Stage::sources`].
    pub keyed: fn(settings: &Value) -> Value,
}

/// A named, typed input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    pub name: &'static str,
    /// Artifact types it takes, the preferred first.
    pub accepts: &'static [&'static str],
    pub optional: bool,
    /// Takes a fan-in (`{from: …, over: […]}`) in place of a single artifact.
    pub gathers: bool,
}

impl Port {
    pub const fn one(name: &'static str, accepts: &'static [&'static str]) -> Self {
        Self {
            name,
            accepts,
            optional: false,
            gathers: false,
        }
    }

    pub const fn optional(name: &'static str, accepts: &'static [&'static str]) -> Self {
        Self {
            name,
            accepts,
            optional: true,
            gathers: false,
        }
    }

    pub const fn gathering(name: &'static str, accepts: &'static [&'static str]) -> Self {
        Self {
            name,
            accepts,
            optional: false,
            gathers: true,
        }
    }
}

/// A named, typed output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub name: &'static str,
    /// Artifact type: what ports match on.
    pub artifact: &'static str,
    /// A small JSON document whose content may feed a setting of another stage.
    pub value: bool,
    /// May be missing from a finished action (labels of a data set that has none).
    pub optional: bool,
}

impl Output {
    pub const fn file(name: &'static str, artifact: &'static str) -> Self {
        Self {
            name,
            artifact,
            value: false,
            optional: false,
        }
    }

    pub const fn value(name: &'static str, artifact: &'static str) -> Self {
        Self {
            name,
            artifact,
            value: true,
            optional: false,
        }
    }

    pub const fn optional(name: &'static str, artifact: &'static str) -> Self {
        Self {
            name,
            artifact,
            value: false,
            optional: true,
        }
    }
}

/// All stage kinds of a build, by name.
#[derive(Default)]
pub struct Registry(BTreeMap<&'static str, Stage>);

impl Registry {
    pub fn new(stages: impl IntoIterator<Item = Stage>) -> Self {
        Self(stages.into_iter().map(|stage| (stage.kind, stage)).collect())
    }

    pub fn get(&self, kind: &str) -> Option<&Stage> {
        self.0.get(kind)
    }

    /// Names in alphabetical order.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.keys().copied()
    }

    pub fn stages(&self) -> impl Iterator<Item = &Stage> {
        self.0.values()
    }
}
