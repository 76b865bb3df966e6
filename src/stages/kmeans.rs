//! `kmeans`: k-means with a given K, in the place of `hdbscan`.

use crate::artifact;
use crate::declare::{always, never, no_rules, no_sources, settings};
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 1;

/// Settings of `kmeans`, named as scikit-learn names them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kmeans {
    #[schemars(range(min = 1))]
    pub n_clusters: u64,
    /// Restarts with fresh k-means++ centres; the least inertia wins.
    #[serde(default = "n_init")]
    #[schemars(range(min = 1, max = 10_000))]
    pub n_init: u64,
    #[serde(default = "max_iter")]
    #[schemars(range(min = 1))]
    pub max_iter: u64,
}

fn n_init() -> u64 {
    10
}

fn max_iter() -> u64 {
    300
}

pub fn stage() -> Stage {
    Stage {
        kind: "kmeans",
        version: VERSION,
        summary: "k-means++ with restarts for a given number of clusters.",
        inputs: vec![Port::one("points", &[artifact::POINTS, artifact::FEATURES])],
        outputs: |_| vec![Output::file("clusters", artifact::CLUSTERS)],
        settings: settings::<Kmeans>(),
        draws: always,
        check: no_rules,
        sources: no_sources,
        accelerated: never,
    }
}
