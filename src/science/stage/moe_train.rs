//! Runs `moe_train`.

use super::mixture;
use super::models;
use super::trainer::Trainer;
use crate::nn::architecture::Architecture;
use crate::nn::autoencoder::AutoencoderShape;
use crate::nn::manager::ManagerShape;
use crate::nn::mixture::{Mixture, MixtureShape};
use crate::train::experts::mixture_columns;
use crate::train::fit::{At, Plan, steps_per_epoch};
use crate::train::loss::AutoencoderLoss;
use crate::train::mixture::{Weights, mixture_step};
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::moe_train::{LatentDims, MoeTrain};

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: MoeTrain = job.settings()?;
    let trainer = Trainer::open(job)?;
    let pretrained = job
        .optional("manager")
        .map(|file| models::manager(&file.path, &trainer.device))
        .transpose()?;
    if let Some((_, shape)) = &pretrained {
        trainer.check_fit(&shape.architecture)?;
    }
    let architecture = trainer.architecture(settings.filters)?;
    let shape = shape(&settings, architecture, pretrained.as_ref().map(|(_, shape)| shape))?;
    let mut model = trainer.initialise(Mixture::new(&shape, &trainer.device));
    if let Some((manager, _)) = pretrained {
        model.manager = Some(manager);
    }
    let loss = AutoencoderLoss {
        variant: settings.variant,
        reconstruction: settings.reconstruction,
        reduction: settings.reduction,
        kl_weight: settings.kl_weight,
        l1_weight: 0.0,
    };
    let plan = Plan {
        epochs: settings.epochs,
        batch_size: settings.batch_size as usize,
        learning_rate: settings.learning_rate,
    };
    let per_epoch = steps_per_epoch(trainer.images.rows, plan.batch_size);
    let step = |model: &Mixture, rows: &[usize], at: At| {
        let done = at.epoch * per_epoch + at.step;
        let weights = Weights {
            alpha: settings.alpha,
            beta: settings.beta,
            pace: pace(done, per_epoch * settings.epochs, settings.ramp),
        };
        let noise = mixture::noise(&trainer, &model.experts, loss.variant, rows.len(), at);
        let images = trainer.augmented(rows, &settings.augment, at);
        let manager = model.manager.as_ref().expect("the shape has a manager");
        mixture_step(manager, &model.experts, &loss, images, noise, weights)
    };
    let columns = mixture_columns(shape.experts.len());
    let (model, curves) = trainer.fit(plan, columns, model, &trainer.all_rows(), step)?;
    mixture::write(&trainer, &model, shape, loss, &curves)
}

/// The network that settings, manager and images ask for.
fn shape(
    settings: &MoeTrain,
    architecture: Architecture,
    manager: Option<&ManagerShape>,
) -> Result<MixtureShape, Failure> {
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
        manager: Some(manager.cloned().unwrap_or(ManagerShape { architecture, experts })),
        code_gate: false,
    })
}

/// The manager's pace after `done` of `steps` steps: linearly from 0 to 1 over the first `ramp` of them.
fn pace(done: u64, steps: u64, ramp: f64) -> f64 {
    let over = ramp * steps as f64;
    if over < 1.0 { 1.0 } else { (done as f64 / over).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_gathers_pace_linearly_over_the_first_part() {
        assert_eq!([0, 5, 10, 99].map(|done| pace(done, 100, 0.1)), [0.0, 0.5, 1.0, 1.0]);
        assert_eq!(pace(0, 100, 0.0), 1.0);
    }
}
