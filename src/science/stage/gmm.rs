//! Runs `gmm`.

use super::kmeans::from_partition;
use super::{embed, refuse};
use crate::cluster::{self, GmmConfig};
use crate::random::Draws;
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::gmm::Gmm;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: Gmm = job.settings()?;
    let input = job.input("points")?;
    let points = embed::points(&input.path, &input.artifact)?;
    let config = GmmConfig {
        components: settings.n_clusters as usize,
        n_init: settings.n_init as usize,
        max_iter: settings.max_iter as usize,
        reg_covar: settings.reg_covar,
        ..GmmConfig::default()
    };
    let found = cluster::gmm(&points, &config, &Draws::new(job.seed())).map_err(refuse)?;
    tracing::info!(
        "log-likelihood {} after {} iterations",
        found.log_likelihood,
        found.iterations
    );
    from_partition(found.partition).write(&job.output("clusters")?)
}
