//! Which output stands behind which input.

use super::doc::Part;
use super::pipeline::{InputSpec, Pipeline, StageSpec};
use super::report::Problem;
use super::variants::Variants;
use super::{fields, params, schema, words};
use crate::stage::{Output, Port, Registry, Stage};
use std::collections::BTreeSet;

/// A connection between two stages of given settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Wire {
    pub into: Into,
    pub output: String,
    /// Artifact type of that output.
    pub artifact: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Into {
    Port,
    Setting,
    Gather,
}

/// Message and hint.
pub type Wrong = (String, Option<String>);

/// Connects one input of `consumer` to a producer with these outputs.
pub fn connect(input: &InputSpec, consumer: &Stage, producer: &[Output]) -> Result<Wire, Wrong> {
    let from = &input.stage;
    match consumer.port(&input.name) {
        Some(port) => {
            let output = pick(input, producer, |o| port.takes(o.artifact), &wanted(port))?;
            let into = if input.over.is_some() { Into::Gather } else { Into::Port };
            Ok(Wire {
                into,
                output: output.name.to_string(),
                artifact: output.artifact.to_owned(),
            })
        }
        None => {
            let output = match &input.output {
                Some(name) => named(name, from, producer)?,
                None => pick(input, producer, |o| o.value, "a value for a setting")?,
            };
            if !output.value {
                let message = format!(
                    "the setting `{}` needs a value, but `{from}.{}` is a file",
                    input.name, output.name
                );
                return Err((message, candidates(from, producer, |o| o.value)));
            }
            Ok(Wire {
                into: Into::Setting,
                output: output.name.to_string(),
                artifact: output.artifact.to_owned(),
            })
        }
    }
}

fn wanted(port: &Port) -> String {
    if port.is_any() {
        return "an artifact".into();
    }
    port.accepts.join(" or ")
}

fn named<'o>(name: &str, from: &str, outputs: &'o [Output]) -> Result<&'o Output, Wrong> {
    outputs.iter().find(|o| o.name == name).ok_or_else(|| {
        (
            format!("stage `{from}` has no output `{name}`"),
            words::suggest(name, outputs.iter().map(|o| &*o.name)),
        )
    })
}

/// The output written, else the one named like the input, else the only one that fits.
fn pick<'o>(
    input: &InputSpec,
    outputs: &'o [Output],
    fits: impl Fn(&Output) -> bool,
    wanted: &str,
) -> Result<&'o Output, Wrong> {
    let from = &input.stage;
    if let Some(name) = &input.output {
        let output = named(name, from, outputs)?;
        if fits(output) {
            return Ok(output);
        }
        let message = format!(
            "`{}` takes {wanted}, but `{from}.{name}` is {}",
            input.name, output.artifact
        );
        return Err((message, candidates(from, outputs, fits)));
    }
    if let Some(output) = outputs.iter().find(|o| o.name == input.name && fits(o)) {
        return Ok(output);
    }
    let fitting: Vec<&Output> = outputs.iter().filter(|o| fits(o)).collect();
    match fitting[..] {
        [output] => Ok(output),
        [] => {
            let all: Vec<String> = outputs.iter().map(|o| format!("{} ({})", o.name, o.artifact)).collect();
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            let message = format!("`{}` takes {wanted}, which stage `{from}` does not give", input.name);
            Err((message, Some(format!("it gives {}", words::list(&all)))))
        }
        _ => {
            let message = format!("`{}` takes {wanted}, and stage `{from}` gives several", input.name);
            Err((message, candidates(from, outputs, fits)))
        }
    }
}

fn candidates(from: &str, outputs: &[Output], fits: impl Fn(&Output) -> bool) -> Option<String> {
    let names: Vec<String> = outputs
        .iter()
        .filter(|o| fits(o))
        .map(|o| format!("{from}.{}", o.name))
        .collect();
    (!names.is_empty()).then(|| format!("write {}", names.join(" or ")))
}

/// Checks all that can be known of the inputs without the rows: names, ports, fan-ins, circles.
pub fn check(pipeline: &Pipeline, registry: &Registry, axes: &[String], problems: &mut Vec<Problem>) {
    for spec in &pipeline.stages {
        let Some(stage) = registry.get(&spec.kind) else {
            continue;
        };
        for input in &spec.inputs {
            check_input(pipeline, spec, stage, input, axes, problems);
        }
        for port in stage.inputs.iter().filter(|port| !port.optional) {
            if !spec.inputs.iter().any(|input| input.name == port.name) {
                let message = format!(
                    "the input `{}` ({}) of stage `{}` is missing",
                    port.name,
                    wanted(port),
                    spec.name
                );
                let example = if port.gathers {
                    "{from: STAGE, over: [seed]}"
                } else {
                    "STAGE"
                };
                let hint = format!("write `inputs: {{{}: {example}}}`", port.name);
                problems.push(pipeline.problem(&spec.name, &["inputs"], Part::Key, message).hint(hint));
            }
        }
    }
    circles(pipeline, problems);
}

fn check_input(
    pipeline: &Pipeline,
    spec: &StageSpec,
    stage: &Stage,
    input: &InputSpec,
    axes: &[String],
    problems: &mut Vec<Problem>,
) {
    let path = ["inputs", input.name.as_str()];
    let problem = |part, message: String| pipeline.problem(&spec.name, &path, part, message);
    let settings = schema::properties(&stage.settings.schema);
    match stage.port(&input.name) {
        None if settings.contains(&input.name.as_str()) => {
            if stage.inputs.iter().any(Port::is_any) {
                // Its ports and outputs have to be known before anything has run.
                let message = format!(
                    "`{}` is a setting of `{}`, which are written out",
                    input.name, spec.kind
                );
                problems.push(problem(Part::Key, message).hint("give the input another name"));
            } else if input.over.is_some() {
                let message = format!("`{}` is a setting: only ports take a fan-in", input.name);
                problems.push(problem(Part::Key, message));
            }
        }
        None => {
            let ports: Vec<&str> = stage.inputs.iter().map(|port| port.name).collect();
            let known = ports.iter().chain(&settings).copied();
            let hint = match words::nearest(&input.name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("inputs: {}; settings: {}", words::list(&ports), words::list(&settings)),
            };
            let message = format!("stage kind `{}` has no input or setting `{}`", spec.kind, input.name);
            problems.push(problem(Part::Key, message).hint(hint));
        }
        Some(port) if port.is_any() => {
            if !fields::is_name(&input.name) {
                let message = format!("`{}` cannot name an input", words::shorten(&input.name));
                problems.push(problem(Part::Key, message).hint(fields::NAME));
            }
        }
        Some(port) => match &input.over {
            None if !port.single => {
                let from = input
                    .output
                    .as_ref()
                    .map_or(input.stage.clone(), |o| format!("{}.{o}", input.stage));
                let message = format!("`{}` gathers several artifacts", input.name);
                problems.push(problem(Part::Value, message).hint(format!("write {{from: {from}, over: [seed]}}")));
            }
            Some(_) if !port.gathers => {
                let message = format!("`{}` takes one artifact, not a fan-in", input.name);
                problems.push(problem(Part::Key, message).hint("gather with a stage made for it, like `select`"));
            }
            _ => {}
        },
    }
    if pipeline.stage(&input.stage).is_none() && !pipeline.source.holds(&["stages", &input.stage]) {
        let message = format!("no stage is called `{}`", input.stage);
        problems.push(problem(Part::Value, message).maybe_hint(words::suggest(&input.stage, pipeline.names())));
    }
    for (i, axis) in input.over.iter().flatten().enumerate() {
        if axis != "seed" && !axes.contains(axis) {
            let at = i.to_string();
            let path = ["inputs", &input.name, "over", &at];
            let known = axes.iter().map(String::as_str).chain(["seed"]);
            let message = format!("the matrix has no axis `{axis}` to gather");
            let hint = match params::exists(axis, [&pipeline.params, &pipeline.params]) {
                true => Some(format!(
                    "give it values in the experiment: `matrix: {{axes: {{{axis}: […]}}}}`"
                )),
                false => words::suggest(axis, known),
            };
            problems.push(
                pipeline
                    .problem(&spec.name, &path, Part::Value, message)
                    .maybe_hint(hint),
            );
        }
    }
}

/// Stages that wait for each other: one circle of each knot, told in the order of the file.
fn circles(pipeline: &Pipeline, problems: &mut Vec<Problem>) {
    let mut done = vec![false; pipeline.stages.len()];
    for start in 0..pipeline.stages.len() {
        // A stack of its own: pipelines may be deeper than the program's. Each stage with its next input to follow.
        let mut path = vec![(start, 0)];
        let mut open = BTreeSet::from([start]);
        while let Some((stage, next)) = path.last_mut() {
            let spec = &pipeline.stages[*stage];
            let Some(input) = spec.inputs.get(*next).filter(|_| !done[*stage]) else {
                done[*stage] = true;
                open.remove(stage);
                path.pop();
                continue;
            };
            *next += 1;
            let Some(producer) = pipeline.place(&input.stage).filter(|producer| !done[*producer]) else {
                continue;
            };
            if open.insert(producer) {
                path.push((producer, 0));
                continue;
            }
            let circle = path
                .iter()
                .map(|(stage, _)| *stage)
                .skip_while(|stage| *stage != producer);
            let names: Vec<&str> = circle
                .chain([producer])
                .map(|stage| pipeline.stages[stage].name.as_str())
                .collect();
            let message = format!("stages wait for each other in a circle: {}", names.join(" → "));
            problems.push(pipeline.problem(&input.stage, &["inputs"], Part::Key, message));
        }
    }
}

/// Stages so that each comes after those it takes from; in the order of the file where that leaves a choice.
pub fn order(pipeline: &Pipeline) -> Vec<usize> {
    let producers = |stage: usize| -> BTreeSet<usize> {
        let inputs = pipeline.stages[stage].inputs.iter();
        inputs.filter_map(|input| pipeline.place(&input.stage)).collect()
    };
    let mut waits: Vec<usize> = Vec::with_capacity(pipeline.stages.len());
    let mut consumers = vec![Vec::new(); pipeline.stages.len()];
    for stage in 0..pipeline.stages.len() {
        let producers = producers(stage);
        waits.push(producers.len());
        for producer in producers {
            consumers[producer].push(stage);
        }
    }
    let mut ready: BTreeSet<usize> = (0..waits.len()).filter(|stage| waits[*stage] == 0).collect();
    let mut order = Vec::with_capacity(waits.len());
    while let Some(next) = ready.pop_first() {
        order.push(next);
        for consumer in &consumers[next] {
            waits[*consumer] -= 1;
            if waits[*consumer] == 0 {
                ready.insert(*consumer);
            }
        }
    }
    assert_eq!(order.len(), waits.len(), "circles have been refused");
    order
}

/// Connects every input in every row, where both ends are known.
pub fn connect_rows(
    pipeline: &Pipeline,
    registry: &Registry,
    variants: &Variants,
    rows: usize,
    problems: &mut Vec<Problem>,
) {
    for (to, spec) in pipeline.stages.iter().enumerate() {
        let Some(stage) = registry.get(&spec.kind) else {
            continue;
        };
        for input in &spec.inputs {
            let Some(from) = pipeline.place(&input.stage) else {
                continue;
            };
            let known = stage.port(&input.name).is_some()
                || schema::properties(&stage.settings.schema).contains(&input.name.as_str());
            if !known || variants.at[from].len() != rows || variants.at[to].len() != rows {
                continue;
            }
            for variant in &variants.all[from] {
                if let Err((message, hint)) = connect(input, stage, &variant.outputs) {
                    let path = ["inputs", input.name.as_str()];
                    let path = if input.over.is_some() {
                        [&path[..], &["from"]].concat()
                    } else {
                        path.to_vec()
                    };
                    problems.push(
                        pipeline
                            .problem(&spec.name, &path, Part::Value, message)
                            .maybe_hint(hint),
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
