//! `dec_train`: moves an autoencoder's codes towards cluster centres (DEC, IDEC; with augmentation DEC-DA, IDEC-DA).

use crate::artifact;
use crate::augment::Augment;
use crate::declare::{always, no_rules, no_sources, settings, trained};
use crate::measured;
use crate::network::{Reconstruction, Reduction};
use moelab_engine::stage::{Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 1;

/// Settings of `dec_train`. The defaults are DEC's; `reconstruction_weight` above 0 makes it IDEC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DecTrain {
    /// Weight of KL(P ‖ Q), the targets against the soft assignments.
    #[schemars(range(min = 0.0))]
    pub clustering_weight: f64,
    /// Weight of the reconstruction. 0: the decoder stays as it is.
    #[schemars(range(min = 0.0))]
    pub reconstruction_weight: f64,
    pub reconstruction: Reconstruction,
    pub reduction: Reduction,
    /// Steps between two refreshes of the targets, which are found on all images as they are.
    #[schemars(range(min = 1))]
    pub update_interval: u64,
    /// Training ends with the epoch whose last refresh changes the cluster of a smaller share of rows; 0: never.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub tolerance: f64,
    #[schemars(range(min = 1))]
    pub epochs: u64,
    #[schemars(range(min = 2))]
    pub batch_size: u64,
    #[schemars(range(min = 0.0))]
    pub learning_rate: f64,
    /// Changes of the images that are assigned, none unless given; targets come from the images as they are. What a mapping
    /// leaves out has the values below.
    pub augment: Augment,
}

impl Default for DecTrain {
    fn default() -> Self {
        Self {
            clustering_weight: 1.0,
            reconstruction_weight: 0.0,
            reconstruction: Reconstruction::Mse,
            reduction: Reduction::Mean,
            update_interval: 140,
            tolerance: 0.001,
            epochs: 75,
            batch_size: 256,
            learning_rate: 1e-3,
            augment: Augment::off(),
        }
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "dec_train",
        version: VERSION,
        summary: "Moves an autoencoder's codes towards cluster centres (DEC), with its decoder (IDEC).",
        inputs: vec![
            Port::one("images", &[artifact::IMAGES]),
            Port::one("model", &[artifact::MODEL]),
            // Centres start at the means of these clusters' codes.
            Port::one("clusters", &[artifact::CLUSTERS]),
        ],
        outputs: |_| trained(measured::OF_DEC, measured::CURVES_OF_DEC),
        settings: settings::<DecTrain>(),
        draws: always,
        check: no_rules,
        sources: no_sources,
        accelerated: always,
    }
}
