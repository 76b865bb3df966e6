//! What one step of an autoencoder descends, from explicit noise.

use super::fit::Step;
use super::loss::AutoencoderLoss;
use crate::nn::autoencoder::Autoencoder;
use burn::tensor::Tensor;
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
    let posterior = model.encode(images.clone());
    let logits = model.decode(posterior.sample(noise.posterior));
    let terms = loss.terms(images, logits, &posterior, noise.prior);
    let total = loss.total(&terms).mean();
    let means = [Some(terms.reconstruction), terms.divergence, terms.l1]
        .into_iter()
        .flatten()
        .map(Tensor::mean);
    let values = Tensor::cat(std::iter::once(total.clone()).chain(means).collect(), 0).detach();
    Step::descend(&total, values)
}
