//! DAMIC (Chazan, Gannot & Goldberger, arXiv 1812.06535): a mixture p(x) = Σ_k p_k(x) exp(−d_k(x)), trained by its
//! likelihood.

use super::experts::{Descent, Weighing};
use super::fit::Step;
use super::loss::{AutoencoderLoss, log_sum_exp, negative_batch_entropy, sample_entropy};
use super::objective::Noise;
use crate::nn::autoencoder::Autoencoder;
use crate::nn::manager::Manager;
use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax};

/// One step of L = −mean over rows of log Σ_k exp(log p_k − d_k), d on the scale of `loss`: a mean over pixels makes the
/// experts nearly equal, a sum tells them apart.
///
/// Its gradients are those of one step of soft EM: with the responsibilities w = softmax_k(log p − d), expert k descends
/// w_k d_k and the gate the cross-entropy to w. Where `given` has responsibilities [B, K] from elsewhere, they are used in
/// place of w, which is how a start from other clusters is learnt.
pub fn damic_step(
    gate: &Manager,
    experts: &[Autoencoder],
    loss: &AutoencoderLoss,
    images: Tensor<4>,
    noise: Vec<Noise>,
    given: Option<Tensor<2>>,
) -> Step {
    let logits = gate.forward(images.clone());
    let log_p = log_softmax(logits.clone(), 1);
    let fixed = log_p.clone().detach();
    let responsibilities = |costs: &Tensor<2>| softmax(fixed.clone() - costs.clone(), 1);
    let weighing = match &given {
        Some(given) => Weighing::Given(given),
        None => Weighing::FromCosts(&responsibilities),
    };
    let mut descent = Descent::of(experts, loss, &images, noise, weighing);
    let towards_gate = (descent.weights.clone() * log_p).sum_dim(1).mean().neg();
    descent.gradients.push(towards_gate.backward().into());
    let value = negative_log_likelihood(fixed, descent.costs.clone());
    let entropies = [sample_entropy(logits.clone()), negative_batch_entropy(logits.clone())];
    let values = descent.values(value, &softmax(logits, 1).detach(), entropies);
    Step {
        gradients: descent.gradients,
        values,
    }
}

/// −mean over rows of log Σ_k exp(log p_k − d_k), both [B, K].
fn negative_log_likelihood(log_p: Tensor<2>, costs: Tensor<2>) -> Tensor<1> {
    log_sum_exp(log_p - costs).mean().neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::host;
    use burn::tensor::Device;

    fn loss(costs: [[f32; 3]; 2]) -> f32 {
        let device = Device::flex();
        let log_p = log_softmax(Tensor::from_floats([[0.3, -0.2, 1.0], [0.0, 0.0, -2.0]], &device), 1);
        host(negative_log_likelihood(log_p, Tensor::from_floats(costs, &device)))[0]
    }

    #[test]
    fn the_loss_falls_when_any_expert_reconstructs_any_row_better() {
        let costs = [[3.0, 4.0, 5.0], [2.0, 2.5, 1.0]];
        for (row, k) in (0..2).flat_map(|row| (0..3).map(move |k| (row, k))) {
            let mut better = costs;
            better[row][k] -= 0.5;
            assert!(loss(better) < loss(costs), "expert {k} on row {row}");
        }
    }

    #[test]
    fn costs_of_thousands_of_nats_stay_finite() {
        let value = loss([[5000.0, 5001.0, 9000.0]; 2]);
        assert!((4990.0..5010.0).contains(&value), "{value}");
    }
}
