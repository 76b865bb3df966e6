//! Convolution with batch norm and leaky rectifier, and rows of them.

use super::architecture::SLOPE;
use super::state::replace;
use crate::device::{self, BatchMoments, ConvBlock, ConvGeometry, Norm, Statistics};
use burn::module::{Module, Param, RunningState};
use burn::tensor::{Device, Tensor};

/// Share of the newest batch in the running statistics.
const MOMENTUM: f64 = 0.1;
/// Added to the variance under the root.
const EPSILON: f64 = 1e-5;

/// Convolution → batch norm (→ leaky rectifier). [B, I, H, W] → [B, O, H', W'].
///
/// Batch norm comes before the activation; a convolution in front of it needs no bias.
#[derive(Module, Debug)]
pub struct Block {
    /// [O, I, k, k]
    weight: Param<Tensor<4>>,
    gamma: Param<Tensor<1>>,
    beta: Param<Tensor<1>>,
    running_mean: RunningState<Tensor<1>>,
    running_var: RunningState<Tensor<1>>,
    #[module(skip)]
    stride: usize,
    #[module(skip)]
    upsample: bool,
    #[module(skip)]
    slope: Option<f64>,
}

impl Block {
    /// Keeps the size. Weights are zero until [`super::weights::initialise`] draws them.
    pub fn same(input: usize, output: usize, device: &Device) -> Self {
        Self::new([output, input, 3, 3], 1, false, Some(SLOPE), device)
    }

    /// Halves both sides.
    pub fn halving(input: usize, output: usize, device: &Device) -> Self {
        Self::new([output, input, 3, 3], 2, false, Some(SLOPE), device)
    }

    /// Doubles both sides (nearest) before the convolution.
    pub fn doubling(input: usize, output: usize, device: &Device) -> Self {
        Self::new([output, input, 3, 3], 1, true, Some(SLOPE), device)
    }

    /// A part of a residual block: a kernel of `shape` [O, I, k, k] with k odd, and a plain rectifier or none.
    pub fn residual(shape: [usize; 4], stride: usize, rectified: bool, device: &Device) -> Self {
        Self::new(shape, stride, false, rectified.then_some(0.0), device)
    }

    fn new(shape: [usize; 4], stride: usize, upsample: bool, slope: Option<f64>, device: &Device) -> Self {
        let output = shape[0];
        Self {
            weight: Param::from_tensor(Tensor::zeros(shape, device)),
            gamma: Param::from_tensor(Tensor::ones([output], device)),
            beta: Param::from_tensor(Tensor::zeros([output], device)),
            running_mean: RunningState::new(Tensor::zeros([output], device)),
            running_var: RunningState::new(Tensor::ones([output], device)),
            stride,
            upsample,
            slope,
        }
    }

    fn on_device(&self, of_batch: bool) -> ConvBlock {
        let statistics = match of_batch {
            true => Statistics::Batch,
            false => Statistics::Running {
                mean: self.running_mean.value(),
                var: self.running_var.value(),
            },
        };
        ConvBlock {
            weight: self.weight.val(),
            bias: None,
            norm: Some(Norm {
                gamma: self.gamma.val(),
                beta: self.beta.val(),
                eps: EPSILON,
                statistics,
            }),
            geometry: ConvGeometry {
                stride: self.stride,
                padding: self.weight.dims()[3] / 2,
                upsample: self.upsample,
                ..ConvGeometry::default()
            },
            slope: self.slope,
        }
    }

    /// Lets the running statistics follow those of a batch.
    fn follow(&self, batch: BatchMoments) {
        let follow = |state: &RunningState<Tensor<1>>, newest: Tensor<1>| {
            let kept = state.value().inner().mul_scalar(1.0 - MOMENTUM);
            replace(state, kept + newest.mul_scalar(MOMENTUM));
        };
        follow(&self.running_mean, batch.mean);
        follow(&self.running_var, batch.var);
    }
}

/// The blocks one after another, then `last` if there is one, as one call to the device.
///
/// With autodiff on the input they train: statistics of the batch, followed by the running ones. Otherwise the running
/// statistics serve.
pub fn forward(blocks: &[Block], last: Option<ConvBlock>, x: Tensor<4>) -> Tensor<4> {
    let training = x.device().is_autodiff();
    run(blocks, last, x, training)
}

/// The blocks one after another with the statistics of the batch, followed by the running ones, with or without autodiff:
/// how a teacher sees a batch.
pub fn forward_by_batch(blocks: &[Block], x: Tensor<4>) -> Tensor<4> {
    run(blocks, None, x, true)
}

fn run(blocks: &[Block], last: Option<ConvBlock>, x: Tensor<4>, training: bool) -> Tensor<4> {
    let row = blocks
        .iter()
        .map(|block| block.on_device(training))
        .chain(last)
        .collect();
    let (y, moments) = device::conv_chain(x, row);
    if training {
        for (block, batch) in blocks.iter().zip(moments) {
            block.follow(batch.expect("a block has a norm on the batch's statistics"));
        }
    }
    y
}
