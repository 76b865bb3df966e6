//! The trunk: from images to the last feature map.

use super::architecture::Architecture;
use super::block::{self, Block};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// General and specific blocks, the last convolution of each halving the side. [B, C, D, D] → [B, F] with the 2×2 map
/// flattened.
#[derive(Module, Debug)]
pub struct Encoder {
    blocks: Vec<Block>,
}

impl Encoder {
    pub fn new(architecture: &Architecture, device: &Device) -> Self {
        let mut blocks = Vec::new();
        let mut channels = architecture.channels;
        for (b, &filters) in architecture.filters.iter().enumerate() {
            if b < architecture.general {
                blocks.push(Block::same(channels, filters, device));
                channels = filters;
            }
            blocks.push(Block::halving(channels, filters, device));
            channels = filters;
        }
        Self { blocks }
    }

    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        block::forward(&self.blocks, None, images).flatten(1, 3)
    }
}
