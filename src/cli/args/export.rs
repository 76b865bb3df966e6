//! `moelab export`.

use super::Experiment;
use crate::complete;
use clap::ValueEnum;
use clap_complete::ArgValueCompleter;
use moelab_results::export::Form;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Export {
    #[command(flatten)]
    pub experiment: Experiment,
    /// A stage, or STAGE.OUTPUT; left out for TensorBoard and MLflow.
    #[arg(add = ArgValueCompleter::new(complete::stages))]
    pub stage: Option<String>,
    /// The format; by default what the ending of FILE says.
    #[arg(long = "as", value_name = "FORMAT")]
    pub form: Option<ExportForm>,
    /// A file; for TensorBoard and MLflow a folder.
    #[arg(long, value_name = "PATH")]
    pub to: PathBuf,
    /// Pick by seed.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Pick by axis value, as in `alpha=10`; may be repeated.
    #[arg(long = "where", value_name = "AXIS=VALUE")]
    pub conditions: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportForm {
    /// Event files: a folder per action, scalars of every history, hyperparameters.
    Tensorboard,
    /// A file store: a run per row and seed.
    Mlflow,
    /// Weights, images, points.
    Safetensors,
    /// Images, points, labels.
    Npy,
    /// Tables.
    Parquet,
    /// Tables, a column per number.
    Csv,
    /// Metrics and latent sizes.
    Json,
    /// Pictures.
    Png,
}

impl ExportForm {
    /// That of a single artifact.
    pub fn single(self) -> Option<Form> {
        match self {
            Self::Tensorboard | Self::Mlflow => None,
            Self::Safetensors => Some(Form::Safetensors),
            Self::Npy => Some(Form::Npy),
            Self::Parquet => Some(Form::Parquet),
            Self::Csv => Some(Form::Csv),
            Self::Json => Some(Form::Json),
            Self::Png => Some(Form::Png),
        }
    }
}
