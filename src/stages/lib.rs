//! What each stage of a pipeline *is*: its settings with defaults, its ports, its version. What it does is in the science
//! crate, which the `moelab` program never links.

pub mod artifact;
pub mod assign;
pub mod augment;
pub mod best_restart;
pub mod command;
pub mod dec_train;
mod declare;
pub mod describe;
pub mod dynae_train;
pub mod embed;
pub mod evaluate;
pub mod frame;
pub mod generate;
pub mod gmm;
pub mod gmvae_train;
pub mod hdbscan;
pub mod hdbscan_predict;
pub mod kmeans;
pub mod latent_finder;
pub mod load;
pub mod manager_fit;
pub mod measured;
pub mod mice_train;
pub mod mixture_train;
pub mod moe_train;
pub mod network;
pub mod portray;
pub mod pretrain_vae;
pub mod reference;
pub mod select;
pub mod single_linkage;
pub mod stability;
pub mod stable_split;
pub mod subclusters;
pub mod vade_train;
pub mod walk;

use moelab_engine::stage::Registry;

/// Every stage kind of this build.
pub fn registry() -> Registry {
    Registry::new([
        load::stage(),
        pretrain_vae::stage(),
        latent_finder::stage(),
        describe::stage(),
        embed::stage(),
        single_linkage::stage(),
        hdbscan::stage(),
        hdbscan_predict::stage(),
        kmeans::stage(),
        gmm::stage(),
        stability::stage(),
        stable_split::stage(),
        select::stage(),
        manager_fit::stage(),
        moe_train::stage(),
        gmvae_train::stage(),
        mixture_train::stage(),
        assign::stage(),
        best_restart::stage(),
        portray::stage(),
        subclusters::stage(),
        generate::stage(),
        walk::stage(),
        dec_train::stage(),
        vade_train::stage(),
        dynae_train::stage(),
        mice_train::stage(),
        evaluate::stage(),
        command::stage(),
    ])
}
