//! `vade_train`: a variational autoencoder whose prior is a mixture of Gaussians (VaDE).

use crate::artifact;
use crate::augment::Augment;
use crate::declare::{always, no_rules, no_sources, settings, trained};
use crate::measured;
use crate::network::Reconstruction;
use moelab_engine::stage::{Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 1;

/// Settings of `vade_train`. The objective is the ELBO in nats: pixels are summed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VadeTrain {
    pub reconstruction: Reconstruction,
    /// Variance of the posterior that a plain autoencoder starts with, as a share of the clusters' mean variance.
    #[schemars(range(min = 1e-4, max = 1.0))]
    pub posterior_share: f64,
    #[schemars(range(min = 1))]
    pub epochs: u64,
    #[schemars(range(min = 2))]
    pub batch_size: u64,
    #[schemars(range(min = 0.0))]
    pub learning_rate: f64,
    /// Changes of the training images, none unless given. What a mapping leaves out has the values below.
    pub augment: Augment,
}

impl Default for VadeTrain {
    fn default() -> Self {
        Self {
            reconstruction: Reconstruction::Bce,
            posterior_share: 0.1,
            epochs: 300,
            batch_size: 100,
            learning_rate: 5e-4,
            augment: Augment::off(),
        }
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "vade_train",
        version: VERSION,
        summary: "Trains a variational autoencoder whose prior is a mixture of Gaussians (VaDE).",
        inputs: vec![
            Port::one("images", &[artifact::IMAGES]),
            Port::one("model", &[artifact::MODEL]),
            // The mixture starts with the shares, means and variances of these clusters' codes.
            Port::one("clusters", &[artifact::CLUSTERS]),
        ],
        outputs: |_| trained(measured::OF_CLUSTERED, measured::CURVES_OF_VADE),
        settings: settings::<VadeTrain>(),
        draws: always,
        check: no_rules,
        sources: no_sources,
        accelerated: always,
    }
}
