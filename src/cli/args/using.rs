//! What a trained model is used for.

use super::One;
use std::path::PathBuf;

/// What a model is used on.
#[derive(clap::Args)]
pub struct On {
    /// auto, cpu, cuda:N, or flex.
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: String,
    /// Threads; by default all cores.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub threads: Option<u64>,
}

#[derive(clap::Args)]
pub struct Assign {
    #[command(flatten)]
    pub of: One,
    /// A folder or archive of PNG or JPEG images, or an .npy array; resized and padded like those it was trained on.
    #[arg(long, value_name = "PATH")]
    pub images: PathBuf,
    /// Write here, as CSV or Parquet by its ending.
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    #[command(flatten)]
    pub on: On,
}

#[derive(clap::Args)]
pub struct Generate {
    #[command(flatten)]
    pub of: One,
    /// Whose images, from 0.
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub cluster: u64,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub count: u64,
    /// Other draws of the same seed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub stream: u64,
    /// Write here: a grid as .png, or the images as .npy (uint8 [N, C, H, W]).
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    #[command(flatten)]
    pub on: On,
}

#[derive(clap::Args)]
pub struct Walk {
    #[command(flatten)]
    pub of: One,
    /// Whose images, from 0.
    #[arg(long, value_name = "K", default_value_t = 0)]
    pub cluster: u64,
    /// The latent unit, from 0; by default the one that varies most over the cluster's images.
    #[arg(long, value_name = "D")]
    pub dim: Option<u64>,
    /// Images of the walk.
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u64).range(2..=100))]
    pub steps: u64,
    /// From -REACH to REACH standard deviations.
    #[arg(long, default_value_t = 2.5)]
    pub reach: f64,
    /// Write here: a row as .png, or the images as .npy (uint8 [N, C, H, W]).
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    #[command(flatten)]
    pub on: On,
}
