//! `moa_train`: a gate and its autoencoders, trained together from nothing (MoA and MoA+).

use crate::artifact;
use crate::augment::Augment;
use crate::declare::{always, no_rules, no_sources, settings};
use crate::network::{Reconstruction, Reduction, Variant};
use moelab_engine::stage::{Output, Port, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 1;

/// Settings of `moa_train`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoaTrain {
    #[schemars(range(min = 1, max = 10_000))]
    pub n_experts: u64,
    #[serde(default)]
    pub objective: Objective,
    /// Added to the diagonal of Γ: a gate that tells no rows apart has a singular one. Minimax objectives only.
    #[serde(default = "ridge")]
    #[schemars(range(min = 0.0))]
    pub ridge: f64,
    #[serde(default = "variant")]
    pub variant: Variant,
    /// Latent size of every expert.
    #[serde(default = "latent_dim")]
    #[schemars(range(min = 1, max = 4096))]
    pub latent_dim: u64,
    #[serde(default = "filters")]
    #[schemars(range(min = 1, max = 512))]
    pub filters: u64,
    #[serde(default = "epochs")]
    #[schemars(range(min = 1))]
    pub epochs: u64,
    #[serde(default = "batch_size")]
    #[schemars(range(min = 2))]
    pub batch_size: u64,
    #[serde(default = "learning_rate")]
    #[schemars(range(min = 0.0))]
    pub learning_rate: f64,
    #[serde(default = "reconstruction")]
    pub reconstruction: Reconstruction,
    #[serde(default = "reduction")]
    pub reduction: Reduction,
    /// Weight of the experts' KL divergence (vae) or maximum mean discrepancy (wae).
    #[serde(default = "kl_weight")]
    #[schemars(range(min = 0.0))]
    pub kl_weight: f64,
    #[serde(default = "Augment::off")]
    pub augment: Augment,
}

/// How the experts' costs E [n, M] are put together under the gate's shares P [n, M]. Γ = Pᵀ P / n, S = Pᵀ E / n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// MoA: the mean over rows of Σ_k p_k e_k. Large clusters rule.
    Weighted,
    /// MoA+: ‖Γ⁻¹‖_F · √(Σ_k S_kk²). It bounds the exact form for two experts, hardens the gate and balances it.
    #[default]
    MinimaxBound,
    /// trace(Γ⁻¹ S), the costs under the minimax weights P Γ⁻¹ themselves. Weights may be negative, and the value too.
    MinimaxExact,
}

fn ridge() -> f64 {
    0.01
}

fn variant() -> Variant {
    Variant::Ae
}

fn latent_dim() -> u64 {
    10
}

fn filters() -> u64 {
    16
}

fn epochs() -> u64 {
    30
}

fn batch_size() -> u64 {
    256
}

fn learning_rate() -> f64 {
    1e-3
}

fn reconstruction() -> Reconstruction {
    Reconstruction::Mse
}

fn reduction() -> Reduction {
    Reduction::Mean
}

fn kl_weight() -> f64 {
    1.0
}

pub fn stage() -> Stage {
    Stage {
        kind: "moa_train",
        version: VERSION,
        summary: "Trains a gate and its autoencoders together (MoA), under minimax weights (MoA+).",
        inputs: vec![
            Port::one("images", &[artifact::IMAGES]),
            // A gate to start from; absent: random weights.
            Port::optional("manager", &[artifact::MANAGER]),
        ],
        outputs: |_| {
            vec![
                Output::file("model", artifact::MODEL),
                Output::file("assignments", artifact::ASSIGNMENTS),
                Output::file("history", artifact::HISTORY),
                Output::value("metrics", artifact::METRICS),
            ]
        },
        settings: settings::<MoaTrain>(),
        draws: always,
        check: no_rules,
        sources: no_sources,
        accelerated: always,
    }
}
