//! `best_restart`: of several trainings of one mixture, the one with the greatest evidence.

use crate::artifact;
use crate::declare::{never, no_rules, no_sources, settings};
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 1;

/// `best_restart` has no settings: the evidence of a training is the mean over rows of log Σ_k exp(−cost_k), the objective
/// of a mixture with uniform weights at its best responsibilities, with costs at the posterior means (an E-step draws codes
/// instead). It needs no labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BestRestart {}

pub fn stage() -> Stage {
    Stage {
        kind: "best_restart",
        version: VERSION,
        summary: "Takes the training with the greatest evidence.",
        inputs: vec![
            Port::gathering("candidates", &[artifact::ASSIGNMENTS]),
            // What the same trainings say of other images: then the best one's answer on those is taken.
            Port {
                optional: true,
                ..Port::gathering("held_out", &[artifact::ASSIGNMENTS])
            },
        ],
        outputs: |_| {
            vec![
                Output::file("assignments", artifact::ASSIGNMENTS),
                Output::file("report", artifact::REPORT),
            ]
        },
        settings: settings::<BestRestart>(),
        draws: never,
        check: no_rules,
        sources: no_sources,
        accelerated: never,
    }
}
