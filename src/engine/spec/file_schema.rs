//! JSON Schemas of whole files, for editors: draft 7, which every YAML language server knows.
//!
//! They accept all that the reader of specs accepts, and reject what can be told from one file alone. What a reference
//! (`${…}`) stands for, whether a stage exists, and what fits together is told by `moelab plan`.

use super::cells::MOST_RUNS;
use super::retry;
use crate::stage::{Port, Registry, Stage};
use serde_json::{Map, Value, json};

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";
/// [`super::is_name`].
const NAME: &str = "^[A-Za-z_][A-Za-z0-9_-]*$";
const STAGE_OUTPUT: &str = r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)?$";

/// Of `pipelines/NAME.yaml`.
pub fn pipeline(registry: &Registry) -> Value {
    let mut definitions = Map::new();
    definitions.insert("reference".into(), json!({"type": "string", "pattern": r"\$\{"}));
    definitions.insert(
        "output".into(),
        json!({
            "description": "STAGE or STAGE.OUTPUT", "type": "string", "pattern": STAGE_OUTPUT,
        }),
    );
    definitions.insert(
        "fan_in".into(),
        json!({
            "description": "All artifacts along these axes.",
            "type": "object",
            "properties": {
                "from": {"$ref": "#/definitions/output"},
                "over": {"description": "Axes that are gathered, as [seed].", "anyOf": [
                    {"type": "string"},
                    {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": true},
                ]},
            },
            "required": ["from", "over"],
            "additionalProperties": false,
        }),
    );
    for stage in registry.stages() {
        definitions.insert(stage.kind.to_owned(), of_stage(stage));
        // Two stage kinds may call different things by one name.
        let own = stage.settings.schema["$defs"].as_object().into_iter().flatten();
        for (name, definition) in own {
            let mut definition = definition.clone();
            adapt(&mut definition, stage.kind);
            definitions.insert(format!("{}.{name}", stage.kind), definition);
        }
    }
    let kinds: Vec<Value> = registry
        .stages()
        .map(|stage| json!({"const": stage.kind, "description": stage.summary}))
        .collect();
    let of_kind = |stage: &Stage| {
        json!({
            "if": {"properties": {"stage": {"const": stage.kind}}, "required": ["stage"]},
            "then": {"$ref": format!("#/definitions/{}", stage.kind)},
        })
    };
    fields(json!({
        "$schema": DRAFT,
        "title": "A pipeline of moelab",
        "description": "A DAG of stages, described once.",
        "type": "object",
        "properties": {
            "pipeline": {"description": "Its name: that of the file.", "type": "string"},
            "description": {"type": "string"},
            "params": {"description": "Defaults of the parameters, used as ${name}; an experiment may set or sweep them.",
                       "type": "object"},
            "stages": {
                "description": "Name: stage.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": NAME},
                "additionalProperties": {
                    "type": "object",
                    "properties": {"stage": {"description": "The kind of the stage.", "oneOf": kinds}},
                    "required": ["stage"],
                    "allOf": registry.stages().map(of_kind).collect::<Vec<_>>(),
                },
            },
        },
        "required": ["pipeline", "stages"],
        "additionalProperties": false,
        "definitions": definitions,
    }))
}

fn of_stage(stage: &Stage) -> Value {
    let mut settings = stage.settings.schema.clone();
    adapt(&mut settings, stage.kind);
    let mut properties = Map::new();
    properties.insert("stage".into(), json!({"const": stage.kind}));
    let stream = json!({"type": "integer", "minimum": 0});
    properties.insert(
        "stream".into(),
        json!({
            "description": "Separates the random numbers of otherwise equal stages.",
            "anyOf": [stream, {"$ref": "#/definitions/reference"}, {"type": "null"}], "default": 0,
        }),
    );
    let settings = settings["properties"].as_object().cloned().unwrap_or_default();
    let needs_inputs = stage.inputs.iter().any(|port| !port.optional);
    let mut inputs = inputs(stage, settings.keys());
    if !needs_inputs {
        or(&mut inputs, json!({"type": "null"}));
    }
    properties.insert("inputs".into(), inputs);
    properties.extend(settings);
    let mut schema = json!({
        "title": stage.kind,
        "description": stage.summary,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if needs_inputs {
        schema["required"] = json!(["inputs"]);
    }
    // A setting that has to be given may come from a stage.
    let required = stage.settings.schema["required"].as_array().into_iter().flatten();
    let given = required.map(|name| {
        json!({"anyOf": [
            {"required": [name]},
            {"required": ["inputs"], "properties": {"inputs": {"type": "object", "required": [name]}}},
        ]})
    });
    let given: Vec<Value> = given.collect();
    if !given.is_empty() {
        schema["allOf"] = json!(given);
    }
    schema
}

/// Ports, and settings whose value a stage finds.
fn inputs<'a>(stage: &Stage, settings: impl Iterator<Item = &'a String>) -> Value {
    let port = |port: &Port| {
        let forms = [
            (port.single, "#/definitions/output"),
            (port.gathers, "#/definitions/fan_in"),
        ];
        let forms = forms.into_iter().filter(|(takes, _)| *takes);
        let forms: Vec<Value> = forms.map(|(_, form)| json!({"$ref": form})).collect();
        json!({"description": port.accepts.join(" or "), "anyOf": forms})
    };
    let named = || stage.inputs.iter().filter(|port| !port.is_any());
    let mut properties: Map<String, Value> = named().map(|one| (one.name.to_owned(), port(one))).collect();
    for setting in settings {
        let fed = json!({"description": "The value that a stage finds.", "$ref": "#/definitions/output"});
        properties.entry(setting.clone()).or_insert(fed);
    }
    let any = stage.inputs.iter().any(Port::is_any);
    let required: Vec<&str> = named().filter(|port| !port.optional).map(|port| port.name).collect();
    json!({
        "description": "Port: stage, or stage.output.",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": if any { port(&Port::ANY) } else { json!(false) },
    })
}

/// Lets references stand for values, and points to definitions where they are in the whole.
fn adapt(schema: &mut Value, kind: &str) {
    let Value::Object(map) = schema else { return };
    if let Some(Value::String(target)) = map.get_mut("$ref") {
        *target = target.replace("#/$defs/", &format!("#/definitions/{kind}."));
    }
    for list in ["anyOf", "oneOf", "prefixItems"] {
        for part in map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            adapt(part, kind);
        }
    }
    for part in ["items", "additionalProperties"] {
        if let Some(part @ Value::Object(_)) = map.get_mut(part) {
            adapt(part, kind);
            or_reference(part);
        }
    }
    for property in map
        .get_mut("properties")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
    {
        adapt(property.1, kind);
        or_reference(property.1);
    }
}

fn or_reference(schema: &mut Value) {
    or(schema, json!({"$ref": "#/definitions/reference"}));
}

/// Lets fields that need not be written be left empty, too: to the reader that is the same.
fn fields(mut schema: Value) -> Value {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, property) in schema["properties"].as_object_mut().into_iter().flatten() {
        if !required.iter().any(|one| one.as_str() == Some(name.as_str())) {
            or(property, json!({"type": "null"}));
        }
    }
    schema
}

/// Adds a form that a value may have. What people read stays outside, where editors look for it.
fn or(schema: &mut Value, other: Value) {
    let mut inner = schema.take();
    let mut outer = Map::new();
    for told in ["description", "default"] {
        if let Some(value) = inner.as_object_mut().and_then(|map| map.remove(told)) {
            outer.insert(told.to_owned(), value);
        }
    }
    outer.insert("anyOf".into(), json!([inner, other]));
    *schema = Value::Object(outer);
}

/// Of `experiments/NAME.yaml`.
pub fn experiment() -> Value {
    let names = json!({"anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "uniqueItems": true},
    ]});
    let mut when = json!({"description": "Only in rows that agree: axis or parameter, and its value or values.",
                          "type": "object", "minProperties": 1});
    or(&mut when, json!({"type": "null"}));
    let block = json!({
        "type": "object",
        "properties": {"value": {}, "values": {"type": "array", "minItems": 1}, "when": when},
    });
    let rows = |least: u64| json!({"type": "array", "items": {"type": "object", "minProperties": least}});
    let retries: Map<String, Value> = retry::kinds()
        .map(|kind| {
            (
                kind.to_owned(),
                json!({"type": "integer", "minimum": 0, "maximum": 100}),
            )
        })
        .collect();
    fields(json!({
        "$schema": DRAFT,
        "title": "An experiment of moelab",
        "description": "What to run a pipeline on.",
        "type": "object",
        "required": ["experiment", "pipeline"],
        "additionalProperties": false,
        "properties": {
            "experiment": {"description": "Its name: that of the file.", "type": "string", "pattern": NAME},
            "pipeline": {"description": "`moe` means pipelines/moe.yaml.", "type": "string", "pattern": NAME},
            "description": {"type": "string"},
            "set": {"description": "Values of parameters, merged deep into the pipeline's.", "type": "object"},
            "seeds": {"description": "How many, counted from 0, or their list.", "default": 1, "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MOST_RUNS},
                {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "uniqueItems": true},
            ]},
            "retry": {"description": "Further attempts by kind of failure.", "type": "object",
                      "properties": retries, "additionalProperties": false},
            "matrix": fields(json!({
                "description": "Which settings to sweep.",
                "type": "object",
                "minProperties": 1,
                "additionalProperties": false,
                "properties": {
                    "axes": {"description": "Dotted parameter: values.", "type": "object", "additionalProperties": {
                        "anyOf": [{"type": "array", "minItems": 1}, block],
                    }},
                    "exclude": rows(1),
                    "include": rows(0),
                },
            })),
            "metrics": {
                "description": "Name: a number that a stage leaves, as evaluation.acc.",
                "type": "object",
                "propertyNames": {"pattern": NAME},
                "additionalProperties": {"anyOf": [{"$ref": "#/definitions/number"}, fields(json!({
                    "type": "object",
                    "properties": {
                        "of": {"$ref": "#/definitions/number"},
                        "reduce": {"description": "From a column of a history to one number.", "anyOf": [
                            {"enum": ["last", "min", "max"]},
                            {"type": "object", "properties": {"mean_last": {"type": "integer", "minimum": 1}},
                             "required": ["mean_last"], "additionalProperties": false},
                            {"type": "object", "properties": {"at": {"type": "integer", "minimum": 0}},
                             "required": ["at"], "additionalProperties": false},
                        ]},
                    },
                    "required": ["of"],
                    "additionalProperties": false,
                }))]},
            },
            "table": fields(json!({
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "rows": {"description": "Axes or parameters.", "allOf": [names]},
                    "columns": {"description": "Metrics; an axis among them is spread over the columns.", "allOf": [names]},
                    "cells": {"description": "What is printed of a cell.",
                              "enum": ["mean_std", "mean_ci", "median_range", "mean"]},
                    "better": {"description": "Metric: which way is better; that decides what is marked as best.",
                               "type": "object", "additionalProperties": {"enum": ["higher", "lower", "neither"]}},
                    "min_seeds": {"description": "Cells with fewer count as incomplete.",
                                  "type": "integer", "minimum": 1},
                },
            })),
            "reference": {"description": "Published results, as rows of their own.", "type": "array", "items": {
                "type": "object",
                "properties": {
                    "source": {"description": "Author (year), table.", "type": "string"},
                    "runs": {"description": "What stands behind it, as `mean of 5`.", "type": ["string", "number"]},
                },
                "required": ["source"],
            }},
        },
        "definitions": {"number": {
            "description": "STAGE.METRIC, or STAGE.HISTORY.COLUMN",
            "type": "string", "pattern": r"^[^.]+(\.[^.]+)+$",
        }},
    }))
}

#[cfg(test)]
#[path = "file_schema_tests.rs"]
mod tests;
