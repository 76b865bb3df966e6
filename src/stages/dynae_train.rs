//! `dynae_train`: an autoencoder whose reconstruction gives way to clustering row by row (DynAE's second phase).

use crate::artifact;
use crate::augment::Augment;
use crate::declare::{always, no_rules, no_sources, settings, trained};
use crate::measured;
use moelab_engine::stage::{Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 1;

/// Settings of `dynae_train`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DynaeTrain {
    /// κ: a row is confident where its greatest soft assignment exceeds κ / K, and the second greatest by κ / 2K.
    #[schemars(range(min = 0.0))]
    pub kappa: f64,
    /// γ: weight of the mean square to the target image beside that to the target code. The paper has 1; with it the code
    /// wins in these networks, and on the digits the clusters merge.
    #[schemars(range(min = 0.0))]
    pub reconstruction_weight: f64,
    /// Steps between two counts of the rows that are not confident. Where they have not become fewer, centres are found
    /// anew and the thresholds fall.
    #[schemars(range(min = 1))]
    pub update_interval: u64,
    /// Training ends with the epoch in which a smaller share of rows is not confident; 0: never.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub tolerance: f64,
    #[schemars(range(min = 1))]
    pub epochs: u64,
    #[schemars(range(min = 2))]
    pub batch_size: u64,
    #[schemars(range(min = 0.0))]
    pub learning_rate: f64,
    /// Changes of the images that are encoded; targets come from the images as they are.
    pub augment: Augment,
}

impl Default for DynaeTrain {
    fn default() -> Self {
        Self {
            kappa: 3.0,
            reconstruction_weight: 100.0,
            update_interval: 2800,
            tolerance: 0.01,
            epochs: 500,
            batch_size: 256,
            learning_rate: 1e-3,
            augment: Augment::default(),
        }
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "dynae_train",
        version: VERSION,
        summary: "Draws confident rows to the centre of their cluster, and its image, while the others reconstruct (DynAE).",
        inputs: vec![
            Port::one("images", &[artifact::IMAGES]),
            Port::one("model", &[artifact::MODEL]),
            // Centres start at the codes nearest to the means of these clusters' codes.
            Port::one("clusters", &[artifact::CLUSTERS]),
        ],
        outputs: |_| trained(measured::OF_DYNAE, measured::CURVES_OF_DYNAE),
        settings: settings::<DynaeTrain>(),
        draws: always,
        check: no_rules,
        sources: no_sources,
        accelerated: always,
    }
}
