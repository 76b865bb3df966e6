//! The manager: which expert is responsible for an image.

use super::architecture::Architecture;
use super::decoder::linear;
use super::encoder::Encoder;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// What rebuilds a [`Manager`] before its weights are loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManagerShape {
    pub architecture: Architecture,
    pub experts: usize,
}

/// The experts' trunk with a linear head; no weights are shared with the experts.
#[derive(Module, Debug)]
pub struct Manager {
    encoder: Encoder,
    head: Linear,
}

impl Manager {
    pub fn new(shape: &ManagerShape, device: &Device) -> Self {
        Self {
            encoder: Encoder::new(&shape.architecture, device),
            head: linear(shape.architecture.features(), shape.experts, device),
        }
    }

    /// [B, C, D, D] → logits [B, K]; their softmax is p.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.head.forward(self.encoder.forward(images))
    }
}
