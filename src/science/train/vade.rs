//! VaDE (Jiang et al. 2017, arXiv 1611.05148): a variational autoencoder with a mixture of Gaussians as its prior.
//!
//! −ELBO = R + Σ_c γ_c KL(N(μ̃, σ̃²) ‖ N(μ_c, σ_c²)) + Σ_c γ_c ln(γ_c / π_c), summed over pixels and dimensions, in nats:
//! N(μ̃, σ̃²) is the posterior of an image, z a sample of it, γ_c = p(c | z) (eqs. 12 and 16). Gradients flow through γ.

use super::fit::Step;
use super::loss::reconstruction;
use crate::nn::autoencoder::Posterior;
use crate::nn::vade::Vade;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use moelab_stages::network::Reconstruction;

/// Names of the values of [`vade_step`].
pub const COLUMNS: [&str; 4] = ["loss", "reconstruction", "kl_code", "kl_cluster"];

/// One step on images [B, C, D, D] with draws of N(0, 1) for the sample of every posterior, [B, L].
///
/// # Panics
/// If the autoencoder is not a variational one.
pub fn vade_step(model: &Vade, kind: Reconstruction, images: Tensor<4>, noise: Tensor<2>) -> Step {
    let posterior = model.autoencoder.encode(images.clone());
    let code = posterior.sample(noise);
    let cost = reconstruction(kind, images, model.autoencoder.decode(code.clone())).mean();
    let prior = model.prior();
    let log_gamma = prior.log_responsibilities(code);
    let gamma = log_gamma.clone().exp();
    let Posterior { mean, log_variance } = posterior;
    let log_variance = log_variance
        .expect("the network of VaDE is variational")
        .unsqueeze_dim::<3>(1);
    let excess = log_variance.clone() - prior.log_variances.clone();
    let distance = (mean.unsqueeze_dim::<3>(1) - prior.means).powi_scalar(2) * prior.log_variances.neg().exp();
    let kl_codes = (excess.clone().exp() + distance - excess - 1.0)
        .sum_dim(2)
        .mul_scalar(0.5);
    let kl_code = (gamma.clone() * kl_codes.squeeze_dim::<2>(2)).sum_dim(1).mean();
    let kl_cluster = (gamma * (log_gamma - prior.log_weights)).sum_dim(1).mean();
    let total = cost.clone() + kl_code.clone() + kl_cluster.clone();
    let values = Tensor::cat(vec![total.clone(), cost, kl_code, kl_cluster], 0);
    Step::descend(&total, values.detach())
}

/// γ of all images at their posterior means, [N, K].
pub fn assign(model: &Vade, images: impl Iterator<Item = Tensor<4>>) -> Tensor<2> {
    let prior = model.prior();
    let gamma = images.map(|batch| softmax(prior.log_responsibilities(model.autoencoder.encode(batch).mean), 1));
    Tensor::cat(gamma.collect(), 0)
}
