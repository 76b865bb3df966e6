//! `walk`: one cluster's images along one latent unit.

use crate::artifact;
use crate::declare::{always, never, no_rules, no_sources, settings};
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Walk {
    /// Whose images, from 0; of a model without clusters 0.
    pub cluster: u64,
    /// The latent unit, from 0; the one that varies most over the cluster's images if left out.
    pub dim: Option<u64>,
    /// Images, from −`reach` to `reach` standard deviations.
    #[schemars(range(min = 2, max = 100))]
    pub steps: u64,
    #[schemars(range(min = 0.0))]
    pub reach: f64,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            cluster: 0,
            dim: None,
            steps: 11,
            reach: 2.5,
        }
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "walk",
        version: VERSION,
        summary: "Decodes codes along one latent unit, through the mean of a cluster's codes.",
        inputs: vec![
            Port::one("images", &[artifact::IMAGES]),
            Port::one("model", &[artifact::MODEL]),
        ],
        outputs: |_| {
            vec![
                Output::file("images", artifact::IMAGES),
                // The same in a row.
                Output::file("picture", artifact::PICTURE),
            ]
        },
        settings: settings::<Walk>(),
        draws: never,
        check: no_rules,
        sources: no_sources,
        accelerated: always,
    }
}
