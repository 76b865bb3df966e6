//! The settings of each stage in each row of the matrix: interpolated, validated, normalised.
//!
//! Rows that agree on the axes a stage uses share one [`Variant`], so the work grows with the values of an axis, not with
//! the product of all of them.

use super::cells::{Row, defaults};
use super::doc::Part;
use super::interpolate::{Piece, Scope, Trouble, pieces, refers, within};
use super::pipeline::{Pipeline, StageSpec};
use super::report::Problem;
use super::schema::{Misfit, Schema};
use super::words;
use super::written::Written;
use crate::digest::Digest;
use crate::key::settings_digest;
use crate::stage::{Connected, Output, Registry, Stage, Unfit};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A stage with complete settings.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Settings as written, interpolated, without those another stage feeds: a mapping.
    pub settings: Arc<Value>,
    /// See [`settings_digest`]: of the normalised settings, with a sample value for those fed by stages.
    pub identity: Digest,
    pub stream: u64,
    pub draws: bool,
    pub outputs: Vec<Output>,
    /// Axes of the matrix the settings depend on.
    pub uses: BTreeSet<String>,
}

/// All variants of an experiment.
#[derive(Clone, Debug, Default)]
pub struct Variants {
    /// Per stage (in order of the file) its variants.
    pub all: Vec<Vec<Variant>>,
    /// Per stage and row the index of the variant.
    pub at: Vec<Vec<usize>>,
}

impl Variants {
    pub fn get(&self, stage: usize, row: usize) -> &Variant {
        &self.all[stage][self.at[stage][row]]
    }
}

/// Which inputs of a stage are settings, by name.
pub fn fed<'s>(spec: &'s StageSpec, stage: &Stage) -> Vec<&'s str> {
    spec.inputs
        .iter()
        .map(|i| i.name.as_str())
        .filter(|name| stage.port(name).is_none())
        .collect()
}

/// Works out every variant of these rows, which hold values of some of the axes. `told` is set if the parameters themselves
/// are broken and that has been reported.
pub fn resolve(
    pipeline: &Pipeline,
    registry: &Registry,
    params: &Map<String, Value>,
    (axes, rows): (&[String], &[Row]),
    written: Written<'_>,
    told: bool,
    problems: &mut Vec<Problem>,
) -> Variants {
    let mut variants = Variants::default();
    let defaults = defaults(axes, params);
    let mut schemas: BTreeMap<&str, Result<Schema<'_>, String>> = BTreeMap::new();
    for spec in &pipeline.stages {
        let mut found = Vec::new();
        let mut at = Vec::new();
        // Unknown kinds have been reported; nothing can be said about their settings.
        if let Some(stage) = registry.get(&spec.kind) {
            match schemas.entry(stage.kind).or_insert_with(|| Schema::new(stage)) {
                Ok(schema) => {
                    let mut one = OneStage {
                        pipeline,
                        spec,
                        stage,
                        schema,
                        params,
                        defaults: &defaults,
                        written,
                        told,
                        uses: BTreeMap::new(),
                    };
                    (found, at) = one.resolve(rows, problems);
                }
                Err(message) => problems.push(pipeline.problem(&spec.name, &["stage"], Part::Value, message.as_str())),
            }
        }
        variants.all.push(found);
        variants.at.push(at);
    }
    variants
}

struct OneStage<'a> {
    pipeline: &'a Pipeline,
    spec: &'a StageSpec,
    stage: &'a Stage,
    schema: &'a Schema<'a>,
    params: &'a Map<String, Value>,
    /// See [`defaults`].
    defaults: &'a Row,
    written: Written<'a>,
    told: bool,
    /// Names of the axes present in a row → those the settings use.
    uses: BTreeMap<Vec<String>, BTreeSet<String>>,
}

impl OneStage<'_> {
    fn resolve(&mut self, rows: &[Row], problems: &mut Vec<Problem>) -> (Vec<Variant>, Vec<usize>) {
        let mut found: Vec<Variant> = Vec::new();
        let mut known: BTreeMap<String, Option<usize>> = BTreeMap::new();
        let mut at = Vec::with_capacity(rows.len());
        for row in rows {
            let uses = self.uses(row);
            let view: Row = row
                .iter()
                .filter(|(axis, _)| uses.contains(*axis))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            let key = serde_json_canonicalizer::to_string(&view).expect("specs hold finite numbers");
            let index = *known.entry(key).or_insert_with(|| match self.variant(&view, uses) {
                Ok(variant) => {
                    found.push(variant);
                    Some(found.len() - 1)
                }
                Err(wrong) => {
                    problems.extend(wrong);
                    None
                }
            });
            at.extend(index);
        }
        (found, at)
    }

    /// Which axes matter depends on which are present, not on their values, since values hold no references. One that a
    /// row leaves to its default matters as if that were written there.
    fn uses(&mut self, row: &Row) -> BTreeSet<String> {
        let present: Vec<String> = row.keys().cloned().collect();
        let (spec, params) = (self.spec, self.params);
        let work_out = || {
            let mut whole = row.clone();
            for (axis, value) in self.defaults {
                // What an axis of the row lies in, or is a part of, is not left to its default.
                if !row.keys().any(|named| within(axis, named) || within(named, axis)) {
                    whole.insert(axis.clone(), value.clone());
                }
            }
            let scope = Scope::new(params, &whole);
            for written in [&spec.settings, &spec.stream]
                .into_iter()
                .filter(|written| refers(written))
            {
                // Troubles come again, with their places, when the variant is made.
                let _ = scope.fill(written);
            }
            scope.touched()
        };
        self.uses.entry(present).or_insert_with(work_out).clone()
    }

    fn variant(&self, row: &Row, uses: BTreeSet<String>) -> Result<Variant, Vec<Problem>> {
        let scope = Scope::new(self.params, row);
        let mut wrong = Vec::new();
        let stream = scope
            .fill(&self.spec.stream)
            .map_err(|troubles| self.troubles(troubles, &["stream"], row, &mut wrong))
            .ok();
        if let Some(stream) = stream.as_ref().filter(|stream| words::count(stream).is_none()) {
            let message = format!("`stream` expects a whole number, got {}", words::describe(stream));
            wrong.push(
                self.pipeline
                    .problem(&self.spec.name, &["stream"], Part::Value, message),
            );
        }
        let settings = match refers(&self.spec.settings) {
            false => Arc::clone(&self.spec.settings),
            true => match scope.fill(&self.spec.settings) {
                Ok(settings) => Arc::new(settings),
                Err(troubles) => {
                    self.troubles(troubles, &[], row, &mut wrong);
                    return Err(wrong);
                }
            },
        };
        let fed = fed(self.spec, self.stage);
        wrong.extend(
            self.schema
                .misfits(&settings, &fed)
                .into_iter()
                .map(|misfit| self.misplaced(misfit, row)),
        );
        let (Some(stream), true) = (stream.as_ref().and_then(words::count), wrong.is_empty()) else {
            return Err(wrong);
        };
        let normalised = self.normalise(&settings, &fed).map_err(|Unfit(misfits)| {
            let placed = misfits.into_iter().map(|misfit| {
                if !misfit.path.is_empty() {
                    return self.misplaced(misfit, row);
                }
                let message = format!("stage `{}`: {}", self.spec.name, misfit.message);
                let problem = self.pipeline.problem(&self.spec.name, &[], Part::Key, message);
                problem.maybe_hint(misfit.hint.or_else(|| in_row(row)))
            });
            placed.collect::<Vec<_>>()
        })?;
        Ok(Variant {
            settings,
            identity: settings_digest(&normalised),
            stream,
            draws: (self.stage.draws)(&normalised),
            outputs: (self.stage.outputs)(&normalised),
            uses,
        })
    }

    /// Troubles of interpolation, but for those that lie in a parameter and have been told there.
    fn troubles(&self, troubles: Vec<Trouble>, above: &[&str], row: &Row, wrong: &mut Vec<Problem>) {
        for trouble in troubles.into_iter().filter(|t| !(self.told && t.parameter.is_some())) {
            let path: Vec<&str> = above
                .iter()
                .copied()
                .chain(trouble.path.iter().map(String::as_str))
                .collect();
            let problem = self
                .pipeline
                .problem(&self.spec.name, &path, Part::Value, trouble.message);
            wrong.push(problem.maybe_hint(trouble.hint.or_else(|| in_row(row))));
        }
    }

    /// Complete settings. With settings still to come from other stages, samples stand in for them: enough to know
    /// outputs and randomness, while the rules of the stage wait for the real values.
    fn normalise(&self, settings: &Value, fed: &[&str]) -> Result<Value, Unfit> {
        let mut settings = settings.clone();
        for name in fed {
            settings[*name] = self.schema.sample(name);
        }
        let normalised = (self.stage.settings.normalise)(&settings)?;
        if fed.is_empty() {
            let inputs = self.spec.inputs.iter();
            let ports = inputs.map(|input| (input.name.as_str(), input.over.is_some()));
            (self.stage.check)(&normalised, &Connected(ports.collect()))?;
        }
        Ok(normalised)
    }

    fn misplaced(&self, misfit: Misfit, row: &Row) -> Problem {
        let path: Vec<&str> = misfit.path.iter().map(String::as_str).collect();
        let part = if misfit.key || path.is_empty() {
            Part::Key
        } else {
            Part::Value
        };
        let message = match path.last() {
            Some(name) if !misfit.key && name.parse::<usize>().is_err() => format!("`{name}` {}", misfit.message),
            _ => misfit.message,
        };
        let here = || self.pipeline.problem(&self.spec.name, &path, part, message.as_str());
        // The name of a setting stands here, whatever its value refers to.
        let named_here = |further: &[&str]| misfit.key && further.is_empty();
        let problem = match self.reference(&path).filter(|(_, further)| !named_here(further)) {
            None => here(),
            Some((text, further)) => {
                // Who wrote the value looks for it there, not where it is used.
                let name = parameter(text, further);
                let there = name.and_then(|name| self.written.problem(&name, row, part, &message));
                there.unwrap_or_else(|| here().maybe_hint(in_row(row)))
            }
        };
        problem.maybe_hint(misfit.hint)
    }

    /// The text with `${…}` that the value at `path` comes from, and the steps that lead further within what it becomes.
    fn reference<'p>(&self, path: &'p [&'p str]) -> Option<(&str, &'p [&'p str])> {
        let (mut here, mut further) = (&*self.spec.settings, path);
        while let [step, rest @ ..] = further {
            here = match here {
                Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
                Value::Object(map) => map.get(*step)?,
                _ => break,
            };
            further = rest;
        }
        here.as_str().filter(|_| refers(here)).map(|text| (text, further))
    }
}

/// The parameter that these steps within a reference lead to; none if it stands inside text.
fn parameter(text: &str, further: &[&str]) -> Option<String> {
    match &pieces(text).ok()?[..] {
        [Piece::Name(name)] => Some([&[name.as_str()], further].concat().join(".")),
        _ => None,
    }
}

/// In which row of the matrix it happens.
fn in_row(row: &Row) -> Option<String> {
    let values: Vec<String> = row
        .iter()
        .map(|(axis, value)| format!("{axis} = {}", words::plain(value)))
        .collect();
    (!values.is_empty()).then(|| format!("where {}", values.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Lab, PIPELINE, load};

    fn wrong(rest: &str) -> String {
        load(rest).expect_err("refused")
    }

    #[test]
    fn rows_that_agree_on_the_axes_used_share_a_variant() {
        let experiment = load("matrix: {axes: {k: [1, 2, 3], alpha: [0.1, 0.2]}}").unwrap();
        let counts: Vec<usize> = experiment.variants.all.iter().map(Vec::len).collect();
        assert_eq!(experiment.rows.len(), 6);
        assert_eq!(counts, [1, 1, 1, 2, 1, 3, 1]);
    }

    #[test]
    fn a_row_that_names_a_mapping_hides_no_part_of_it_that_others_name() {
        let rows = "matrix: {include: [{epochs: {wide: 1, vae: 2}}, {epochs.vae: 4}, {epochs.vae: 6}]}";
        let experiment = load(rows).unwrap();
        let vae = experiment
            .pipeline
            .stages
            .iter()
            .position(|stage| stage.name == "vae")
            .unwrap();
        let epochs = |row| experiment.variants.get(vae, row).settings["epochs"].as_u64();
        assert_eq!([0, 1, 2].map(epochs), [Some(2), Some(4), Some(6)]);
    }

    #[test]
    fn a_wrong_value_of_an_axis_is_told_once_with_its_row() {
        let said = wrong("matrix: {axes: {k: [1, abc, 0], alpha: [0.1, 0.2]}}");
        insta::assert_snapshot!(said, @r#"
        error: `k` expects a whole number, got text "abc"
         --> experiments/e.yaml:3:17
          |
        3 | matrix: {axes: {k: [1, abc, 0], alpha: [0.1, 0.2]}}
          |                 ^
          = where k = abc

        error: `k` must be at least 1, is 0
         --> experiments/e.yaml:3:17
          |
        3 | matrix: {axes: {k: [1, abc, 0], alpha: [0.1, 0.2]}}
          |                 ^
          = where k = 0
        "#);
    }

    #[test]
    fn a_wrong_value_is_told_once_where_it_is_set() {
        let pipeline =
            format!("{PIPELINE}  more: {{stage: train, inputs: {{images: images}}, epochs: \"${{epochs.wide}}\"}}\n");
        let said = |rest: &str, given: &[&str]| Lab::new(&pipeline).load(rest, given).unwrap_err();
        insta::assert_snapshot!(said("set:\n  epochs:\n    wide: x\n", &[]), @r#"
        error: `epochs` expects a whole number, got text "x"
         --> experiments/e.yaml:5:11
          |
        5 |     wide: x
          |           ^
          = `epochs.wide` is taken by pipelines/p.yaml
        "#);
        insta::assert_snapshot!(said("", &["epochs.wide=x"]), @r#"
        error: `epochs` expects a whole number, got text "x"
         --> --set epochs.wide=x
          = `epochs.wide` is taken by pipelines/p.yaml
        "#);
    }

    #[test]
    fn a_misspelt_setting_is_told_where_it_is_written() {
        let pipeline = PIPELINE.replace("k: ${k}", "kk: ${k}");
        for rest in ["", "matrix: {axes: {k: [2, 3]}}"] {
            let said = Lab::new(&pipeline).load(rest, &[]).unwrap_err();
            assert!(said.contains("no setting is called `kk` here"), "{said}");
            assert!(said.contains("pipelines/p.yaml:30:5"), "{said}");
        }
    }

    #[test]
    fn the_rules_of_a_stage_are_checked() {
        let pipeline = PIPELINE.replace("    latent_dim: 100\n", "    variant: wae\n");
        let said = Lab::new(&pipeline).load("set: {epochs: {wide: 0}}", &[]).unwrap_err();
        insta::assert_snapshot!(said, @r"
        error: stage `wide`: variant wae needs at least one epoch
          --> pipelines/p.yaml:11:3
           |
        11 |   wide:
           |   ^^^^
        ");
    }

    #[test]
    fn unknown_parameters_and_streams_are_reported_in_the_pipeline() {
        let pipeline = PIPELINE.replace("k: ${k}", "k: ${kk}\n    stream: x");
        insta::assert_snapshot!(Lab::new(&pipeline).load("", &[]).unwrap_err(), @r#"
        error: no parameter is called `kk`
          --> pipelines/p.yaml:30:8
           |
        30 |     k: ${kk}
           |        ^^^^^
           = did you mean `k`?

        error: `stream` expects a whole number, got text "x"
          --> pipelines/p.yaml:31:13
           |
        31 |     stream: x
           |             ^
        "#);
    }

    #[test]
    fn a_broken_parameter_is_told_where_it_is_written_only() {
        let pipeline = PIPELINE.replace("  k: 10", "  k: ${nothing}");
        let said = Lab::new(&pipeline).load("", &[]).unwrap_err();
        assert_eq!(said.matches("error:").count(), 1, "{said}");
        assert!(said.contains("pipelines/p.yaml:6:6"), "{said}");
    }
}
