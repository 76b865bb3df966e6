//! Loss terms. All are computed in log space; all keep the batch axis until the last moment, since mixtures weigh rows.

use crate::device;
use crate::nn::autoencoder::Posterior;
use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use moelab_stages::network::{Reconstruction, Reduction, Variant};
use serde::{Deserialize, Serialize};

/// Cost of one autoencoder per row: reconstruction plus regulariser.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutoencoderLoss {
    pub variant: Variant,
    pub reconstruction: Reconstruction,
    pub reduction: Reduction,
    pub kl_weight: f64,
    pub l1_weight: f64,
}

/// Terms of [`AutoencoderLoss`], each [B], already on the scale of the reduction but not yet weighted.
pub struct Terms {
    pub reconstruction: Tensor<1>,
    /// KL divergence (vae) or maximum mean discrepancy (wae, the same for every row); absent for a plain autoencoder.
    pub divergence: Option<Tensor<1>>,
    /// L1 norm of the code, where it is weighted.
    pub l1: Option<Tensor<1>>,
}

impl AutoencoderLoss {
    /// `images` and `logits` are [B, C, H, W]; `prior` holds codes [B, L] from N(0, I) for the discrepancy of a wae.
    pub fn terms(
        &self,
        images: Tensor<4>,
        logits: Tensor<4>,
        posterior: &Posterior,
        prior: Option<Tensor<2>>,
    ) -> Terms {
        let [_, channels, height, width] = images.dims();
        let scale = match self.reduction {
            Reduction::Sum => 1.0,
            Reduction::Mean => 1.0 / (channels * height * width) as f64,
        };
        let divergence = match self.variant {
            Variant::Vae => posterior
                .log_variance
                .clone()
                .map(|lv| kl_to_standard_normal(posterior.mean.clone(), lv)),
            Variant::Wae => prior.map(|prior| maximum_mean_discrepancy(posterior.mean.clone(), prior)),
            Variant::Ae => None,
        };
        let l1 = (self.l1_weight > 0.0).then(|| posterior.mean.clone().abs().sum_dim(1).squeeze_dim(1));
        Terms {
            reconstruction: reconstruction(self.reconstruction, images, logits).mul_scalar(scale),
            divergence: divergence.map(|d: Tensor<1>| d.mul_scalar(scale)),
            l1: l1.map(|l: Tensor<1>| l.mul_scalar(scale)),
        }
    }

    /// The weighted sum of the terms, [B].
    pub fn total(&self, terms: &Terms) -> Tensor<1> {
        let mut total = terms.reconstruction.clone();
        if let Some(divergence) = &terms.divergence {
            total = total + divergence.clone().mul_scalar(self.kl_weight);
        }
        if let Some(l1) = &terms.l1 {
            total = total + l1.clone().mul_scalar(self.l1_weight);
        }
        total
    }
}

/// Σ_k p_k log p_k of every row, 0 where p is 0. [B, K] → [B].
pub fn negative_entropy(p: Tensor<2>) -> Tensor<1> {
    (p.clone() * p.clamp_min(f32::MIN_POSITIVE).log())
        .sum_dim(1)
        .squeeze_dim(1)
}

/// log Σ_k exp(x_k) of every row, [B, K] → [B].
pub fn log_sum_exp(x: Tensor<2>) -> Tensor<1> {
    let most = x.clone().max_dim(1).detach();
    ((x - most.clone()).exp().sum_dim(1).log() + most).squeeze_dim(1)
}

/// Sum over pixels of the reconstruction cost, [B]: cross-entropy of logits, or half the squared error of their sigmoid.
pub fn reconstruction(kind: Reconstruction, images: Tensor<4>, logits: Tensor<4>) -> Tensor<1> {
    let cost = match kind {
        Reconstruction::Bce => device::bce_with_logits(logits, images),
        Reconstruction::Mse => (burn::tensor::activation::sigmoid(logits) - images)
            .powi_scalar(2)
            .mul_scalar(0.5),
    };
    cost.flatten::<2>(1, 3).sum_dim(1).squeeze_dim(1)
}

/// KL(N(μ, σ²) ‖ N(0, I)) per row: ½ Σ (σ² + μ² − 1 − log σ²). [B, L] → [B].
pub fn kl_to_standard_normal(mean: Tensor<2>, log_variance: Tensor<2>) -> Tensor<1> {
    let inside = log_variance.clone().exp() + mean.powi_scalar(2) - log_variance.add_scalar(1.0);
    inside.sum_dim(1).mul_scalar(0.5).squeeze_dim(1)
}

/// Maximum mean discrepancy between codes and prior samples (both [B, L]) under inverse multiquadratic kernels
/// C / (C + d²), C = 2 L s for s in 0.1 … 10 (Tolstikhin et al. 2018, §4); the same value in every row of [B].
pub fn maximum_mean_discrepancy(codes: Tensor<2>, prior: Tensor<2>) -> Tensor<1> {
    let [batch, latent] = codes.dims();
    let device = codes.device();
    let off_diagonal = Tensor::<2>::ones([batch, batch], &device) - Tensor::<2>::eye(batch, &device);
    let (n, pairs) = (batch as f64, (batch * (batch - 1)).max(1) as f64);
    let within = |x: &Tensor<2>| squared_distances(x.clone(), x.clone());
    let (aa, bb, ab) = (within(&codes), within(&prior), squared_distances(codes, prior));
    let mut total = Tensor::<1>::zeros([1], &device);
    for s in [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0] {
        let c = 2.0 * latent as f64 * s;
        let kernel = |d: &Tensor<2>| d.clone().add_scalar(c).recip().mul_scalar(c);
        let same = ((kernel(&aa) + kernel(&bb)) * off_diagonal.clone())
            .sum()
            .div_scalar(pairs);
        total = total + same - kernel(&ab).sum().mul_scalar(2.0 / (n * n));
    }
    total.expand([batch])
}

fn squared_distances(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let squares = |x: &Tensor<2>| x.clone().powi_scalar(2).sum_dim(1);
    (squares(&a) + squares(&b).transpose() - a.matmul(b.transpose()).mul_scalar(2.0)).clamp_min(0.0)
}

/// Mean over rows of the entropy of p: S in [0, log K]. Logits [B, K] → [1].
pub fn sample_entropy(logits: Tensor<2>) -> Tensor<1> {
    let log_p = log_softmax(logits, 1);
    (log_p.clone().exp() * log_p).sum_dim(1).mean().neg()
}

/// Negative entropy of the batch mean of p: B in [−log K, 0]. Logits [B, K] → [1].
pub fn negative_batch_entropy(logits: Tensor<2>) -> Tensor<1> {
    let [batch, _] = logits.dims();
    let log_p = log_softmax(logits, 1);
    // log of the mean of p over rows, by log-sum-exp over rows.
    let most = log_p.clone().max_dim(0).detach();
    let log_mean = (log_p - most.clone()).exp().sum_dim(0).log() + most.sub_scalar((batch as f64).ln());
    (log_mean.clone().exp() * log_mean).sum()
}

/// KL(targets ‖ softmax(logits)), mean over rows. Targets [B, K] sum to 1 per row; 0 log 0 = 0.
pub fn kl_to_targets(targets: Tensor<2>, logits: Tensor<2>) -> Tensor<1> {
    let log_targets = targets.clone().clamp_min(1e-12).log();
    (targets * (log_targets - log_softmax(logits, 1))).sum_dim(1).mean()
}
