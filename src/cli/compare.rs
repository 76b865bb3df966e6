//! `moelab compare`.

use crate::args::{Common, Compare};
use crate::exit::Exit;
use crate::setup::{Setup, store_if_any};
use crate::table::output;
use moelab_engine::plan::select::Filter;
use moelab_engine::spec;
use moelab_results::compare::{Comparison, Question};
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;

pub fn main(common: &Common, args: &Compare) -> Result<ExitCode, Exit> {
    let a = Setup::of(&args.a, &args.overrides)?;
    let b = args.b.as_ref().map(|b| Setup::of(b, &args.overrides)).transpose()?;
    let store = store_if_any(&common.store)?;
    let data = std::path::absolute(&common.data)?;
    let source = a.source(store.as_ref(), &data);
    let question = match (&b, &args.axis) {
        (Some(b), _) => Question::Experiments(source, b.source(store.as_ref(), &data)),
        (None, Some(text)) => {
            let (axis, values) = two_values(text)?;
            Question::Axis { source, axis, values }
        }
        (None, None) => unreachable!("one of both is required"),
    };
    let filter = Filter::parse(None, &args.conditions).map_err(|e| Exit::Usage(e.to_string()))?;
    let comparison = Comparison::build(&question, &args.metrics, &filter)?;
    output(args.format, args.to.as_deref(), comparison.notes(), |format| {
        comparison.render(format)
    })?;
    Ok(ExitCode::from(if comparison.complete() { 0 } else { 4 }))
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
