//! What the engine knows of a stage kind: ports, outputs, settings, randomness, resources.
//!
//! The engine holds no list of stages; a [`Registry`] is handed to it.

use crate::digest::Digest;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// Content digests of the external files an action reads, by role.
pub type Sources = BTreeMap<String, Digest>;

/// Where external files lie.
#[derive(Clone, Copy, Debug)]
pub struct Folders<'a> {
    /// The folder the user keeps data sets in.
    pub data: &'a Path,
    /// The folder that holds `pipelines/`.
    pub project: &'a Path,
}

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
    pub check: fn(settings: &Value, ports: &Connected<'_>) -> Result<(), Unfit>,
    /// Digests of external files.
    pub sources: fn(settings: &Value, folders: Folders<'_>) -> Result<Sources, String>,
    /// Whether it profits from an accelerator under these settings (and so takes a lease on one). Defaults may be
    /// missing from them.
    pub accelerated: fn(settings: &Value) -> bool,
}

impl Stage {
    /// The port an input of this name stands at; none if the name is that of a setting, or unknown.
    pub fn port(&self, input: &str) -> Option<&Port> {
        let setting = self.settings.schema["properties"].get(input).is_some();
        let any = || self.inputs.iter().find(|port| port.is_any() && !setting);
        self.inputs.iter().find(|port| port.name == input).or_else(any)
    }
}

/// The connected ports of a stage: name, and whether a fan-in stands there.
pub struct Connected<'a>(pub Vec<(&'a str, bool)>);

impl<'a> Connected<'a> {
    pub fn has(&self, port: &str) -> bool {
        self.names().any(|name| name == port)
    }

    pub fn gathers(&self, port: &str) -> bool {
        self.0.contains(&(port, true))
    }

    pub fn names(&self) -> impl Iterator<Item = &'a str> + Clone + '_ {
        self.0.iter().map(|(name, _)| *name)
    }
}

/// Settings that do not fit together: every rule they break.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfit(pub Vec<Misfit>);

/// Something of a stage that does not fit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Misfit {
    /// Path within the stage, as it is written; empty for the stage as a whole.
    pub path: Vec<String>,
    /// The name is wrong, not the value.
    pub key: bool,
    pub message: String,
    pub hint: Option<String>,
}

impl From<String> for Unfit {
    fn from(message: String) -> Self {
        Self(vec![Misfit {
            message,
            ..Misfit::default()
        }])
    }
}

impl From<&str> for Unfit {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all: Vec<_> = self.0.iter().map(|misfit| misfit.message.as_str()).collect();
        f.write_str(&all.join("; "))
    }
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
    /// Takes a single artifact.
    pub single: bool,
    /// Takes a fan-in (`{from: …, over: […]}`).
    pub gathers: bool,
}

impl Port {
    /// Inputs of every name that no setting has, of any artifact type, single or gathered. Stands last.
    pub const ANY: Self = Self {
        name: "*",
        accepts: &[],
        optional: true,
        single: true,
        gathers: true,
    };

    pub fn is_any(&self) -> bool {
        *self == Self::ANY
    }

    pub fn takes(&self, artifact: &str) -> bool {
        self.is_any() || self.accepts.contains(&artifact)
    }

    pub const fn one(name: &'static str, accepts: &'static [&'static str]) -> Self {
        Self {
            name,
            accepts,
            optional: false,
            single: true,
            gathers: false,
        }
    }

    pub const fn optional(name: &'static str, accepts: &'static [&'static str]) -> Self {
        Self {
            name,
            accepts,
            optional: true,
            single: true,
            gathers: false,
        }
    }

    pub const fn gathering(name: &'static str, accepts: &'static [&'static str]) -> Self {
        Self {
            name,
            accepts,
            optional: false,
            single: false,
            gathers: true,
        }
    }
}

/// A named, typed output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Some stages leave the name to the user.
    pub name: Cow<'static, str>,
    /// Artifact type: what ports match on.
    pub artifact: &'static str,
    /// A small JSON document whose content may feed a setting of another stage.
    pub value: bool,
    /// May be missing from a finished action (labels of a data set that has none).
    pub optional: bool,
    /// Fields of a JSON document or columns of a history, each with its meaning; `share_K` stands for `share_0`, `share_1`
    /// and so on. Where they are told, a metric has to be one of them.
    pub fields: &'static [(&'static str, &'static str)],
}

impl Output {
    pub const fn file(name: &'static str, artifact: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            artifact,
            value: false,
            optional: false,
            fields: &[],
        }
    }

    pub const fn value(name: &'static str, artifact: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            artifact,
            value: true,
            optional: false,
            fields: &[],
        }
    }

    pub const fn optional(name: &'static str, artifact: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            artifact,
            value: false,
            optional: true,
            fields: &[],
        }
    }

    pub const fn holding(mut self, fields: &'static [(&'static str, &'static str)]) -> Self {
        self.fields = fields;
        self
    }

    /// Whether a field or column may have this name.
    pub fn may_hold(&self, name: &str) -> bool {
        let is = |told: &str| match told.strip_suffix("_K") {
            Some(stem) => name
                .strip_prefix(stem)
                .and_then(|rest| rest.strip_prefix('_'))
                .is_some_and(|k| !k.is_empty() && k.bytes().all(|byte| byte.is_ascii_digit())),
            None => told == name,
        };
        self.fields.is_empty() || self.fields.iter().any(|(told, _)| is(told))
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
