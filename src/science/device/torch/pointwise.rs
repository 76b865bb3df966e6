//! Operations without a graph of libtorch's: their derivatives are written out or not wanted.

use crate::device::composed;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::libtorch::TchTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, LibTorch};
use burn::tensor::{GradientCheckpointingStrategy, Tensor};

/// See [`crate::device::affine_sample`]; neither tensor has autodiff.
pub(in super::super) fn affine_sample(images: Tensor<4>, theta: Tensor<3>) -> Tensor<4> {
    let (images, theta) = (plain(images), plain(theta));
    wrap(tch::no_grad(|| {
        let grid = tch::Tensor::affine_grid_generator(&theta.tensor, images.tensor.size(), false);
        const BILINEAR: i64 = 0;
        const ZEROS: i64 = 0;
        images.tensor.grid_sampler(&grid, BILINEAR, ZEROS, false)
    }))
}

/// See [`crate::device::bce_with_logits`]; the target has no autodiff.
pub(in super::super) fn bce_with_logits<const D: usize>(logits: Tensor<D>, target: Tensor<D>) -> Tensor<D> {
    match logits.gradient_checkpointing_strategy() {
        None => wrap(cross_entropy(&plain(logits).tensor, &plain(target).tensor)),
        Some(GradientCheckpointingStrategy::Disabled) => {
            let (logits, target) = (lift(logits), plain(target));
            let value = TchTensor::new(cross_entropy(&logits.primitive().tensor, &target.tensor));
            let node = logits.node();
            let loss = match CrossEntropy
                .prepare::<NoCheckpointing>([node])
                .compute_bound()
                .stateful()
            {
                OpsKind::Tracked(prep) => prep.finish((logits.into_primitive(), target), value),
                OpsKind::UnTracked(prep) => prep.finish(value),
            };
            Tensor::from_primitive::<Autodiff<LibTorch>>(loss)
        }
        // Under the other strategies burn recomputes what it dropped, which only its own operations can.
        Some(_) => composed::bce_with_logits(logits, target),
    }
}

fn cross_entropy(logits: &tch::Tensor, target: &tch::Tensor) -> tch::Tensor {
    let none = None::<&tch::Tensor>;
    tch::no_grad(|| logits.binary_cross_entropy_with_logits(target, none, none, tch::Reduction::None))
}

#[derive(Debug)]
struct CrossEntropy;

impl Backward<LibTorch, 1> for CrossEntropy {
    type State = (TchTensor, TchTensor);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<LibTorch>(&ops.node);
        let [parent] = ops.parents;
        let (logits, target) = ops.state;
        if let Some(parent) = parent {
            let gradient = tch::no_grad(|| {
                let mut slope = logits.tensor.sigmoid();
                slope -= &target.tensor;
                slope *= &grad.tensor;
                slope
            });
            grads.register::<LibTorch>(parent.id, TchTensor::new(gradient));
        }
    }
}

/// What burn's autodiff wraps around a libtorch tensor.
pub(super) type Tracked = FloatTensor<Autodiff<LibTorch>>;

/// The same behind a burn tensor that is on libtorch, made a constant of the graph if it has no autodiff.
pub(super) fn lift<const D: usize>(tensor: Tensor<D>) -> Tracked {
    tensor
        .autodiff()
        .try_into_primitive::<Autodiff<LibTorch>>()
        .expect("a float tensor on libtorch with autodiff")
}

/// The libtorch tensor behind a burn tensor that is on libtorch and has no autodiff.
pub(super) fn plain<const D: usize>(tensor: Tensor<D>) -> TchTensor {
    tensor
        .try_into_primitive::<LibTorch>()
        .expect("a float tensor on libtorch without autodiff")
}

/// The burn tensor around a libtorch tensor that shares its memory with no other.
pub(super) fn wrap<const D: usize>(tensor: tch::Tensor) -> Tensor<D> {
    Tensor::from_primitive::<LibTorch>(TchTensor::new(tensor))
}
