//! Runs `mixture_train`.

use super::cluster_table::Clusters;
use super::mixture;
use super::models;
use super::refuse;
use super::trainer::Trainer;
use crate::matrix::Matrix;
use crate::nn::architecture::Architecture;
use crate::nn::autoencoder::AutoencoderShape;
use crate::nn::manager::ManagerShape;
use crate::nn::mixture::{Mixture, MixtureShape};
use crate::train::damic::damic_step;
use crate::train::experts::mixture_columns;
use crate::train::fit::{At, Plan, Step, steps_per_epoch};
use crate::train::images::gather;
use crate::train::k_dae::k_dae_step;
use crate::train::loss::AutoencoderLoss;
use crate::train::minimax::{Form, minimax_step};
use crate::train::mixae::mixae_step;
use crate::train::mixture::{Weights, mixture_step};
use crate::train::vae_em::{Em, e_step_before};
use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Tensor, TensorData};
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::manager_fit::SoftLabels;
use moelab_stages::mixture_train::{Method, MixtureTrain};
use rand::RngExt;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: MixtureTrain = job.settings()?;
    let trainer = Trainer::open(job)?;
    let clusters = job
        .optional("clusters")
        .map(|file| Clusters::read(&file.path))
        .transpose()?;
    if let Some(clusters) = &clusters {
        clusters.check_rows(trainer.images.rows)?;
    }
    let pretrained = job
        .optional("manager")
        .map(|file| models::manager(&file.path, &trainer.device))
        .transpose()?;
    let experts = experts(
        &settings,
        pretrained.as_ref().map(|(_, shape)| shape),
        clusters.as_ref(),
    )?;
    let architecture = trainer.architecture(settings.filters)?;
    let mut shape = shape(&settings, architecture, experts);
    let mut model = trainer.initialise(Mixture::new(&shape, &trainer.device));
    if let Some((manager, given)) = pretrained {
        trainer.check_fit(&given.architecture)?;
        (model.manager, shape.manager) = (Some(manager), Some(given));
    }
    let loss = AutoencoderLoss {
        variant: settings.variant,
        reconstruction: settings.reconstruction,
        reduction: settings.reduction,
        kl_weight: settings.kl_weight,
        l1_weight: 0.0,
    };
    let run = Run {
        settings: &settings,
        trainer: &trainer,
        loss,
        experts,
    };
    let plan = Plan {
        epochs: settings.epochs,
        batch_size: settings.batch_size as usize,
        learning_rate: settings.learning_rate,
    };
    let (columns, rows) = (mixture_columns(experts), trainer.all_rows());
    let (model, curves) = if settings.method == Method::VaeEm {
        let start = run.upload(match &clusters {
            Some(clusters) => clusters.soft_targets(SoftLabels::Membership),
            None => run.random_responsibilities(),
        });
        let step = |em: &Em, rows: &[usize], at: At| run.em_step(em, rows, at);
        let (em, curves) = trainer.fit(plan, columns, Em::new(model, start), &rows, step)?;
        (em.mixture, curves)
    } else {
        let given = clusters.map(|clusters| run.upload(clusters.soft_targets(SoftLabels::Hard)));
        let step = |model: &Mixture, rows: &[usize], at: At| run.step(model, given.as_ref(), rows, at);
        trainer.fit(plan, columns, model, &rows, step)?
    };
    mixture::write(&trainer, &model, shape, loss, &curves)
}

/// K, on which all who know it agree.
fn experts(
    settings: &MixtureTrain,
    manager: Option<&ManagerShape>,
    clusters: Option<&Clusters>,
) -> Result<usize, Failure> {
    let known = [
        ("`n_experts`", settings.n_experts.map(|n| n as usize)),
        ("the manager", manager.map(|shape| shape.experts)),
        ("`clusters`", clusters.map(Clusters::count)),
    ];
    let known: Vec<(&str, usize)> = known.into_iter().filter_map(|(who, n)| Some((who, n?))).collect();
    let &(first, experts) = known.first().ok_or_else(|| refuse("`n_experts` is missing"))?;
    if experts == 0 {
        return Err(Failure::stage(format!(
            "{first} has no clusters: there is nothing to train"
        )));
    }
    match known.iter().find(|(_, n)| *n != experts) {
        Some((who, n)) => Err(Failure::bad_input(format!(
            "{first} says K = {experts}, {who} says {n}"
        ))),
        None => Ok(experts),
    }
}

fn shape(settings: &MixtureTrain, architecture: Architecture, experts: usize) -> MixtureShape {
    let expert = AutoencoderShape {
        architecture: architecture.clone(),
        latent_dim: settings.latent_dim as usize,
        variant: settings.variant,
    };
    MixtureShape {
        experts: vec![expert; experts],
        manager: settings
            .method
            .has_manager()
            .then_some(ManagerShape { architecture, experts }),
        code_gate: settings.method == Method::Mixae,
    }
}

/// What the steps of one run have in common.
struct Run<'a> {
    settings: &'a MixtureTrain,
    trainer: &'a Trainer<'a>,
    loss: AutoencoderLoss,
    experts: usize,
}

impl Run<'_> {
    /// One step of any method but VAE-EM. `given` holds the clusters to learn first, [N, K].
    fn step(&self, model: &Mixture, given: Option<&Tensor<2>>, rows: &[usize], at: At) -> Step {
        let (settings, loss) = (self.settings, &self.loss);
        let images = self.trainer.augmented(rows, &settings.augment, at);
        let noise = mixture::noise(self.trainer, &model.experts, loss.variant, rows.len(), at);
        let given = given
            .filter(|_| at.epoch < settings.warm_up)
            .map(|given| gather(given, rows));
        let experts = &model.experts;
        let manager = || model.manager.as_ref().expect("a method with a manager builds one");
        match settings.method {
            Method::Moa => {
                let weights = Weights {
                    alpha: 0.0,
                    beta: 0.0,
                    pace: 1.0,
                };
                mixture_step(manager(), experts, loss, images, noise, weights)
            }
            Method::MoaPlus => minimax_step(manager(), experts, loss, images, noise, (Form::Bound, settings.ridge)),
            Method::MoaPlusExact => {
                minimax_step(manager(), experts, loss, images, noise, (Form::Exact, settings.ridge))
            }
            Method::Mixae => {
                let gate = model.code_gate.as_ref().expect("MIXAE builds a gate on codes");
                let alpha = settings.alpha * self.hardened(at);
                mixae_step(gate, experts, loss, images, noise, [alpha, settings.beta])
            }
            Method::Damic => damic_step(manager(), experts, loss, images, noise, given),
            Method::KDae => k_dae_step(experts, loss, images, noise, given),
            Method::VaeEm => unreachable!("its steps are `em_step`"),
        }
    }

    /// The part of α's full weight: 0 up to `harden_after` of the training, then linearly to 1 at its end.
    fn hardened(&self, at: At) -> f64 {
        let per_epoch = steps_per_epoch(self.trainer.images.rows, self.settings.batch_size as usize);
        let done = (at.epoch * per_epoch + at.step) as f64 / (self.settings.epochs * per_epoch) as f64;
        let from = self.settings.harden_after;
        if from < 1.0 {
            ((done - from) / (1.0 - from)).max(0.0)
        } else {
            0.0
        }
    }

    /// One step of an M-step, with the E-step before it where a round begins; the first round has its u.
    fn em_step(&self, em: &Em, rows: &[usize], at: At) -> Step {
        let settings = self.settings;
        let e_step = e_step_before(at.epoch, settings.epochs, settings.m_step_epochs, settings.temperature);
        if let Some(temperature) = e_step.filter(|_| at.step == 0) {
            em.set(self.e_step(em, at, temperature));
        }
        let images = self.trainer.augmented(rows, &self.settings.augment, at);
        let noise = mixture::noise(self.trainer, &em.mixture.experts, self.loss.variant, rows.len(), at);
        em.step(&self.loss, images, rows, noise)
    }

    /// softmax_k(ELBO_k / T) of every clean image, [N, K] without autodiff, the ELBO as the mean over some draws.
    fn e_step(&self, em: &Em, at: At, temperature: f64) -> Tensor<2> {
        let model = em.mixture.valid();
        let batches = self.trainer.images.batches(&self.trainer.session.device);
        let of_batch = |(b, images): (usize, Tensor<4>)| {
            let of_expert = |k: usize| {
                let expert = &model.experts[k];
                let posterior = expert.encode(images.clone());
                let of_draw = |draw: u64| {
                    let shape = [images.dims()[0], expert.latent_dim()];
                    let noise = self
                        .trainer
                        .normal(&format!("e-step/{k}/{b}/{draw}"), shape, at)
                        .inner();
                    let logits = expert.decode(posterior.sample(noise));
                    self.loss
                        .total(&self.loss.terms(images.clone(), logits, &posterior, None))
                };
                let draws = self.settings.samples;
                let sum = (1..draws).map(of_draw).fold(of_draw(0), |sum, cost| sum + cost);
                sum.div_scalar(draws as f64).unsqueeze_dim::<2>(1)
            };
            let costs = Tensor::cat((0..self.experts).map(of_expert).collect(), 1);
            softmax(costs.mul_scalar(-1.0 / temperature), 1)
        };
        Tensor::cat(batches.enumerate().map(of_batch).collect(), 0)
    }

    /// Uniform draws, every row divided by its sum.
    fn random_responsibilities(&self) -> Matrix {
        let mut rng = self.trainer.session.draws.at("responsibilities", 0, 0);
        let rows = self.trainer.images.rows;
        let mut u = Matrix::new(
            rows,
            self.experts,
            (0..rows * self.experts).map(|_| rng.random()).collect(),
        );
        for row in 0..rows {
            let sum: f32 = u.row(row).iter().sum();
            u.row_mut(row).iter_mut().for_each(|u| *u /= sum.max(f32::MIN_POSITIVE));
        }
        u
    }

    fn upload(&self, matrix: Matrix) -> Tensor<2> {
        let shape = [matrix.rows(), matrix.cols()];
        Tensor::from_data(TensorData::new(matrix.into_data(), shape), &self.trainer.device)
    }
}
