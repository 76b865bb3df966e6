//! `moe_train`: trains the experts and the manager together.

use crate::artifact;
use crate::augment::Augment;
use crate::declare::{always, no_sources, settings, trained, typed};
use crate::measured;
use crate::network::{Reconstruction, Reduction, Variant};
use moelab_engine::stage::{Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 4;

/// Settings of `moe_train`: L = R + α S + β B with R = mean over rows of Σ_k p_k d_k, S the mean entropy of a row's p, and
/// B the negative entropy of the batch mean of p.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MoeTrain {
    /// Variant of the experts.
    pub variant: Variant,
    /// Latent size of every expert, or one number for all of them.
    pub latent_dims: LatentDims,
    /// Number of experts, where neither a manager nor a list of latent sizes says it.
    #[schemars(range(min = 1, max = 10_000))]
    pub n_experts: Option<u64>,
    #[schemars(range(min = 1, max = 512))]
    pub filters: u64,
    /// Weight of the sample entropy.
    #[schemars(range(min = 0.0))]
    pub alpha: f64,
    /// Weight of the negative batch entropy.
    #[schemars(range(min = 0.0))]
    pub beta: f64,
    /// Share of the training over which the manager's learning rate grows linearly from 0 to its full value. Experts start
    /// from random weights, and what they cost says nothing yet about who should have which image.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub ramp: f64,
    #[schemars(range(min = 1))]
    pub epochs: u64,
    #[schemars(range(min = 2))]
    pub batch_size: u64,
    #[schemars(range(min = 0.0))]
    pub learning_rate: f64,
    pub reconstruction: Reconstruction,
    pub reduction: Reduction,
    /// Weight of the experts' KL divergence (vae) or maximum mean discrepancy (wae) within d.
    #[schemars(range(min = 0.0))]
    pub kl_weight: f64,
    pub augment: Augment,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum LatentDims {
    All(#[schemars(range(min = 1))] u64),
    Each(#[schemars(length(min = 1), inner(range(min = 1)))] Vec<u64>),
}

impl Default for MoeTrain {
    fn default() -> Self {
        Self {
            variant: Variant::Vae,
            latent_dims: LatentDims::All(10),
            n_experts: None,
            filters: 32,
            alpha: 100.0,
            beta: 1.0,
            ramp: 0.1,
            epochs: 100,
            batch_size: 100,
            learning_rate: 1e-4,
            reconstruction: Reconstruction::Bce,
            reduction: Reduction::Sum,
            kl_weight: 1.0,
            augment: Augment::default(),
        }
    }
}

pub fn stage() -> Stage {
    Stage {
        kind: "moe_train",
        version: VERSION,
        summary: "Trains K expert autoencoders and the manager jointly (the mixture of experts).",
        inputs: vec![
            Port::one("images", &[artifact::IMAGES]),
            Port::optional("manager", &[artifact::MANAGER]),
        ],
        outputs: |_| trained(measured::OF_MIXTURE, measured::CURVES_OF_MIXTURE),
        settings: settings::<MoeTrain>(),
        draws: always,
        check: |settings, ports| {
            let moe: MoeTrain = typed(settings);
            let counted = matches!(moe.latent_dims, LatentDims::Each(_)) || moe.n_experts.is_some();
            if !counted && !ports.has("manager") {
                return Err(
                    "the number of experts is unknown: give `manager`, a list of `latent_dims`, or `n_experts`".into(),
                );
            }
            Ok(())
        },
        sources: no_sources,
        accelerated: always,
    }
}
