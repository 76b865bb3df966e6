//! `moelab init`: a small project that runs.

use crate::args::Init;
use crate::exit::Exit;
use moelab_engine::shell::quoted;
use moelab_engine::spec::file_schema;
use moelab_results::export::write;
use serde_json::{Value, json};
use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;

/// Where editors find the schemas, from the folder of the project.
const PIPELINE_SCHEMA: &str = ".moelab/pipeline.schema.json";
const EXPERIMENT_SCHEMA: &str = ".moelab/experiment.schema.json";

pub fn main(args: &Init) -> Result<ExitCode, Exit> {
    let files = files();
    let there: Vec<&str> = files
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| args.dir.join(name).symlink_metadata().is_ok())
        .collect();
    if !there.is_empty() {
        return Err(Exit::Usage(format!(
            "{} holds {} already; nothing was written: choose another folder, or move them away",
            args.dir.display(),
            there.join(", ")
        )));
    }
    for (name, text) in &files {
        write(&args.dir.join(name), text.as_bytes())?;
    }
    let here = args.dir == Path::new(".");
    let step = if here {
        String::new()
    } else {
        format!("cd {} && ", quoted(&args.dir.to_string_lossy()))
    };
    writeln!(
        stdout().lock(),
        "{} files written; next:\n  {step}moelab run quickstart",
        files.len()
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Path in the project, content.
fn files() -> Vec<(&'static str, String)> {
    let schema = |schema: Value| serde_json::to_string(&schema).expect("a schema is plain data") + "\n";
    let spec = |kind: &str, text: &str| format!("# yaml-language-server: $schema=../{kind}\n{text}");
    let settings = json!({"yaml.schemas": {
        PIPELINE_SCHEMA: "pipelines/*.yaml",
        EXPERIMENT_SCHEMA: "experiments/*.yaml",
    }});
    let pipeline = include_str!("../../pipelines/moe.yaml");
    let experiment = include_str!("../../experiments/quickstart.yaml");
    vec![
        ("README.md", include_str!("init/README.md").to_owned()),
        (".gitignore", "/artifacts/\n/data/\n".to_owned()),
        ("pipelines/moe.yaml", spec(PIPELINE_SCHEMA, pipeline)),
        ("experiments/quickstart.yaml", spec(EXPERIMENT_SCHEMA, experiment)),
        (
            PIPELINE_SCHEMA,
            schema(file_schema::pipeline(&moelab_stages::registry())),
        ),
        (EXPERIMENT_SCHEMA, schema(file_schema::experiment())),
        (".vscode/settings.json", format!("{settings:#}\n")),
    ]
}
