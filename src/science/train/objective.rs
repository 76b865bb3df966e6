//! What one step descends: the loss of an autoencoder and of the mixture, from explicit noise.

use super::fit::Step;
use super::loss::{AutoencoderLoss, Terms, negative_batch_entropy, sample_entropy};
use crate::nn::autoencoder::Autoencoder;
use crate::nn::mixture::Mixture;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use moelab_stages::network::Variant;

/// Draws of N(0, 1) for one autoencoder and one batch.
pub struct Noise {
    /// ε of the posterior sample, [B, L].
    pub posterior: Tensor<2>,
    /// Codes from the prior, [B, L]: a wae compares with them.
    pub prior: Option<Tensor<2>>,
}

/// Names of the values of [`autoencoder_step`], in its order.
pub fn autoencoder_columns(loss: &AutoencoderLoss) -> Vec<String> {
    let mut columns = vec!["loss", "reconstruction"];
    columns.extend(match loss.variant {
        Variant::Vae => Some("kl"),
        Variant::Wae => Some("mmd"),
        Variant::Ae => None,
    });
    columns.extend((loss.l1_weight > 0.0).then_some("l1"));
    columns.into_iter().map(str::to_owned).collect()
}

/// One step of an autoencoder on images [B, C, D, D]: the mean over rows of its cost.
pub fn autoencoder_step(model: &Autoencoder, loss: &AutoencoderLoss, images: Tensor<4>, noise: Noise) -> Step {
    let terms = cost(model, loss, images, noise);
    let total = loss.total(&terms).mean();
    let means = [Some(terms.reconstruction), terms.divergence, terms.l1]
        .into_iter()
        .flatten()
        .map(Tensor::mean);
    let values = Tensor::cat(std::iter::once(total.clone()).chain(means).collect(), 0).detach();
    Step::descend(&total, values)
}

pub(super) fn cost(model: &Autoencoder, loss: &AutoencoderLoss, images: Tensor<4>, noise: Noise) -> Terms {
    let posterior = model.encode(images.clone());
    let logits = model.decode(posterior.sample(noise.posterior));
    loss.terms(images, logits, &posterior, noise.prior)
}

/// Values of [`mixture_step`] in front of the experts' shares.
pub const MIXTURE_TERMS: [&str; 5] = [
    "loss",
    "reconstruction",
    "divergence",
    "sample_entropy",
    "batch_entropy",
];

/// Names of the values of [`mixture_step`], in its order.
pub fn mixture_columns(experts: usize) -> Vec<String> {
    let terms = MIXTURE_TERMS.iter().map(|name| (*name).to_owned());
    terms.chain((0..experts).map(|k| format!("share_{k}"))).collect()
}

/// Weights of one step of the mixture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Of the sample entropy.
    pub alpha: f64,
    /// Of the negative batch entropy.
    pub beta: f64,
    /// Of R's gradient into the manager.
    pub released: f64,
}

impl Weights {
    /// L = R, and its whole gradient into the manager.
    pub const OF_COSTS_ALONE: Self = Self {
        alpha: 0.0,
        beta: 0.0,
        released: 1.0,
    };
}

/// One step of the mixture, L = R + α S + β B (thesis, joint stage): R the mean over rows of Σ_k p_k d_k, S the mean
/// entropy of a row's p, B the negative entropy of the batch mean of p. `noise` has one entry per expert.
///
/// Gradients of R reach the manager: dR/dp is the experts' cost, the only signal it gets from them. `released`, in [0, 1],
/// scales that signal; it changes no value.
///
/// R is a sum over experts that share no parameter, so each expert descends its own part, with p a constant, and its
/// activations are gone before the next one starts; the manager descends last, with the costs as constants. The gradients
/// are those of the whole, and memory does not grow with K.
pub fn mixture_step(
    model: &Mixture,
    loss: &AutoencoderLoss,
    images: Tensor<4>,
    noise: Vec<Noise>,
    Weights { alpha, beta, released }: Weights,
) -> Step {
    let logits = model.manager.forward(images.clone());
    let p = softmax(logits.clone(), 1);
    let shares = p.clone().detach();
    let (mut costs, mut reconstructions, mut divergences) = (vec![], vec![], vec![]);
    let mut gradients = Vec::with_capacity(model.experts.len() + 1);
    for (k, (expert, noise)) in model.experts.iter().zip(noise).enumerate() {
        let terms = cost(expert, loss, images.clone(), noise);
        let cost = loss.total(&terms).unsqueeze_dim::<2>(1);
        gradients.push((shares.clone().narrow(1, k, 1) * cost.clone()).mean().backward());
        let divergence = terms.divergence.unwrap_or_else(|| terms.reconstruction.zeros_like());
        costs.push(cost.detach());
        reconstructions.push(terms.reconstruction.detach().unsqueeze_dim::<2>(1));
        divergences.push(divergence.detach().unsqueeze_dim::<2>(1));
    }
    let weighted = |p: Tensor<2>, per_expert: Vec<Tensor<2>>| (p * Tensor::cat(per_expert, 1)).sum_dim(1).mean();
    let towards_manager = p.clone().mul_scalar(released) + shares.clone().mul_scalar(1.0 - released);
    let r = weighted(towards_manager, costs);
    let (s, b) = (sample_entropy(logits.clone()), negative_batch_entropy(logits));
    let total = r + s.clone().mul_scalar(alpha) + b.clone().mul_scalar(beta);
    let values = vec![
        total.clone(),
        weighted(shares.clone(), reconstructions),
        weighted(shares.clone(), divergences),
        s,
        b,
        shares.mean_dim(0).flatten::<1>(0, 1),
    ];
    gradients.push(total.backward());
    Step {
        gradients,
        values: Tensor::cat(values, 0).detach(),
    }
}
