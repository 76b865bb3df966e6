//! `pretrain_vae`: trains an autoencoder on all images.

use crate::artifact;
use crate::augment::Augment;
use crate::declare::{always, no_rules, no_sources, settings};
use crate::measured;
use crate::network::{Reconstruction, Reduction, Variant};
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 1;

/// Settings of `pretrain_vae`. Defaults are the thesis' where it states them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PretrainVae {
    pub variant: Variant,
    /// Size of the latent code.
    #[schemars(range(min = 1, max = 4096))]
    pub latent_dim: u64,
    /// Channels of the first block; every further block doubles them, up to 512.
    #[schemars(range(min = 1, max = 512))]
    pub filters: u64,
    #[schemars(range(min = 1))]
    pub epochs: u64,
    /// Rows per step; a last batch that is smaller is left out of its epoch.
    #[schemars(range(min = 2))]
    pub batch_size: u64,
    #[schemars(range(min = 0.0))]
    pub learning_rate: f64,
    pub reconstruction: Reconstruction,
    pub reduction: Reduction,
    /// Weight of the KL divergence (vae) or of the maximum mean discrepancy (wae).
    #[schemars(range(min = 0.0))]
    pub kl_weight: f64,
    /// Weight of the L1 norm of the code (ae, wae): lets unused units fall silent, so that a latent size can be found.
    #[schemars(range(min = 0.0))]
    pub l1_weight: f64,
    pub augment: Augment,
}

impl Default for PretrainVae {
    fn default() -> Self {
        Self {
            variant: Variant::Vae,
            latent_dim: 100,
            filters: 32,
            epochs: 1000,
            batch_size: 100,
            learning_rate: 5e-4,
            reconstruction: Reconstruction::Bce,
            reduction: Reduction::Sum,
            kl_weight: 1.0,
            l1_weight: 0.0,
            augment: Augment::default(),
        }
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "pretrain_vae",
        version: VERSION,
        summary: "Trains a convolutional autoencoder (VAE, AE or WAE) whose depth follows from the image size.",
        inputs: vec![Port::one("images", &[artifact::IMAGES])],
        outputs: |_| {
            vec![
                Output::file("model", artifact::MODEL),
                Output::file("history", artifact::HISTORY).holding(measured::CURVES_OF_AUTOENCODER),
            ]
        },
        settings: settings::<PretrainVae>(),
        draws: always,
        check: no_rules,
        sources: no_sources,
        accelerated: always,
    }
}
