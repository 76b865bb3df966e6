//! Runs `moe_train`.

use super::cluster_table::{Assignments, greatest};
use super::models::{self, Shape};
use super::session::Session;
use super::{history, refuse};
use crate::matrix::Matrix;
use crate::nn::architecture::Architecture;
use crate::nn::autoencoder::{Autoencoder, AutoencoderShape};
use crate::nn::manager::ManagerShape;
use crate::nn::mixture::{Mixture, MixtureShape};
use crate::nn::weights;
use crate::random::standard_normal;
use crate::tensors::host;
use crate::train::augment::augment;
use crate::train::fit::{At, History, Plan, steps_per_epoch};
use crate::train::images::{Images, gather};
use crate::train::loss::AutoencoderLoss;
use crate::train::objective::{MIXTURE_TERMS, Noise, Weights, mixture_columns, mixture_step};
use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::moe_train::{LatentDims, MoeTrain};
use moelab_stages::network::Variant;
use serde_json::json;

/// An expert whose mean share stays below this part of 1 / K for [`DEAD_EPOCHS`] is dead.
const DEAD_SHARE: f64 = 0.1;
const DEAD_EPOCHS: usize = 5;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: MoeTrain = job.settings()?;
    let images = Images::open(&job.input("images")?.path).map_err(refuse)?;
    let session = Session::open(job)?;
    let autodiff = session.device.clone().autodiff();
    let pretrained = job
        .optional("manager")
        .map(|file| models::manager(&file.path, &autodiff))
        .transpose()?;
    if let Some((_, shape)) = &pretrained {
        models::check_fit(&images, &shape.architecture)?;
    }
    let shape = shape(&settings, &images, pretrained.as_ref().map(|(_, shape)| shape))?;
    let mut model = weights::initialise(Mixture::new(&shape, &autodiff), &session.draws);
    if let Some((manager, _)) = pretrained {
        model.manager = manager;
    }
    let loss = AutoencoderLoss {
        variant: settings.variant,
        reconstruction: settings.reconstruction,
        reduction: settings.reduction,
        kl_weight: settings.kl_weight,
        l1_weight: 0.0,
    };
    let data = images.upload(&session.device);
    let plan = Plan {
        epochs: settings.epochs,
        batch_size: settings.batch_size as usize,
        learning_rate: settings.learning_rate,
    };
    let rows: Vec<usize> = (0..images.rows).collect();
    let per_epoch = steps_per_epoch(images.rows, plan.batch_size);
    let training = session.training(plan, mixture_columns(shape.experts.len()))?;
    let draws = &session.draws;
    let step = |model: &Mixture, rows: &[usize], at: At| {
        let changed = augment(
            gather(&data, rows),
            &settings.augment,
            &mut draws.at("augment", at.epoch, at.step),
        );
        let released = released(
            at.epoch * per_epoch + at.step,
            per_epoch * settings.epochs,
            settings.ramp,
        );
        let weights = Weights {
            alpha: settings.alpha * released,
            beta: settings.beta,
            released,
        };
        let draw = |purpose: &str, k: usize, expert: &Autoencoder| {
            let shape = [rows.len(), expert.latent_dim()];
            let mut rng = draws.at(&format!("{purpose}/{k}"), at.epoch, at.step);
            let values = standard_normal(shape[0] * shape[1], &mut rng);
            Tensor::<2>::from_data(TensorData::new(values, shape), &autodiff)
        };
        let noise = |(k, expert): (usize, &Autoencoder)| Noise {
            posterior: draw("posterior", k, expert),
            prior: (loss.variant == Variant::Wae).then(|| draw("prior", k, expert)),
        };
        let noise = model.experts.iter().enumerate().map(noise).collect();
        mixture_step(model, &loss, Tensor::from_inner(changed), noise, weights)
    };
    let (model, curves) = training.fit(model, &rows, step).map_err(|e| session.failure(e))?;
    let model = model.valid();
    let assignments = assign(&model, &loss, &images, &session.device);
    let report = report(&assignments, &curves);
    if !report.dead.is_empty() {
        job.note(format!(
            "dead experts: {:?} (share below {DEAD_SHARE} / K for {DEAD_EPOCHS} epochs)",
            report.dead
        ));
    }
    models::save(&job.output("model")?, &model, &Shape::Mixture(shape))?;
    assignments.write(&job.output("assignments")?)?;
    std::fs::write(job.output("metrics")?, report.to_json().to_string())?;
    history::write(&curves, &job.output("history")?)
}

/// The network that settings, manager and images ask for.
fn shape(settings: &MoeTrain, images: &Images, manager: Option<&ManagerShape>) -> Result<MixtureShape, Failure> {
    let architecture =
        Architecture::new(images.channels, images.height, images.width, settings.filters as usize).map_err(refuse)?;
    let listed = match &settings.latent_dims {
        LatentDims::Each(dims) => Some(dims.len()),
        LatentDims::All(_) => None,
    };
    let counts = [
        ("the manager", manager.map(|m| m.experts)),
        ("`latent_dims`", listed),
        ("`n_experts`", settings.n_experts.map(|n| n as usize)),
    ];
    let said: Vec<(&str, usize)> = counts.into_iter().filter_map(|(who, n)| Some((who, n?))).collect();
    let Some(&(_, experts)) = said.first() else {
        return Err(Failure::bad_input("the number of experts is unknown"));
    };
    if let Some((who, n)) = said.iter().find(|(_, n)| *n != experts) {
        return Err(Failure::bad_input(format!(
            "{} has {experts} experts, {who} says {n}",
            said[0].0
        )));
    }
    let latent_dim = |k: usize| match &settings.latent_dims {
        LatentDims::All(dim) => *dim as usize,
        LatentDims::Each(dims) => dims[k] as usize,
    };
    let expert = |k| AutoencoderShape {
        architecture: architecture.clone(),
        latent_dim: latent_dim(k),
        variant: settings.variant,
    };
    Ok(MixtureShape {
        experts: (0..experts).map(expert).collect(),
        manager: manager.cloned().unwrap_or(ManagerShape { architecture, experts }),
    })
}

/// How far the manager is released after `done` of `steps` steps: linearly from 0 to 1 over the first `ramp` of them.
fn released(done: u64, steps: u64, ramp: f64) -> f64 {
    let over = ramp * steps as f64;
    if over < 1.0 { 1.0 } else { (done as f64 / over).min(1.0) }
}

/// p and every expert's cost of every clean image, decoded from the posterior mean.
fn assign(model: &Mixture, loss: &AutoencoderLoss, images: &Images, device: &Device) -> Assignments {
    let experts = model.experts.len();
    let (mut p, mut costs) = (Vec::new(), Vec::new());
    for batch in images.batches(device) {
        p.extend(host(softmax(model.manager.forward(batch.clone()), 1)));
        let per_expert = model.experts.iter().map(|expert| {
            let posterior = expert.encode(batch.clone());
            let decoded = expert.decode(posterior.mean.clone());
            loss.total(&loss.terms(batch.clone(), decoded, &posterior, None))
                .unsqueeze_dim::<2>(1)
        });
        costs.extend(host(Tensor::cat(per_expert.collect(), 1)));
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
    let share = |k: usize| labels.iter().filter(|&&label| label == k as i32).count() as f64 / n;
    let shares: Vec<f64> = (0..experts).map(share).collect();
    let entropy = p
        .data()
        .iter()
        .filter(|&&p| p > 0.0)
        .map(|&p| -f64::from(p) * f64::from(p).ln())
        .sum::<f64>()
        / n;
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
        shares: shares
            .iter()
            .fold((1.0, 0.0), |(least, most), &s| (f64::min(least, s), f64::max(most, s))),
        entropy,
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
    fn the_manager_is_released_linearly_over_the_first_part() {
        assert_eq!(
            [0, 5, 10, 99].map(|done| released(done, 100, 0.1)),
            [0.0, 0.5, 1.0, 1.0]
        );
        assert_eq!(released(0, 100, 0.0), 1.0);
    }

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
