//! `moelab compare`.

use crate::args::{Common, Compare};
use crate::exit::Exit;
use crate::setup::{Setup, store_if_any};
use crate::table::output;
use moelab_engine::plan::select::Filter;
use moelab_engine::shell::quoted;
use moelab_engine::spec::{self, matrix::same};
use moelab_results::compare::{Comparison, Question};
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;

pub fn main(common: &Common, args: &Compare) -> Result<ExitCode, Exit> {
    let (a, b) = sides(args)?;
    let store = store_if_any(&common.store)?;
    let data = std::path::absolute(&common.data)?;
    let source = a.source(store.as_ref(), &data);
    let question = match (&b, &args.axis) {
        (Some(b), _) => Question::Experiments(source, b.source(store.as_ref(), &data)),
        (None, Some(text)) => {
            let (axis, values) = two_values(text)?;
            Question::Axis { source, axis, values }
        }
        (None, None) => unreachable!("without a second experiment and an axis, --set makes the second"),
    };
    let filter = Filter::parse(None, &args.conditions).map_err(|e| Exit::Usage(e.to_string()))?;
    let comparison = Comparison::build(&question, &args.metrics, &filter)?;
    output(args.format, args.to.as_deref(), comparison.notes(), |format| {
        comparison.render(format)
    })?;
    Ok(ExitCode::from(if comparison.complete() { 0 } else { 4 }))
}

/// The experiments that are compared; one alone if an axis of it is.
fn sides(args: &Compare) -> Result<(Setup, Option<Setup>), Exit> {
    match (&args.b, &args.axis) {
        (Some(b), _) => {
            let (a, b) = (Setup::of(&args.a, &args.overrides)?, Setup::of(b, &args.overrides)?);
            if a.experiment.file.canonicalize()? == b.experiment.file.canonicalize()? {
                let name = &a.experiment.name;
                return Err(Exit::Usage(format!(
                    "A and B are both `{name}`\n  = `moelab compare {name} --set PARAM=VALUE` compares it as it is written \
                     with what --set makes of it"
                )));
            }
            Ok((a, Some(b)))
        }
        (None, Some(_)) => Ok((Setup::of(&args.a, &args.overrides)?, None)),
        (None, None) => {
            let (a, mut b) = (Setup::of(&args.a, &[])?, Setup::of(&args.a, &args.overrides)?);
            let params = |setup: &Setup| Value::Object(setup.experiment.params.clone());
            if same(&params(&a), &params(&b)) {
                return Err(Exit::Usage(format!(
                    "--set {} changes nothing: `{}` says so already\n  = set another value",
                    args.overrides.join(" --set "),
                    a.experiment.name
                )));
            }
            // As it would be typed, so that hints can be followed.
            for set in &args.overrides {
                b.experiment.name += &format!(" --set {}", quoted(set));
            }
            Ok((a, Some(b)))
        }
    }
}

/// `method=moa,moa_plus`; values are YAML, so `classes=[0,1],[3,8]` are two lists.
pub fn two_values(text: &str) -> Result<(String, [Value; 2]), Exit> {
    let wrong = || {
        Exit::Usage(format!(
            "--axis {text}: name an axis and two of its values, as in --axis method=moa,moa_plus"
        ))
    };
    let (axis, values) = text.split_once('=').ok_or_else(wrong)?;
    let values = spec::read_value(Path::new("--axis"), &format!("[{values}]"))?;
    let values = values.as_array().cloned().unwrap_or_default();
    let values = <[Value; 2]>::try_from(values).map_err(|_| wrong())?;
    Ok((axis.trim().to_owned(), values))
}
