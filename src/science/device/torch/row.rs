//! The blocks of a row as libtorch calls.

use crate::device::conv::{ConvBlock, ConvGeometry, Statistics};
use crate::device::torch::pointwise::plain;
use burn::backend::libtorch::TchTensor;
use burn::tensor::Tensor;

/// Blocks whose parameters are places in a list of leaves; the row's input is place 0.
pub(super) struct Row {
    blocks: Vec<Block>,
}

struct Block {
    weight: usize,
    bias: Option<usize>,
    norm: Option<Norm>,
    geometry: ConvGeometry,
    slope: Option<f64>,
}

struct Norm {
    gamma: usize,
    beta: usize,
    eps: f64,
    /// Mean and variance to normalise with instead of the batch's.
    running: Option<(TchTensor, TchTensor)>,
}

impl Row {
    /// Moves the parameters of the blocks to the end of `leaves`, through `kernel` or `vector` by their rank.
    pub(super) fn new<L>(
        blocks: Vec<ConvBlock>,
        leaves: &mut Vec<L>,
        kernel: impl Fn(Tensor<4>) -> L,
        vector: impl Fn(Tensor<1>) -> L,
    ) -> Self {
        let mut place = |leaf| {
            leaves.push(leaf);
            leaves.len() - 1
        };
        let blocks = blocks.into_iter().map(|block| Block {
            weight: place(kernel(block.weight)),
            bias: block.bias.map(|bias| place(vector(bias))),
            norm: block.norm.map(|norm| Norm {
                gamma: place(vector(norm.gamma)),
                beta: place(vector(norm.beta)),
                eps: norm.eps,
                running: match norm.statistics {
                    Statistics::Batch => None,
                    Statistics::Running { mean, var } => Some((plain(mean.inner()), plain(var.inner()))),
                },
            }),
            geometry: block.geometry,
            slope: block.slope,
        });
        Self {
            blocks: blocks.collect(),
        }
    }

    /// Whether libtorch keeps the row's output for the backward pass: the plain ReLU does, the leaky one keeps its input.
    pub(super) fn keeps_output(&self) -> bool {
        self.blocks.last().is_some_and(|block| block.slope == Some(0.0))
    }
}

/// Mean and unbiased variance of a batch per channel.
pub(super) type Moments = Option<(tch::Tensor, tch::Tensor)>;

/// The output of the row and the moments of each block. Records a graph if libtorch's grad mode is on and a leaf wants one.
pub(super) fn run(leaves: &[tch::Tensor], row: &Row) -> (tch::Tensor, Vec<Moments>) {
    let mut moments = Vec::with_capacity(row.blocks.len());
    let x = leaves[0].shallow_clone();
    let y = row.blocks.iter().fold(x, |x, block| {
        let (y, found) = run_block(x, block, leaves);
        moments.push(found);
        y
    });
    (y, moments)
}

fn run_block(x: tch::Tensor, block: &Block, leaves: &[tch::Tensor]) -> (tch::Tensor, Moments) {
    let ConvGeometry {
        stride,
        padding,
        groups,
        upsample,
    } = block.geometry;
    let x = if upsample {
        let size = x.size();
        x.upsample_nearest2d([2 * size[2], 2 * size[3]], Some(2.0), Some(2.0))
    } else {
        x
    };
    let bias = block.bias.map(|place| &leaves[place]);
    let y = x.conv2d(
        &leaves[block.weight],
        bias,
        [stride as i64; 2],
        [padding as i64; 2],
        [1, 1],
        groups as i64,
    );
    let (y, moments) = match &block.norm {
        Some(norm) => batch_norm(&y, norm, leaves),
        None => (y, None),
    };
    let y = match block.slope {
        Some(0.0) => y.relu(),
        Some(slope) => leaky_relu(&y, slope),
        None => y,
    };
    (y, moments)
}

fn batch_norm(y: &tch::Tensor, norm: &Norm, leaves: &[tch::Tensor]) -> (tch::Tensor, Moments) {
    let (gamma, beta) = (&leaves[norm.gamma], &leaves[norm.beta]);
    let apply = |mean: &tch::Tensor, var: &tch::Tensor, training: bool| {
        // libtorch moves running statistics by `momentum` towards the batch's; at 1 it leaves the batch's own in them.
        y.batch_norm(
            Some(gamma),
            Some(beta),
            Some(mean),
            Some(var),
            training,
            1.0,
            norm.eps,
            true,
        )
    };
    match &norm.running {
        Some((mean, var)) => (apply(&mean.tensor, &var.tensor, false), None),
        None => {
            let mean = tch::Tensor::zeros(gamma.size(), (tch::Kind::Float, gamma.device()));
            let var = mean.zeros_like();
            let y = apply(&mean, &var, true);
            // The graph refers to both buffers, and burn may overwrite what it is given: it gets copies.
            (y, Some((mean.copy(), var.copy())))
        }
    }
}

/// The binding's `leaky_relu` knows only the slope 0.01. This operation multiplies its second tensor by the slope where its
/// first is negative, and so does its derivative; with the first cut off from the graph the two cost what the real one does.
fn leaky_relu(x: &tch::Tensor, slope: f64) -> tch::Tensor {
    x.detach().leaky_relu_backward(x, slope, false)
}
