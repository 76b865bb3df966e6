//! State that a module carries beside its parameters: it travels in checkpoints and is never trained.

use burn::module::RunningState;
use burn::tensor::Tensor;

/// Puts a value without gradient in the place of the old one, at once.
pub fn replace<const D: usize>(state: &RunningState<Tensor<D>>, value: Tensor<D>) {
    state.update(Tensor::from_inner(value));
    // Until then the module shows the value before, also to whoever saves a checkpoint.
    drop(state.value_sync());
}
