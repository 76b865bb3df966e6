//! `generate`: new images of one cluster.

use crate::artifact;
use crate::declare::{always, no_rules, no_sources, settings};
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Generate {
    /// Whose images, from 0; of a model without clusters 0.
    pub cluster: u64,
    /// How many.
    #[schemars(range(min = 1, max = 100_000))]
    pub count: u64,
}

impl Default for Generate {
    fn default() -> Self {
        Self { cluster: 0, count: 16 }
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "generate",
        version: VERSION,
        summary: "Decodes draws from the prior of one cluster, or, where there is none, from where its codes lie.",
        inputs: vec![
            // Wanted where there is no prior.
            Port::optional("images", &[artifact::IMAGES]),
            Port::one("model", &[artifact::MODEL]),
        ],
        outputs: |_| {
            vec![
                Output::file("images", artifact::IMAGES),
                // The same in a grid.
                Output::file("picture", artifact::PICTURE),
            ]
        },
        settings: settings::<Generate>(),
        draws: always,
        check: no_rules,
        sources: no_sources,
        accelerated: always,
    }
}
