//! Runs `embed`.

use super::session::Session;
use super::{models, refuse};
use crate::device::DeviceShortlist;
use crate::manifold::curve::Curve;
use crate::manifold::umap::{self, Init};
use crate::manifold::{Metric, Neighbours, UmapConfig, knn};
use crate::matrix::Matrix;
use crate::random::Draws;
use crate::tensors::{Content, TensorFile, write};
use crate::train::images::Images;
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::artifact;
use moelab_stages::embed::{self, Embed, Method};
use moelab_stages::frame::write_parquet;
use polars::prelude::{DataFrame, NamedFrom, Series};
use serde_json::json;

/// Multiplications of a neighbour search from which on a device is worth opening: about a second of one processor.
const MANY_PRODUCTS: f64 = 5e10;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: Embed = job.settings()?;
    let data = vectors(job)?;
    let points = match settings.method {
        Method::None => data,
        Method::Umap => match (job.optional("reference"), job.optional("embedding")) {
            (Some(reference), Some(embedding)) => {
                let reference = points(&reference.path, &reference.artifact)?;
                let embedding = points(&embedding.path, &embedding.artifact)?;
                let config = config(&settings, reference.rows(), None);
                tracing::info!("placing {} points among {}: {config:?}", data.rows(), reference.rows());
                let draws = Draws::new(job.seed());
                umap::transform(&config, &reference, &embedding, &data, &draws).map_err(refuse)?
            }
            _ => fit(job, &settings, &data)?,
        },
    };
    let shape = [points.rows(), points.cols()];
    let tensors = [("points", &shape[..], Content::F32(points.data()))];
    write(&job.output("points")?, &tensors, &json!({})).map_err(refuse)
}

fn fit(job: &JobContext, settings: &Embed, data: &Matrix) -> Result<Matrix, Failure> {
    let start = job.optional("start");
    let start = start.map(|file| points(&file.path, &file.artifact)).transpose()?;
    let config = config(settings, data.rows(), start);
    tracing::info!("UMAP of {} × {}: {}", data.rows(), data.cols(), json!(settings));
    let neighbours = neighbours(job, data, &config)?;
    let fitted = umap::fit_with_neighbours(data, &neighbours, &config, &Draws::new(job.seed())).map_err(refuse)?;
    write_graph(job, &fitted)?;
    Ok(fitted.embedding)
}

/// Searched for on an accelerator where that pays; the answer is the same to the bit.
fn neighbours(job: &JobContext, data: &Matrix, config: &UmapConfig) -> Result<Neighbours, Failure> {
    let (k, metric) = (config.n_neighbors, config.metric);
    let products = data.rows() as f64 * data.rows() as f64 * data.cols() as f64;
    if job.device().starts_with("cuda") && products >= MANY_PRODUCTS {
        let session = Session::open(job)?;
        let open = |prepared: &knn::Prepared<'_>| DeviceShortlist::new(prepared, &session.device);
        return knn::exact_by(data, k, metric, open).map_err(refuse);
    }
    knn::exact(data, k, metric).map_err(refuse)
}

/// What is embedded: posterior means, or pixels in [0, 1], or features; with what stands beside them.
fn vectors(job: &JobContext) -> Result<Matrix, Failure> {
    let vectors = match job.optional("features") {
        Some(features) => points(&features.path, &features.artifact)?,
        None => of_images(job)?,
    };
    let Some(other) = job.optional("beside") else {
        return Ok(vectors);
    };
    let other = points(&other.path, &other.artifact)?;
    if vectors.rows() != other.rows() {
        let (rows, others) = (vectors.rows(), other.rows());
        return Err(Failure::bad_input(format!(
            "`beside` holds {others} rows and what is embedded {rows}: both must describe the same images"
        )));
    }
    Ok(beside(&vectors, &other))
}

fn of_images(job: &JobContext) -> Result<Matrix, Failure> {
    let images = Images::open(&job.input("images")?.path).map_err(refuse)?;
    let Some(model) = job.optional("model") else {
        return Ok(pixels(&images));
    };
    let session = Session::open(job)?;
    let (model, shape) = models::autoencoder(&model.path, &session.device)?;
    models::check_fit(&images, &shape.architecture)?;
    Ok(models::posterior_means(&model, &images, &session.device))
}

fn pixels(images: &Images) -> Matrix {
    let values: Vec<f32> = (0..images.rows).flat_map(|row| images.row(row)).collect();
    Matrix::new(images.rows, images.channels * images.height * images.width, values)
}

/// Two descriptions of the same rows as one, each scaled to a total variance of 1, so that neither outweighs the other in
/// distances; one that is the same for all rows adds nothing and stays as it is.
fn beside(left: &Matrix, right: &Matrix) -> Matrix {
    let scale = |m: &Matrix| {
        let rows = m.rows() as f64;
        let column = |c: usize| (0..m.rows()).map(move |row| f64::from(m.row(row)[c]));
        let variance = |c: usize| {
            let mean = column(c).sum::<f64>() / rows;
            column(c).map(|v| (v - mean).powi(2)).sum::<f64>() / rows
        };
        let total: f64 = (0..m.cols()).map(variance).sum();
        if total > 0.0 { total.sqrt().recip() as f32 } else { 1.0 }
    };
    let (of_left, of_right) = (scale(left), scale(right));
    let row = |row: usize| {
        let left = left.row(row).iter().map(move |v| v * of_left);
        left.chain(right.row(row).iter().map(move |v| v * of_right))
    };
    let values = (0..left.rows()).flat_map(row).collect();
    Matrix::new(left.rows(), left.cols() + right.cols(), values)
}

/// Reads a `points` or `features` artifact: both hold one matrix, named like the type.
pub fn points(path: &std::path::Path, artifact: &str) -> Result<Matrix, Failure> {
    let name = if artifact == artifact::FEATURES {
        "features"
    } else {
        "points"
    };
    TensorFile::open(path)
        .and_then(|file| file.matrix(name))
        .map_err(refuse)
}

fn config(settings: &Embed, rows: usize, start: Option<Matrix>) -> UmapConfig {
    let neighbors = settings
        .n_neighbors
        .map_or_else(|| (rows / 300).max(100), |n| n as usize);
    UmapConfig {
        n_neighbors: neighbors.min(rows.saturating_sub(1).max(2)),
        n_components: settings.n_components as usize,
        min_dist: settings.min_dist,
        spread: settings.spread,
        metric: match settings.metric {
            embed::Metric::Euclidean => Metric::Euclidean,
            embed::Metric::Cosine => Metric::Cosine,
        },
        n_epochs: settings.n_epochs.map(|n| n as usize),
        init: match (start, settings.init) {
            (Some(start), _) => Init::Given(start),
            (None, embed::Init::Spectral) => Init::Spectral,
            (None, embed::Init::Pca) => Init::Pca,
            (None, embed::Init::Random) => Init::Random,
        },
        learning_rate: settings.learning_rate,
        negative_sample_rate: settings.negative_sample_rate as usize,
        repulsion_strength: settings.repulsion_strength,
        set_op_mix_ratio: settings.set_op_mix_ratio,
        local_connectivity: settings.local_connectivity,
        disconnection_distance: settings.disconnection_distance,
        curve: settings.a.zip(settings.b).map(|(a, b)| Curve { a, b }),
    }
}

fn write_graph(job: &JobContext, fitted: &umap::Umap) -> Result<(), Failure> {
    let (mut rows, mut cols, mut weights) = (vec![], vec![], vec![]);
    for (row, col, weight) in fitted.graph.edges() {
        rows.push(row);
        cols.push(col);
        weights.push(weight);
    }
    let n = rows.len();
    let columns = vec![
        Series::new("row".into(), rows).into(),
        Series::new("col".into(), cols).into(),
        Series::new("weight".into(), weights).into(),
    ];
    let mut frame = DataFrame::new(n, columns).map_err(refuse)?;
    write_parquet(&mut frame, &job.output("graph")?).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_weigh_alike_in_distances() {
        let left = Matrix::new(4, 2, vec![0.0, 5.0, 200.0, 5.0, 0.0, 5.0, 200.0, 5.0]);
        let right = Matrix::new(4, 1, vec![0.01, 0.01, 0.03, 0.03]);
        let both = beside(&left, &right);
        assert_eq!((both.rows(), both.cols()), (4, 3));
        let apart =
            |a: usize, b: usize| -> f32 { both.row(a).iter().zip(both.row(b)).map(|(x, y)| (x - y).powi(2)).sum() };
        assert!((apart(0, 1) - 4.0).abs() < 1e-5 && (apart(0, 2) - 4.0).abs() < 1e-5);
    }

    #[test]
    fn a_side_without_variance_stays_as_it_is() {
        let both = beside(&Matrix::new(2, 1, vec![7.0; 2]), &Matrix::new(2, 1, vec![-3.0, 3.0]));
        assert_eq!(both.data(), [7.0, -1.0, 7.0, 1.0]);
    }
}
