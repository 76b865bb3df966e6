//! `stability`: how much clusterings of the same rows agree, without labels.

use crate::artifact;
use crate::declare::{never, no_rules, no_sources, settings};
use crate::measured;
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 2;

/// `stability` has no settings: it reports, per candidate, K, the share labelled, the adjusted Rand index with every
/// candidate (`ari`, noise rows as clusters of their own) and its means over the others (`mean_ari`), over other settings at
/// the same seed (`ari_settings`) and over other seeds at the same settings (`ari_seeds`, both if candidates are gathered over
/// seeds). With `points` also the validity of each (`dbcv`; quadratic in the size of the clusters). A mean over nothing and
/// the validity of less than two clusters are missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Stability {}

pub fn stage() -> Stage {
    Stage {
        kind: "stability",
        version: VERSION,
        summary: "Reports K, the share labelled, the agreement and the validity of several clusterings of the same rows.",
        inputs: vec![
            Port::gathering("candidates", &[artifact::CLUSTERS]),
            // What the candidates cluster: one set for all, or gathered over those of their axes on which it depends.
            Port {
                optional: true,
                single: true,
                ..Port::gathering("points", &[artifact::POINTS, artifact::FEATURES])
            },
        ],
        outputs: |_| {
            vec![
                Output::file("report", artifact::REPORT),
                Output::value("metrics", artifact::METRICS).holding(measured::OF_STABILITY),
            ]
        },
        settings: settings::<Stability>(),
        draws: never,
        check: no_rules,
        sources: no_sources,
        accelerated: never,
    }
}
