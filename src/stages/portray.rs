//! `portray`: pictures of what each expert of a mixture has learnt.

use crate::artifact;
use crate::declare::{always, no_rules, no_sources, settings};
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Portray {
    /// Generated images per expert.
    #[schemars(range(min = 1, max = 100))]
    pub samples: u64,
    /// Latent units walked along per expert: those that vary most over its images.
    #[schemars(range(min = 1, max = 100))]
    pub units: u64,
    /// Images of one walk, from −`reach` to `reach` standard deviations.
    #[schemars(range(min = 2, max = 100))]
    pub steps: u64,
    #[schemars(range(min = 0.0))]
    pub reach: f64,
}

impl Default for Portray {
    fn default() -> Self {
        Self {
            samples: 12,
            units: 2,
            steps: 11,
            reach: 2.5,
        }
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "portray",
        version: VERSION,
        summary: "Draws what each expert has learnt: an empty image, samples, latent walks, others' images.",
        inputs: vec![
            Port::one("images", &[artifact::IMAGES]),
            Port::one("model", &[artifact::MODEL]),
        ],
        outputs: |_| {
            vec![
                // The all-ones image through every expert, a column each.
                Output::file("ones", artifact::PICTURE),
                // Decoded draws from the prior (from the codes' spread where there is none), a row per expert.
                Output::file("samples", artifact::PICTURE),
                // A row per walk, `units` rows per expert.
                Output::file("walks", artifact::PICTURE),
                // Each expert's most certain image (first row) as every expert gives it back (a row each).
                Output::file("exchange", artifact::PICTURE),
            ]
        },
        settings: settings::<Portray>(),
        draws: always,
        check: no_rules,
        sources: no_sources,
        accelerated: always,
    }
}
