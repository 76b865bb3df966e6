//! Runs `kmeans`.

use super::cluster_table::Clusters;
use super::{embed, refuse};
use crate::cluster::{self, KMeansConfig, Partition};
use crate::random::Draws;
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::kmeans::Kmeans;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: Kmeans = job.settings()?;
    let input = job.input("points")?;
    let points = embed::points(&input.path, &input.artifact)?;
    let config = KMeansConfig {
        clusters: settings.n_clusters as usize,
        n_init: settings.n_init as usize,
        max_iter: settings.max_iter as usize,
        ..KMeansConfig::default()
    };
    let found = cluster::kmeans(&points, &config, &Draws::new(job.seed())).map_err(refuse)?;
    tracing::info!("inertia {}", found.inertia);
    from_partition(found.partition).write(&job.output("clusters")?)
}

/// A partition without noise: each row's probability is its membership in its own cluster, its outlier score the rest.
pub fn from_partition(partition: Partition) -> Clusters {
    let own = |(row, &label): (usize, &i32)| partition.memberships.row(row)[label as usize];
    let probabilities: Vec<f32> = partition.labels.iter().enumerate().map(own).collect();
    Clusters {
        outlier_scores: probabilities.iter().map(|p| 1.0 - p).collect(),
        probabilities,
        labels: partition.labels,
        memberships: partition.memberships,
    }
}
