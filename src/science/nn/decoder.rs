//! The mirror of the trunk: from a latent code to pixel logits.

use super::architecture::{Architecture, LAST_SIDE};
use super::block::{self, Block};
use crate::device::{ConvBlock, ConvGeometry};
use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

/// Linear → 2×2 map → per block nearest ×2 upsampling and convolutions → 3×3 convolution to logits.
/// [B, L] → [B, C, D, D].
#[derive(Module, Debug)]
pub struct Decoder {
    expand: Linear,
    blocks: Vec<Block>,
    /// [C, I, 3, 3]
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
    #[module(skip)]
    first_channels: usize,
}

impl Decoder {
    pub fn new(architecture: &Architecture, latent_dim: usize, device: &Device) -> Self {
        let mut blocks = Vec::new();
        let mut channels = architecture.last_channels();
        for b in (0..architecture.filters.len()).rev() {
            // The mirror of a block that led from `filters[b − 1]` to `filters[b]` channels; next to the image the first
            // block's width is kept for the convolution to logits.
            let filters = architecture.filters[b.saturating_sub(1)];
            blocks.push(Block::doubling(channels, filters, device));
            channels = filters;
            if b < architecture.general {
                blocks.push(Block::same(channels, filters, device));
            }
        }
        Self {
            expand: linear(latent_dim, architecture.features(), device),
            blocks,
            weight: Param::from_tensor(Tensor::zeros([architecture.channels, channels, 3, 3], device)),
            bias: Param::from_tensor(Tensor::zeros([architecture.channels], device)),
            first_channels: architecture.last_channels(),
        }
    }

    pub fn forward(&self, code: Tensor<2>) -> Tensor<4> {
        let [batch, _] = code.dims();
        let map = self
            .expand
            .forward(code)
            .reshape([batch, self.first_channels, LAST_SIDE, LAST_SIDE]);
        let logits = ConvBlock {
            weight: self.weight.val(),
            bias: Some(self.bias.val()),
            norm: None,
            geometry: ConvGeometry::default(),
            slope: None,
        };
        block::forward(&self.blocks, Some(logits), map)
    }
}

/// A linear layer whose weights [`super::weights::initialise`] draws.
pub(super) fn linear(input: usize, output: usize, device: &Device) -> Linear {
    LinearConfig::new(input, output)
        .with_initializer(Initializer::Zeros)
        .init(device)
}
