//! Runs `mice_train`.

use super::cluster_table::Assignments;
use super::models::{self, Shape};
use super::trainer::Trainer;
use crate::matrix::Matrix;
use crate::nn::mice::{Mice, MiceShape};
use crate::nn::resnet::ResNetShape;
use crate::random::standard_normal;
use crate::tensors::host;
use crate::train::fit::{At, Plan, steps_per_epoch};
use crate::train::images::Images;
use crate::train::mice::{COLUMNS, mice_step, posterior};
use crate::train::views::view;
use burn::tensor::{Device, Tensor};
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::mice_train::{MiceTrain, Trunk};

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: MiceTrain = job.settings()?;
    let trainer = Trainer::open(job)?;
    let shape = MiceShape {
        trunk: ResNetShape {
            channels: trainer.images.channels,
            width: settings.width as usize,
            blocks: match settings.trunk {
                Trunk::ResNet18 => vec![2, 2, 2, 2],
                Trunk::ResNet34 => vec![3, 4, 6, 3],
            },
        },
        experts: settings.n_clusters as usize,
        embedding: settings.embedding as usize,
        queue: settings.queue as usize,
        temperature: settings.temperature,
    };
    let draws = &trainer.session.draws;
    let noise = standard_normal(
        shape.queue * shape.experts * shape.embedding,
        &mut draws.at("queue", 0, 0),
    );
    let model = trainer.initialise(Mice::new(&shape, &trainer.device)).begin(noise);
    let plan = Plan {
        epochs: settings.epochs,
        batch_size: settings.batch_size as usize,
        learning_rate: settings.learning_rate,
    };
    let per_epoch = steps_per_epoch(trainer.images.rows, plan.batch_size);
    let step = |model: &Mice, rows: &[usize], at: At| {
        model.follow(settings.momentum);
        let views = ["student", "teacher", "gate"].map(|whose| {
            let mut rng = draws.at(&format!("view/{whose}"), at.epoch, at.step);
            Tensor::from_inner(view(trainer.clean(rows).inner(), &settings.views, &mut rng))
        });
        let step = mice_step(model, shape.temperature, views);
        if at.step + 1 == per_epoch {
            model.renew_prototypes();
        }
        step
    };
    let columns = COLUMNS.map(str::to_owned).to_vec();
    let (model, _) = trainer.fit(plan, columns, model, &trainer.all_rows(), step)?;
    let assignments = assign(&model, &shape, &trainer.images, &trainer.session.device);
    models::save(&job.output("model")?, &model, &Shape::Mice(shape))?;
    assignments.write(&job.output("assignments")?)
}

/// The posterior over experts of every clean image.
pub fn assign(model: &Mice, shape: &MiceShape, images: &Images, device: &Device) -> Assignments {
    let p = images
        .batches(device)
        .flat_map(|batch| host(posterior(model, shape.temperature, batch)))
        .collect();
    Assignments {
        manager_p: Matrix::new(images.rows, shape.experts, p),
        reconstruction: Matrix::new(images.rows, 0, vec![]),
    }
}
