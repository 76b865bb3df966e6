//! ResNet-18 and -34 (He et al. 2016) for small images: a 3×3 stem without pooling.

use super::block::{self, Block};
use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// What rebuilds a [`ResNet`] before its weights are loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResNetShape {
    /// Channels of the image.
    pub channels: usize,
    /// Channels of the first group; each further group doubles them.
    pub width: usize,
    /// Residual blocks in each group, every group after the first halving the side: [2, 2, 2, 2] is ResNet-18, [3, 4, 6, 3]
    /// ResNet-34.
    pub blocks: Vec<usize>,
}

impl ResNetShape {
    /// Values behind the average over positions.
    pub fn features(&self) -> usize {
        self.width << (self.blocks.len() - 1)
    }
}

/// [B, C, H, W] → [B, F], the average over positions of the last map.
#[derive(Module, Debug)]
pub struct ResNet {
    stem: Vec<Block>,
    blocks: Vec<Residual>,
}

/// relu(branch(x) + shortcut(x)); without a block of its own the shortcut is x.
#[derive(Module, Debug)]
struct Residual {
    branch: Vec<Block>,
    shortcut: Vec<Block>,
}

impl ResNet {
    pub fn new(shape: &ResNetShape, device: &Device) -> Self {
        let mut channels = shape.width;
        let mut blocks = Vec::new();
        for (group, &count) in shape.blocks.iter().enumerate() {
            for i in 0..count {
                let stride = if group > 0 && i == 0 { 2 } else { 1 };
                blocks.push(Residual::new(channels, shape.width << group, stride, device));
                channels = shape.width << group;
            }
        }
        Self {
            stem: vec![Block::residual([shape.width, shape.channels, 3, 3], 1, true, device)],
            blocks,
        }
    }

    /// As [`block::forward`]: batch statistics, followed by the running ones, where the images have autodiff.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.run(images, &|blocks, x| block::forward(blocks, None, x))
    }

    /// Batch statistics, followed by the running ones, with or without autodiff.
    pub fn forward_by_batch(&self, images: Tensor<4>) -> Tensor<2> {
        self.run(images, &block::forward_by_batch)
    }

    fn run(&self, images: Tensor<4>, row: &dyn Fn(&[Block], Tensor<4>) -> Tensor<4>) -> Tensor<2> {
        let x = self.blocks.iter().fold(row(&self.stem, images), |x, block| {
            relu(row(&block.branch, x.clone()) + row(&block.shortcut, x))
        });
        x.flatten::<3>(2, 3).mean_dim(2).squeeze_dim(2)
    }
}

impl Residual {
    fn new(input: usize, output: usize, stride: usize, device: &Device) -> Self {
        let same = stride == 1 && input == output;
        Self {
            branch: vec![
                Block::residual([output, input, 3, 3], stride, true, device),
                Block::residual([output, output, 3, 3], 1, false, device),
            ],
            shortcut: match same {
                true => vec![],
                false => vec![Block::residual([output, input, 1, 1], stride, false, device)],
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{self, Choice};

    #[test]
    fn groups_double_the_channels_and_halve_the_side() {
        let device = device::open(Choice::Flex, 1).unwrap();
        let shape = ResNetShape {
            channels: 3,
            width: 2,
            blocks: vec![2, 2, 2, 2],
        };
        let network = ResNet::new(&shape, &device);
        assert_eq!((network.blocks.len(), shape.features()), (8, 16));
        let shortcuts: Vec<usize> = network.blocks.iter().map(|b| b.shortcut.len()).collect();
        assert_eq!(shortcuts, [0, 0, 1, 0, 1, 0, 1, 0]);
        assert_eq!(network.forward(Tensor::zeros([5, 3, 8, 8], &device)).dims(), [5, 16]);
    }
}
