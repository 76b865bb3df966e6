//! DEC (Xie, Girshick & Farhadi 2016, arXiv 1511.06335) and IDEC (Guo et al., IJCAI 2017): codes move towards a sharper
//! form of their own soft assignment.
//!
//! L = γ KL(P ‖ Q) + w R: q_ij is Student's t-distribution between code i and centre j, p_ij = (q_ij² / f_j) / Σ_k
//! (q_ik² / f_k) with f_j = Σ_i q_ij over all rows, R the reconstruction cost. DEC has w = 0. P is found anew every so
//! often and is a constant in between.

use super::fit::Step;
use super::images::gather;
use super::loss::{AutoencoderLoss, kl_to_targets};
use crate::nn::centred::Centred;
use crate::nn::state::replace;
use crate::tensors::host;
use burn::module::{Module, RunningState};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

/// A network that learns from its own assignments, with the last of them.
#[derive(Module, Debug)]
pub struct SelfTraining {
    pub model: Centred,
    /// q of every row at the last refresh, [N, K].
    assignments: RunningState<Tensor<2>>,
    /// Share of rows whose cluster the last refresh changed, [1].
    changed: RunningState<Tensor<1>>,
}

impl SelfTraining {
    /// `images` are as for [`refresh`](Self::refresh).
    pub fn new(model: Centred, images: impl Iterator<Item = Tensor<4>>, device: &Device) -> Self {
        let start = assign(&model.valid(), images);
        Self {
            model,
            assignments: RunningState::new(Tensor::from_inner(start)),
            changed: RunningState::new(Tensor::ones([1], device)),
        }
    }

    /// Assigns every row anew. `images` are all of them, clean and without autodiff, in order.
    pub fn refresh(&self, images: impl Iterator<Item = Tensor<4>>) {
        let now = assign(&self.model.valid(), images);
        let before = self.assignments.value().inner();
        let changed = before.argmax(1).not_equal(now.clone().argmax(1)).float().mean();
        replace(&self.changed, changed);
        replace(&self.assignments, now);
    }

    /// p of some rows, [B, K].
    pub fn targets(&self, rows: &[usize]) -> Tensor<2> {
        let q = self.assignments.value();
        sharpen(gather(&q, rows), q.sum_dim(0))
    }

    /// Share of rows whose cluster the last refresh changed; 1 before the first.
    pub fn changed(&self) -> f64 {
        f64::from(host(self.changed.value())[0])
    }
}

/// q of all images, [N, K].
pub fn assign(model: &Centred, images: impl Iterator<Item = Tensor<4>>) -> Tensor<2> {
    let q = images.map(|batch| softmax(model.logits(model.autoencoder.encode(batch).mean), 1));
    Tensor::cat(q.collect(), 0)
}

/// p of rows q [B, K], given the sum over all rows of q, [1, K].
pub fn sharpen(q: Tensor<2>, frequencies: Tensor<2>) -> Tensor<2> {
    let weighted = q.powi_scalar(2) / frequencies;
    let sums = weighted.clone().sum_dim(1);
    weighted / sums
}

#[derive(Clone, Copy, Debug)]
pub struct DecLoss {
    /// γ
    pub clustering: f64,
    /// w; with 0 the decoder does not run.
    pub reconstruction: f64,
    pub autoencoder: AutoencoderLoss,
}

impl DecLoss {
    /// Names of the values of [`dec_step`], in its order.
    pub fn columns(&self) -> Vec<String> {
        let reconstruction = (self.reconstruction > 0.0).then_some("reconstruction");
        let columns = ["loss", "kl"].into_iter().chain(reconstruction).chain(["changed"]);
        columns.map(str::to_owned).collect()
    }
}

/// One step on images [B, C, D, D] with the targets [B, K] of their rows.
pub fn dec_step(training: &SelfTraining, loss: &DecLoss, images: Tensor<4>, targets: Tensor<2>) -> Step {
    let Centred { autoencoder, .. } = &training.model;
    let posterior = autoencoder.encode(images.clone());
    let kl = kl_to_targets(targets, training.model.logits(posterior.mean.clone()));
    let mut total = kl.clone().mul_scalar(loss.clustering);
    let mut terms = vec![kl];
    if loss.reconstruction > 0.0 {
        let logits = autoencoder.decode(posterior.mean.clone());
        let costs = loss.autoencoder.terms(images, logits, &posterior, None);
        let cost = loss.autoencoder.total(&costs).mean();
        total = total + cost.clone().mul_scalar(loss.reconstruction);
        terms.push(cost);
    }
    terms.insert(0, total.clone());
    terms.push(training.changed.value());
    Step::descend(&total, Tensor::cat(terms, 0).detach())
}
