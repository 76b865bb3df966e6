//! `evaluate`: scores clusters or assignments against labels. The only stage that reads labels.
//!
//! `acc` is the clustering accuracy: clusters are matched to classes one to one (Hungarian). `acc_representative` is another
//! rule, in which a cluster takes the class of the row with its greatest membership and many clusters may share one. The
//! two are never comparable.

use crate::artifact;
use crate::declare::{never, no_rules, no_sources, settings};
use crate::measured;
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 5;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Evaluate {
    /// What the headline `acc`, `nmi`, `ari`, `ami` do with noise; `acc` by all three conventions stands beside them.
    pub noise: Noise,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// A noise row goes to the cluster of its greatest soft membership.
    Assign,
    /// Only labelled rows are scored; `labelled` says how many.
    Exclude,
    /// A noise row counts as wrong.
    Wrong,
}

impl Default for Evaluate {
    fn default() -> Self {
        Self { noise: Noise::Assign }
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "evaluate",
        version: VERSION,
        summary: "Clustering accuracy, NMI, ARI, AMI and the confusion matrix against labels; accuracy by representatives.",
        inputs: vec![
            Port::one("assignments", &[artifact::ASSIGNMENTS, artifact::CLUSTERS]),
            Port::one("labels", &[artifact::LABELS]),
            // What was clustered: how well the classes lie apart in it is reported too.
            Port::optional("points", &[artifact::POINTS, artifact::FEATURES]),
        ],
        outputs: |_| {
            vec![
                Output::value("metrics", artifact::METRICS).holding(measured::OF_EVALUATION),
                Output::file("confusion", artifact::CONFUSION),
            ]
        },
        settings: settings::<Evaluate>(),
        draws: never,
        check: no_rules,
        sources: no_sources,
        accelerated: never,
    }
}
