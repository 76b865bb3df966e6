//! `select`: picks one of several clusterings by a score that needs no labels.

use crate::artifact;
use crate::declare::{never, no_sources, settings, typed};
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 3;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Select {
    pub by: Score,
}

/// The label-free score. Ties go to the candidate with more labelled rows, then to the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// The number of clusters most candidates agree on; among those, the greatest mean adjusted Rand index.
    Plateau,
    /// The greatest mean adjusted Rand index against the other candidates.
    Agreement,
    /// The greatest density-based validity (DBCV) on `points`.
    Dbcv,
}

impl Default for Select {
    fn default() -> Self {
        Self { by: Score::Plateau }
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "select",
        version: VERSION,
        summary: "Picks one of several clusterings by a label-free score.",
        inputs: vec![
            Port::gathering("candidates", &[artifact::CLUSTERS]),
            // One set for all candidates, or gathered: those of several embeddings are judged each on its own.
            Port {
                optional: true,
                single: true,
                ..Port::gathering("points", &[artifact::POINTS, artifact::FEATURES])
            },
        ],
        outputs: |_| {
            vec![
                Output::file("clusters", artifact::CLUSTERS),
                Output::file("report", artifact::REPORT),
            ]
        },
        settings: settings::<Select>(),
        draws: never,
        check: |settings, ports| match (typed::<Select>(settings).by, ports.has("points")) {
            (Score::Dbcv, false) => Err("`by: dbcv` needs the input `points`".into()),
            (Score::Plateau | Score::Agreement, true) => Err("the input `points` is used with `by: dbcv` only".into()),
            _ => Ok(()),
        },
        sources: no_sources,
        accelerated: never,
    }
}
