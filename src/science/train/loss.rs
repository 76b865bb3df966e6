//! Loss terms. All are computed in log space; all keep the batch axis until the last moment, since mixtures weigh rows.

use crate::device;
use crate::nn::autoencoder::Posterior;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor};
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
        let scale = self.scale(&images);
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

    /// What the discrepancy of a wae adds to the mean cost of an expert that has `shares` [B] of the rows, constants and none
    /// negative, before its weight: the mean share times the discrepancy of the codes of these rows, [1]. Absent for other
    /// variants. It says nothing of a single row, so it takes no part in who has which.
    pub fn discrepancy(
        &self,
        images: &Tensor<4>,
        codes: Tensor<2>,
        prior: Option<Tensor<2>>,
        shares: Tensor<1>,
    ) -> Option<Tensor<1>> {
        let prior = prior.filter(|_| self.variant == Variant::Wae)?;
        let share = shares.clone().mean();
        Some(share * weighted_discrepancy(codes, prior, shares).mul_scalar(self.scale(images)))
    }

    fn scale(&self, images: &Tensor<4>) -> f64 {
        let [_, channels, height, width] = images.dims();
        match self.reduction {
            Reduction::Sum => 1.0,
            Reduction::Mean => 1.0 / (channels * height * width) as f64,
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
    let [batch, _] = codes.dims();
    let device = codes.device();
    let off_diagonal = off_diagonal(batch, &device);
    let (n, pairs) = (batch as f64, (batch * (batch - 1)).max(1) as f64);
    let mut total = Tensor::<1>::zeros([1], &device);
    for [aa, bb, ab] in kernels(codes, prior) {
        let same = ((aa + bb) * off_diagonal.clone()).sum().div_scalar(pairs);
        total = total + same - ab.sum().mul_scalar(2.0 / (n * n));
    }
    total.expand([batch])
}

/// [`maximum_mean_discrepancy`] where row i of the codes counts by `weights`[i], [1].
fn weighted_discrepancy(codes: Tensor<2>, prior: Tensor<2>, weights: Tensor<1>) -> Tensor<1> {
    let [batch, _] = codes.dims();
    let device = codes.device();
    let off_diagonal = off_diagonal(batch, &device);
    let (n, pairs) = (batch as f64, (batch * (batch - 1)).max(1) as f64);
    let weights = (weights.clone() / weights.sum().clamp_min(f32::MIN_POSITIVE)).unsqueeze_dim::<2>(1);
    let of_pairs = weights.clone().matmul(weights.clone().transpose()) * off_diagonal.clone();
    // A single row of weight has no pair: nothing is to be divided then.
    let of_pairs = of_pairs.clone() / of_pairs.sum().clamp_min(1e-12).unsqueeze_dim::<2>(0);
    let mut total = Tensor::<1>::zeros([1], &device);
    for [aa, bb, ab] in kernels(codes, prior) {
        let same = (aa * of_pairs.clone()).sum() + (bb * off_diagonal.clone()).sum().div_scalar(pairs);
        total = total + same - (ab * weights.clone()).sum().mul_scalar(2.0 / n);
    }
    total
}

/// Kernels among codes, among prior samples, and between the two, for each s.
fn kernels(codes: Tensor<2>, prior: Tensor<2>) -> impl Iterator<Item = [Tensor<2>; 3]> {
    let [_, latent] = codes.dims();
    let within = |x: &Tensor<2>| squared_distances(x.clone(), x.clone());
    let distances = [within(&codes), within(&prior), squared_distances(codes, prior)];
    [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0].into_iter().map(move |s| {
        let c = 2.0 * latent as f64 * s;
        distances
            .each_ref()
            .map(|d| d.clone().add_scalar(c).recip().mul_scalar(c))
    })
}

fn off_diagonal(n: usize, device: &Device) -> Tensor<2> {
    Tensor::ones([n, n], device) - Tensor::<2>::eye(n, device)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::host;

    fn codes(values: &[[f32; 2]]) -> Tensor<2> {
        let flat: Vec<f32> = values.concat();
        let data = burn::tensor::TensorData::new(flat, [values.len(), 2]);
        Tensor::from_data(data, &Device::flex())
    }

    const CODES: [[f32; 2]; 4] = [[0.1, -0.4], [1.5, 0.3], [-0.7, 2.0], [0.0, 0.9]];
    const PRIOR: [[f32; 2]; 4] = [[0.3, 0.2], [-1.1, 0.8], [0.6, -0.5], [1.2, 0.1]];

    /// The definition, in f64: row i of the codes weighs `weights`[i] of their sum.
    fn by_definition(codes: &[[f32; 2]], prior: &[[f32; 2]], weights: &[f64]) -> f64 {
        let kernel = |a: &[f32; 2], b: &[f32; 2]| -> f64 {
            let squared: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
            let scales = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
            scales.iter().map(|s| 4.0 * s / (4.0 * s + squared)).sum()
        };
        let mean = |pairs: Vec<(f64, f64)>| {
            pairs.iter().map(|(weight, value)| weight * value).sum::<f64>()
                / pairs.iter().map(|pair| pair.0).sum::<f64>()
        };
        let pairs = |of: &dyn Fn(usize, usize) -> (f64, f64), n: usize, m: usize, same: bool| {
            let all = (0..n).flat_map(|i| (0..m).map(move |j| (i, j)));
            mean(all.filter(|(i, j)| !same || i != j).map(|(i, j)| of(i, j)).collect())
        };
        let (n, m) = (codes.len(), prior.len());
        pairs(
            &|i, j| (weights[i] * weights[j], kernel(&codes[i], &codes[j])),
            n,
            n,
            true,
        ) + pairs(&|i, j| (1.0, kernel(&prior[i], &prior[j])), m, m, true)
            - 2.0 * pairs(&|i, j| (weights[i], kernel(&codes[i], &prior[j])), n, m, false)
    }

    fn weighted(weights: [f32; 4]) -> f64 {
        let weights = Tensor::from_floats(weights, &Device::flex());
        f64::from(host(weighted_discrepancy(codes(&CODES), codes(&PRIOR), weights))[0])
    }

    #[test]
    fn the_discrepancy_is_its_definition_in_every_row() {
        let found = host(maximum_mean_discrepancy(codes(&CODES), codes(&PRIOR)));
        let expected = by_definition(&CODES, &PRIOR, &[1.0; 4]);
        assert!(
            found.iter().all(|value| (f64::from(*value) - expected).abs() < 1e-5),
            "{found:?} {expected}"
        );
    }

    #[test]
    fn rows_count_by_their_weight_whatever_the_weights_add_up_to() {
        for weights in [[1.0, 1.0, 1.0, 1.0], [0.5, 0.1, 0.2, 0.05], [0.0, 2.0, 3.0, 0.0]] {
            let expected = by_definition(&CODES, &PRIOR, &weights.map(f64::from));
            assert!((weighted(weights) - expected).abs() < 1e-5, "{weights:?}");
        }
    }

    #[test]
    fn few_rows_or_none_divide_by_nothing() {
        assert!(weighted([0.0, 1.0, 0.0, 0.0]).is_finite());
        assert!(weighted([0.0; 4]).is_finite());
    }

    #[test]
    fn an_expert_pays_for_the_codes_of_its_own_rows_by_its_share() {
        let loss = AutoencoderLoss {
            variant: Variant::Wae,
            reconstruction: Reconstruction::Mse,
            reduction: Reduction::Sum,
            kl_weight: 1.0,
            l1_weight: 0.0,
        };
        let shares = Tensor::from_floats([1.0, 0.0, 1.0, 0.0], &Device::flex());
        let images = Tensor::<4>::zeros([4, 1, 2, 2], &Device::flex());
        let found = loss.discrepancy(&images, codes(&CODES), Some(codes(&PRIOR)), shares.clone());
        let expected = 0.5 * by_definition(&CODES, &PRIOR, &[1.0, 0.0, 1.0, 0.0]);
        assert!((f64::from(host(found.unwrap())[0]) - expected).abs() < 1e-5);
        assert!(loss.discrepancy(&images, codes(&CODES), None, shares).is_none());
    }
}
