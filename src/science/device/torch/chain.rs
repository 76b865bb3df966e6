//! A row of convolution blocks, differentiated by libtorch and seen by burn as one operation.
//!
//! The forward pass runs under libtorch's autograd on leaves cut off from their past and keeps the graph it recorded. When
//! burn's backward pass arrives, libtorch propagates the gradient through that graph with its own kernels and frees the
//! graph on the way. burn never sees a tensor that belongs to a libtorch graph.

use super::graph::Past;
use super::pointwise::{Tracked, lift, plain, wrap};
use super::recomputes;
use super::row::{Row, run};
use crate::device::composed;
use crate::device::conv::{BatchMoments, ConvBlock};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::libtorch::TchTensor;
use burn::backend::{Autodiff, LibTorch};
use burn::tensor::{GradientCheckpointingStrategy, Tensor};
use std::sync::{Arc, Mutex};

type Output = (Tensor<4>, Vec<Option<BatchMoments>>);

/// Blocks in one node. burn fixes the number of a node's parents at compile time, so longer rows are cut.
const BLOCKS: usize = 12;
/// Blocks in one node where the forward pass is done again: the memory of one such piece at a time is what remains.
const RECOMPUTED: usize = 3;
/// Parents of a node: the input, and of every block weight, bias, gamma and beta. What is not there is filled up with a
/// node that needs no gradient, which burn drops at once.
const PARENTS: usize = 1 + 4 * BLOCKS;

/// See [`crate::device::conv_chain`].
pub(in super::super) fn conv_chain(x: Tensor<4>, blocks: Vec<ConvBlock>) -> Output {
    let (mut autodiff, mut recompute) = (false, false);
    for_each_context(&x, &blocks, |strategy| {
        autodiff |= strategy.is_some();
        recompute |= strategy.is_some_and(|s| s != GradientCheckpointingStrategy::Disabled);
    });
    if recompute {
        // burn recomputes what it dropped, which only its own operations can.
        return composed::conv_chain(x, blocks);
    }
    let mut x = x;
    let mut moments = Vec::with_capacity(blocks.len());
    let mut rest = blocks.into_iter().peekable();
    let length = if recomputes() { RECOMPUTED } else { BLOCKS };
    while rest.peek().is_some() {
        let piece: Vec<_> = rest.by_ref().take(length).collect();
        let (y, found) = if autodiff {
            tracked(x, piece)
        } else {
            untracked(x, piece)
        };
        moments.extend(found);
        x = y;
    }
    (x, moments)
}

fn for_each_context(x: &Tensor<4>, blocks: &[ConvBlock], mut visit: impl FnMut(Option<GradientCheckpointingStrategy>)) {
    visit(x.gradient_checkpointing_strategy());
    for block in blocks {
        visit(block.weight.gradient_checkpointing_strategy());
        let norm = block.norm.as_ref();
        for vector in block
            .bias
            .iter()
            .chain(norm.map(|n| &n.gamma))
            .chain(norm.map(|n| &n.beta))
        {
            visit(vector.gradient_checkpointing_strategy());
        }
    }
}

fn untracked(x: Tensor<4>, blocks: Vec<ConvBlock>) -> Output {
    let mut leaves = vec![plain(x)];
    let row = Row::new(blocks, &mut leaves, plain, plain);
    let leaves: Vec<_> = leaves.iter().map(|leaf| leaf.tensor.shallow_clone()).collect();
    let (y, moments) = tch::no_grad(|| run(&leaves, &row));
    (wrap(y), moments.into_iter().map(report).collect())
}

fn tracked(x: Tensor<4>, blocks: Vec<ConvBlock>) -> Output {
    let mut leaves = vec![lift(x)];
    let row = Row::new(blocks, &mut leaves, lift, lift);
    // A place that stays free gets the guard of a constant.
    let constant = Tracked::new(TchTensor::new(tch::Tensor::zeros(
        [1],
        (tch::Kind::Float, tch::Device::Cpu),
    )));
    let guards: [NodeGuard; PARENTS] = std::array::from_fn(|i| leaves.get(i).unwrap_or(&constant).node());
    let needed: Vec<bool> = leaves.iter().map(Tracked::is_tracked).collect();
    let leaves: Vec<TchTensor> = leaves.into_iter().map(Tracked::into_primitive).collect();
    let (y, moments) = match Chain.prepare::<NoCheckpointing>(guards).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let (past, y, moments) = Past::of(leaves, needed, row, recomputes());
            (prep.finish(Arc::new(Mutex::new(Some(past))), y), moments)
        }
        OpsKind::UnTracked(prep) => {
            let leaves: Vec<_> = leaves.iter().map(|leaf| leaf.tensor.shallow_clone()).collect();
            let (y, moments) = tch::no_grad(|| run(&leaves, &row));
            (prep.finish(TchTensor::new(y)), moments)
        }
    };
    (
        Tensor::from_primitive::<Autodiff<LibTorch>>(y),
        moments.into_iter().map(report).collect(),
    )
}

fn report(moments: Option<(tch::Tensor, tch::Tensor)>) -> Option<BatchMoments> {
    moments.map(|(mean, var)| BatchMoments {
        mean: wrap(mean),
        var: wrap(var),
    })
}

#[derive(Debug)]
struct Chain;

impl Backward<LibTorch, PARENTS> for Chain {
    /// burn wants a state it can clone; a graph is used once, so the clones share it and the first takes it.
    type State = Arc<Mutex<Option<Past>>>;

    fn backward(self, ops: Ops<Self::State, PARENTS>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<LibTorch>(&ops.node);
        let past = ops
            .state
            .lock()
            .expect("no thread panics while it holds a node's past")
            .take();
        let past = past.expect("burn runs the backward step of a node once");
        for (place, gradient) in past.backward(&grad.tensor) {
            if let Some(parent) = &ops.parents[place] {
                grads.register::<LibTorch>(parent.id, TchTensor::new(gradient));
            }
        }
    }
}
