//! The objective of the thesis' joint stage; with costs alone it is that of plain MoA.

use super::experts::{Descent, Weighing};
use super::fit::{Part, Step};
use super::loss::{AutoencoderLoss, negative_batch_entropy, sample_entropy};
use super::objective::Noise;
use crate::nn::autoencoder::Autoencoder;
use crate::nn::manager::Manager;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

/// Weights of one step of the mixture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Of the sample entropy.
    pub alpha: f64,
    /// Of the negative batch entropy.
    pub beta: f64,
    /// Share of the learning rate at which the manager steps.
    pub pace: f64,
}

/// One step of the mixture, L = R + α S + β B (thesis, joint stage): R the mean over rows of Σ_k p_k d_k, S the mean
/// entropy of a row's p, B the negative entropy of the batch mean of p. `noise` has one entry per expert.
///
/// Gradients of R reach the manager: dR/dp is the experts' cost, the only signal it gets from them.
pub fn mixture_step(
    manager: &Manager,
    experts: &[Autoencoder],
    loss: &AutoencoderLoss,
    images: Tensor<4>,
    noise: Vec<Noise>,
    Weights { alpha, beta, pace }: Weights,
) -> Step {
    let logits = manager.forward(images.clone());
    let p = softmax(logits.clone(), 1);
    let shares = p.clone().detach();
    let mut descent = Descent::of(experts, loss, &images, noise, Weighing::Given(&shares));
    let r = (p * descent.costs.clone()).sum_dim(1).mean();
    let (s, b) = (sample_entropy(logits.clone()), negative_batch_entropy(logits));
    let total = r + s.clone().mul_scalar(alpha) + b.clone().mul_scalar(beta);
    let values = descent.values(total.clone(), &shares, [s, b]);
    descent.gradients.push(Part {
        gradients: total.backward(),
        pace,
    });
    Step {
        gradients: descent.gradients,
        values,
    }
}
