//! `single_linkage`: the costly part of `hdbscan`, once for any number of clusterings of the same points.

use crate::artifact;
use crate::declare::{never, no_rules, no_sources, settings};
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 1;

/// Settings of `single_linkage`: those that decide the tree, named as the hdbscan package names them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SingleLinkage {
    /// A point's core distance is its distance to the `min_samples`-th *other* point (hdbscan's convention; scikit-learn
    /// counts the point itself).
    #[schemars(range(min = 1))]
    pub min_samples: u64,
    /// Distances are divided by this before they are compared with core distances.
    #[serde(default = "alpha")]
    #[schemars(range(min = 0.0))]
    pub alpha: f64,
}

fn alpha() -> f64 {
    1.0
}

pub fn stage() -> Stage {
    Stage {
        kind: "single_linkage",
        version: VERSION,
        summary: "The single-linkage tree of mutual reachability distances, which several `hdbscan` stages can share.",
        inputs: vec![Port::one("points", &[artifact::POINTS, artifact::FEATURES])],
        outputs: |_| vec![Output::file("linkage", artifact::LINKAGE)],
        settings: settings::<SingleLinkage>(),
        draws: never,
        check: no_rules,
        sources: no_sources,
        accelerated: never,
    }
}
