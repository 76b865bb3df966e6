//! VAE-EM (Adipoetra & Martin, arXiv 2501.07358): K VAEs and soft responsibilities, alternately.
//!
//! The objective is Σ_nk u_nk ELBO_k(x_n) − Σ_nk u_nk log u_nk with uniform mixing weights. The E-step has a closed form,
//! u_n = softmax_k ELBO_k(x_n); the M-step is some epochs of descent with u fixed.

use super::experts::{Descent, Weighing};
use super::fit::Step;
use super::images::gather;
use super::loss::{AutoencoderLoss, negative_entropy};
use super::objective::Noise;
use crate::nn::mixture::Mixture;
use crate::nn::state::replace;
use burn::module::{Module, RunningState};
use burn::tensor::Tensor;

/// A mixture in training, with the responsibilities of every row; they belong to its state, as its weights do.
#[derive(Module, Debug)]
pub struct Em {
    pub mixture: Mixture,
    /// u, [N, K]; rows sum to 1.
    responsibilities: RunningState<Tensor<2>>,
}

impl Em {
    pub fn new(mixture: Mixture, responsibilities: Tensor<2>) -> Self {
        Self {
            mixture,
            responsibilities: RunningState::new(responsibilities),
        }
    }

    /// Puts the outcome of an E-step, without autodiff, in the place of u.
    pub fn set(&self, responsibilities: Tensor<2>) {
        replace(&self.responsibilities, responsibilities);
    }

    /// One step of the M-step on the batch of the rows `rows`: the mean over rows of Σ_k u_k cost_k + Σ_k u_k log u_k, the
    /// negative objective.
    pub fn step(&self, loss: &AutoencoderLoss, images: Tensor<4>, rows: &[usize], noise: Vec<Noise>) -> Step {
        let u = gather(&self.responsibilities.value(), rows);
        let weighing = Weighing::Given(&u);
        let descent = Descent::of(&self.mixture.experts, loss, &images, noise, weighing);
        let hardness = negative_entropy(u.clone()).mean();
        let value = (u.clone() * descent.costs.clone()).sum_dim(1).mean() + hardness.clone();
        let entropies = [hardness.neg(), negative_entropy(u.clone().mean_dim(0))];
        Step {
            values: descent.values(value, &u, entropies),
            gradients: descent.gradients,
        }
    }
}

/// The temperature of the E-step before epoch `epoch` of `epochs`, where one comes: a round takes `length` epochs, and the
/// first has its u from the start.
pub fn e_step_before(epoch: u64, epochs: u64, length: u64, start: f64) -> Option<f64> {
    let (round, rounds) = (epoch / length, epochs.div_ceil(length));
    (round > 0 && epoch.is_multiple_of(length)).then(|| temperature(start, round - 1, rounds - 1))
}

/// The temperature of E-step `step` of `steps`: from `start` in equal ratios down to 1 at half of them, and 1 from there.
fn temperature(start: f64, step: u64, steps: u64) -> f64 {
    let over = steps as f64 / 2.0;
    start.powf((1.0 - step as f64 / over).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::weights;
    use crate::tensors::host;
    use burn::tensor::Device;

    #[test]
    fn the_temperature_falls_from_the_first_e_step_to_one_at_half_of_them_and_stays() {
        let at = |step| temperature(16.0, step, 8);
        assert_eq!([0, 2, 4, 7].map(at), [16.0, 4.0, 1.0, 1.0]);
        assert_eq!(temperature(1.0, 0, 8), 1.0);
        assert_eq!(temperature(9.0, 0, 1), 9.0);
    }

    #[test]
    fn an_e_step_comes_before_every_round_but_the_first_and_the_first_of_them_is_hottest() {
        let temperatures: Vec<Option<f64>> = (0..7).map(|epoch| e_step_before(epoch, 7, 2, 16.0)).collect();
        let second = temperature(16.0, 1, 3);
        assert_eq!(
            temperatures,
            [None, None, Some(16.0), None, Some(second), None, Some(1.0)]
        );
        assert!(1.0 < second && second < 16.0);
    }

    fn without_experts(u: [[f32; 2]; 2]) -> Em {
        let device = Device::flex().autodiff();
        let mixture = Mixture {
            manager: None,
            code_gate: None,
            experts: vec![],
        };
        Em::new(mixture, Tensor::from_floats(u, &device))
    }

    #[test]
    fn responsibilities_belong_to_the_state_a_checkpoint_carries() {
        let em = without_experts([[0.5, 0.5], [0.5, 0.5]]);
        em.set(Tensor::from_floats(
            [[0.9, 0.1], [0.2, 0.8]],
            &Device::flex().autodiff(),
        ));
        let resumed = weights::restore(without_experts([[0.0, 1.0], [0.0, 1.0]]), &weights::collect(&em)).unwrap();
        assert_eq!(host(resumed.responsibilities.value().inner()), [0.9, 0.1, 0.2, 0.8]);
        assert!(weights::trained(&em).is_empty(), "no gradient descends them");
    }
}
