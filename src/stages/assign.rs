//! `assign`: what a trained mixture or manager says of images, also of those it has not seen.

use crate::artifact;
use crate::declare::{always, never, no_rules, no_sources, settings};
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 1;

/// `assign` has no settings: the model knows how it decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assign {}

pub fn stage() -> Stage {
    Stage {
        kind: "assign",
        version: VERSION,
        summary: "Assigns images, seen or unseen, to the experts of a trained model.",
        inputs: vec![
            Port::one("images", &[artifact::IMAGES]),
            Port::one("model", &[artifact::MODEL, artifact::MANAGER]),
        ],
        outputs: |_| vec![Output::file("assignments", artifact::ASSIGNMENTS)],
        settings: settings::<Assign>(),
        draws: never,
        check: no_rules,
        sources: no_sources,
        accelerated: always,
    }
}
