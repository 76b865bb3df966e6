//! Runs `gmvae_train`.

use super::cluster_table::Assignments;
use super::models::{self, Shape};
use super::trainer::Trainer;
use crate::matrix::Matrix;
use crate::nn::gmvae::{Data, Gmvae, GmvaeShape};
use crate::random::standard_normal;
use crate::tensors::host;
use crate::train::fit::{At, History, Plan};
use crate::train::gmvae::{COLUMNS, GmvaeLoss, Noise, gmvae_step};
use crate::train::images::Images;
use burn::tensor::Device;
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::gmvae_train::GmvaeTrain;
use serde_json::{Value, json};

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: GmvaeTrain = job.settings()?;
    let trainer = Trainer::open(job)?;
    let data = match job.optional("features") {
        Some(_) => Data::Points {
            dims: trainer.images.channels,
        },
        None => Data::Images(trainer.architecture(settings.filters)?),
    };
    let shape = GmvaeShape {
        data,
        clusters: settings.n_clusters as usize,
        x_dim: settings.x_dim as usize,
        w_dim: settings.w_dim as usize,
        hidden: settings.hidden as usize,
    };
    let biases = standard_normal(
        shape.clusters * shape.x_dim,
        &mut trainer.session.draws.at("components", 0, 0),
    );
    let model = trainer.initialise(Gmvae::new(&shape, &trainer.device)).apart(biases);
    let loss = GmvaeLoss {
        reconstruction: settings.reconstruction,
        minimum_information: settings.minimum_information,
    };
    let plan = Plan {
        epochs: settings.epochs,
        batch_size: settings.batch_size as usize,
        learning_rate: settings.learning_rate,
    };
    let step = |model: &Gmvae, rows: &[usize], at: At| {
        let draws = rows.len() * settings.samples as usize;
        let noise = Noise {
            x: trainer.normal("x", [draws, shape.x_dim], at),
            w: trainer.normal("w", [draws, shape.w_dim], at),
        };
        gmvae_step(model, &loss, trainer.augmented(rows, &settings.augment, at), noise)
    };
    let columns = COLUMNS.map(str::to_owned).to_vec();
    let (model, curves) = trainer.fit(plan, columns, model, &trainer.all_rows(), step)?;
    let assignments = assign(&model, &trainer.images, &trainer.session.device);
    models::save(&job.output("model")?, &model, &Shape::Gmvae(shape))?;
    assignments.write(&job.output("assignments")?)?;
    Ok(std::fs::write(
        job.output("metrics")?,
        metrics(&assignments.manager_p, &curves).to_string(),
    )?)
}

/// p(z | x, w) of every image (or point), with the posterior means for x and w.
pub fn assign(model: &Gmvae, images: &Images, device: &Device) -> Assignments {
    let (mut r, mut clusters) = (Vec::new(), 0);
    for batch in images.batches(device) {
        let posterior = model.recognise(batch);
        let log_r = model
            .components(posterior.w.mean)
            .log_responsibilities(posterior.x.mean);
        clusters = log_r.dims()[1];
        r.extend(host(log_r.exp()));
    }
    Assignments {
        manager_p: Matrix::new(images.rows, clusters, r),
        reconstruction: Matrix::new(images.rows, 0, vec![]),
    }
}

/// What can be said without labels: the objective and its terms in the last epoch, and how the clusters are used.
fn metrics(r: &Matrix, curves: &History) -> Value {
    let (n, clusters) = (r.rows() as f64, r.cols());
    let mut sizes = vec![0_usize; clusters];
    let mut mass = vec![0.0; clusters];
    let mut entropy = 0.0;
    for row in 0..r.rows() {
        sizes[super::cluster_table::greatest(r.row(row)) as usize] += 1;
        for (mass, &p) in mass.iter_mut().zip(r.row(row)) {
            *mass += f64::from(p);
            entropy += negative_p_log_p(f64::from(p)) / n;
        }
    }
    let shares = sizes.iter().map(|&size| size as f64 / n);
    let spread: f64 = mass.iter().map(|mass| negative_p_log_p(mass / n)).sum();
    let last = curves.rows.last().map(Vec::as_slice).unwrap_or_default();
    let mut metrics: serde_json::Map<String, Value> = curves
        .columns
        .iter()
        .cloned()
        .zip(last.iter().map(|v| json!(v)))
        .collect();
    metrics.extend([
        ("smallest_share".to_owned(), json!(shares.clone().fold(1.0, f64::min))),
        ("largest_share".to_owned(), json!(shares.fold(0.0, f64::max))),
        (
            "used_clusters".to_owned(),
            json!(sizes.iter().filter(|&&size| size > 0).count()),
        ),
        // exp of the mutual information of rows and clusters: components that cannot be told apart count as one.
        ("effective_clusters".to_owned(), json!((spread - entropy).exp())),
        ("assignment_entropy".to_owned(), json!(entropy)),
    ]);
    Value::Object(metrics)
}

fn negative_p_log_p(p: f64) -> f64 {
    if p > 0.0 { -p * p.ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_clusters_are_not_counted_as_used() {
        let r = Matrix::new(4, 3, vec![1., 0., 0., 1., 0., 0., 0., 1., 0., 0., 1., 0.]);
        let curves = History {
            columns: vec!["loss".into()],
            steps: vec![1],
            rows: vec![vec![7.0]],
        };
        let metrics = metrics(&r, &curves);
        assert_eq!(
            (&metrics["used_clusters"], &metrics["smallest_share"]),
            (&json!(2), &json!(0.0))
        );
        assert!((metrics["effective_clusters"].as_f64().unwrap() - 2.0).abs() < 1e-12);
        assert_eq!(
            (&metrics["loss"], &metrics["assignment_entropy"]),
            (&json!(7.0), &json!(0.0))
        );
    }

    #[test]
    fn components_that_coincide_count_as_one() {
        // The first two share the first two rows alike, the third has the others.
        let r = Matrix::new(
            4,
            3,
            [[0.5, 0.5, 0.], [0.5, 0.5, 0.], [0., 0., 1.], [0., 0., 1.]].concat(),
        );
        let metrics = metrics(&r, &History::default());
        assert!((metrics["effective_clusters"].as_f64().unwrap() - 2.0).abs() < 1e-12);
        assert!((metrics["assignment_entropy"].as_f64().unwrap() - 2.0_f64.ln() / 2.0).abs() < 1e-12);
    }
}
