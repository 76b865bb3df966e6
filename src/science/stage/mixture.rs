//! What stages that train a mixture share: its noise, and what they say of it in the end.

use super::cluster_table::{Assignments, greatest};
use super::models::{self, Shape, TrainedMixture};
use super::trainer::Trainer;
use crate::matrix::Matrix;
use crate::nn::autoencoder::Autoencoder;
use crate::nn::mixture::{Mixture, MixtureShape};
use crate::tensors::host;
use crate::train::experts::MIXTURE_TERMS;
use crate::train::fit::{At, History};
use crate::train::images::Images;
use crate::train::loss::AutoencoderLoss;
use crate::train::objective::Noise;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use moelab_engine::job::Failure;
use moelab_stages::network::Variant;
use serde_json::json;

/// An expert whose mean share stays below this part of 1 / K for the last [`DEAD_EPOCHS`], or for all if there are fewer, is
/// dead.
const DEAD_SHARE: f64 = 0.1;
const DEAD_EPOCHS: usize = 5;

/// What every expert draws for a batch of so many rows.
pub fn noise(trainer: &Trainer<'_>, experts: &[Autoencoder], variant: Variant, rows: usize, at: At) -> Vec<Noise> {
    let of_expert = |(k, expert): (usize, &Autoencoder)| {
        let draw = |purpose| trainer.normal(&format!("{purpose}/{k}"), [rows, expert.latent_dim()], at);
        Noise {
            posterior: draw("posterior"),
            prior: (variant == Variant::Wae).then(|| draw("prior")),
        }
    };
    experts.iter().enumerate().map(of_expert).collect()
}

/// Writes what a trained mixture is and says: weights, assignments and metrics.
pub fn write(
    trainer: &Trainer<'_>,
    model: &Mixture,
    shape: MixtureShape,
    loss: AutoencoderLoss,
    curves: &History,
) -> Result<(), Failure> {
    let job = trainer.session.job;
    let assignments = assign(model, &loss, &trainer.images, &trainer.session.device);
    let report = report(&assignments, curves);
    if !report.dead.is_empty() {
        job.note(format!(
            "dead experts: {:?} (share below {DEAD_SHARE} / K for the last {} epochs)",
            report.dead,
            curves.rows.len().min(DEAD_EPOCHS)
        ));
    }
    models::save(
        &job.output("model")?,
        model,
        &Shape::Mixture(TrainedMixture { shape, loss }),
    )?;
    assignments.write(&job.output("assignments")?)?;
    Ok(std::fs::write(job.output("metrics")?, report.to_json().to_string())?)
}

/// p and every expert's cost of every clean image, decoded from the posterior mean. Where nothing but the costs decides, p
/// is their softmax_k(−cost).
pub fn assign(model: &Mixture, loss: &AutoencoderLoss, images: &Images, device: &Device) -> Assignments {
    let experts = model.experts.len();
    let (mut p, mut costs) = (Vec::new(), Vec::new());
    for batch in images.batches(device) {
        let (mut codes, mut of_batch) = (Vec::with_capacity(experts), Vec::with_capacity(experts));
        for expert in &model.experts {
            let posterior = expert.encode(batch.clone());
            let decoded = expert.decode(posterior.mean.clone());
            let terms = loss.terms(batch.clone(), decoded, &posterior, None);
            of_batch.push(loss.total(&terms).unsqueeze_dim::<2>(1));
            codes.push(posterior.mean);
        }
        let of_batch = Tensor::cat(of_batch, 1);
        let logits = match (&model.manager, &model.code_gate) {
            (Some(manager), _) => manager.forward(batch),
            (None, Some(gate)) => gate.forward(codes),
            (None, None) => of_batch.clone().neg(),
        };
        p.extend(host(softmax(logits, 1)));
        costs.extend(host(of_batch));
    }
    Assignments {
        manager_p: Matrix::new(images.rows, experts, p),
        reconstruction: Matrix::new(images.rows, experts, costs),
    }
}

/// What can be said of a mixture without labels.
struct Report {
    experts: usize,
    dead: Vec<usize>,
    /// Least and greatest share of rows assigned to one expert.
    shares: (f64, f64),
    /// Mean over rows of the entropy of p, in nats.
    entropy: f64,
    /// Share of rows where the manager's choice is the expert with the least cost.
    agreement: f64,
}

fn report(assignments: &Assignments, curves: &History) -> Report {
    let (p, costs) = (&assignments.manager_p, &assignments.reconstruction);
    let (n, experts) = (p.rows() as f64, p.cols());
    let labels = assignments.labels();
    let agree = |row: &usize| {
        let cheapest: Vec<f32> = costs.row(*row).iter().map(|cost| -cost).collect();
        greatest(&cheapest) == labels[*row]
    };
    let threshold = DEAD_SHARE / experts as f64;
    let recent = &curves.rows[curves.rows.len().saturating_sub(DEAD_EPOCHS)..];
    let dead = |k: &usize| recent.iter().all(|row| row[MIXTURE_TERMS.len() + k] < threshold);
    Report {
        experts,
        dead: (0..experts).filter(dead).collect(),
        shares: assignments
            .shares()
            .iter()
            .fold((1.0, 0.0), |(least, most), &s| (f64::min(least, s), f64::max(most, s))),
        entropy: assignments.entropy(),
        agreement: (0..p.rows()).filter(agree).count() as f64 / n,
    }
}

impl Report {
    fn to_json(&self) -> serde_json::Value {
        json!({
            "experts": self.experts,
            "dead_experts": self.dead.len(),
            "smallest_share": self.shares.0,
            "largest_share": self.shares.1,
            "assignment_entropy": self.entropy,
            "agreement": self.agreement,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expert_nobody_uses_is_reported_dead() {
        let assignments = Assignments {
            manager_p: Matrix::new(2, 2, vec![0.99, 0.01, 0.98, 0.02]),
            reconstruction: Matrix::new(2, 2, vec![1.0, 2.0, 3.0, 2.0]),
        };
        let row = vec![0.0, 0.0, 0.0, 0.0, 0.0, 0.985, 0.015];
        let curves = History {
            columns: vec![],
            steps: vec![1; 6],
            rows: vec![row; 6],
        };
        let report = report(&assignments, &curves);
        assert_eq!(
            (report.dead, report.shares, report.agreement),
            (vec![1], (0.0, 1.0), 0.5)
        );
    }
}
