//! Runs `manager_fit`.

use super::cluster_table::{Assignments, Clusters};
use super::models::{self, Shape};
use super::trainer::Trainer;
use crate::matrix::Matrix;
use crate::nn::manager::{Manager, ManagerShape};
use crate::train::fit::{At, Plan, Step};
use crate::train::images::gather;
use crate::train::loss::{kl_to_targets, sample_entropy};
use burn::tensor::{Tensor, TensorData};
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::manager_fit::ManagerFit;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: ManagerFit = job.settings()?;
    let trainer = Trainer::open(job)?;
    let images = &trainer.images;
    let clusters = Clusters::read(&job.input("clusters")?.path)?;
    clusters.check_rows(images.rows)?;
    let experts = clusters.count();
    if experts < 2 {
        return Err(Failure::stage(format!(
            "{experts} cluster was found: a manager needs two or more to tell apart"
        )));
    }
    let architecture = trainer.architecture(settings.filters)?;
    let shape = ManagerShape { architecture, experts };
    let rows: Vec<usize> = (0..images.rows)
        .filter(|&row| settings.keep_noise || clusters.labels[row] >= 0)
        .collect();
    let targets = clusters.soft_targets(settings.soft_labels);
    let targets = TensorData::new(targets.into_data(), [images.rows, experts]);
    let targets = Tensor::<2>::from_data(targets, &trainer.session.device);
    let model = trainer.initialise(Manager::new(&shape, &trainer.device));
    let plan = Plan {
        epochs: settings.epochs,
        batch_size: settings.batch_size as usize,
        learning_rate: settings.learning_rate,
    };
    let step = |model: &Manager, rows: &[usize], at: At| {
        let logits = model.forward(trainer.augmented(rows, &settings.augment, at));
        let loss = kl_to_targets(Tensor::from_inner(gather(&targets, rows)), logits.clone());
        Step::descend(
            &loss,
            Tensor::cat(vec![loss.clone(), sample_entropy(logits)], 0).detach(),
        )
    };
    let columns = ["loss", "entropy"].map(str::to_owned).to_vec();
    let (model, _) = trainer.fit(plan, columns, model, &rows, step)?;
    let assignments = Assignments {
        manager_p: models::probabilities(&model, images, experts, &trainer.session.device),
        reconstruction: Matrix::new(images.rows, 0, vec![]),
    };
    models::save(&job.output("manager")?, &model, &Shape::Manager(shape))?;
    assignments.write(&job.output("assignments")?)
}
