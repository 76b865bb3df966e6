//! Runs `latent_finder`.

use super::session::Session;
use super::{cluster_table, models, refuse};
use crate::manifold::pca;
use crate::matrix::Matrix;
use crate::train::images::Images;
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::frame::write_parquet;
use moelab_stages::latent_finder::{LatentFinder, Per};
use polars::prelude::{DataFrame, NamedFrom, Series};
use serde_json::json;

/// One analysis: of all rows (cluster −1) or of one cluster.
struct Found {
    cluster: i32,
    /// Explained-variance ratios, the greatest first.
    ratios: Vec<f64>,
    dimension: usize,
}

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: LatentFinder = job.settings()?;
    let session = Session::open(job)?;
    let images = Images::open(&job.input("images")?.path).map_err(refuse)?;
    let (model, shape) = models::autoencoder(&job.input("model")?.path, &session.device)?;
    models::check_fit(&images, &shape.architecture)?;
    let means = models::posterior_means(&model, &images, &session.device);
    let found = match settings.per {
        Per::All => vec![find(-1, &means, &settings)?],
        Per::Cluster => {
            let (labels, k) = cluster_table::labels_and_count(&job.input("clusters")?.path)?;
            if labels.len() != means.rows() {
                return Err(Failure::bad_input(format!(
                    "`clusters` has {} rows, the images are {}: both must come from the same `load`",
                    labels.len(),
                    means.rows()
                )));
            }
            (0..k as i32)
                .map(|cluster| {
                    let rows: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == cluster).collect();
                    find(cluster, &means.select(&rows), &settings)
                })
                .collect::<Result<_, _>>()?
        }
    };
    for found in &found {
        tracing::info!(
            "cluster {}: {} of {} dimensions",
            found.cluster,
            found.dimension,
            found.ratios.len()
        );
    }
    let value = match settings.per {
        Per::All => json!(found[0].dimension),
        Per::Cluster => json!(found.iter().map(|f| f.dimension).collect::<Vec<_>>()),
    };
    std::fs::write(job.output("latent_dim")?, value.to_string())?;
    write_spectrum(job, &found)
}

/// Fewer than two rows have no spectrum, and the least dimension.
fn find(cluster: i32, means: &Matrix, settings: &LatentFinder) -> Result<Found, Failure> {
    let ratios = match (cluster, means.rows()) {
        (0.., 0 | 1) => vec![],
        _ => pca::spectrum(means).map_err(refuse)?,
    };
    let dimension = pca::dimension_for(&ratios, settings.variance)
        .max(settings.floor as usize)
        .min(means.cols());
    Ok(Found {
        cluster,
        ratios,
        dimension,
    })
}

fn write_spectrum(job: &JobContext, found: &[Found]) -> Result<(), Failure> {
    let (mut cluster, mut component, mut ratio, mut cumulative) = (vec![], vec![], vec![], vec![]);
    for one in found {
        let mut sum = 0.0;
        for (c, &share) in one.ratios.iter().enumerate() {
            sum += share;
            cluster.push(one.cluster);
            component.push(c as u32 + 1);
            ratio.push(share);
            cumulative.push(sum);
        }
    }
    let columns = vec![
        Series::new("cluster".into(), &cluster).into(),
        Series::new("component".into(), component).into(),
        Series::new("ratio".into(), ratio).into(),
        Series::new("cumulative".into(), cumulative).into(),
    ];
    let mut frame = DataFrame::new(cluster.len(), columns).map_err(refuse)?;
    write_parquet(&mut frame, &job.output("spectrum")?).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_of_no_or_one_row_has_the_least_dimension_and_no_spectrum() {
        let settings = LatentFinder {
            floor: 3,
            ..LatentFinder::default()
        };
        for rows in [0, 1] {
            let found = find(0, &Matrix::new(rows, 5, vec![0.5; rows * 5]), &settings).unwrap();
            assert_eq!((found.dimension, found.ratios.len()), (3, 0), "{rows} rows");
        }
        assert!(
            find(-1, &Matrix::new(1, 5, vec![0.5; 5]), &settings).is_err(),
            "all images are one"
        );
    }
}
