//! What stages that train an autoencoder on with the clusters of its codes share: their start, and what they say in the
//! end.

use super::cluster_table::{Assignments, Clusters};
use super::models::{self, Shape};
use super::trainer::Trainer;
use crate::cluster::one_hot;
use crate::matrix::Matrix;
use crate::nn::autoencoder::{Autoencoder, AutoencoderShape};
use crate::nn::centred::ClusteredShape;
use crate::tensors::host;
use crate::train::loss::reconstruction;
use burn::module::Module;
use burn::tensor::Tensor;
use moelab_engine::job::Failure;
use moelab_stages::network::Reconstruction;
use serde_json::{Map, Value, json};

/// An autoencoder, the codes of all images, and clusters of them.
pub struct Start {
    /// On the device with autodiff.
    pub autoencoder: Autoencoder,
    pub shape: AutoencoderShape,
    /// Posterior means, [N, L].
    pub codes: Matrix,
    pub clusters: Clusters,
}

/// Share, mean and variance of each cluster's codes.
pub struct Moments {
    /// Their sum is 1.
    pub shares: Vec<f64>,
    /// K × L
    pub means: Vec<Vec<f64>>,
    /// K × L
    pub variances: Vec<Vec<f64>>,
}

impl Start {
    /// Reads the inputs `model` and `clusters`.
    pub fn open(trainer: &Trainer<'_>) -> Result<Self, Failure> {
        let job = trainer.session.job;
        let (autoencoder, shape) = models::autoencoder(&job.input("model")?.path, &trainer.device)?;
        trainer.check_fit(&shape.architecture)?;
        let clusters = Clusters::read(&job.input("clusters")?.path)?;
        clusters.check_rows(trainer.images.rows)?;
        if clusters.count() < 2 {
            return Err(Failure::stage(format!(
                "{} cluster was found: codes need two or more to be told apart",
                clusters.count()
            )));
        }
        let codes = models::posterior_means(&autoencoder.valid(), &trainer.images, &trainer.session.device);
        Ok(Self {
            autoencoder,
            shape,
            codes,
            clusters,
        })
    }

    /// Labels as rows of 0 and 1, [N, K]; noise is in no cluster.
    pub fn one_hot(&self) -> Matrix {
        one_hot(&self.clusters.labels, self.clusters.count())
    }

    /// Moments of the codes, each row weighing in a cluster what `weights` [N, K] say.
    pub fn moments(&self, weights: &Matrix) -> Result<Moments, Failure> {
        moments(&self.codes, weights).map_err(|empty| {
            Failure::bad_input(format!(
                "cluster {empty} has no rows: it has no centre to start from; ask for fewer clusters"
            ))
        })
    }
}

/// The number of the first empty cluster, if there is one.
fn moments(codes: &Matrix, weights: &Matrix) -> Result<Moments, usize> {
    let cluster = |k: usize| {
        let of = |row: usize| f64::from(weights.row(row)[k]);
        let mass: f64 = (0..codes.rows()).map(of).sum();
        if mass <= 0.0 {
            return Err(k);
        }
        let mean_of =
            |value: &dyn Fn(usize) -> f64| (0..codes.rows()).map(|row| of(row) * value(row)).sum::<f64>() / mass;
        let moment = |l: usize| {
            let mean = mean_of(&|row| f64::from(codes.row(row)[l]));
            (mean, mean_of(&|row| (f64::from(codes.row(row)[l]) - mean).powi(2)))
        };
        let (means, variances) = (0..codes.cols()).map(moment).unzip();
        Ok((mass, means, variances))
    };
    let mut moments = Moments {
        shares: vec![],
        means: vec![],
        variances: vec![],
    };
    for k in 0..weights.cols() {
        let (mass, means, variances) = cluster(k)?;
        moments.shares.push(mass);
        moments.means.push(means);
        moments.variances.push(variances);
    }
    let all: f64 = moments.shares.iter().sum();
    moments.shares.iter_mut().for_each(|share| *share /= all);
    Ok(moments)
}

/// K × L numbers as a tensor's values.
pub fn values(rows: &[Vec<f64>]) -> Vec<f32> {
    rows.iter().flatten().map(|&v| v as f32).collect()
}

/// Writes a trained model with the soft assignments p [N, K] of all images: weights, assignments, metrics. `autoencoder`
/// tells the rows' reconstruction costs, where its decoder fits its codes; `said` are the method's own metrics.
pub fn write<M: Module>(
    trainer: &Trainer<'_>,
    model: &M,
    autoencoder: Option<&Autoencoder>,
    shape: impl FnOnce(ClusteredShape) -> Shape,
    start: Start,
    p: Tensor<2>,
    said: Map<String, Value>,
) -> Result<(), Failure> {
    let job = trainer.session.job;
    let [rows, clusters] = p.dims();
    let costs = |autoencoder: &Autoencoder| -> Vec<f32> {
        let cost = |images: Tensor<4>| {
            let logits = autoencoder.decode(autoencoder.encode(images.clone()).mean);
            host(reconstruction(Reconstruction::Mse, images, logits))
        };
        trainer.batches().flat_map(cost).collect()
    };
    let assignments = Assignments {
        reconstruction: match autoencoder {
            Some(autoencoder) => Matrix::new(rows, 1, costs(autoencoder)),
            None => Matrix::new(rows, 0, vec![]),
        },
        manager_p: Matrix::new(rows, clusters, host(p)),
    };
    let shape = shape(ClusteredShape {
        autoencoder: start.shape,
        clusters,
    });
    models::save(&job.output("model")?, model, &shape)?;
    assignments.write(&job.output("assignments")?)?;
    let shares = assignments.shares();
    let mut metrics = said;
    metrics.insert("clusters".into(), json!(clusters));
    metrics.insert(
        "smallest_share".into(),
        json!(shares.iter().copied().fold(1.0, f64::min)),
    );
    metrics.insert(
        "largest_share".into(),
        json!(shares.iter().copied().fold(0.0, f64::max)),
    );
    metrics.insert("assignment_entropy".into(), json!(assignments.entropy()));
    Ok(std::fs::write(
        job.output("metrics")?,
        Value::Object(metrics).to_string(),
    )?)
}

/// Share of rows that are in another cluster than they were.
pub fn moved(before: &[i32], p: &Tensor<2>) -> f64 {
    let now = host(p.clone().argmax(1).float());
    let moved = before.iter().zip(now).filter(|(was, now)| **was != *now as i32).count();
    moved as f64 / before.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_each_clusters_rows() {
        let codes = Matrix::new(4, 2, vec![1.0, 0.0, 3.0, 0.0, 7.0, 5.0, 100.0, 100.0]);
        // The last row is noise.
        let weights = Matrix::new(4, 2, vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        let found = moments(&codes, &weights).unwrap();
        assert_eq!(found.means, [[2.0, 0.0], [7.0, 5.0]]);
        assert_eq!(found.variances, [[1.0, 0.0], [0.0, 0.0]]);
        assert_eq!(found.shares, [2.0 / 3.0, 1.0 / 3.0]);
    }

    #[test]
    fn a_row_counts_in_every_cluster_by_its_membership() {
        let codes = Matrix::new(2, 1, vec![0.0, 4.0]);
        let found = moments(&codes, &Matrix::new(2, 2, vec![0.75, 0.25, 0.25, 0.75])).unwrap();
        assert_eq!(
            (found.means, found.shares),
            (vec![vec![1.0], vec![3.0]], vec![0.5, 0.5])
        );
    }

    #[test]
    fn an_empty_cluster_is_named() {
        let weights = Matrix::new(1, 2, vec![1.0, 0.0]);
        assert_eq!(moments(&Matrix::new(1, 1, vec![1.0]), &weights).err(), Some(1));
    }
}
