//! Runs `moe_train`.

use super::models;
use super::session::Session;
use super::{mixture, refuse};
use crate::nn::architecture::Architecture;
use crate::nn::autoencoder::AutoencoderShape;
use crate::nn::manager::ManagerShape;
use crate::nn::mixture::{Mixture, MixtureShape};
use crate::nn::weights;
use crate::train::augment::augment;
use crate::train::fit::{At, Plan, steps_per_epoch};
use crate::train::images::{Images, gather};
use crate::train::loss::AutoencoderLoss;
use crate::train::objective::{Weights, mixture_columns, mixture_step};
use burn::module::Module;
use burn::tensor::Tensor;
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::moe_train::{LatentDims, MoeTrain};

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
        let noise = mixture::noise(model, loss.variant, rows.len(), draws, at, &autodiff);
        mixture_step(model, &loss, Tensor::from_inner(changed), noise, weights)
    };
    let (model, curves) = training.fit(model, &rows, step).map_err(|e| session.failure(e))?;
    mixture::write(&session, &model.valid(), shape, &loss, &images, &curves)
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
}
