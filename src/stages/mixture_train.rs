//! `mixture_train`: a mixture of autoencoders after one of the methods that the papers compare.

use crate::artifact;
use crate::augment::Augment;
use crate::declare::{always, no_sources, settings, trained, typed};
use crate::measured;
use crate::network::{Reconstruction, Reduction, Variant};
use moelab_engine::stage::{Misfit, Port, Stage, Unfit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const VERSION: u32 = 2;

/// Settings of `mixture_train`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MixtureTrain {
    pub method: Method,
    /// Number of experts, K; where a manager or clusters are connected, theirs.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10_000))]
    pub n_experts: Option<u64>,
    /// moa_plus, moa_plus_exact: added to the diagonal of Γ, since a gate that tells no rows apart has a singular one.
    #[serde(default = "ridge")]
    #[schemars(range(min = 0.0))]
    pub ridge: f64,
    /// mixae: weight of the sample entropy. MIXAE needs this or `beta`.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub alpha: f64,
    /// mixae: weight of the negative batch entropy.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub beta: f64,
    /// mixae: share of the training after which α begins to grow, linearly to its full weight at the end. Balance first,
    /// then hardness: the other order collapses.
    #[serde(default = "harden_after")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub harden_after: f64,
    /// damic, k_dae: so many of the epochs, fewer than all, learn the connected clusters, each expert its own.
    #[serde(default)]
    pub warm_up: u64,
    /// vae_em: epochs of one M-step.
    #[serde(default = "m_step_epochs")]
    #[schemars(range(min = 1))]
    pub m_step_epochs: u64,
    /// vae_em: draws of the latent code per row and expert in an E-step.
    #[serde(default = "samples")]
    #[schemars(range(min = 1, max = 1000))]
    pub samples: u64,
    /// vae_em: E-steps are softmax(ELBO / T), with T from here in the first down to 1 at half of them. 1 is no
    /// tempering: sums over pixels make u hard in the first E-step.
    #[serde(default = "temperature")]
    #[schemars(range(min = 1.0))]
    pub temperature: f64,
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
    /// Changes of the training images, none unless given. What a mapping leaves out has the values below.
    #[serde(default = "Augment::off")]
    pub augment: Augment,
}

/// How the experts' costs E [n, K] are put together. P [n, K] are the shares of a gate, Γ = Pᵀ P / n, S = Pᵀ E / n.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// MoA: the mean over rows of Σ_k p_k e_k. Large clusters rule.
    Moa,
    /// MoA+: ‖Γ⁻¹‖_F · √(Σ_k S_kk²). It bounds the exact form for two experts, hardens the gate and balances it.
    MoaPlus,
    /// trace(Γ⁻¹ S), the costs under the minimax weights P Γ⁻¹ themselves. Weights may be negative, and the value too.
    MoaPlusExact,
    /// MIXAE: as MoA, with entropies, and with a gate that sees the codes of all experts in place of the image.
    Mixae,
    /// DAMIC: −log Σ_k p_k exp(−e_k).
    Damic,
    /// k-DAE: min_k e_k, without a gate.
    KDae,
    /// VAE-EM: E- and M-steps, without a gate. Starts from random responsibilities, or from the connected clusters'.
    VaeEm,
}

impl Method {
    /// Whether a network looks at the image to choose an expert.
    pub fn has_manager(self) -> bool {
        !matches!(self, Self::Mixae | Self::KDae | Self::VaeEm)
    }

    /// Whether it can start from clusters.
    fn takes_clusters(self) -> bool {
        matches!(self, Self::Damic | Self::KDae | Self::VaeEm)
    }
}

fn harden_after() -> f64 {
    1.0 / 3.0
}

fn m_step_epochs() -> u64 {
    20
}

fn samples() -> u64 {
    10
}

fn temperature() -> f64 {
    1.0
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
        kind: "mixture_train",
        version: VERSION,
        summary: "Trains a mixture of autoencoders: MoA, MoA+, MIXAE, DAMIC, k-DAE or VAE-EM.",
        inputs: vec![
            Port::one("images", &[artifact::IMAGES]),
            // A gate to start from; absent: random weights.
            Port::optional("manager", &[artifact::MANAGER]),
            // Clusters to start from.
            Port::optional("clusters", &[artifact::CLUSTERS]),
        ],
        outputs: |_| trained(measured::OF_MIXTURE, measured::CURVES_OF_MIXTURE),
        settings: settings::<MixtureTrain>(),
        draws: always,
        check: |settings, ports| {
            let settings = typed::<MixtureTrain>(settings);
            let (manager, clusters) = (ports.has("manager"), ports.has("clusters"));
            if manager && !settings.method.has_manager() {
                return Err("this `method` has no gate on images: leave the input `manager` out".into());
            }
            if clusters && !settings.method.takes_clusters() {
                return Err("this `method` starts from no clusters: leave the input `clusters` out".into());
            }
            if clusters && settings.method != Method::VaeEm && settings.warm_up == 0 {
                return Err("the input `clusters` is learnt in the epochs of `warm_up`: give it some".into());
            }
            if settings.method == Method::VaeEm && settings.warm_up > 0 {
                return Err("`warm_up` is for damic and k_dae: vae_em starts from the clusters' memberships".into());
            }
            if settings.warm_up >= settings.epochs {
                return Err("`warm_up` takes all of the `epochs`: leave some for the method itself".into());
            }
            if settings.method == Method::Mixae && settings.alpha == 0.0 && settings.beta == 0.0 {
                return Err("`mixae` needs its entropies: give `alpha` and `beta`".into());
            }
            if matches!(settings.method, Method::Damic | Method::VaeEm) && settings.reduction == Reduction::Mean {
                let message = "must be `sum` here: `method` compares exp(−cost), and means over pixels make all alike";
                return Err(Unfit(vec![Misfit {
                    path: vec!["reduction".into()],
                    message: message.into(),
                    ..Misfit::default()
                }]));
            }
            if !clusters && settings.warm_up > 0 {
                return Err("`warm_up` needs the input `clusters`".into());
            }
            if settings.n_experts.is_none() && !manager && !clusters {
                return Err("`n_experts` is missing".into());
            }
            Ok(())
        },
        sources: no_sources,
        accelerated: always,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use moelab_engine::stage::Connected;
    use serde_json::{Value, json};

    fn refusal(settings: Value, ports: &[&str]) -> String {
        let settings = serde_json::to_value(typed::<MixtureTrain>(&settings)).unwrap();
        let connected = Connected(ports.iter().map(|port| (*port, false)).collect());
        let refused = (stage().check)(&settings, &connected).err();
        refused.map_or_else(String::new, |unfit| unfit.to_string())
    }

    #[test]
    fn a_warm_up_leaves_epochs_to_the_method_and_belongs_to_two_of_them() {
        let damic =
            |warm_up, epochs| json!({"method": "damic", "reduction": "sum", "warm_up": warm_up, "epochs": epochs});
        assert_eq!(refusal(damic(5, 6), &["images", "clusters"]), "");
        assert!(refusal(damic(6, 6), &["images", "clusters"]).contains("takes all"));
        let em = json!({"method": "vae_em", "warm_up": 5});
        assert!(refusal(em, &["images", "clusters"]).contains("damic and k_dae"));
    }

    #[test]
    fn responsibilities_from_costs_want_sums_over_pixels() {
        for method in ["damic", "vae_em"] {
            let mean = json!({"method": method, "n_experts": 2});
            assert!(refusal(mean, &["images"]).contains("must be `sum`"), "{method}");
        }
        assert_eq!(refusal(json!({"method": "moa_plus", "n_experts": 2}), &["images"]), "");
    }

    #[test]
    fn mixae_needs_its_entropies() {
        let mixae = |beta| json!({"method": "mixae", "n_experts": 3, "beta": beta});
        assert_eq!(refusal(mixae(1.0), &["images"]), "");
        assert!(refusal(mixae(0.0), &["images"]).contains("entropies"));
    }
}
