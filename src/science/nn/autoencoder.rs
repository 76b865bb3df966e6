//! Autoencoders: variational, plain and Wasserstein ones share everything but the regulariser.

use super::architecture::Architecture;
use super::decoder::{Decoder, linear};
use super::encoder::Encoder;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use moelab_stages::network::Variant;
use serde::{Deserialize, Serialize};

/// Bounds of log σ²: beyond them exp overflows long before the fit improves.
pub(super) const LOG_VARIANCE: (f64, f64) = (-10.0, 10.0);

/// What rebuilds an [`Autoencoder`] before its weights are loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutoencoderShape {
    pub architecture: Architecture,
    pub latent_dim: usize,
    pub variant: Variant,
}

#[derive(Module, Debug)]
pub struct Autoencoder {
    encoder: Encoder,
    mean: Linear,
    /// Only a variational one has it.
    log_variance: Option<Linear>,
    decoder: Decoder,
}

/// q(z | x): means and log variances, both [B, L]; no variance where the posterior is a point.
pub struct Posterior {
    pub mean: Tensor<2>,
    pub log_variance: Option<Tensor<2>>,
}

impl Autoencoder {
    pub fn new(shape: &AutoencoderShape, device: &Device) -> Self {
        let features = shape.architecture.features();
        Self {
            encoder: Encoder::new(&shape.architecture, device),
            mean: linear(features, shape.latent_dim, device),
            log_variance: (shape.variant == Variant::Vae).then(|| linear(features, shape.latent_dim, device)),
            decoder: Decoder::new(&shape.architecture, shape.latent_dim, device),
        }
    }

    /// The same network as a plain one: its code is the posterior mean.
    pub fn plain(self) -> Self {
        Self {
            log_variance: None,
            ..self
        }
    }

    /// The same network as a variational one. A plain one gets a posterior of log variance `log_variance` for every image,
    /// which training changes.
    pub fn variational(self, log_variance: f32) -> Self {
        let [features, latent] = self.mean.weight.dims();
        let device = self.mean.weight.device();
        let head = self.log_variance.unwrap_or_else(|| {
            let head = linear(features, latent, &device);
            let bias = head
                .bias
                .map(|bias| bias.map(|zeros| (zeros + log_variance).detach().require_grad()));
            Linear { bias, ..head }
        });
        Self {
            log_variance: Some(head),
            ..self
        }
    }

    /// Keeps the decoder as it is while the rest trains.
    pub fn with_fixed_decoder(self) -> Self {
        Self {
            decoder: self.decoder.no_grad(),
            ..self
        }
    }

    /// [B, C, D, D] in [0, 1] → posterior.
    pub fn encode(&self, images: Tensor<4>) -> Posterior {
        let features = self.encoder.forward(images);
        Posterior {
            mean: self.mean.forward(features.clone()),
            log_variance: self
                .log_variance
                .as_ref()
                .map(|head| head.forward(features).clamp(LOG_VARIANCE.0, LOG_VARIANCE.1)),
        }
    }

    /// [B, L] → logits [B, C, D, D].
    pub fn decode(&self, code: Tensor<2>) -> Tensor<4> {
        self.decoder.forward(code)
    }

    pub fn latent_dim(&self) -> usize {
        self.mean.weight.dims()[1]
    }
}

impl Posterior {
    /// μ + σ ε with ε [B, L] from N(0, 1); the mean where there is no variance.
    pub fn sample(&self, noise: Tensor<2>) -> Tensor<2> {
        match &self.log_variance {
            Some(log_variance) => self.mean.clone() + log_variance.clone().mul_scalar(0.5).exp() * noise,
            None => self.mean.clone(),
        }
    }
}
