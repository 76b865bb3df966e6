//! From a node to the key of its action, once its inputs are known.

use super::{Input, Node, NodeId, Plan, Source};
use crate::digest::Digest;
use crate::key::{ActionKey, Gathered, InputKey, SCHEMA, seed_text};
use crate::spec::schema::Schema;
use crate::stage::{Connected, Folders, Registry, Stage};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// What is known of outputs, asked by [`Plan::resolve`].
pub trait Finished {
    fn output(&self, node: NodeId, output: &str) -> Found;
}

/// What a [`Finished`] knows of one output.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// The action has not finished, or its own key is not known yet.
    NotYet,
    /// The action has finished without this (optional) output.
    Missing,
    Here(FinishedOutput),
}

/// An output that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedOutput {
    pub digest: Digest,
    /// The JSON document; wanted for outputs that are values only.
    pub value: Option<Value>,
}

/// Whether an action can be named.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "taken apart at once, never kept")]
pub enum Resolution {
    Ready {
        key: ActionKey,
        /// Complete settings, of which the key holds the part that bears meaning.
        settings: Value,
    },
    /// Inputs still to come: port or setting, and the stage that makes it.
    Waiting { on: Vec<(String, String)> },
}

/// Why an action can never be named as things are.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ResolveError {
    #[error(
        "stage `{stage}` needs `{from}.{output}` as `{input}`, but `{from}` finished without it (a data set without labels, say); use another data set or leave the stage out"
    )]
    MissingOutput {
        stage: String,
        input: String,
        from: String,
        output: String,
    },
    #[error("stage `{stage}`: the value `{from}` found for `{setting}` does not fit: {message}")]
    BadValue {
        stage: String,
        setting: String,
        from: String,
        message: String,
    },
    #[error("stage `{stage}`: {message}")]
    Settings { stage: String, message: String },
    #[error("stage `{stage}`: {message}")]
    Sources { stage: String, message: String },
    #[error("stage `{stage}` is of kind `{kind}`, which this build does not have")]
    UnknownKind { stage: String, kind: String },
}

impl Plan {
    /// The key of a node's action, or what it waits for. `data` is the folder of the user's data sets.
    pub fn resolve(
        &self,
        node: NodeId,
        registry: &Registry,
        data: &Path,
        finished: &dyn Finished,
    ) -> Result<Resolution, ResolveError> {
        let node = &self.graph[node];
        let stage = registry.get(&node.kind).ok_or_else(|| ResolveError::UnknownKind {
            stage: node.stage.clone(),
            kind: node.kind.clone(),
        })?;
        let mut asking = Asking {
            plan: self,
            node,
            finished,
            waiting: Vec::new(),
        };
        let mut inputs = BTreeMap::new();
        let mut fed = Vec::new();
        for input in &node.inputs {
            match input {
                Input::Port { port, from } => {
                    let found = asking.ask(port, from)?;
                    inputs.extend(found.map(|found| (port.clone(), InputKey::One(found.digest))));
                }
                Input::Setting { setting, from } => {
                    let found = asking.ask(setting, from)?;
                    fed.extend(found.map(|found| (setting.as_str(), from, found.value)));
                }
                Input::Gather { port, members } => {
                    let mut gathered = Vec::with_capacity(members.len());
                    for (axes, from) in members {
                        let found = asking.ask(port, from)?;
                        gathered.extend(found.map(|found| Gathered {
                            axes: axes.clone(),
                            digest: found.digest,
                        }));
                    }
                    inputs.insert(port.clone(), InputKey::Gathered(gathered));
                }
            }
        }
        if !asking.waiting.is_empty() {
            asking.waiting.dedup();
            return Ok(Resolution::Waiting { on: asking.waiting });
        }
        let config = self.config(node, stage, &fed)?;
        let folders = Folders {
            data,
            project: &self.project,
        };
        let trouble = |message| ResolveError::Sources {
            stage: node.stage.clone(),
            message,
        };
        let key = key_of(stage, &config, node.seed, inputs, folders).map_err(trouble)?;
        Ok(Resolution::Ready { key, settings: config })
    }

    /// Complete settings, with the values that other stages found.
    fn config(
        &self,
        node: &Node,
        stage: &Stage,
        fed: &[(&str, &Source, Option<Value>)],
    ) -> Result<Value, ResolveError> {
        let wrong = |message| ResolveError::Settings {
            stage: node.stage.clone(),
            message,
        };
        let mut settings = Cow::Borrowed(&*node.settings);
        for (setting, from, value) in fed {
            let bad = |message: String| ResolveError::BadValue {
                stage: node.stage.clone(),
                setting: (*setting).to_owned(),
                from: format!("{}.{}", self.graph[from.node].stage, from.output),
                message,
            };
            let value = value.clone().ok_or_else(|| bad("its content is not at hand".into()))?;
            settings.to_mut()[*setting] = value;
            // One by one, so that the message names the stage whose value it is.
            let schema = Schema::new(stage).map_err(wrong)?;
            let misfits = schema.misfits(&settings, &[]);
            if let Some(misfit) = misfits
                .iter()
                .find(|m| m.path.first().is_some_and(|first| first == setting))
            {
                return Err(bad(misfit.message.clone()));
            }
        }
        let normalised = (stage.settings.normalise)(&settings).map_err(wrong)?;
        // Settings that were complete from the start have been checked with the spec.
        if !fed.is_empty() {
            let ports = node
                .inputs
                .iter()
                .filter(|input| !matches!(input, Input::Setting { .. }));
            let ports = ports.map(|input| (input.name(), matches!(input, Input::Gather { .. })));
            (stage.check)(&normalised, &Connected(ports.collect())).map_err(|unfit| wrong(unfit.to_string()))?;
        }
        Ok(normalised)
    }
}

/// The key of a stage kind under complete settings; the error says which external file is amiss.
pub(crate) fn key_of(
    stage: &Stage,
    config: &Value,
    seed: Option<u64>,
    inputs: BTreeMap<String, InputKey>,
    folders: Folders<'_>,
) -> Result<ActionKey, String> {
    Ok(ActionKey {
        schema: SCHEMA,
        stage: stage.kind.to_owned(),
        version: stage.version,
        seed: seed.map(seed_text),
        inputs,
        sources: (stage.sources)(config, folders)?,
        outputs: (stage.outputs)(config)
            .iter()
            .map(|o| (o.name.to_string(), o.artifact.to_owned()))
            .collect(),
        config: (stage.settings.keyed)(config),
    })
}

struct Asking<'a> {
    plan: &'a Plan,
    node: &'a Node,
    finished: &'a dyn Finished,
    waiting: Vec<(String, String)>,
}

impl Asking<'_> {
    fn ask(&mut self, input: &str, from: &Source) -> Result<Option<FinishedOutput>, ResolveError> {
        let producer = &self.plan.graph[from.node].stage;
        match self.finished.output(from.node, &from.output) {
            Found::Here(output) => Ok(Some(output)),
            Found::NotYet => {
                self.waiting.push((input.to_owned(), producer.clone()));
                Ok(None)
            }
            Found::Missing => Err(ResolveError::MissingOutput {
                stage: self.node.stage.clone(),
                input: input.to_owned(),
                from: producer.clone(),
                output: from.output.clone(),
            }),
        }
    }
}
