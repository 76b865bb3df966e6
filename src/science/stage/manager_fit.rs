//! Runs `manager_fit`.

use super::cluster_table::{Assignments, Clusters};
use super::models::{self, Shape};
use super::trainer::Trainer;
use crate::matrix::Matrix;
use crate::nn::manager::{Manager, ManagerShape};
use crate::tensors::host;
use crate::train::fit::{At, Plan, Step};
use crate::train::images::{Images, gather};
use crate::train::loss::{kl_to_targets, sample_entropy};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::manager_fit::{ManagerFit, SoftLabels};

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
    let targets = targets(&clusters, settings.soft_labels);
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
        manager_p: probabilities(&model, images, experts, &trainer.session.device),
        reconstruction: Matrix::new(images.rows, 0, vec![]),
    };
    models::save(&job.output("manager")?, &model, &Shape::Manager(shape))?;
    assignments.write(&job.output("assignments")?)
}

/// p of every image, [N, K].
fn probabilities(manager: &Manager, images: &Images, experts: usize, device: &Device) -> Matrix {
    let p = images
        .batches(device)
        .flat_map(|batch| host(softmax(manager.forward(batch), 1)))
        .collect();
    Matrix::new(images.rows, experts, p)
}

/// Rows that sum to 1. A row without any membership falls back to its label, a noise row without any to the uniform.
fn targets(clusters: &Clusters, kind: SoftLabels) -> Matrix {
    let k = clusters.count();
    let mut targets = Matrix::new(clusters.labels.len(), k, vec![0.0; clusters.labels.len() * k]);
    for (row, &label) in clusters.labels.iter().enumerate() {
        let own = usize::try_from(label).ok();
        let membership = clusters.memberships.row(row);
        let sum: f32 = membership.iter().sum();
        let target = targets.row_mut(row);
        match (kind, own) {
            (SoftLabels::Hard, Some(own)) => target[own] = 1.0,
            (SoftLabels::Probability, Some(own)) => {
                let p = clusters.probabilities[row];
                target.fill((1.0 - p) / k as f32);
                target[own] += p;
            }
            _ if sum > 0.0 && sum.is_finite() => {
                target.iter_mut().zip(membership).for_each(|(t, m)| *t = m / sum);
            }
            (_, Some(own)) => target[own] = 1.0,
            (_, None) => target.fill(1.0 / k as f32),
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clusters() -> Clusters {
        Clusters {
            labels: vec![0, 1, -1, -1],
            probabilities: vec![0.5, 1.0, 0.0, 0.0],
            outlier_scores: vec![0.0; 4],
            memberships: Matrix::new(4, 2, vec![0.6, 0.2, 0.0, 0.0, 0.1, 0.3, 0.0, 0.0]),
        }
    }

    #[test]
    fn memberships_are_renormalised_and_empty_rows_fall_back() {
        let targets = targets(&clusters(), SoftLabels::Membership);
        assert_eq!(targets.data(), [0.75, 0.25, 0.0, 1.0, 0.25, 0.75, 0.5, 0.5]);
    }

    #[test]
    fn probability_mixes_one_hot_with_uniform() {
        assert_eq!(targets(&clusters(), SoftLabels::Probability).row(0), [0.75, 0.25]);
    }

    #[test]
    fn hard_is_one_hot() {
        assert_eq!(targets(&clusters(), SoftLabels::Hard).row(0), [1.0, 0.0]);
    }
}
