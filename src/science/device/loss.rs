//! Losses worth a form of their own.

use super::composed;
use burn::tensor::Tensor;

/// The binary cross entropy of every element, numerically stable: `(1 - t)·x - ln σ(x)` for a logit `x` and a target `t`
/// in `[0, 1]`. Same shape as both; not reduced, so that the caller chooses between sum and mean.
///
/// The gradient, `σ(x) - t`, flows to the logits only; the target is a constant.
///
/// # Panics
///
/// On shapes that differ.
pub fn bce_with_logits<const D: usize>(logits: Tensor<D>, target: Tensor<D>) -> Tensor<D> {
    assert_eq!(
        logits.dims(),
        target.dims(),
        "bce_with_logits: logits and target have the same shape"
    );
    let target = target.inner();
    #[cfg(feature = "tch")]
    if super::torch::holds(&logits) {
        return super::torch::bce_with_logits(logits, target);
    }
    composed::bce_with_logits(logits, target)
}
