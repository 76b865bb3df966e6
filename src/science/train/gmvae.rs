//! The objective of the GMVAE (Dilokthanakul et al. 2016, arXiv 1611.02648, final version, eq. 4 and §3.3), per row and with
//! M samples of x and w:
//!
//! −ELBO = −E log p(y | x) + E Σ_k r_k KL(q(x | y) ‖ N_k(w)) + KL(q(w | y) ‖ N(0, I)) + KLz,
//!
//! r = p(z | x, w) and KLz = E [Σ_k r_k log r_k + log K]. The minimum information constraint puts max(λ, mean KLz) in place of
//! the last term: below λ nats clusters may separate at no cost, above it those that overlap are drawn together.

use super::fit::Step;
use super::loss::{kl_to_standard_normal, reconstruction};
use crate::nn::gmvae::{Generated, Gmvae, Normal};
use burn::tensor::Tensor;
use moelab_stages::network::Reconstruction;
use std::f64::consts::TAU;

#[derive(Clone, Copy, Debug)]
pub struct GmvaeLoss {
    /// Of images; points have a normal likelihood with a learned variance.
    pub reconstruction: Reconstruction,
    /// λ in nats; none for the plain ELBO.
    pub minimum_information: Option<f64>,
}

/// Draws of N(0, 1) for M samples of a batch, sample by sample.
pub struct Noise {
    /// [M · B, Dx]
    pub x: Tensor<2>,
    /// [M · B, Dw]
    pub w: Tensor<2>,
}

/// Names of the values of [`gmvae_step`], in its order. `z_prior` is KLz itself, whatever the constraint makes of it.
pub const COLUMNS: [&str; 5] = ["loss", "reconstruction", "conditional_prior", "w_prior", "z_prior"];

/// One step on images [B, C, D, D] or points [B, D, 1, 1]: the mean over rows of the negative ELBO.
pub fn gmvae_step(model: &Gmvae, loss: &GmvaeLoss, data: Tensor<4>, noise: Noise) -> Step {
    let samples = noise.x.dims()[0] / data.dims()[0];
    let posterior = model.recognise(data.clone());
    let w_prior = kl_to_standard_normal(posterior.w.mean.clone(), posterior.w.log_variance.clone()).mean();
    let (q, w) = (posterior.x.repeat(samples), posterior.w.repeat(samples));
    let x = q.sample(noise.x);
    let components = model.components(w.sample(noise.w));
    let log_r = components.log_responsibilities(x.clone());
    let r = log_r.clone().exp();
    let conditional_prior = (r.clone() * divergences(&q, &components)).sum_dim(1).mean();
    let clusters = r.dims()[1] as f64;
    let z_prior = (r * log_r).sum_dim(1).mean().add_scalar(clusters.ln());
    let target = data.repeat_dim(0, samples);
    let reconstruction = match model.generate(x) {
        Generated::Logits(logits) => reconstruction(loss.reconstruction, target, logits),
        Generated::Points(normal) => negative_log_density(&normal, target.flatten(1, 3)),
    }
    .mean();
    let total = reconstruction.clone()
        + conditional_prior.clone()
        + w_prior.clone()
        + constrained(z_prior.clone(), loss.minimum_information);
    let values = vec![total.clone(), reconstruction, conditional_prior, w_prior, z_prior];
    Step::descend(&total, Tensor::cat(values, 0).detach())
}

/// max(λ, KLz): no gradient below λ.
fn constrained(z_prior: Tensor<1>, minimum_information: Option<f64>) -> Tensor<1> {
    match minimum_information {
        Some(least) => z_prior.clamp_min(least),
        None => z_prior,
    }
}

/// KL(q ‖ N_k) of every row's q, [B, Dx], to each of its components, [B, K, Dx]: [B, K].
fn divergences(q: &Normal<2>, components: &Normal<3>) -> Tensor<2> {
    let wide = |tensor: &Tensor<2>| tensor.clone().unsqueeze_dim::<3>(1);
    let (mean, log_variance) = (wide(&q.mean), wide(&q.log_variance));
    let spread = log_variance.clone().exp() + (mean - components.mean.clone()).powi_scalar(2);
    let inside = components.log_variance.clone() - log_variance + spread / components.log_variance.clone().exp();
    inside.sub_scalar(1.0).sum_dim(2).mul_scalar(0.5).squeeze_dim(2)
}

/// −log N(y; μ, σ²) per row, [B].
fn negative_log_density(normal: &Normal<2>, y: Tensor<2>) -> Tensor<1> {
    let distance = (y - normal.mean.clone()).powi_scalar(2) / normal.log_variance.clone().exp();
    (normal.log_variance.clone() + distance)
        .add_scalar(TAU.ln())
        .sum_dim(1)
        .mul_scalar(0.5)
        .squeeze_dim(1)
}

impl Normal<2> {
    /// The rows again and again, sample by sample.
    fn repeat(&self, times: usize) -> Self {
        Self {
            mean: self.mean.clone().repeat_dim(0, times),
            log_variance: self.log_variance.clone().repeat_dim(0, times),
        }
    }
}

#[cfg(test)]
#[path = "gmvae_tests.rs"]
mod tests;
