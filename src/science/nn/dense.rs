//! Fully connected layers, for points in a few dimensions.

use super::architecture::SLOPE;
use super::decoder::linear;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Tensor};

/// Linear layers with a leaky rectifier behind each. [B, sizes[0]] → [B, sizes[last]].
#[derive(Module, Debug)]
pub struct Dense {
    layers: Vec<Linear>,
}

impl Dense {
    pub fn new(sizes: &[usize], device: &Device) -> Self {
        let layers = sizes.windows(2).map(|pair| linear(pair[0], pair[1], device)).collect();
        Self { layers }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.layers
            .iter()
            .fold(x, |x, layer| leaky_relu(layer.forward(x), SLOPE))
    }
}
