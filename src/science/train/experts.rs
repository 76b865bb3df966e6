//! What every objective of a mixture shares: the experts' costs, their own descent, and what a step reports.

use super::fit::Part;
use super::loss::AutoencoderLoss;
use super::objective::Noise;
use crate::nn::autoencoder::Autoencoder;
use burn::tensor::Tensor;

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
    /// Of all experts of a wae, [1], and its weight in the loss.
    discrepancy: Option<(Tensor<1>, f64)>,
    pub gradients: Vec<Part>,
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
        let (mut reconstructions, mut divergences, mut discrepancies) = (vec![], vec![], vec![]);
        // An expert's cost, its codes and those from the prior.
        type Run = (Tensor<2>, Tensor<2>, Option<Tensor<2>>);
        let mut descend = |weights: &Tensor<2>, k, (cost, codes, prior): Run| -> Part {
            let own = weights.clone().narrow(1, k, 1);
            let mut total = (own.clone() * cost).mean();
            // Minimax weights may be negative: such rows are not the expert's.
            let shares = own.clamp_min(0.0).squeeze_dim(1);
            if let Some(discrepancy) = loss.discrepancy(images, codes, prior, shares) {
                total = total + discrepancy.clone().mul_scalar(loss.kl_weight);
                discrepancies.push(discrepancy.detach());
            }
            total.backward().into()
        };
        for (k, (expert, noise)) in experts.iter().zip(noise).enumerate() {
            let posterior = expert.encode(images.clone());
            let logits = expert.decode(posterior.sample(noise.posterior));
            let terms = loss.terms(images.clone(), logits, &posterior, None);
            let cost = loss.total(&terms).unsqueeze_dim::<2>(1);
            let divergence = terms.divergence.unwrap_or_else(|| terms.reconstruction.zeros_like());
            costs.push(cost.clone().detach());
            reconstructions.push(terms.reconstruction.detach().unsqueeze_dim::<2>(1));
            divergences.push(divergence.detach().unsqueeze_dim::<2>(1));
            match &weighing {
                Weighing::Given(weights) => gradients.push(descend(weights, k, (cost, posterior.mean, noise.prior))),
                Weighing::FromCosts(_) => waiting.push((cost, posterior.mean, noise.prior)),
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
                .map(|(k, run)| descend(&weights, k, run)),
        );
        let discrepancy = discrepancies.into_iter().reduce(|sum, of_expert| sum + of_expert);
        Self {
            costs,
            weights,
            reconstructions: Tensor::cat(reconstructions, 1),
            divergences: Tensor::cat(divergences, 1),
            discrepancy: discrepancy.map(|sum| (sum, loss.kl_weight)),
            gradients,
        }
    }

    /// The values of a step whose loss is `loss`, [1], and whose rows belong to the experts by `shares`, [B, K]; with the
    /// sample entropy of the shares and their negative batch entropy.
    pub fn values(&self, loss: Tensor<1>, shares: &Tensor<2>, entropies: [Tensor<1>; 2]) -> Tensor<1> {
        let [sample, batch] = entropies;
        let weighted = |per_expert: &Tensor<2>| (shares.clone() * per_expert.clone()).sum_dim(1).mean();
        let (mut loss, mut divergence) = (loss, weighted(&self.divergences));
        if let Some((discrepancy, weight)) = &self.discrepancy {
            loss = loss + discrepancy.clone().mul_scalar(*weight);
            divergence = divergence + discrepancy.clone();
        }
        let values = vec![
            loss,
            weighted(&self.reconstructions),
            divergence,
            sample,
            batch,
            shares.clone().mean_dim(0).flatten::<1>(0, 1),
        ];
        Tensor::cat(values, 0).detach()
    }
}
