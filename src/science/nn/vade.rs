//! VaDE: a variational autoencoder whose prior is a mixture of diagonal Gaussians, one per cluster.

use super::autoencoder::Autoencoder;
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;

/// Bounds of the components' log σ²: those of a posterior.
const LOG_VARIANCE: (f64, f64) = (-10.0, 10.0);

#[derive(Module, Debug)]
pub struct Vade {
    pub autoencoder: Autoencoder,
    /// Their softmax is π, [K].
    logits: Param<Tensor<1>>,
    /// [K, L]
    means: Param<Tensor<2>>,
    /// [K, L]
    log_variances: Param<Tensor<2>>,
}

/// The mixture p(z) = Σ_c π_c N(z; μ_c, σ_c²).
pub struct Prior {
    /// ln π, [1, K].
    pub log_weights: Tensor<2>,
    /// [1, K, L]
    pub means: Tensor<3>,
    /// ln σ², [1, K, L].
    pub log_variances: Tensor<3>,
}

impl Vade {
    /// `log_weights` is ln π [K]; means and log variances are [K, L].
    pub fn new(autoencoder: Autoencoder, log_weights: Tensor<1>, means: Tensor<2>, log_variances: Tensor<2>) -> Self {
        Self {
            autoencoder,
            logits: Param::from_tensor(log_weights),
            means: Param::from_tensor(means),
            log_variances: Param::from_tensor(log_variances),
        }
    }

    pub fn prior(&self) -> Prior {
        let (least, most) = LOG_VARIANCE;
        Prior {
            log_weights: log_softmax(self.logits.val().unsqueeze_dim::<2>(0), 1),
            means: self.means.val().unsqueeze_dim(0),
            log_variances: self.log_variances.val().clamp(least, most).unsqueeze_dim(0),
        }
    }
}

impl Prior {
    /// ln γ, γ_c = p(c | z), of codes [B, L]: [B, K]. ln π_c counts once, beside the sum over the dimensions of z.
    pub fn log_responsibilities(&self, codes: Tensor<2>) -> Tensor<2> {
        let difference = codes.unsqueeze_dim::<3>(1) - self.means.clone();
        let scaled = difference.powi_scalar(2) * self.log_variances.clone().neg().exp();
        let log_density = (scaled + self.log_variances.clone()).sum_dim(2).mul_scalar(-0.5);
        log_softmax(self.log_weights.clone() + log_density.squeeze_dim::<2>(2), 1)
    }
}
