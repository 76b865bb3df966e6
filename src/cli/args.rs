//! What can be typed.

mod export;
mod results;
mod using;

pub use export::{Export, ExportForm};
pub use results::{Compare, Diff, Show};
pub use using::{Assign, Generate, On, Walk};

use crate::{complete, examples};
use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::ArgValueCompleter;
use moelab_engine::store::{Age, Size};
use std::path::PathBuf;

/// Deep clustering by mixtures of experts: run what is missing, then print the table.
///
/// Exit codes: 0 done; 1 a bug of ours; 2 usage, spec or set-up; 3 a stage failed; 4 finished but incomplete; 5 store
/// damaged; 6 store not writable or disk full; 129, 130, 143 interrupted.
#[derive(Parser)]
#[command(name = "moelab", version = env!("MOELAB_BUILD"), max_term_width = 100, after_help = examples::ALL)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(clap::Args)]
pub struct Common {
    /// The store; relative to the project (the folder with `experiments`, here or above) unless given.
    #[arg(long, global = true, default_value = "artifacts", value_name = "DIR")]
    pub store: PathBuf,
    /// The folder with data sets; relative to the project unless given.
    #[arg(long, global = true, default_value = "data", env = "MOELAB_DATA", value_name = "DIR")]
    pub data: PathBuf,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run what is missing, then print the table.
    #[command(after_help = examples::RUN)]
    Run(Run),
    /// Say per action whether it is cached, will run (and why), or waits for an unknown input.
    #[command(after_help = examples::PLAN)]
    Plan(Plan),
    /// Say how far runs are: those in progress, also of other terminals, else the last.
    #[command(after_help = examples::STATUS)]
    Status(Status),
    /// Draw the pipeline: one node per stage with its number of actions.
    #[command(after_help = examples::GRAPH)]
    Graph(Graph),
    /// Print the result table from the store alone.
    #[command(after_help = examples::TABLE)]
    Table(Table),
    /// Compare two experiments, or two values of an axis: paired on shared seeds, with tests.
    #[command(after_help = examples::COMPARE)]
    Compare(Compare),
    /// Show what an action's artifacts hold, and everything they came from; or the runs behind a number.
    #[command(after_help = examples::SHOW)]
    Show(Show),
    /// Say what differs between two results, and in which stages that began.
    #[command(after_help = examples::DIFF)]
    Diff(Diff),
    /// Print the log of an action.
    #[command(after_help = examples::LOG)]
    Log(One),
    /// Write results for other programs: TensorBoard, MLflow, PyTorch, NumPy, CSV.
    #[command(after_help = examples::EXPORT)]
    Export(Export),
    /// Ask a trained model for the cluster of each new image.
    #[command(after_help = examples::ASSIGN)]
    Assign(Assign),
    /// Draw new images of one cluster of a trained model.
    #[command(after_help = examples::GENERATE)]
    Generate(Generate),
    /// Draw a cluster's images along one latent unit of a trained model.
    #[command(after_help = examples::WALK)]
    Walk(Walk),
    /// Draw what a stage left, as SVG or PNG: learning curves, maps, trees, spectra, confusion, portraits.
    #[command(after_help = examples::PLOT)]
    Plot(Plot),
    /// Write one HTML page with the table, the figures and where they come from; it needs no network.
    #[command(after_help = examples::REPORT)]
    Report(Report),
    /// Hash every object and find all damage: what it touches, and how to mend it.
    #[command(after_help = examples::VERIFY)]
    Verify(Verify),
    /// Say what could be freed and what it would take to make again; with --yes, free it.
    #[command(after_help = examples::GC)]
    Gc(Gc),
    /// Say what the store's bytes are spent on.
    #[command(after_help = examples::DU)]
    Du(Du),
    /// Print the JSON Schema of spec files or of a stage's settings, or the reference of all stages.
    #[command(after_help = examples::SCHEMA)]
    Schema(Schema),
    /// Start a small project that runs: a pipeline, an experiment, settings for editors.
    #[command(after_help = examples::INIT)]
    Init(Init),
    /// Check that everything is there that a run needs, and say what to do where it is not.
    #[command(after_help = examples::DOCTOR)]
    Doctor(Doctor),
    /// Print what makes a shell complete commands, experiments and stages.
    #[command(after_help = examples::COMPLETIONS)]
    Completions(Completions),
    /// Print the manual page, or write those of all commands.
    #[command(after_help = examples::MAN)]
    Man(ManPages),
    /// Run programs for a worker and end all they started: part of `command` stages, not for people.
    #[command(hide = true)]
    Keep,
}

/// An experiment, and values that replace its own.
#[derive(Clone, clap::Args)]
pub struct Experiment {
    /// A file, or a name found as experiments/NAME.yaml.
    #[arg(add = ArgValueCompleter::new(complete::experiments))]
    pub experiment: PathBuf,
    /// Set a parameter, as in `alpha=10` or `epochs.vae=5`; may be repeated.
    #[arg(long = "set", value_name = "PARAM=VALUE")]
    pub overrides: Vec<String>,
}

/// What of an experiment is meant.
#[derive(clap::Args)]
pub struct Part {
    /// Only this stage and what it needs; may be repeated.
    #[arg(long, value_name = "STAGE")]
    pub only: Vec<String>,
    /// Only this seed; may be repeated. What gathers over other seeds is left out.
    #[arg(long = "seed", value_name = "N")]
    pub seeds: Vec<u64>,
    /// Only cells with this axis value, as in `alpha=10`; may be repeated, also for several values of an axis.
    #[arg(long = "where", value_name = "AXIS=VALUE")]
    pub conditions: Vec<String>,
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
    #[command(flatten)]
    pub part: Part,
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
    #[command(flatten)]
    pub part: Part,
    /// As if this stage had to run again; may be repeated.
    #[arg(long, value_name = "STAGE")]
    pub force: Vec<String>,
    /// What to print on standard output.
    #[arg(long, default_value = "text")]
    pub format: RunFormat,
}

#[derive(clap::Args)]
pub struct Status {
    /// Names of experiments; all that run if left out.
    pub experiments: Vec<String>,
    /// Look again every second until they end: drawn over on a terminal, a line per change elsewhere.
    #[arg(long)]
    pub watch: bool,
    /// What to print on standard output.
    #[arg(long, default_value = "text")]
    pub format: RunFormat,
}

#[derive(clap::Args)]
pub struct Graph {
    #[command(flatten)]
    pub experiment: Experiment,
    /// What to print on standard output.
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
    #[arg(required = true, add = ArgValueCompleter::new(complete::experiments))]
    pub experiments: Vec<PathBuf>,
    /// Set a parameter, as in `alpha=10`; may be repeated.
    #[arg(long = "set", value_name = "PARAM=VALUE")]
    pub overrides: Vec<String>,
    /// Only this seed; may be repeated.
    #[arg(long = "seed", value_name = "N")]
    pub seeds: Vec<u64>,
    /// Only cells with this axis value, as in `dataset=mnist`; may be repeated, also for several values of an axis.
    #[arg(long = "where", value_name = "AXIS=VALUE")]
    pub conditions: Vec<String>,
    /// Only this metric, be it a column or not; may be repeated.
    #[arg(long = "metric", value_name = "NAME")]
    pub metrics: Vec<String>,
    /// Text fits the terminal; md and latex are pivoted as the experiment says; csv, parquet and json are tidy.
    /// Without it the ending of `--to` decides; text where there is none.
    #[arg(long)]
    pub format: Option<TableFormat>,
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
    #[arg(add = ArgValueCompleter::new(complete::stages))]
    pub stage: String,
    /// Pick by seed.
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
    /// Write to a file in place of standard output: .png or .svg.
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
    /// What to print on standard output.
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
    /// What to print on standard output.
    #[arg(long, default_value = "text")]
    pub format: RunFormat,
}

#[derive(clap::Args)]
pub struct Du {
    /// What to print on standard output.
    #[arg(long, default_value = "text")]
    pub format: RunFormat,
}

#[derive(clap::Args)]
pub struct Schema {
    /// `pipeline`, `experiment`, or a stage kind; all stages if left out.
    pub kind: Option<String>,
    /// JSON Schema, or the reference of all stages as Markdown.
    #[arg(long, default_value = "json")]
    pub format: SchemaFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaFormat {
    Json,
    Md,
}

#[derive(clap::Args)]
pub struct Init {
    /// The folder of the project; made if need be.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
}

#[derive(clap::Args)]
pub struct Doctor {
    /// What to print on standard output.
    #[arg(long, default_value = "text")]
    pub format: RunFormat,
}

#[derive(clap::Args)]
pub struct Completions {
    /// That of which shell.
    pub shell: clap_complete::Shell,
}

#[derive(clap::Args)]
pub struct ManPages {
    /// Write the pages of all commands to this folder.
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_option_says_what_it_does() {
        for command in Args::command().get_subcommands() {
            let silent = command.get_arguments().filter(|arg| arg.get_help().is_none());
            let silent: Vec<&str> = silent.map(|arg| arg.get_id().as_str()).collect();
            assert!(silent.is_empty(), "{}: {silent:?}", command.get_name());
        }
    }
}
