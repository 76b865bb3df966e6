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
    Step { loss: total, values }
}

fn cost(model: &Autoencoder, loss: &AutoencoderLoss, images: Tensor<4>, noise: Noise) -> Terms {
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

/// One step of the mixture, L = R + α S + β B (thesis, joint stage): R the mean over rows of Σ_k p_k d_k, S the mean
/// entropy of a row's p, B the negative entropy of the batch mean of p. `noise` has one entry per expert.
///
/// Gradients of R reach the manager: dR/dp is the experts' cost, the only signal it gets from them. `released`, in [0, 1],
/// scales that signal; it changes no value.
pub fn mixture_step(
    model: &Mixture,
    loss: &AutoencoderLoss,
    images: Tensor<4>,
    noise: Vec<Noise>,
    Weights { alpha, beta, released }: Weights,
) -> Step {
    let logits = model.manager.forward(images.clone());
    let p = softmax(logits.clone(), 1);
    let (mut costs, mut reconstructions, mut divergences) = (vec![], vec![], vec![]);
    for (expert, noise) in model.experts.iter().zip(noise) {
        let terms = cost(expert, loss, images.clone(), noise);
        costs.push(loss.total(&terms).unsqueeze_dim::<2>(1));
        divergences.push(
            terms
                .divergence
                .unwrap_or_else(|| terms.reconstruction.zeros_like())
                .unsqueeze_dim::<2>(1),
        );
        reconstructions.push(terms.reconstruction.unsqueeze_dim::<2>(1));
    }
    let towards_manager = p.clone().mul_scalar(released) + p.clone().detach().mul_scalar(1.0 - released);
    let weighted =
        |per_expert: Vec<Tensor<2>>| (towards_manager.clone() * Tensor::cat(per_expert, 1)).sum_dim(1).mean();
    let r = weighted(costs);
    let (s, b) = (sample_entropy(logits.clone()), negative_batch_entropy(logits));
    let total = r + s.clone().mul_scalar(alpha) + b.clone().mul_scalar(beta);
    let shares = p.clone().mean_dim(0).flatten::<1>(0, 1);
    let values = vec![
        total.clone(),
        weighted(reconstructions),
        weighted(divergences),
        s,
        b,
        shares,
    ];
    Step {
        loss: total,
        values: Tensor::cat(values, 0).detach(),
    }
}
