//! The reference of stages, written from what they declare: `docs/stages.md`.

use crate::artifact;
use moelab_engine::spec::schema::Schema;
use moelab_engine::stage::{Output, Port, Registry, Stage};
use serde_json::{Map, Value};
use std::fmt::Write;

/// Deeper settings are told as mappings.
const DEEPEST: usize = 3;

/// All stages in alphabetical order, as Markdown.
pub fn markdown(registry: &Registry) -> String {
    let mut text = String::from(
        "# Stages\n\n\
         Written from the code by `moelab schema --format md`; a test fails where this file is stale.\n\n\
         Every stage also takes `stage` (its kind), `inputs`, and `stream` (0), which separates the random numbers of \
         otherwise equal stages. A setting may be a reference (`${name}`), or stand under `inputs` and get the value that \
         another stage finds. What artifacts hold is said [below](#artifacts).\n\n",
    );
    let link = |stage: &Stage| format!("[`{0}`](#{0})", stage.kind);
    let links: Vec<String> = registry.stages().map(link).collect();
    let _ = writeln!(text, "{}\n", links.join(" · "));
    for stage in registry.stages() {
        of_stage(stage, &mut text);
    }
    text += "## Artifacts\n\n| type | content |\n|---|---|\n";
    for (name, content) in artifact::CONTENTS {
        let _ = writeln!(text, "| `{name}` | {} |", cell(content));
    }
    text
}

fn of_stage(stage: &Stage, text: &mut String) {
    let schema = &stage.settings.schema;
    let _ = writeln!(text, "## {}\n\n{}\n", stage.kind, stage.summary);
    if let Some(more) = schema["description"]
        .as_str()
        .filter(|more| !more.starts_with("Settings of `"))
    {
        let _ = writeln!(text, "{}\n", paragraph(more));
    } else if let Some((_, more)) = schema["description"].as_str().and_then(|text| text.split_once(". ")) {
        let _ = writeln!(text, "{}\n", paragraph(more));
    }
    let inputs: Vec<String> = stage.inputs.iter().map(input).collect();
    if !inputs.is_empty() {
        let _ = writeln!(text, "In: {}.\n", inputs.join("; "));
    }
    let outputs = outputs(stage);
    let said: Vec<String> = outputs.iter().map(output).collect();
    match said.is_empty() {
        true => text.push_str("Out: what its settings declare.\n\n"),
        false => *text += &format!("Out: {}.\n\n", said.join("; ")),
    }
    let seeds = sample(stage).is_some_and(|settings| (stage.draws)(&settings));
    let seeds = if seeds {
        " It draws random numbers, so it runs once per seed."
    } else {
        ""
    };
    *text += &format!("Version {}.{seeds}\n\n", stage.version);
    let mut rows = vec![];
    settings(schema, schema, "", 0, &mut rows);
    if !rows.is_empty() {
        text.push_str("| setting | type | default | |\n|---|---|---|---|\n");
        rows.iter().for_each(|row| *text += &format!("{row}\n"));
        text.push('\n');
    }
    for output in outputs.iter().filter(|output| !output.fields.is_empty()) {
        let _ = writeln!(text, "| `{}` | |\n|---|---|", output.name);
        for (name, meaning) in output.fields {
            let _ = writeln!(text, "| `{name}` | {} |", cell(meaning));
        }
        text.push('\n');
    }
}

fn input(port: &Port) -> String {
    if port.is_any() {
        return "any names, of any type, single or gathered".into();
    }
    let types: Vec<String> = port.accepts.iter().map(|accepted| format!("`{accepted}`")).collect();
    let optional = if port.optional { ", optional" } else { "" };
    let gathered = match (port.single, port.gathers) {
        (true, true) => ", single or gathered",
        (false, true) => ", gathered",
        (_, false) => "",
    };
    let how = format!("{optional}{gathered}");
    match port.accepts {
        [one] if *one == port.name && how.is_empty() => types[0].clone(),
        _ => format!("`{}` ({}{how})", port.name, types.join(" or ")),
    }
}

fn output(output: &Output) -> String {
    let optional = if output.optional { ", where there is one" } else { "" };
    match output.name == output.artifact {
        true => format!("`{}`{optional}", output.name),
        false => format!("`{}` (`{}`{optional})", output.name, output.artifact),
    }
}

/// Settings as short as they can be.
fn sample(stage: &Stage) -> Option<Value> {
    let schema = Schema::new(stage).ok()?;
    let required = stage.settings.schema["required"].as_array().into_iter().flatten();
    let given = required.filter_map(|name| Some((name.as_str()?.to_owned(), schema.sample(name.as_str()?))));
    (stage.settings.normalise)(&Value::Object(given.collect::<Map<_, _>>())).ok()
}

fn outputs(stage: &Stage) -> Vec<Output> {
    sample(stage).map_or_else(Vec::new, |settings| (stage.outputs)(&settings))
}

/// A row per setting; those of a mapping with dotted names.
fn settings(schema: &Value, root: &Value, prefix: &str, depth: usize, rows: &mut Vec<String>) {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let target = resolve(property, root);
        let name = format!("{prefix}{name}");
        let told = |field: &str| {
            property[field]
                .as_str()
                .or_else(|| target[field].as_str())
                .unwrap_or_default()
        };
        let nested = target["properties"].is_object() && depth < DEEPEST;
        let default = match property.get("default") {
            _ if nested => String::new(),
            Some(Value::Null) => "none".into(),
            Some(value) => format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            None if required.contains(&name.rsplit('.').next().unwrap_or_default()) => "required".into(),
            None => String::new(),
        };
        let mut meaning = paragraph(told("description"));
        for (choice, said) in choices(target, root) {
            let _ = write!(
                meaning,
                "{}`{choice}`: {said}",
                if meaning.is_empty() { "" } else { "<br>" }
            );
        }
        rows.push(format!(
            "| `{name}` | {} | {default} | {} |",
            cell(&kind(property, root, 0)),
            cell(&meaning)
        ));
        if nested {
            settings(target, root, &format!("{name}."), depth + 1, rows);
        }
    }
}

/// Named choices that say what they mean.
fn choices<'a>(schema: &'a Value, root: &'a Value) -> Vec<(&'a str, String)> {
    let all = ["oneOf", "anyOf"]
        .into_iter()
        .filter_map(|list| schema[list].as_array())
        .flatten();
    let all = all.map(|one| resolve(one, root));
    all.filter_map(|one| Some((one["const"].as_str()?, paragraph(one["description"].as_str()?))))
        .collect()
}

fn resolve<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let target = schema["$ref"]
        .as_str()
        .and_then(|target| root.pointer(target.strip_prefix('#')?));
    target.map_or(schema, |target| resolve(target, root))
}

/// The type in words, with its bounds.
fn kind(schema: &Value, root: &Value, depth: usize) -> String {
    let schema = resolve(schema, root);
    if let Some(value) = schema.get("const") {
        return format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values
            .iter()
            .filter_map(Value::as_str)
            .map(|v| format!("`{v}`"))
            .collect();
        return if values.len() > 8 {
            "one word".into()
        } else {
            values.join(", ")
        };
    }
    let forms = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array());
    if let (Some(forms), true) = (forms, depth < DEEPEST) {
        let mut all: Vec<String> = forms.iter().map(|form| kind(form, root, depth + 1)).collect();
        all.retain(|one| one != "nothing");
        all.dedup();
        return all.join(if all.iter().all(|one| one.starts_with('`')) {
            ", "
        } else {
            " or "
        });
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(all) => all
            .iter()
            .filter_map(Value::as_str)
            .filter(|one| *one != "null")
            .collect(),
        _ => vec![],
    };
    let word = |one: &&str| match *one {
        "integer" => format!("integer{}", bounds(schema)),
        "number" => format!("number{}", bounds(schema)),
        "string" => "text".into(),
        "boolean" => "true or false".into(),
        "array" if schema["items"].is_object() && depth < DEEPEST => {
            format!("list of {}", kind(&schema["items"], root, depth + 1))
        }
        "array" => "list".into(),
        "null" => "nothing".into(),
        _ => "mapping".to_owned(),
    };
    types.iter().map(word).collect::<Vec<_>>().join(" or ")
}

fn bounds(schema: &Value) -> String {
    let sides = [
        ("minimum", "≥"),
        ("exclusiveMinimum", ">"),
        ("maximum", "≤"),
        ("exclusiveMaximum", "<"),
    ];
    let said = sides
        .iter()
        .filter_map(|(name, sign)| Some(format!(" {sign} {}", schema[name].as_f64()?)));
    said.collect::<Vec<_>>().join(",")
}

fn paragraph(text: &str) -> String {
    text.replace('\n', " ")
}

fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
