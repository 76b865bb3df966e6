//! Runs `dynae_train`.

use super::clustered::{self, Start};
use super::models::Shape;
use super::trainer::Trainer;
use crate::nn::centred::Centred;
use crate::random::Draws;
use crate::train::dec::assign;
use crate::train::dynae::{COLUMNS, DynaeLoss, Dynamic, dynae_step};
use crate::train::fit::{At, Plan, steps_per_epoch};
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::dynae_train::DynaeTrain;
use moelab_stages::network::Variant;
use serde_json::{Map, json};

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: DynaeTrain = job.settings()?;
    let trainer = Trainer::open(job)?;
    let mut start = Start::open(&trainer)?;
    let means = start.moments(&start.one_hot())?.means;
    // The code is the posterior mean: what comes out is a plain autoencoder.
    start.shape.variant = Variant::Ae;
    let autoencoder = start.autoencoder.clone().plain();
    let loss = DynaeLoss {
        kappa: settings.kappa,
        reconstruction: settings.reconstruction_weight,
    };
    let plan = Plan {
        epochs: settings.epochs,
        batch_size: settings.batch_size as usize,
        learning_rate: settings.learning_rate,
    };
    let model = Dynamic::new(autoencoder, &start.codes, &means, &trainer.device);
    let per_epoch = steps_per_epoch(trainer.images.rows, plan.batch_size);
    let step = |model: &Dynamic, rows: &[usize], at: At| {
        if (at.epoch * per_epoch + at.step).is_multiple_of(settings.update_interval) {
            let draws = Draws::new(trainer.session.draws.seed_at("centres", at.epoch, at.step));
            model.check(&loss, trainer.batches(), &draws);
        }
        let shown = trainer.augmented(rows, &settings.augment, at);
        dynae_step(model, &loss, shown, trainer.clean(rows))
    };
    let settled = |model: &Dynamic| model.conflicted() < settings.tolerance;
    let columns = COLUMNS.map(str::to_owned).to_vec();
    let (model, curves) = trainer.fit_until(plan, columns, model, &trainer.all_rows(), step, settled)?;
    let said = Map::from_iter([
        ("conflicted".to_owned(), json!(model.conflicted())),
        ("lowered".to_owned(), json!(model.lowered())),
        ("epochs".to_owned(), json!(curves.rows.len())),
    ]);
    let centres = model.centres();
    let model = Centred::new(model.autoencoder, centres);
    let p = assign(&model, trainer.batches());
    clustered::write(
        &trainer,
        &model,
        Some(&model.autoencoder),
        Shape::Centred,
        start,
        p,
        said,
    )
}
