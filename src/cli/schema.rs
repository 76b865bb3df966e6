//! `moelab schema`.

use crate::args::{Schema, SchemaFormat};
use crate::exit::Exit;
use moelab_engine::spec::file_schema;
use moelab_engine::spec::words::suggest;
use moelab_stages::reference;
use serde_json::{Map, Value};
use std::io::{Write, stdout};
use std::process::ExitCode;

/// What has a schema beside the stages.
const FILES: [&str; 2] = ["pipeline", "experiment"];

pub fn main(args: &Schema) -> Result<ExitCode, Exit> {
    let registry = moelab_stages::registry();
    if args.format == SchemaFormat::Md {
        if args.kind.is_some() {
            return Err(Exit::Usage("the reference is of all stages: leave the name out".into()));
        }
        stdout().lock().write_all(reference::markdown(&registry).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let document = match args.kind.as_deref() {
        Some("pipeline") => file_schema::pipeline(&registry),
        Some("experiment") => file_schema::experiment(),
        Some(kind) => match registry.get(kind) {
            Some(stage) => stage.settings.schema.clone(),
            None => {
                let known: Vec<&str> = registry.kinds().chain(FILES).collect();
                let hint = suggest(kind, known.iter().copied()).unwrap_or_default();
                return Err(Exit::Usage(format!("no stage kind is called `{kind}`; {hint}")));
            }
        },
        None => {
            let all = registry
                .stages()
                .map(|stage| (stage.kind.to_owned(), stage.settings.schema.clone()));
            Value::Object(all.collect::<Map<_, _>>())
        }
    };
    writeln!(
        stdout().lock(),
        "{}",
        serde_json::to_string_pretty(&document).expect("a schema is plain data")
    )?;
    Ok(ExitCode::SUCCESS)
}
