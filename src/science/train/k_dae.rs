//! k-DAE (Opochinsky, Chazan, Gannot & Goldberger, ICASSP 2020): k-means with autoencoders in the place of centres.

use super::experts::{Descent, Weighing};
use super::fit::Step;
use super::loss::{AutoencoderLoss, negative_entropy};
use super::objective::Noise;
use crate::nn::autoencoder::Autoencoder;
use burn::tensor::Tensor;

/// One step of L = mean over rows of min_k d_k: each row trains its cheapest expert alone, or the one that `given`
/// [B, K] names.
pub fn k_dae_step(
    experts: &[Autoencoder],
    loss: &AutoencoderLoss,
    images: Tensor<4>,
    noise: Vec<Noise>,
    given: Option<Tensor<2>>,
) -> Step {
    let weighing = match &given {
        Some(given) => Weighing::Given(given),
        None => Weighing::FromCosts(&cheapest),
    };
    let descent = Descent::of(experts, loss, &images, noise, weighing);
    let shares = descent.weights.clone();
    let value = (shares.clone() * descent.costs.clone()).sum_dim(1).mean();
    let entropies = [
        negative_entropy(shares.clone()).mean().neg(),
        negative_entropy(shares.clone().mean_dim(0)),
    ];
    Step {
        values: descent.values(value, &shares, entropies),
        gradients: descent.gradients,
    }
}

/// One-hot rows that name the least of each row's costs, [B, K].
fn cheapest(costs: &Tensor<2>) -> Tensor<2> {
    let [_, experts] = costs.dims();
    if experts == 1 {
        return costs.ones_like(); // one_hot knows no single class
    }
    let least = costs.clone().argmin(1).squeeze_dim::<1>(1);
    least.one_hot::<2>(experts).float()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::host;
    use burn::tensor::Device;

    #[test]
    fn each_row_goes_to_its_cheapest_expert_alone() {
        let costs = Tensor::from_floats([[2.0, 1.0, 3.0], [0.5, 1.0, 0.6]], &Device::flex());
        assert_eq!(host(cheapest(&costs)), [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_single_expert_has_every_row() {
        let costs = Tensor::from_floats([[2.0], [0.5]], &Device::flex());
        assert_eq!(host(cheapest(&costs)), [1.0, 1.0]);
    }
}
