//! Options of the commands that tell where numbers come from and how they differ.

use super::{RunFormat, TableFormat};
use crate::complete;
use clap_complete::ArgValueCompleter;
use std::path::PathBuf;

/// B less A, one row per place in the table and metric.
#[derive(clap::Args)]
pub struct Compare {
    /// A: a file, or a name found as experiments/NAME.yaml.
    #[arg(add = ArgValueCompleter::new(complete::experiments))]
    pub a: PathBuf,
    /// B, unless --axis or --set makes it.
    #[arg(
        conflicts_with = "axis",
        required_unless_present_any = ["axis", "overrides"],
        add = ArgValueCompleter::new(complete::experiments)
    )]
    pub b: Option<PathBuf>,
    /// The two values of an axis, A first.
    #[arg(long, value_name = "AXIS=A,B")]
    pub axis: Option<String>,
    /// Only this metric; may be repeated. By default those of A's table that B has too.
    #[arg(long = "metric", value_name = "NAME")]
    pub metrics: Vec<String>,
    /// Only rows with this axis value, as in `dataset=mnist`; may be repeated.
    #[arg(long = "where", value_name = "AXIS=VALUE")]
    pub conditions: Vec<String>,
    /// Set a parameter, as in `alpha=10`; may be repeated. With A alone, B is A with these set; otherwise they are set on
    /// both sides.
    #[arg(long = "set", value_name = "PARAM=VALUE")]
    pub overrides: Vec<String>,
    /// csv, parquet and json have all digits and more columns.
    /// Without it the ending of `--to` decides; text where there is none.
    #[arg(long)]
    pub format: Option<TableFormat>,
    /// Write to a file (needed for parquet).
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
}

/// An action, or the runs behind a number.
#[derive(clap::Args)]
pub struct Show {
    /// A file, a name found as experiments/NAME.yaml, or the beginning of an action's key.
    #[arg(add = ArgValueCompleter::new(complete::experiments))]
    pub experiment: PathBuf,
    /// Name of the stage in the pipeline.
    #[arg(conflicts_with = "metric", add = ArgValueCompleter::new(complete::stages))]
    pub stage: Option<String>,
    /// The number of this name in the table.
    #[arg(long, value_name = "NAME")]
    pub metric: Option<String>,
    #[command(flatten)]
    pub pick: Pick,
    /// What to print on standard output.
    #[arg(long, default_value = "text")]
    pub format: RunFormat,
}

/// Two results.
#[derive(clap::Args)]
pub struct Diff {
    /// A: an experiment, or the beginning of an action's key.
    #[arg(add = ArgValueCompleter::new(complete::experiments))]
    pub a: PathBuf,
    /// B, unless --axis names it.
    #[arg(conflicts_with = "axis", required_unless_present = "axis", add = ArgValueCompleter::new(complete::experiments))]
    pub b: Option<PathBuf>,
    /// The stage to compare.
    #[arg(long, value_name = "STAGE")]
    pub stage: Option<String>,
    /// The two values of an axis, A first.
    #[arg(long, value_name = "AXIS=A,B")]
    pub axis: Option<String>,
    #[command(flatten)]
    pub pick: Pick,
    /// What to print on standard output.
    #[arg(long, default_value = "text")]
    pub format: RunFormat,
}

/// Which actions of an experiment.
#[derive(clap::Args)]
pub struct Pick {
    /// Set a parameter, as in `alpha=10`; may be repeated.
    #[arg(long = "set", value_name = "PARAM=VALUE")]
    pub overrides: Vec<String>,
    /// Pick by seed.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Pick by axis value, as in `alpha=10`; may be repeated.
    #[arg(long = "where", value_name = "AXIS=VALUE")]
    pub conditions: Vec<String>,
}
