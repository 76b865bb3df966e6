//! Runs `hdbscan_predict`.

use super::cluster_table::Clusters;
use super::hdbscan::{config, to_f32};
use super::{embed, refuse};
use crate::cluster::MutualReachability;
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::hdbscan::Hdbscan;
use std::sync::Arc;

/// The clustering is made again rather than read: its tree in memory takes longer to store than to build.
pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: Hdbscan = job.settings()?;
    let (reference, new) = (job.input("reference")?, job.input("points")?);
    let points = embed::points(&reference.path, &reference.artifact)?;
    let new = embed::points(&new.path, &new.artifact)?;
    let config = config(&settings, points.rows());
    let reach = MutualReachability::new(&points).map_err(refuse)?;
    let linkage = reach.single_linkage(config.samples(), config.alpha).map_err(refuse)?;
    let found = Arc::new(linkage).cluster(&config).map_err(refuse)?;
    let predicted = found
        .approximate_predict(&reach, config.samples(), &new)
        .map_err(refuse)?;
    let labelled = predicted.labels.iter().filter(|&&label| label >= 0).count();
    tracing::info!(
        "{labelled} of {} points join one of {} clusters",
        new.rows(),
        found.clusters()
    );
    let clusters = Clusters {
        probabilities: to_f32(&predicted.probabilities),
        outlier_scores: to_f32(&predicted.outlier_scores),
        memberships: found.predicted_memberships(&points, &new, &predicted),
        labels: predicted.labels,
    };
    clusters.write(&job.output("clusters")?)
}
