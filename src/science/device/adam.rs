//! One step of Adam, PyTorch's formula, for one tensor.

use burn::tensor::Tensor;

/// The settings of Adam. `Default` is PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamRule {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    /// Added to the root of the corrected second moment, outside the root.
    pub eps: f64,
    /// Coupled (L2) decay: this times the parameter is added to its gradient.
    pub weight_decay: f64,
}

impl Default for AdamRule {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
        }
    }
}

/// The moments Adam keeps for one parameter, of the parameter's shape, without autodiff.
#[derive(Clone, Debug)]
pub struct AdamState<const D: usize> {
    /// Moving average of the gradient (`exp_avg`).
    pub m: Tensor<D>,
    /// Moving average of its square (`exp_avg_sq`).
    pub v: Tensor<D>,
}

impl<const D: usize> AdamState<D> {
    /// The state before the first step: zeros on the parameter's device.
    pub fn new(param: &Tensor<D>) -> Self {
        let zeros = Tensor::zeros(param.dims(), &param.device().inner());
        Self {
            m: zeros.clone(),
            v: zeros,
        }
    }
}

/// The numbers of one step that do not depend on the element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Factors {
    pub one_minus_beta1: f64,
    pub beta2: f64,
    pub one_minus_beta2: f64,
    pub eps: f64,
    pub weight_decay: f64,
    /// `lr / (1 - beta1^step)`
    pub step_size: f64,
    /// `sqrt(1 - beta2^step)`
    pub root_correction: f64,
}

impl AdamRule {
    pub(super) fn factors(&self, step: u64) -> Factors {
        let power = |beta: f64| beta.powf(step as f64);
        Factors {
            one_minus_beta1: 1.0 - self.beta1,
            beta2: self.beta2,
            one_minus_beta2: 1.0 - self.beta2,
            eps: self.eps,
            weight_decay: self.weight_decay,
            step_size: self.lr / (1.0 - power(self.beta1)),
            root_correction: (1.0 - power(self.beta2)).sqrt(),
        }
    }
}

/// The parameter and its moments after step `step` (the first is 1):
///
/// `m ← m + (1-β₁)(g-m)`, `v ← β₂v + (1-β₂)g²`, `p ← p - lr/(1-β₁ᵗ) · m / (√v/√(1-β₂ᵗ) + ε)`.
///
/// All tensors have one shape. Autodiff on them is dropped and the results have none: give a parameter its own back with
/// `Tensor::from_inner(p).require_grad()`. Hand the tensors over instead of clones of them: on libtorch the update then
/// happens in place, and memory that another tensor still reads is copied first, never overwritten.
///
/// # Panics
///
/// On shapes that differ, and on step 0.
pub fn adam_step<const D: usize>(
    param: Tensor<D>,
    grad: Tensor<D>,
    state: AdamState<D>,
    rule: &AdamRule,
    step: u64,
) -> (Tensor<D>, AdamState<D>) {
    let shape = param.dims();
    assert!(
        grad.dims() == shape && state.m.dims() == shape && state.v.dims() == shape,
        "adam_step: parameter, gradient and moments have the same shape"
    );
    assert!(step > 0, "adam_step: steps count from 1");
    let factors = rule.factors(step);
    let tensors = [param.inner(), grad.inner(), state.m.inner(), state.v.inner()];
    #[cfg(feature = "tch")]
    if super::torch::holds(&tensors[0]) {
        let [param, m, v] = super::torch::adam_step(tensors, &factors);
        return (param, AdamState { m, v });
    }
    composed(tensors, &factors)
}

fn composed<const D: usize>([param, grad, m, v]: [Tensor<D>; 4], factors: &Factors) -> (Tensor<D>, AdamState<D>) {
    let grad = if factors.weight_decay == 0.0 {
        grad
    } else {
        grad + param.clone() * factors.weight_decay
    };
    let m = m.clone() + (grad.clone() - m) * factors.one_minus_beta1;
    let v = v * factors.beta2 + grad.square() * factors.one_minus_beta2;
    let denominator = v.clone().sqrt() / factors.root_correction + factors.eps;
    let param = param - m.clone() / denominator * factors.step_size;
    (param, AdamState { m, v })
}
