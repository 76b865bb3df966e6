//! The mixture: K expert autoencoders, and what decides between them.

use super::autoencoder::{Autoencoder, AutoencoderShape};
use super::decoder::linear;
use super::manager::{Manager, ManagerShape};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// What rebuilds a [`Mixture`] before its weights are loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MixtureShape {
    /// Absent where no network looks at the image to choose an expert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<ManagerShape>,
    /// A gate on the codes of all experts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub code_gate: bool,
    /// One per expert: latent sizes differ.
    pub experts: Vec<AutoencoderShape>,
}

/// Experts with a manager, with a gate on their codes, or with neither: then the cheapest expert is responsible.
#[derive(Module, Debug)]
pub struct Mixture {
    pub manager: Option<Manager>,
    pub code_gate: Option<CodeGate>,
    pub experts: Vec<Autoencoder>,
}

impl Mixture {
    pub fn new(shape: &MixtureShape, device: &Device) -> Self {
        let codes = shape.experts.iter().map(|expert| expert.latent_dim).sum();
        Self {
            manager: shape.manager.as_ref().map(|shape| Manager::new(shape, device)),
            code_gate: shape
                .code_gate
                .then(|| CodeGate::new(codes, shape.experts.len(), device)),
            experts: shape
                .experts
                .iter()
                .map(|expert| Autoencoder::new(expert, device))
                .collect(),
        }
    }
}

/// Widths of the hidden layers of a [`CodeGate`].
const HIDDEN: [usize; 2] = [128, 64];

/// Chooses an expert from what all of them see: the concatenated codes [B, Σ L_k] → logits [B, K] (MIXAE, arXiv
/// 1712.07788).
#[derive(Module, Debug)]
pub struct CodeGate {
    layers: Vec<Linear>,
}

impl CodeGate {
    fn new(codes: usize, experts: usize, device: &Device) -> Self {
        let widths = [codes, HIDDEN[0], HIDDEN[1], experts];
        Self {
            layers: widths.windows(2).map(|w| linear(w[0], w[1], device)).collect(),
        }
    }

    /// `codes` are the experts' posterior means, in order, each [B, L_k].
    pub fn forward(&self, codes: Vec<Tensor<2>>) -> Tensor<2> {
        let (last, hidden) = self.layers.split_last().expect("a gate has three layers");
        let inside = hidden
            .iter()
            .fold(Tensor::cat(codes, 1), |x, layer| relu(layer.forward(x)));
        last.forward(inside)
    }
}
