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

/// What is embedded: posterior means, pixels in [0, 1], or features.
fn vectors(job: &JobContext) -> Result<Matrix, Failure> {
    if let Some(features) = job.optional("features") {
        return points(&features.path, &features.artifact);
    }
    let images = Images::open(&job.input("images")?.path).map_err(refuse)?;
    let Some(model) = job.optional("model") else {
        let pixels: Vec<f32> = (0..images.rows).flat_map(|row| images.row(row)).collect();
        return Ok(Matrix::new(
            images.rows,
            images.channels * images.height * images.width,
            pixels,
        ));
    };
    let session = Session::open(job)?;
    let (model, shape) = models::autoencoder(&model.path, &session.device)?;
    models::check_fit(&images, &shape.architecture)?;
    Ok(models::posterior_means(&model, &images, &session.device))
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
