//! `gmm`: a Gaussian mixture with a given K, in the place of `hdbscan`.

use crate::artifact;
use crate::declare::{always, never, no_rules, no_sources, settings};
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 2;

/// Settings of `gmm`, named as scikit-learn names them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gmm {
    #[schemars(range(min = 1))]
    pub n_clusters: u64,
    /// Restarts from fresh k-means solutions; the greatest likelihood wins.
    #[serde(default = "n_init")]
    #[schemars(range(min = 1, max = 10_000))]
    pub n_init: u64,
    #[serde(default = "max_iter")]
    #[schemars(range(min = 1))]
    pub max_iter: u64,
    /// Added to the diagonal of every covariance.
    #[serde(default = "reg_covar")]
    #[schemars(range(min = 0.0))]
    pub reg_covar: f64,
}

fn n_init() -> u64 {
    1
}

fn max_iter() -> u64 {
    100
}

fn reg_covar() -> f64 {
    1e-6
}

pub fn stage() -> Stage {
    Stage {
        kind: "gmm",
        version: VERSION,
        summary: "A mixture of full-covariance Gaussians with a given number of components.",
        inputs: vec![Port::one("points", &[artifact::POINTS, artifact::FEATURES])],
        outputs: |_| vec![Output::file("clusters", artifact::CLUSTERS)],
        settings: settings::<Gmm>(),
        draws: always,
        check: no_rules,
        sources: no_sources,
        accelerated: never,
    }
}
