//! `latent_finder`: how many latent dimensions the data need.

use crate::artifact;
use crate::declare::{always, never, no_sources, settings, typed};
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 7;

/// Settings of `latent_finder`: PCA (centred, not rescaled) of posterior means on clean images; the smallest number of
/// components whose cumulative explained variance reaches `variance`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LatentFinder {
    /// Share of the variance to keep: 0.90 for clustering, 0.95 for experts in the thesis.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub variance: f64,
    /// One number for all data, or one per cluster (noise left out).
    pub per: Per,
    /// The least number given.
    #[schemars(range(min = 1))]
    pub floor: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    All,
    Cluster,
}

impl Default for LatentFinder {
    fn default() -> Self {
        Self {
            variance: 0.90,
            per: Per::All,
            floor: 2,
        }
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "latent_finder",
        version: VERSION,
        summary: "Finds the latent size from the explained variance of the posterior means.",
        inputs: vec![
            Port::one("images", &[artifact::IMAGES]),
            Port::one("model", &[artifact::MODEL]),
            Port::optional("clusters", &[artifact::CLUSTERS, artifact::ASSIGNMENTS]),
        ],
        outputs: |_| {
            vec![
                Output::value("latent_dim", artifact::LATENT_DIM),
                Output::file("spectrum", artifact::SPECTRUM),
            ]
        },
        settings: settings::<LatentFinder>(),
        draws: never,
        check: |settings, ports| match (typed::<LatentFinder>(settings).per, ports.has("clusters")) {
            (Per::Cluster, false) => Err("`per: cluster` needs the input `clusters`".into()),
            (Per::All, true) => Err("the input `clusters` is used with `per: cluster` only".into()),
            _ => Ok(()),
        },
        sources: no_sources,
        accelerated: always,
    }
}
