//! A piece of libtorch's autograd graph, kept until burn asks for its gradients.

use super::row::{Moments, Row, run};
use burn::backend::libtorch::TchTensor;
use std::fmt;

/// What a node remembers of its forward pass until burn asks for its gradients.
pub(super) enum Past {
    Recorded(Graph),
    /// Only the leaves: the forward pass is done again for its graph, with the same kernels on the same values.
    Forgotten {
        leaves: Vec<TchTensor>,
        needed: Vec<bool>,
        row: Row,
    },
}

impl Past {
    /// Runs `row` on `leaves`, of which the `needed` want gradients.
    pub(super) fn of(
        leaves: Vec<TchTensor>,
        needed: Vec<bool>,
        row: Row,
        forget: bool,
    ) -> (Self, TchTensor, Vec<Moments>) {
        if forget {
            let plain: Vec<_> = leaves.iter().map(|leaf| leaf.tensor.shallow_clone()).collect();
            let (y, moments) = tch::no_grad(|| run(&plain, &row));
            (Self::Forgotten { leaves, needed, row }, TchTensor::new(y), moments)
        } else {
            let (graph, y, moments) = Graph::record(leaves, &needed, &row);
            (Self::Recorded(graph), y, moments)
        }
    }

    /// The gradients of the needed leaves, by place, for the gradient `grad` of the output.
    pub(super) fn backward(self, grad: &tch::Tensor) -> Vec<(usize, tch::Tensor)> {
        match self {
            Self::Recorded(graph) => graph.backward(grad),
            Self::Forgotten { leaves, needed, row } => Graph::record(leaves, &needed, &row).0.backward(grad),
        }
    }
}

impl fmt::Debug for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded(graph) => write!(f, "Graph of {} leaves", graph.leaves.len()),
            Self::Forgotten { leaves, .. } => write!(f, "{} leaves", leaves.len()),
        }
    }
}

/// The graph of one forward pass.
pub(super) struct Graph {
    /// `output · grad` with the output's shape collapsed; the tensor the backward pass starts from.
    root: tch::Tensor,
    /// The saved factor of `root`, which becomes the incoming gradient.
    grad: tch::Tensor,
    /// The leaves that want gradients, with their places in the row's list.
    leaves: Vec<(usize, tch::Tensor)>,
    /// Every burn tensor whose memory the graph refers to. While these live, burn sees the memory as shared and neither it
    /// nor the optimiser overwrites it.
    _kept: Vec<TchTensor>,
}

impl Graph {
    /// Runs `row` on `leaves` and records the graph for those that are `needed`.
    fn record(mut leaves: Vec<TchTensor>, needed: &[bool], row: &Row) -> (Self, TchTensor, Vec<Moments>) {
        tch::with_grad(|| {
            let cut: Vec<tch::Tensor> = leaves
                .iter()
                .zip(needed)
                .map(|(leaf, &needed)| leaf.tensor.detach().set_requires_grad(needed))
                .collect();
            let (mut output, moments) = run(&cut, row);
            let y = TchTensor::new(output.detach());
            if row.keeps_output() {
                leaves.push(y.clone());
            }
            // libtorch starts a backward pass from ones only, and `(output * grad).sum()` would read and write the output
            // again. So the product is recorded between two single values, which keep their places in the graph while their
            // data changes: the output's is dropped here, and the other's becomes the gradient in `backward`. The product's
            // derivative for the output is then `1 · grad`, of the output's true shape, at the price of one pass.
            let single = tch::Tensor::zeros([1], (output.kind(), output.device()));
            output.set_data(&single);
            let grad = single.zeros_like();
            let root = &output * &grad;
            let leaves_needed = cut
                .into_iter()
                .enumerate()
                .filter(|(place, _)| needed[*place])
                .collect();
            (
                Self {
                    root,
                    grad,
                    leaves: leaves_needed,
                    _kept: leaves,
                },
                y,
                moments,
            )
        })
    }

    /// The gradients of the needed leaves, by place, for the gradient `grad` of the output. Frees the graph.
    fn backward(mut self, grad: &tch::Tensor) -> Vec<(usize, tch::Tensor)> {
        self.grad.set_data(grad);
        let (places, leaves): (Vec<usize>, Vec<tch::Tensor>) = std::mem::take(&mut self.leaves).into_iter().unzip();
        let gradients = tch::Tensor::run_backward(&[&self.root], &leaves, false, false);
        places.into_iter().zip(gradients).collect()
    }
}
