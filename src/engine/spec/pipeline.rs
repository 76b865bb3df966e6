//! The pipeline file: a DAG of stages, described once.

use super::doc::{Doc, Part, Source};
use super::fields::{self, Item};
use super::params;
use super::report::Problem;
use super::words;
use crate::stage::Registry;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A pipeline as written: nothing interpolated yet.
#[derive(Clone, Debug)]
pub struct Pipeline {
    pub name: String,
    pub file: PathBuf,
    /// Defaults of the parameters.
    pub params: Map<String, Value>,
    /// In the order of the file; every one of a known kind.
    pub stages: Vec<StageSpec>,
    /// Where in `stages` a name stands.
    places: BTreeMap<String, usize>,
    pub(crate) source: Arc<Source>,
}

/// One stage of a pipeline.
#[derive(Clone, Debug)]
pub struct StageSpec {
    pub name: String,
    pub kind: String,
    /// Separates the random numbers of otherwise equal stages; a number or a reference.
    pub stream: Value,
    /// A mapping; shared with the actions in which nothing had to be filled in.
    pub settings: Arc<Value>,
    pub inputs: Vec<InputSpec>,
}

/// One entry of `inputs`.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSpec {
    /// A port or a setting of the consumer.
    pub name: String,
    /// The producing stage.
    pub stage: String,
    pub output: Option<String>,
    /// The axes a fan-in gathers; `None` for a single artifact.
    pub over: Option<Vec<String>>,
}

/// Fields of a stage that are not settings.
const RESERVED: [&str; 3] = ["stage", "inputs", "stream"];

impl Pipeline {
    pub fn stage(&self, name: &str) -> Option<&StageSpec> {
        self.place(name).map(|place| &self.stages[place])
    }

    /// The place of a stage in [`Pipeline::stages`].
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// The folder that holds `pipelines/`.
    pub fn project(&self) -> PathBuf {
        let file = std::path::absolute(&self.file).unwrap_or_else(|_| self.file.clone());
        let folder = file.parent().and_then(Path::parent);
        folder.map_or_else(|| PathBuf::from("."), Path::to_owned)
    }

    /// A problem within a stage.
    pub(crate) fn problem(&self, stage: &str, path: &[&str], part: Part, message: impl Into<String>) -> Problem {
        let path: Vec<&str> = ["stages", stage].iter().chain(path).copied().collect();
        self.source.problem(&path, part, message)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.stages.iter().map(|stage| stage.name.as_str())
    }
}

/// Reads the file; what cannot be used is reported and left out.
pub fn read(doc: &Doc, registry: &Registry, problems: &mut Vec<Problem>) -> Pipeline {
    let root = Item::root(doc);
    root.fields("a pipeline", &["pipeline", "description", "params", "stages"], problems);
    let name = root.require("pipeline", "a pipeline", problems);
    let name = name
        .and_then(|item| item.text("the name of the pipeline", problems))
        .unwrap_or_default();
    if let Some(description) = root.get("description") {
        description.text("a text", problems);
    }
    let params = params::defaults(root.get("params"), problems);
    let mut stages = Vec::new();
    if let Some(item) = root.require("stages", "a pipeline", problems) {
        let entries = item.entries("a mapping from names to stages", problems);
        if entries.is_empty() && item.value.is_object() {
            problems.push(item.key_problem("a pipeline needs at least one stage"));
        }
        stages.extend(entries.iter().filter_map(|entry| stage(entry, registry, problems)));
    }
    let file = doc.source.file.clone();
    let places = stages.iter().enumerate();
    Pipeline {
        name,
        file,
        params,
        places: places.map(|(place, stage)| (stage.name.clone(), place)).collect(),
        stages,
        source: doc.source.clone(),
    }
}

fn stage(item: &Item<'_>, registry: &Registry, problems: &mut Vec<Problem>) -> Option<StageSpec> {
    let name = item.name().to_owned();
    if !fields::is_name(&name) {
        let message = format!("`{}` cannot name a stage", words::shorten(&name));
        problems.push(item.key_problem(message).hint(fields::NAME));
    }
    let Value::Object(map) = item.value else {
        item.entries("a mapping with the field `stage`", problems);
        return None;
    };
    let Some(kind_item) = item.get("stage") else {
        // Other fields are settings as far as is known here, so a slip is looked for among them.
        let slip = map.keys().find(|key| words::nearest(key, RESERVED) == Some("stage"));
        let problem = item.key_problem("a stage needs a field `stage`");
        let hint = slip.map_or("like `stage: load`".to_owned(), |slip| {
            format!("is `{slip}` meant to be it?")
        });
        problems.push(problem.hint(hint));
        return None;
    };
    let kind = kind_item.text("the kind of the stage", problems)?;
    if kind.contains("${") {
        let problem = kind_item.problem("the kind of a stage is written out, not taken from a parameter");
        problems.push(problem.hint("write one stage per kind, or one pipeline per method"));
        return None;
    }
    if registry.get(&kind).is_none() {
        let kinds: Vec<&str> = registry.kinds().collect();
        let problem = kind_item.problem(format!("no stage kind is called `{kind}`"));
        problems.push(problem.maybe_hint(words::suggest(&kind, kinds.iter().copied())));
    }
    let mut inputs = Vec::new();
    if let Some(given) = item.get("inputs") {
        for entry in given.entries("a mapping from ports to stages", problems) {
            inputs.extend(input(&entry, problems));
        }
    }
    for entry in &inputs {
        if let Some(literal) = item.get(&entry.name) {
            let message = format!("`{}` is given twice: here and under `inputs`", entry.name);
            problems.push(literal.key_problem(message).hint("keep one of the two"));
        }
    }
    let settings = map.iter().filter(|(k, _)| !RESERVED.contains(&k.as_str()));
    let settings = Arc::new(settings.map(|(k, v)| (k.clone(), v.clone())).collect());
    let stream = item.get("stream").map_or(Value::from(0), |stream| stream.value.clone());
    Some(StageSpec {
        name,
        kind,
        stream,
        settings,
        inputs,
    })
}

/// `stage`, `stage.output` or `{from: stage.output, over: [axis, …]}`.
fn input(item: &Item<'_>, problems: &mut Vec<Problem>) -> Option<InputSpec> {
    let name = item.name().to_owned();
    let (from, over) = match item.value {
        Value::Object(_) => {
            item.fields("a fan-in", &["from", "over"], problems);
            let over = item.require("over", "a fan-in", problems)?;
            let axes = over.names("a list of axes", problems);
            if axes.is_empty() {
                problems.push(
                    over.problem("a fan-in gathers at least one axis")
                        .hint("like `over: [seed]`"),
                );
            }
            let mut names: Vec<String> = Vec::new();
            for axis in &axes {
                let axis_name = axis.value.as_str().unwrap_or_default().to_owned();
                if names.contains(&axis_name) {
                    problems.push(axis.problem(format!("the axis `{axis_name}` stands twice")));
                } else {
                    names.push(axis_name);
                }
            }
            (item.require("from", "a fan-in", problems)?, Some(names))
        }
        _ => (item.clone(), None),
    };
    let text = from.text("a stage, or stage.output", problems)?;
    if text.contains("${") {
        problems.push(from.problem("inputs are written out, not taken from parameters"));
        return None;
    }
    let (stage, output) = match text.split_once('.') {
        Some((stage, output)) => (stage, Some(output)),
        None => (text.as_str(), None),
    };
    if !fields::is_name(stage) || !output.is_none_or(fields::is_name) {
        problems.push(from.problem(format!("`{}` is not `stage` or `stage.output`", words::shorten(&text))));
        return None;
    }
    Some(InputSpec {
        name,
        stage: stage.to_owned(),
        output: output.map(str::to_owned),
        over,
    })
}

#[cfg(test)]
mod tests {
    use super::super::fake::registry;
    use super::*;
    use serde_json::json;
    use std::path::Path;

    fn parse(text: &str) -> (Pipeline, String) {
        let doc = Doc::parse(Path::new("p.yaml"), text).unwrap();
        let mut problems = Vec::new();
        let pipeline = read(&doc, &registry(), &mut problems);
        (pipeline, super::super::report::Report::of(problems).to_string())
    }

    #[test]
    fn stages_settings_and_inputs_are_told_apart() {
        let (pipeline, said) = parse(
            "pipeline: p\nstages:\n  a: {stage: load, dataset: digits}\n  b:\n    stage: train\n    stream: 2\n    inputs: {images: a.images}\n    epochs: ${e}\n",
        );
        assert_eq!(said, "");
        let b = pipeline.stage("b").unwrap();
        assert_eq!(
            (b.kind.as_str(), b.stream.as_u64(), &*b.settings),
            ("train", Some(2), &json!({"epochs": "${e}"}))
        );
        assert_eq!(b.inputs[0].output.as_deref(), Some("images"));
    }

    #[test]
    fn an_unknown_kind_gives_the_nearest() {
        let (_, said) = parse("pipeline: p\nstages:\n  a:\n    stage: laod\n");
        insta::assert_snapshot!(said, @r"
        error: no stage kind is called `laod`
         --> p.yaml:4:12
          |
        4 |     stage: laod
          |            ^^^^
          = did you mean `load`?
        ");
    }

    #[test]
    fn missing_and_unknown_fields_come_together() {
        let (_, said) = parse("pipelin: p\nstages:\n  a: {}\n  b: 3\n  2c: {stage: load}\n");
        insta::assert_snapshot!(said, @r"
        error: a pipeline needs a field `pipeline`
         --> p.yaml:1:1
          |
        1 | pipelin: p
          | ^

        error: a pipeline has no field `pipelin`
         --> p.yaml:1:1
          |
        1 | pipelin: p
          | ^^^^^^^
          = did you mean `pipeline`?

        error: a stage needs a field `stage`
         --> p.yaml:3:3
          |
        3 |   a: {}
          |   ^
          = like `stage: load`

        error: expects a mapping with the field `stage`, got 3
         --> p.yaml:4:6
          |
        4 |   b: 3
          |      ^

        error: `2c` cannot name a stage
         --> p.yaml:5:3
          |
        5 |   2c: {stage: load}
          |   ^^
          = letters, digits, _ and -, beginning with a letter or _
        ");
    }

    #[test]
    fn a_fan_in_wants_from_and_over() {
        let (pipeline, said) = parse(
            "pipeline: p\nstages:\n  a:\n    stage: choose\n    inputs: {candidates: {from: c.clusters, over: [seed, k]}}\n",
        );
        assert_eq!(said, "");
        assert_eq!(
            pipeline.stages[0].inputs[0].over.as_deref(),
            Some(&["seed".to_owned(), "k".to_owned()][..])
        );
        for (input, part) in [
            ("{from: c}", "needs a field `over`"),
            ("{over: [seed]}", "needs a field `from`"),
            ("{from: c, over: []}", "at least one axis"),
            ("{from: c, over: [k, k]}", "stands twice"),
            ("{from: c, over: [k], ovr: 1}", "no field `ovr`"),
            ("[c]", "expects a stage"),
            ("c.d.e", "is not `stage` or `stage.output`"),
            ("\"${c}\"", "written out"),
        ] {
            let (_, said) = parse(&format!(
                "pipeline: p\nstages:\n  a:\n    stage: choose\n    inputs: {{candidates: {input}}}\n"
            ));
            assert!(said.contains(part), "{input}: {said}");
        }
    }

    #[test]
    fn a_setting_given_twice_is_refused() {
        let (_, said) =
            parse("pipeline: p\nstages:\n  a:\n    stage: train\n    inputs: {latent_dim: s}\n    latent_dim: 3\n");
        assert!(said.contains("`latent_dim` is given twice"), "{said}");
    }

    #[test]
    fn a_kind_from_a_parameter_and_no_stages_are_refused() {
        assert!(
            parse("pipeline: p\nstages: {a: {stage: \"${k}\"}}\n")
                .1
                .contains("written out")
        );
        assert!(parse("pipeline: p\nstages: {}\n").1.contains("at least one stage"));
        assert!(parse("pipeline: p\n").1.contains("needs a field `stages`"));
        assert!(parse("[1]\n").1.contains("expects a pipeline, got a list"));
    }

    #[test]
    fn a_misspelt_stage_field_is_noticed() {
        assert!(
            parse("pipeline: p\nstages: {a: {stge: load}}\n")
                .1
                .contains("is `stge` meant to be it?")
        );
    }
}
