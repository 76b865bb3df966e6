//! `stability`: how much clusterings of the same rows agree, without labels.

use crate::artifact;
use crate::declare::{never, no_rules, no_sources, settings};
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 1;

/// `stability` has no settings: it reports, per candidate, K, the share labelled, and the mean adjusted Rand index
/// against the other candidates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Stability {}

pub fn stage() -> Stage {
    Stage {
        kind: "stability",
        version: VERSION,
        summary: "Reports K, the share labelled and the agreement of several clusterings of the same rows.",
        inputs: vec![Port::gathering("candidates", &[artifact::CLUSTERS])],
        outputs: |_| {
            vec![
                Output::file("report", artifact::REPORT),
                Output::value("metrics", artifact::METRICS),
            ]
        },
        settings: settings::<Stability>(),
        draws: never,
        check: no_rules,
        sources: no_sources,
        accelerated: never,
    }
}
