//! MIXAE (Zhang, Sun, Eriksson & Balzano, arXiv 1712.07788): the gate sees the codes of all experts.

use super::experts::MIXTURE_TERMS;
use super::fit::Step;
use super::loss::{AutoencoderLoss, negative_batch_entropy, sample_entropy};
use super::objective::Noise;
use crate::nn::autoencoder::Autoencoder;
use crate::nn::mixture::CodeGate;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

/// One step of L = R + α S + β B, the terms of [`mixture_step`](super::mixture::mixture_step). The gate's gradient reaches
/// every encoder, so all is one graph and memory grows with K.
pub fn mixae_step(
    gate: &CodeGate,
    experts: &[Autoencoder],
    loss: &AutoencoderLoss,
    images: Tensor<4>,
    noise: Vec<Noise>,
    [alpha, beta]: [f64; 2],
) -> Step {
    let (mut codes, mut costs, mut reconstructions, mut divergences) = (vec![], vec![], vec![], vec![]);
    let mut priors = vec![];
    for (expert, noise) in experts.iter().zip(noise) {
        let posterior = expert.encode(images.clone());
        let logits = expert.decode(posterior.sample(noise.posterior));
        let terms = loss.terms(images.clone(), logits, &posterior, None);
        costs.push(loss.total(&terms).unsqueeze_dim::<2>(1));
        let divergence = terms.divergence.unwrap_or_else(|| terms.reconstruction.zeros_like());
        reconstructions.push(terms.reconstruction.unsqueeze_dim::<2>(1));
        divergences.push(divergence.unsqueeze_dim::<2>(1));
        codes.push(posterior.mean);
        priors.push(noise.prior);
    }
    let logits = gate.forward(codes.clone());
    let p = softmax(logits.clone(), 1);
    let weighted = |per_expert| (p.clone() * Tensor::cat(per_expert, 1)).sum_dim(1).mean();
    let (s, b) = (sample_entropy(logits.clone()), negative_batch_entropy(logits));
    let mut total = weighted(costs) + s.clone().mul_scalar(alpha) + b.clone().mul_scalar(beta);
    let mut divergence = weighted(divergences);
    for (k, (codes, prior)) in codes.into_iter().zip(priors).enumerate() {
        let shares = p.clone().detach().narrow(1, k, 1).squeeze_dim(1);
        if let Some(discrepancy) = loss.discrepancy(&images, codes, prior, shares) {
            total = total + discrepancy.clone().mul_scalar(loss.kl_weight);
            divergence = divergence + discrepancy;
        }
    }
    let terms: [Tensor<1>; MIXTURE_TERMS.len()] = [total.clone(), weighted(reconstructions), divergence, s, b];
    let shares = p.clone().mean_dim(0).flatten::<1>(0, 1);
    let values = Tensor::cat(terms.into_iter().chain([shares]).collect(), 0).detach();
    Step::descend(&total, values)
}
