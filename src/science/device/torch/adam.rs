//! Adam on libtorch's memory.
//!
//! On the CPU one loop over the arrays, which reads and writes each once; libtorch's own operations would take 26 passes.
//! Elsewhere, and for layouts the loop does not know, libtorch's operations in place.

use super::pointwise::{plain, wrap};
use crate::device::adam::Factors;
use burn::backend::libtorch::TchTensor;
use burn::tensor::Tensor;

/// See [`crate::device::adam_step`]. The tensors are parameter, gradient and both moments, without autodiff and of one
/// shape; the result is the parameter and the moments.
pub(in super::super) fn adam_step<const D: usize>(tensors: [Tensor<D>; 4], factors: &Factors) -> [Tensor<D>; 3] {
    let [param, grad, m, v] = tensors.map(plain);
    let mut moved = [param, m, v].map(own);
    if moved.iter().chain([&grad.tensor]).all(is_flat) {
        let numbers = grad.tensor.numel();
        // SAFETY: all four hold `numbers` single-precision values in a row in main memory (`is_flat`, and the caller
        // checked the shapes). The three written ones are nobody else's (`own`), so they overlap neither each other nor
        // the gradient, and they outlive the slices, as does the gradient.
        let ([param, m, v], grad) = unsafe {
            let written = moved
                .each_mut()
                .map(|t| std::slice::from_raw_parts_mut(t.data_ptr().cast::<f32>(), numbers));
            (
                written,
                std::slice::from_raw_parts(grad.tensor.data_ptr().cast::<f32>(), numbers),
            )
        };
        update_fast(param, m, v, grad, factors);
    } else {
        tch::no_grad(|| operations(&mut moved, &grad.tensor, factors));
    }
    moved.map(wrap)
}

/// Memory that may be overwritten: the tensor's own if nobody else reads it, else a copy.
fn own(tensor: TchTensor) -> tch::Tensor {
    if tensor.can_mut() {
        tensor.tensor
    } else {
        tensor.tensor.copy()
    }
}

fn is_flat(tensor: &tch::Tensor) -> bool {
    tensor.device() == tch::Device::Cpu
        && tensor.kind() == tch::Kind::Float
        && tensor.is_contiguous()
        && tensor.numel() > 0
}

fn update_fast(param: &mut [f32], m: &mut [f32], v: &mut [f32], grad: &[f32], factors: &Factors) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn wide(param: &mut [f32], m: &mut [f32], v: &mut [f32], grad: &[f32], factors: &Factors) {
            update(param, m, v, grad, factors);
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just been asked for the feature.
            return unsafe { wide(param, m, v, grad, factors) };
        }
    }
    update(param, m, v, grad, factors);
}

/// The same bits at every vector width: each element's arithmetic is its own and nothing is contracted.
#[inline(always)]
fn update(param: &mut [f32], m: &mut [f32], v: &mut [f32], grad: &[f32], factors: &Factors) {
    let [w1, b2, w2] = [factors.one_minus_beta1, factors.beta2, factors.one_minus_beta2].map(|x| x as f32);
    let [eps, decay, step, root] = [
        factors.eps,
        factors.weight_decay,
        factors.step_size,
        factors.root_correction,
    ]
    .map(|x| x as f32);
    for (((p, m), v), g) in param.iter_mut().zip(m).zip(v).zip(grad) {
        let g = g + decay * *p;
        *m += w1 * (g - *m);
        *v = b2 * *v + w2 * (g * g);
        *p -= step * (*m / (v.sqrt() / root + eps));
    }
}

fn operations([param, m, v]: &mut [tch::Tensor; 3], grad: &tch::Tensor, factors: &Factors) {
    let decayed;
    let grad = if factors.weight_decay == 0.0 {
        grad
    } else {
        decayed = grad + &*param * factors.weight_decay;
        &decayed
    };
    let _ = m.lerp_(grad, factors.one_minus_beta1);
    let _ = v.g_mul_scalar_(factors.beta2);
    *v += grad * grad * factors.one_minus_beta2;
    let mut denominator = v.sqrt();
    let _ = denominator.g_mul_scalar_(1.0 / factors.root_correction);
    let _ = denominator.g_add_scalar_(factors.eps);
    let mut change = &*m / &denominator;
    let _ = change.g_mul_scalar_(factors.step_size);
    *param -= change;
}
