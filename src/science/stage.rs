//! One file per stage kind: from the artifacts of a job to its outputs.

mod assign;
mod best_restart;
mod cluster_table;
mod clustered;
mod dec_train;
mod describe;
mod dynae_train;
mod embed;
mod evaluate;
mod generate;
mod generator;
mod gmm;
mod gmvae_train;
mod hdbscan;
mod hdbscan_predict;
mod history;
mod kmeans;
mod latent_finder;
mod load;
mod manager_fit;
mod mice_train;
mod mixture;
mod mixture_train;
mod models;
mod moe_train;
mod picture;
mod portray;
mod pretrain_vae;
mod select;
mod session;
mod single_linkage;
mod stability;
mod stable_split;
mod subclusters;
#[cfg(test)]
mod testing;
mod trainer;
mod vade_train;
mod walk;

use crate::device::{self, Exhausted};
use moelab_engine::job::{Failure, FailureKind, JobContext};

/// Runs the stage of a job.
pub fn run(job: &JobContext) -> Result<(), Failure> {
    device::exhaustion(|| dispatch(job)).unwrap_or_else(|exhausted| {
        let message = format!(
            "{} ran out of memory on {}: use fewer --jobs, smaller images or smaller `filters`",
            job.stage(),
            job.device()
        );
        Err(out_of_memory(exhausted, message))
    })
}

fn dispatch(job: &JobContext) -> Result<(), Failure> {
    match job.stage() {
        "load" => load::run(job),
        "pretrain_vae" => pretrain_vae::run(job),
        "latent_finder" => latent_finder::run(job),
        "describe" => describe::run(job),
        "embed" => embed::run(job),
        "single_linkage" => single_linkage::run(job),
        "hdbscan" => hdbscan::run(job),
        "hdbscan_predict" => hdbscan_predict::run(job),
        "kmeans" => kmeans::run(job),
        "gmm" => gmm::run(job),
        "stability" => stability::run(job),
        "stable_split" => stable_split::run(job),
        "select" => select::run(job),
        "manager_fit" => manager_fit::run(job),
        "moe_train" => moe_train::run(job),
        "gmvae_train" => gmvae_train::run(job),
        "mixture_train" => mixture_train::run(job),
        "assign" => assign::run(job),
        "best_restart" => best_restart::run(job),
        "portray" => portray::run(job),
        "subclusters" => subclusters::run(job),
        "generate" => generate::run(job),
        "walk" => walk::run(job),
        "dec_train" => dec_train::run(job),
        "vade_train" => vade_train::run(job),
        "dynae_train" => dynae_train::run(job),
        "mice_train" => mice_train::run(job),
        "evaluate" => evaluate::run(job),
        other => Err(Failure::bug(format!(
            "this worker does not know the stage kind `{other}`"
        ))),
    }
}

fn out_of_memory(exhausted: Exhausted, message: String) -> Failure {
    let kind = match exhausted {
        Exhausted::Host => FailureKind::OutOfMemory,
        Exhausted::Device => FailureKind::DeviceOutOfMemory,
    };
    Failure::new(kind, message)
}

/// Turns an error of the science into a failure of the stage.
fn refuse(error: impl std::fmt::Display) -> Failure {
    Failure::stage(error.to_string())
}
