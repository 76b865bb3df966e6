//! The objective of MiCE (Tsai, Li & Zhu, ICLR 2021, §3–4): the evidence of a mixture of contrastive experts.
//!
//! log π_k = log softmax_k(ω_k · g / τ) is the gate's, log Φ_k the expert's log probability of the teacher's embedding of the
//! same image among those of the queue. The paper maximises the ELBO Σ_k q_k (log π_k + log Φ_k − log q_k) with q its exact
//! posterior; there it equals log Σ_k π_k Φ_k, and gradients through q cancel, so that is what descends.

use super::fit::Step;
use super::loss::{log_sum_exp, negative_batch_entropy, sample_entropy};
use crate::nn::mice::{Mice, Taught};
use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax};

/// Names of the values of [`mice_step`], in its order; entropies are those of the posterior over experts.
pub const COLUMNS: [&str; 3] = ["loss", "sample_entropy", "batch_entropy"];

/// One step on three views of the same images, [B, C, H, W] each: the student's, the teacher's and the gate's. The E-step's
/// posterior is remembered for the prototypes, the teacher's embeddings for the queue.
pub fn mice_step(model: &Mice, temperature: f64, [student, teacher, gate]: [Tensor<4>; 3]) -> Step {
    let taught = model.teach(teacher, true);
    let joint = log_joint(model, temperature, student, gate, &taught);
    model.remember(&taught, joint.clone().detach());
    let loss = log_sum_exp(joint.clone()).mean().neg();
    let posterior = joint.detach();
    let values = vec![
        loss.clone(),
        sample_entropy(posterior.clone()),
        negative_batch_entropy(posterior),
    ];
    Step::descend(&loss, Tensor::cat(values, 0).detach())
}

/// The posterior over experts, [B, K], of images as they are: they stand for all three views.
pub fn posterior(model: &Mice, temperature: f64, images: Tensor<4>) -> Tensor<2> {
    let taught = model.teach(images.clone(), false);
    softmax(log_joint(model, temperature, images.clone(), images, &taught), 1)
}

/// log π + log Φ, [B, K].
fn log_joint(model: &Mice, temperature: f64, student: Tensor<4>, gate: Tensor<4>, taught: &Taught) -> Tensor<2> {
    let log_gate = log_softmax(model.gate(gate).div_scalar(temperature), 1);
    let scores = model.scores(model.embed(student), taught).div_scalar(temperature);
    log_gate + log_softmax(scores, 2).narrow(2, 0, 1).squeeze_dim(2)
}

#[cfg(test)]
#[path = "mice_tests.rs"]
mod tests;
