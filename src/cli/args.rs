//! What can be typed.

use clap::{Parser, Subcommand, ValueEnum};
use moelab_engine::store::{Age, Size};
use std::path::PathBuf;

/// Deep clustering by mixtures of experts: run what is missing, then print the table.
///
/// Exit codes: 0 done; 1 a bug of ours; 2 usage or spec; 3 a stage failed; 4 finished but incomplete; 5 store damaged;
/// 6 store not writable or disk full; 130, 143 interrupted.
#[derive(Parser)]
#[command(name = "moelab", version = env!("MOELAB_BUILD"))]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(clap::Args)]
pub struct Common {
    /// The store.
    #[arg(long, global = true, default_value = "artifacts", value_name = "DIR")]
    pub store: PathBuf,
    /// The folder with data sets.
    #[arg(long, global = true, default_value = "data", env = "MOELAB_DATA", value_name = "DIR")]
    pub data: PathBuf,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run what is missing, then print the table.
    Run(Run),
    /// Say per action whether it is cached, will run (and why), or waits for an unknown input.
    Plan(Plan),
    /// Draw the pipeline: one node per stage with its number of actions.
    Graph(Graph),
    /// Print the result table from the store alone.
    Table(Table),
    /// Show what an action's artifacts hold, and where they came from.
    Show(One),
    /// Print the log of an action.
    Log(One),
    /// Draw what a stage left, as SVG or PNG: learning curves, maps, trees, spectra, confusion, portraits.
    Plot(Plot),
    /// Write one HTML page with the table, the figures and where they come from; it needs no network.
    Report(Report),
    /// Hash every object and find all damage: what it touches, and how to mend it.
    Verify(Verify),
    /// Say what could be freed and what it would take to make again; with --yes, free it.
    Gc(Gc),
    /// Say what the store's bytes are spent on.
    Du(Du),
    /// Print the JSON Schema of a stage's settings, or of all stages.
    Schema(Schema),
    /// Run programs for a worker and end all they started: part of `command` stages, not for people.
    #[command(hide = true)]
    Keep,
}

/// An experiment, and values that replace its own.
#[derive(Clone, clap::Args)]
pub struct Experiment {
    /// A file, or a name found as experiments/NAME.yaml.
    pub experiment: PathBuf,
    /// Set a parameter, as in `alpha=10` or `epochs.vae=5`; may be repeated.
    #[arg(long = "set", value_name = "PARAM=VALUE")]
    pub overrides: Vec<String>,
}

#[derive(clap::Args)]
pub struct Run {
    #[command(flatten)]
    pub experiment: Experiment,
    /// Jobs at the same time; by default one per core, up to 4.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub jobs: Option<u64>,
    /// Threads of one job; by default the cores divided by the jobs.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub threads: Option<u64>,
    /// auto, cpu, cuda:N (several with commas), or flex.
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: String,
    /// After a failure, finish what does not depend on it.
    #[arg(long)]
    pub keep_going: bool,
    /// Only this stage and what it needs; may be repeated.
    #[arg(long, value_name = "STAGE")]
    pub only: Vec<String>,
    /// Run this stage again although it is done; may be repeated.
    #[arg(long, value_name = "STAGE")]
    pub force: Vec<String>,
    /// What to print on standard output.
    #[arg(long, default_value = "text")]
    pub format: RunFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RunFormat {
    Text,
    Json,
}

#[derive(clap::Args)]
pub struct Plan {
    #[command(flatten)]
    pub experiment: Experiment,
    #[arg(long, value_name = "STAGE")]
    pub only: Vec<String>,
    #[arg(long, value_name = "STAGE")]
    pub force: Vec<String>,
    #[arg(long, default_value = "text")]
    pub format: RunFormat,
}

#[derive(clap::Args)]
pub struct Graph {
    #[command(flatten)]
    pub experiment: Experiment,
    #[arg(long, default_value = "text")]
    pub format: GraphFormat,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum GraphFormat {
    Text,
    Mermaid,
    Dot,
    /// With what is done and the seconds it took.
    Svg,
    Png,
}

#[derive(clap::Args)]
pub struct Table {
    /// Files, or names found as experiments/NAME.yaml.
    #[arg(required = true)]
    pub experiments: Vec<PathBuf>,
    #[arg(long = "set", value_name = "PARAM=VALUE")]
    pub overrides: Vec<String>,
    /// Text fits the terminal; md and latex are pivoted as the experiment says; csv, parquet and json are tidy.
    #[arg(long, default_value = "text")]
    pub format: TableFormat,
    /// One row per seed, not aggregated (csv, parquet, json).
    #[arg(long)]
    pub raw: bool,
    /// Write to a file (needed for parquet).
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    Text,
    Md,
    Latex,
    Csv,
    Parquet,
    Json,
}

/// One action of an experiment.
#[derive(Clone, clap::Args)]
pub struct One {
    #[command(flatten)]
    pub experiment: Experiment,
    /// Name of the stage in the pipeline.
    pub stage: String,
    #[arg(long)]
    pub seed: Option<u64>,
    /// Pick by axis value, as in `alpha=10`; may be repeated.
    #[arg(long = "where", value_name = "AXIS=VALUE")]
    pub conditions: Vec<String>,
}

#[derive(clap::Args)]
pub struct Plot {
    #[command(flatten)]
    pub of: One,
    /// Colour a map by the clusters or labels of this stage, or by the errors that a stage of kind `evaluate` counted.
    #[arg(long, value_name = "STAGE[.OUTPUT]")]
    pub by: Option<String>,
    /// Write to a file in place of standard output: PNG if it ends in .png, else SVG.
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct Report {
    #[command(flatten)]
    pub experiment: Experiment,
    /// Write to a file in place of standard output.
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct Verify {
    #[arg(long, default_value = "text")]
    pub format: RunFormat,
}

/// Without a selection only garbage goes: objects of no result, dead attempts, temporary files. Selected results are
/// evicted: they still count as done, and run again only when somebody reads their bytes.
#[derive(clap::Args)]
pub struct Gc {
    /// Do it.
    #[arg(long)]
    pub yes: bool,
    /// Results that no run has used for so long, as in `30d`; also abandoned checkpoints and records of runs.
    #[arg(long, value_name = "AGE")]
    pub older_than: Option<Age>,
    /// Results that this experiment used and no other.
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
    /// Only outputs of these types, as in `model,points`; without it outputs below 64 KiB stay.
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    pub role: Vec<String>,
    /// Only as much as brings the store to this size, as in `10G`: first what is cheapest to make again per byte and day
    /// of disuse.
    #[arg(long, value_name = "SIZE")]
    pub to_size: Option<Size>,
    #[arg(long, default_value = "text")]
    pub format: RunFormat,
}

#[derive(clap::Args)]
pub struct Du {
    #[arg(long, default_value = "text")]
    pub format: RunFormat,
}

#[derive(clap::Args)]
pub struct Schema {
    /// A stage kind; all if left out.
    pub kind: Option<String>,
}
