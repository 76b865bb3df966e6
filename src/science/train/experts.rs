//! What every objective of a mixture shares: the experts' costs, their own descent, and what a step reports.

use super::loss::AutoencoderLoss;
use super::objective::{Noise, cost};
use crate::nn::autoencoder::Autoencoder;
use burn::tensor::{Gradients, Tensor};

/// Values of a step in front of the experts' shares.
pub const MIXTURE_TERMS: [&str; 5] = [
    "loss",
    "reconstruction",
    "divergence",
    "sample_entropy",
    "batch_entropy",
];

/// Names of the values that the step of a mixture reports, in order.
pub fn mixture_columns(experts: usize) -> Vec<String> {
    let terms = MIXTURE_TERMS.iter().map(|name| (*name).to_owned());
    terms.chain((0..experts).map(|k| format!("share_{k}"))).collect()
}

/// How much each expert's cost of each row weighs in its descent, [B, K]; constants.
pub enum Weighing<'a> {
    /// Known before the costs are: each expert descends before the next one starts, and memory does not grow with K.
    Given(&'a Tensor<2>),
    /// Found from the costs [B, K] of all experts, whose activations wait meanwhile.
    FromCosts(&'a dyn Fn(&Tensor<2>) -> Tensor<2>),
}

/// The experts' costs of a batch, all [B, K] and constants, and the gradients of their descent.
///
/// An objective of a mixture is linear in the costs once its weights are fixed, and experts share no parameter, so each
/// descends the mean over rows of its weighted cost by itself.
pub struct Descent {
    pub costs: Tensor<2>,
    pub weights: Tensor<2>,
    pub reconstructions: Tensor<2>,
    pub divergences: Tensor<2>,
    pub gradients: Vec<Gradients>,
}

impl Descent {
    /// `noise` has one entry per expert.
    pub fn of(
        experts: &[Autoencoder],
        loss: &AutoencoderLoss,
        images: &Tensor<4>,
        noise: Vec<Noise>,
        weighing: Weighing<'_>,
    ) -> Self {
        let (mut costs, mut waiting, mut gradients) = (vec![], vec![], vec![]);
        let (mut reconstructions, mut divergences) = (vec![], vec![]);
        let descend =
            |weights: &Tensor<2>, k, cost: Tensor<2>| (weights.clone().narrow(1, k, 1) * cost).mean().backward();
        for (k, (expert, noise)) in experts.iter().zip(noise).enumerate() {
            let terms = cost(expert, loss, images.clone(), noise);
            let cost = loss.total(&terms).unsqueeze_dim::<2>(1);
            let divergence = terms.divergence.unwrap_or_else(|| terms.reconstruction.zeros_like());
            costs.push(cost.clone().detach());
            reconstructions.push(terms.reconstruction.detach().unsqueeze_dim::<2>(1));
            divergences.push(divergence.detach().unsqueeze_dim::<2>(1));
            match &weighing {
                Weighing::Given(weights) => gradients.push(descend(weights, k, cost)),
                Weighing::FromCosts(_) => waiting.push(cost),
            }
        }
        let costs = Tensor::cat(costs, 1);
        let weights = match weighing {
            Weighing::Given(weights) => weights.clone(),
            Weighing::FromCosts(weigh) => weigh(&costs),
        };
        gradients.extend(
            waiting
                .into_iter()
                .enumerate()
                .map(|(k, cost)| descend(&weights, k, cost)),
        );
        Self {
            costs,
            weights,
            reconstructions: Tensor::cat(reconstructions, 1),
            divergences: Tensor::cat(divergences, 1),
            gradients,
        }
    }

    /// The values of a step whose loss is `loss`, [1], and whose rows belong to the experts by `shares`, [B, K]; with the
    /// sample entropy of the shares and their negative batch entropy.
    pub fn values(&self, loss: Tensor<1>, shares: &Tensor<2>, entropies: [Tensor<1>; 2]) -> Tensor<1> {
        let [sample, batch] = entropies;
        let weighted = |per_expert: &Tensor<2>| (shares.clone() * per_expert.clone()).sum_dim(1).mean();
        let values = vec![
            loss,
            weighted(&self.reconstructions),
            weighted(&self.divergences),
            sample,
            batch,
            shares.clone().mean_dim(0).flatten::<1>(0, 1),
        ];
        Tensor::cat(values, 0).detach()
    }
}
