//! Settings that several networks share: likelihood, scale of the loss, variant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which autoencoder is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// Variational: diagonal Gaussian posterior, KL divergence to N(0, I).
    Vae,
    /// Plain: the code is the posterior mean; nothing draws it to a prior.
    Ae,
    /// Wasserstein: maximum mean discrepancy (inverse multiquadratic kernel) between codes and N(0, I).
    Wae,
}

/// The reconstruction term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reconstruction {
    /// Binary cross-entropy with logits, for grey levels in [0, 1].
    Bce,
    /// Half the squared error.
    Mse,
}

/// How pixels are put together. Experts compete through differences of reconstruction costs, so the scale matters: a sum
/// over pixels gives nats, a mean makes the differences vanish beside entropies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Sum over pixels (an ELBO in nats).
    Sum,
    /// Mean over pixels; the regulariser is divided by the number of pixels too.
    Mean,
}
