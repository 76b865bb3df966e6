//! Parameters: a pipeline's defaults, what an experiment sets, what the command line sets.

use super::doc::{Doc, Part, Source};
use super::fields::{self, Item};
use super::interpolate::{self, Scope, Trouble};
use super::matrix::{Axis, Matrix};
use super::report::Problem;
use super::words;
use super::written::Written;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Reads the `params` of a pipeline.
pub fn defaults(item: Option<Item<'_>>, problems: &mut Vec<Problem>) -> Map<String, Value> {
    let Some(item) = item else { return Map::new() };
    item.entries("a mapping from names to defaults", problems);
    check_names(&item, problems);
    item.object().cloned().unwrap_or_default()
}

fn check_names(item: &Item<'_>, problems: &mut Vec<Problem>) {
    if item.object().is_none() {
        return;
    }
    for entry in item.entries("", &mut Vec::new()) {
        if !fields::is_name(entry.name()) {
            let message = format!("`{}` cannot name a parameter", words::shorten(entry.name()));
            problems.push(entry.key_problem(message).hint(super::fields::NAME));
        }
        check_names(&entry, problems);
    }
}

/// Merges the `set` of an experiment into the defaults.
///
/// Mappings merge into mappings, everything else replaces. Only what the pipeline declares can be set, so a slip of the
/// pen is an error; an empty mapping as default (`augment: {}`) declares nothing and takes anything.
pub fn merge(params: &mut Map<String, Value>, set: &Item<'_>, problems: &mut Vec<Problem>) {
    for entry in set.entries("a mapping from parameters to values", problems) {
        // `set` may spell an inner parameter with dots too, like the axes of a matrix.
        if entry.name().contains('.') {
            if exists(params, entry.name()) {
                interpolate::put(params, entry.name(), entry.value.clone());
            } else {
                problems.push(unknown(&entry, entry.name(), params));
            }
            continue;
        }
        merge_one(params, &entry, "", problems);
    }
}

fn merge_one(into: &mut Map<String, Value>, entry: &Item<'_>, above: &str, problems: &mut Vec<Problem>) {
    let name = entry.name();
    let dotted = if above.is_empty() {
        name.to_owned()
    } else {
        format!("{above}.{name}")
    };
    if !into.contains_key(name) {
        problems.push(unknown(entry, &dotted, into));
        return;
    }
    match (into.get_mut(name), entry.value) {
        (Some(Value::Object(inner)), Value::Object(_)) if !inner.is_empty() => {
            for child in entry.entries("", problems) {
                merge_one(inner, &child, &dotted, problems);
            }
        }
        (Some(old), new) => *old = new.clone(),
        (None, _) => {}
    }
}

fn unknown(entry: &Item<'_>, dotted: &str, known: &Map<String, Value>) -> Problem {
    let names = interpolate::names(known);
    entry
        .key_problem(format!("the pipeline has no parameter `{dotted}`"))
        .maybe_hint(words::suggest(entry.name(), names.iter().map(String::as_str)).or(Some(
            "declare it with a default under `params` of the pipeline".to_owned(),
        )))
}

/// Whether a dotted name is declared, here or inside a mapping that is open.
pub fn exists(params: &Map<String, Value>, name: &str) -> bool {
    match name.split_once('.') {
        None => params.contains_key(name),
        Some((first, rest)) => match params.get(first) {
            Some(Value::Object(inner)) => inner.is_empty() || exists(inner, rest),
            _ => false,
        },
    }
}

/// Applies `--set name=value` options, the value in YAML.
pub fn overrides(params: &mut Map<String, Value>, given: &[String], problems: &mut Vec<Problem>) {
    for text in given {
        let place = format!("--set {text}");
        let problem = |message: String| Problem::of_file(Path::new(&place), message);
        let Some((name, value)) = text.split_once('=') else {
            problems.push(problem("expects name=value".into()).hint("like --set epochs.vae=10"));
            continue;
        };
        let name = name.trim();
        if !exists(params, name) {
            let names = interpolate::names(params);
            let hint = words::suggest(name, names.iter().map(String::as_str));
            problems.push(problem(format!("the pipeline has no parameter `{name}`")).maybe_hint(hint));
            continue;
        }
        match Doc::parse(Path::new(&place), value) {
            Ok(doc) => interpolate::put(params, name, doc.value),
            Err(report) => problems.extend(report.problems),
        }
    }
}

/// Reports values for parameters that are an axis in every row: nothing would ever read them.
pub fn shadowed(matrix: &Matrix, given: &[String], source: &Source, problems: &mut Vec<Problem>) {
    // A row of `include` may leave the axis out.
    let always = |axis: &&Axis| matrix.include.is_empty() && axis.always();
    for axis in matrix.axes.iter().filter(always) {
        let values: Vec<String> = axis.choices.iter().map(|choice| words::plain(&choice.value)).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let message = format!("`{}` is an axis: it is {} in turn", axis.name, words::list(&values));
        let path: Vec<String> = ["set"]
            .into_iter()
            .chain(axis.name.split('.'))
            .map(str::to_owned)
            .collect();
        if source.holds(&path) {
            let problem = source.problem(&path, Part::Key, message.clone());
            problems.push(problem.hint("leave it out here, or take the axis out of the `matrix`"));
        }
        let named = |text: &&String| {
            let name = text.split_once('=').map(|(name, _)| name.trim());
            name.is_some_and(|name| interpolate::within(name, &axis.name))
        };
        for text in given.iter().filter(named) {
            let problem = Problem::of_file(Path::new(&format!("--set {text}")), message.clone());
            problems.push(problem.hint("change the axis in the experiment, or pick its rows with --where"));
        }
    }
}

/// Reports parameters whose own references do not resolve, where they are written. True if all is well.
pub fn check(params: &Map<String, Value>, written: Written<'_>, problems: &mut Vec<Problem>) -> bool {
    let none = BTreeMap::new();
    let scope = Scope::new(params, &none);
    let before = problems.len();
    for trouble in scope.fill(&Value::Object(params.clone())).err().unwrap_or_default() {
        // A parameter that is wrong only because of another one: that one is reported itself.
        if trouble.parameter.is_some() && !trouble.message.contains("circle") {
            continue;
        }
        let Trouble {
            path, message, hint, ..
        } = trouble;
        let name = path.join(".");
        let problem = written.problem(&name, &none, Part::Value, &message);
        let problem =
            problem.unwrap_or_else(|| Problem::of_file(&written.experiment.file, format!("`{name}`: {message}")));
        problems.push(problem.maybe_hint(hint));
    }
    problems.len() == before
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(params: Value, set: &str) -> Result<Value, Vec<Problem>> {
        let doc = Doc::parse(Path::new("e.yaml"), set).unwrap();
        let mut params = params.as_object().unwrap().clone();
        let mut problems = Vec::new();
        merge(&mut params, &Item::root(&doc), &mut problems);
        if problems.is_empty() {
            Ok(Value::Object(params))
        } else {
            Err(problems)
        }
    }

    #[test]
    fn set_merges_deep() {
        let params = json!({"epochs": {"vae": 1, "moe": 2}, "dataset": "digits"});
        assert_eq!(
            merged(params.clone(), "epochs: {vae: 9}\ndataset: {folder: x}\n"),
            Ok(json!({"epochs": {"vae": 9, "moe": 2}, "dataset": {"folder": "x"}}))
        );
        assert_eq!(
            merged(params.clone(), "epochs.moe: 7\n").unwrap()["epochs"]["moe"],
            json!(7)
        );
        assert_eq!(merged(params, "epochs: 3\n").unwrap()["epochs"], json!(3));
    }

    #[test]
    fn what_is_not_declared_cannot_be_set() {
        let wrong = merged(json!({"epochs": {"vae": 1}}), "epochs: {vea: 9}\nalpha: 1\n").unwrap_err();
        assert_eq!(wrong[0].hint.as_deref(), Some("did you mean `vae`?"));
        assert_eq!(wrong[1].message, "the pipeline has no parameter `alpha`");
    }

    #[test]
    fn an_empty_mapping_takes_anything() {
        assert_eq!(
            merged(json!({"augment": {}}), "augment: {flip: true}"),
            Ok(json!({"augment": {"flip": true}}))
        );
    }

    fn overridden(given: &str) -> Result<Value, Vec<Problem>> {
        let mut params = json!({"epochs": {"vae": 1}, "s": "x"}).as_object().unwrap().clone();
        let mut problems = Vec::new();
        overrides(&mut params, &[given.to_owned()], &mut problems);
        if problems.is_empty() {
            Ok(Value::Object(params))
        } else {
            Err(problems)
        }
    }

    #[test]
    fn the_command_line_sets_dotted_parameters_in_yaml() {
        assert_eq!(overridden("epochs.vae=1e-4").unwrap()["epochs"]["vae"], json!(1e-4));
        assert_eq!(overridden("s=[1, a]").unwrap()["s"], json!([1, "a"]));
        assert_eq!(overridden("s=a=b").unwrap()["s"], json!("a=b"));
    }

    #[test]
    fn wrong_options_are_refused_with_their_text() {
        assert!(
            overridden("epochs.vea=1").unwrap_err()[0]
                .hint
                .as_deref()
                .unwrap()
                .contains("epochs.vae")
        );
        assert!(overridden("s").unwrap_err()[0].to_string().contains("--set s"));
        assert!(overridden("s=010").is_err() && overridden("s=[1").is_err());
    }

    #[test]
    fn circles_among_parameters_are_found_where_they_are_written() {
        let pipeline = Doc::parse(
            Path::new("p.yaml"),
            "params:\n  a: ${b}\n  b: ${a}\n  c: ${nothing}\n  d: ${c}\n",
        )
        .unwrap();
        let experiment = Doc::parse(Path::new("e.yaml"), "set: {}\n").unwrap();
        let params = pipeline.value["params"].as_object().unwrap().clone();
        let mut problems = Vec::new();
        let written = Written {
            pipeline: &pipeline.source,
            experiment: &experiment.source,
            given: &[],
        };
        assert!(!check(&params, written, &mut problems));
        let lines: Vec<_> = problems.iter().filter_map(|p| p.line).collect();
        assert_eq!(lines, [2, 3, 4], "{problems:#?}");
    }
}
