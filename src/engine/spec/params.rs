//! Parameters: a pipeline's defaults, what an experiment sets, what the command line sets.

use super::doc::{Doc, Part};
use super::fields::{self, Item};
use super::interpolate::{self, Scope, Trouble};
use super::matrix::{Axis, Matrix};
use super::report::Problem;
use super::words;
use super::written::Written;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

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
/// pen is an error; an empty mapping as default (`augment: {}`) declares nothing and takes anything. Returns what was set,
/// part by part.
pub fn merge<'a>(
    params: &mut Map<String, Value>,
    set: &Item<'a>,
    problems: &mut Vec<Problem>,
) -> Vec<(String, Item<'a>)> {
    let declared = params.clone();
    let (mut seen, mut all) = (BTreeSet::new(), Vec::new());
    for entry in set.entries("a mapping from parameters to values", problems) {
        for (name, leaf) in assign(params, &declared, &entry, entry.name(), problems) {
            // `set` may spell an inner parameter with dots too, like the axes of a matrix.
            let below = format!("{name}.");
            let inside = seen
                .range(below.clone()..)
                .next()
                .is_some_and(|s: &String| s.starts_with(&below));
            if inside || above(&name).any(|above| seen.contains(above)) {
                problems.push(
                    leaf.key_problem(format!("`{name}` is set twice"))
                        .hint("leave one of them out"),
                );
            }
            seen.insert(name.clone());
            all.push((name, leaf));
        }
    }
    all
}

/// A dotted name and those it lies in.
fn above(name: &str) -> impl Iterator<Item = &str> {
    let dots = name.match_indices('.').map(|(at, _)| &name[..at]);
    dots.chain([name])
}

/// Sets one parameter, by its dotted name; what was set, part by part.
fn assign<'a>(
    params: &mut Map<String, Value>,
    declared: &Map<String, Value>,
    entry: &Item<'a>,
    name: &str,
    problems: &mut Vec<Problem>,
) -> Vec<(String, Item<'a>)> {
    if !declares(declared, name) && !declares(params, name) {
        problems.push(unknown(entry, name, params));
        return Vec::new();
    }
    // What the pipeline has as a plain value, such as the name of a data set, is replaced, whatever it has become.
    let merges = find(declared, name).is_none_or(Value::is_object);
    match (find(params, name), entry.value) {
        (Some(Value::Object(old)), Value::Object(new)) if merges && !(old.is_empty() && new.is_empty()) => {
            if new.is_empty() {
                let problem = entry.problem(format!("this sets nothing: `{name}` keeps what it holds"));
                problems.push(problem.hint("name what it should hold instead, or leave it out"));
            }
            let mut set = Vec::new();
            for child in entry.entries("", problems) {
                // Within a mapping a dot is part of no name.
                match child.name().contains('.') {
                    true => problems.push(unknown(&child, &format!("{name}.{}", child.name()), params)),
                    false => set.extend(assign(
                        params,
                        declared,
                        &child,
                        &format!("{name}.{}", child.name()),
                        problems,
                    )),
                }
            }
            set
        }
        _ => {
            interpolate::put(params, name, entry.value.clone());
            vec![(name.to_owned(), entry.clone())]
        }
    }
}

/// What stands at a dotted name.
fn find<'p>(params: &'p Map<String, Value>, name: &str) -> Option<&'p Value> {
    let (first, rest) = name.split_once('.').unwrap_or((name, ""));
    let steps = rest.split('.').filter(|step| !step.is_empty());
    steps.fold(params.get(first), |value, step| value?.get(step))
}

fn unknown(entry: &Item<'_>, name: &str, params: &Map<String, Value>) -> Problem {
    // An option has its name in front of the value, not in it.
    let written = Some(entry.name()).filter(|own| !own.is_empty()).unwrap_or(name);
    // In a mapping the names beside it.
    let beside = name.strip_suffix(written).and_then(|above| above.strip_suffix('.'));
    let known = beside
        .and_then(|above| find(params, above)?.as_object())
        .unwrap_or(params);
    let names = interpolate::names(known);
    let hint = words::suggest(written, names.iter().map(String::as_str));
    let problem = entry.key_problem(format!("the pipeline has no parameter `{name}`"));
    problem.hint(hint.unwrap_or_else(|| "declare it with a default under `params` of the pipeline".into()))
}

/// Whether a dotted name is declared or has been set, by itself or inside a mapping that is open: the pipeline's defaults,
/// and what became of them. What was inside a mapping is no more where that has been replaced by a plain value.
pub fn exists(name: &str, [declared, params]: [&Map<String, Value>; 2]) -> bool {
    let plain =
        |above: &str| find(params, above).is_some_and(|value| !value.is_object() && !interpolate::refers(value));
    let replaced = || above(name).any(|above| above != name && plain(above));
    declares(params, name) || declares(declared, name) && !replaced()
}

fn declares(params: &Map<String, Value>, name: &str) -> bool {
    match name.split_once('.') {
        None => params.contains_key(name),
        Some((first, rest)) => match params.get(first) {
            Some(Value::Object(inner)) => inner.is_empty() || declares(inner, rest),
            _ => false,
        },
    }
}

/// Applies `--set name=value` options, the value in YAML: like `set`, each after the other. Returns what was set, part by
/// part, each with its option.
pub fn overrides(
    params: &mut Map<String, Value>,
    declared: &Map<String, Value>,
    given: &[String],
    problems: &mut Vec<Problem>,
) -> Vec<(String, PathBuf)> {
    let mut all = Vec::new();
    for text in given {
        let place = format!("--set {text}");
        let problem = |message: String| Problem::of_file(Path::new(&place), message);
        let Some((name, value)) = text.split_once('=') else {
            problems.push(problem("expects name=value".into()).hint("like --set epochs.vae=10"));
            continue;
        };
        match Doc::parse(Path::new(&place), value) {
            Ok(doc) => {
                let mut wrong = Vec::new();
                let set = assign(params, declared, &Item::root(&doc), name.trim(), &mut wrong);
                all.extend(set.into_iter().map(|(name, _)| (name, PathBuf::from(&place))));
                // The option is the place; there is no line to point at.
                problems.extend(wrong.into_iter().map(|p| problem(p.message).maybe_hint(p.hint)));
            }
            Err(report) => problems.extend(report.problems),
        }
    }
    all
}

/// Reports values for parameters that are an axis in every row: nothing would ever read them. `set` and `options` are what
/// [`merge`] and [`overrides`] gave.
pub fn shadowed(
    matrix: &Matrix,
    set: &[(String, Item<'_>)],
    options: &[(String, PathBuf)],
    problems: &mut Vec<Problem>,
) {
    // A row of `include` may leave the axis out.
    let always = |axis: &&Axis| matrix.include.is_empty() && axis.always();
    for axis in matrix.axes.iter().filter(always) {
        let values: Vec<String> = axis.choices.iter().map(|choice| words::plain(&choice.value)).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let message = format!("`{}` is an axis: it is {} in turn", axis.name, words::list(&values));
        for (_, item) in set.iter().filter(|(name, _)| interpolate::within(name, &axis.name)) {
            let problem = item.key_problem(message.clone());
            problems.push(problem.hint("leave it out here, or take the axis out of the `matrix`"));
        }
        for (_, option) in options.iter().filter(|(name, _)| interpolate::within(name, &axis.name)) {
            let problem = Problem::of_file(option, message.clone());
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
        for set in [
            "augment: {flip: true, zoom: 1}",
            "augment.flip: true\naugment.zoom: 1",
            "augment.flip: true\naugment: {zoom: 1}",
            "augment: {flip: true}\naugment.zoom: 1",
        ] {
            let found = merged(json!({"augment": {}}), set);
            assert_eq!(found, Ok(json!({"augment": {"flip": true, "zoom": 1}})), "{set}");
        }
    }

    #[test]
    fn a_mapping_merges_however_its_name_is_spelt() {
        let params = json!({"data": {"size": {"n": 1, "dims": 2}}});
        let merged_too = json!({"data": {"size": {"n": 50, "dims": 2}}});
        for set in ["data: {size: {n: 50}}", "data.size: {n: 50}", "data.size.n: 50"] {
            assert_eq!(merged(params.clone(), set).as_ref(), Ok(&merged_too), "{set}");
        }
        assert_eq!(
            overridden("epochs={vae: 7}").unwrap()["epochs"],
            json!({"vae": 7, "moe": 2})
        );
    }

    #[test]
    fn what_is_set_twice_or_to_nothing_is_refused() {
        let params = json!({"epochs": {"vae": 1, "moe": 2}});
        for (set, part) in [
            ("epochs.vae: 3\nepochs: {vae: 4}", "`epochs.vae` is set twice"),
            ("epochs.vae: 3\nepochs: 4", "`epochs` is set twice"),
            ("epochs: 4\nepochs.vae: 3", "`epochs.vae` is set twice"),
            ("epochs: {}", "this sets nothing"),
            ("epochs: {a.b: 1}", "no parameter `epochs.a.b`"),
        ] {
            let wrong = merged(params.clone(), set).unwrap_err();
            assert!(wrong[0].message.contains(part), "{set}: {}", wrong[0]);
        }
        assert!(merged(params, "epochs.vae: 3\nepochs: {moe: 4}").is_ok());
    }

    fn overridden(given: &str) -> Result<Value, Vec<Problem>> {
        let mut params = json!({"epochs": {"vae": 1, "moe": 2}, "s": "x"})
            .as_object()
            .unwrap()
            .clone();
        let mut problems = Vec::new();
        let declared = params.clone();
        overrides(&mut params, &declared, &[given.to_owned()], &mut problems);
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
    fn a_plain_value_that_became_a_mapping_is_replaced() {
        let declared = json!({"data": "digits"}).as_object().unwrap().clone();
        let mut params = json!({"data": {"blobs": {"n": 1, "dims": 2}}})
            .as_object()
            .unwrap()
            .clone();
        let mut problems = Vec::new();
        let given = ["data={arcs: {n: 3}}".to_owned(), "data.arcs.n=4".to_owned()];
        overrides(&mut params, &declared, &given, &mut problems);
        assert_eq!((params["data"].clone(), problems), (json!({"arcs": {"n": 4}}), vec![]));
    }

    #[test]
    fn what_lay_in_a_mapping_is_no_more_where_that_was_replaced() {
        let object = |value: Value| value.as_object().unwrap().clone();
        let declared = object(json!({"data": {"blobs": {"n": 1}}, "augment": {}}));
        let known = |name: &str, params: Value| exists(name, [&declared, &object(params)]);
        assert!(!known("data.blobs.n", json!({"data": "digits", "augment": {}})));
        assert!(known("data.blobs.n", json!({"data": "${other}", "augment": {}})));
        assert!(known(
            "augment.zoom",
            json!({"data": "digits", "augment": {"flip": true}})
        ));
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
