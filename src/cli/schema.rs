//! `moelab schema`.

use crate::args::Schema;
use crate::exit::Exit;
use serde_json::{Map, Value};
use std::io::{Write, stdout};
use std::process::ExitCode;

pub fn main(args: &Schema) -> Result<ExitCode, Exit> {
    let registry = moelab_stages::registry();
    let document = match &args.kind {
        Some(kind) => match registry.get(kind) {
            Some(stage) => stage.settings.schema.clone(),
            None => {
                let known: Vec<_> = registry.kinds().collect();
                return Err(Exit::Usage(format!(
                    "no stage kind is called `{kind}`; there are {}",
                    known.join(", ")
                )));
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
