//! Settings against the schema of their stage kind, in words.

use super::words;
pub use crate::stage::Misfit;
use crate::stage::Stage;
use jsonschema::Validator;
use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind};
use serde_json::{Value, json};

/// The compiled schema of a stage kind.
pub struct Schema<'a> {
    stage: &'a Stage,
    validator: Validator,
}

impl<'a> Schema<'a> {
    /// The error is a bug of the stage's declaration.
    pub fn new(stage: &'a Stage) -> Result<Self, String> {
        match jsonschema::validator_for(&stage.settings.schema) {
            Ok(validator) => Ok(Self { stage, validator }),
            Err(error) => Err(format!("the schema of stage kind `{}` is broken: {error}", stage.kind)),
        }
    }

    pub fn properties(&self) -> Vec<&'a str> {
        properties(&self.stage.settings.schema)
    }

    /// Everything wrong with `settings`, where those named in `fed` will come from other stages.
    pub fn misfits(&self, settings: &Value, fed: &[&str]) -> Vec<Misfit> {
        let mut found = Vec::new();
        // Of a stage without settings the validator says only that nothing is allowed.
        let bare = self.properties().is_empty() && settings.is_object();
        for name in settings
            .as_object()
            .filter(|_| bare)
            .into_iter()
            .flat_map(|map| map.keys())
        {
            found.push(Misfit {
                path: vec![name.clone()],
                key: true,
                message: format!("no setting is called `{name}` here"),
                hint: Some(format!("`{}` has no settings", self.stage.kind)),
            });
        }
        for error in self.validator.iter_errors(settings).filter(|_| !bare) {
            explain(&error, &self.stage.settings.schema, &mut found);
        }
        found.retain(|misfit| !(misfit.path.is_empty() && fed.iter().any(|f| misfit.message == missing(f))));
        for misfit in found.iter_mut().filter(|misfit| misfit.key) {
            let hint = match &misfit.path[..] {
                [name] if self.stage.inputs.iter().any(|port| port.name == name.as_str()) => {
                    format!("`{name}` is an input: put it under `inputs`")
                }
                // One level too deep.
                [within, .., name] if self.properties().contains(&name.as_str()) => {
                    format!(
                        "`{name}` is a setting of `{}` itself, beside `{within}`",
                        self.stage.kind
                    )
                }
                _ => continue,
            };
            misfit.hint = Some(hint);
        }
        found
    }

    /// A value that setting `name` could have, for what must be known of a stage before the value is.
    pub fn sample(&self, name: &str) -> Value {
        let schema = &self.stage.settings.schema;
        schema["properties"]
            .get(name)
            .map_or(Value::Null, |property| sample(property, schema, 0))
    }
}

pub fn properties(schema: &Value) -> Vec<&str> {
    schema["properties"]
        .as_object()
        .map(|map| map.keys().map(String::as_str).collect())
        .unwrap_or_default()
}

fn missing(name: &str) -> String {
    format!("the setting `{name}` is missing")
}

fn sample(property: &Value, root: &Value, depth: usize) -> Value {
    let deref = property["$ref"]
        .as_str()
        .and_then(|r| root.pointer(r.strip_prefix('#')?));
    if let (Some(target), true) = (deref, depth < 8) {
        return sample(target, root, depth + 1);
    }
    for choices in ["anyOf", "oneOf"] {
        if let (Some(first), true) = (property[choices].get(0), depth < 8) {
            return sample(first, root, depth + 1);
        }
    }
    if let Some(fixed) = property.get("const").or_else(|| property["enum"].get(0)) {
        return fixed.clone();
    }
    let kind = property["type"].as_str().or_else(|| property["type"].get(0)?.as_str());
    match kind {
        Some("integer" | "number") => property.get("minimum").cloned().unwrap_or(json!(1)),
        Some("array") => json!([sample(&property["items"], root, depth + 1)]),
        Some("string") => json!("x"),
        Some("boolean") => json!(false),
        Some("object") => json!({}),
        _ => property.get("default").cloned().unwrap_or(json!(1)),
    }
}

fn steps(error: &ValidationError<'_>) -> Vec<String> {
    let pointer = error.instance_path().as_str();
    pointer
        .split('/')
        .skip(1)
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect()
}

fn explain(error: &ValidationError<'_>, root: &Value, out: &mut Vec<Misfit>) {
    use ValidationErrorKind as Kind;
    let path = steps(error);
    let got = words::describe(error.instance());
    let mut say = |message: String, hint: Option<String>| {
        out.push(Misfit {
            path: path.clone(),
            key: false,
            message,
            hint,
        });
    };
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let known = known_fields(error, root);
            for name in unexpected {
                let path = path.iter().chain([name]).cloned().collect();
                let hint = words::suggest(name, known.iter().copied());
                out.push(Misfit {
                    path,
                    key: true,
                    message: format!("no setting is called `{name}` here"),
                    hint,
                });
            }
        }
        Kind::Required { property } => say(missing(property.as_str().unwrap_or("?")), None),
        Kind::Type { kind } => say(format!("expects {}, got {got}", type_names(kind)), None),
        Kind::Enum { options } => choice(
            options.as_array().map_or(&[][..], Vec::as_slice),
            error.instance(),
            &mut say,
        ),
        Kind::Constant { expected_value } => choice(std::slice::from_ref(expected_value), error.instance(), &mut say),
        Kind::Minimum { limit } => say(format!("must be at least {limit}, is {got}"), None),
        Kind::Maximum { limit } => say(format!("must be at most {limit}, is {got}"), None),
        Kind::ExclusiveMinimum { limit } => say(format!("must be more than {limit}, is {got}"), None),
        Kind::ExclusiveMaximum { limit } => say(format!("must be less than {limit}, is {got}"), None),
        Kind::MinItems { limit } => say(format!("needs at least {limit} items, got {got}"), None),
        Kind::MaxItems { limit } => say(format!("takes at most {limit} items"), None),
        Kind::MinLength { limit } => say(format!("needs at least {limit} characters, got {got}"), None),
        Kind::UniqueItems => say("has the same item twice".into(), None),
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => branches(context, error, root, out),
        _ => say(format!("does not fit: {error}"), None),
    }
}

fn choice(options: &[Value], got: &Value, say: &mut impl FnMut(String, Option<String>)) {
    let names: Vec<String> = options.iter().map(words::plain).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let near = got
        .as_str()
        .and_then(|text| words::nearest(text, names.iter().copied()));
    let one_of = if names.len() > 1 { "one of " } else { "" };
    say(
        format!("expects {one_of}{}, got {}", words::list(&names), words::describe(got)),
        near.map(|near| format!("did you mean `{near}`?")),
    );
}

/// Alternatives none of which fits: the one that was meant, if that can be told, else what all of them want.
fn branches(
    context: &[Vec<ValidationError<'static>>],
    error: &ValidationError<'_>,
    root: &Value,
    out: &mut Vec<Misfit>,
) {
    use ValidationErrorKind as Kind;
    let here = steps(error);
    // A branch that has the right type at this place, and fails further in or by its size, is the one that was meant.
    let meant: Vec<_> = context
        .iter()
        .filter(|errors| {
            !errors.iter().any(|e| {
                steps(e) == here && matches!(e.kind(), Kind::Type { .. } | Kind::Enum { .. } | Kind::Constant { .. })
            })
        })
        .collect();
    // Of several mappings, the one whose fields are there; where two are mixed, the first has a field too many.
    let whole: Vec<_> = meant.iter().copied().filter(|errors| !lacks(errors, &here)).collect();
    let mixed = error.instance().is_object() && meant.len() > whole.len();
    let one = match (&meant[..], &whole[..]) {
        ([one], _) | (_, [one]) => Some(*one),
        (_, [first, ..]) if mixed => Some(*first),
        _ => None,
    };
    if let Some(errors) = one {
        for inner in errors.iter() {
            explain(inner, root, out);
        }
        return;
    }
    let wanted = required(context, &here);
    if let (Some(map), false) = (error.instance().as_object(), wanted.is_empty()) {
        let quoted = |names: Vec<&str>| {
            names
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(" or ")
        };
        let got = match map.is_empty() {
            true => "an empty one".to_owned(),
            false => format!("one with {}", quoted(map.keys().map(String::as_str).collect())),
        };
        let near = map.keys().find_map(|key| words::nearest(key, wanted.iter().copied()));
        out.push(Misfit {
            path: here,
            key: false,
            message: format!("expects a mapping with {}, got {got}", quoted(wanted)),
            hint: near.map(|near| format!("did you mean `{near}`?")),
        });
        return;
    }
    let (mut types, mut options) = (Vec::new(), Vec::new());
    for inner in context.iter().flatten().filter(|e| steps(e) == here) {
        match inner.kind() {
            Kind::Type { kind } => types.push(type_names(kind)),
            Kind::Enum { options: some } => options.extend(some.as_array().cloned().unwrap_or_default()),
            Kind::Constant { expected_value } => options.push((**expected_value).clone()),
            Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => types.push("one of several forms".into()),
            _ => {}
        }
    }
    types.dedup();
    if types.is_empty() && !options.is_empty() {
        choice(&options, error.instance(), &mut |message, hint| {
            out.push(Misfit {
                path: here.clone(),
                key: false,
                message,
                hint,
            });
        });
        return;
    }
    types.retain(|t| options.is_empty() || t != "text");
    let names: Vec<String> = options.iter().map(words::plain).chain(types).collect();
    let message = match names.is_empty() {
        true => format!(
            "fits none of the forms this setting has: {}",
            words::describe(error.instance())
        ),
        false => format!(
            "expects {}, got {}",
            names.join(" or "),
            words::describe(error.instance())
        ),
    };
    let near = error
        .instance()
        .as_str()
        .and_then(|text| words::nearest(text, names.iter().map(String::as_str)));
    let hint = near.map(|near| format!("did you mean `{near}`?"));
    out.push(Misfit {
        path: here,
        key: false,
        message,
        hint,
    });
}

/// Whether a mapping lacks a field at this place, whichever form it is taken for.
fn lacks(errors: &[ValidationError<'static>], here: &[String]) -> bool {
    use ValidationErrorKind as Kind;
    let mut errors = errors.iter().filter(|error| steps(error) == here);
    errors.any(|error| match error.kind() {
        Kind::Required { .. } => true,
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => context.iter().all(|errors| lacks(errors, here)),
        _ => false,
    })
}

/// The fields that mappings at this place lack, by alternatives.
fn required<'e>(alternatives: &'e [Vec<ValidationError<'static>>], here: &[String]) -> Vec<&'e str> {
    use ValidationErrorKind as Kind;
    let mut found = Vec::new();
    for error in alternatives.iter().flatten().filter(|error| steps(error) == here) {
        match error.kind() {
            Kind::Required { property } => found.extend(property.as_str()),
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => found.extend(required(context, here)),
            _ => {}
        }
    }
    found
}

/// The fields of the object schema that refused a field.
fn known_fields<'a>(error: &ValidationError<'_>, root: &'a Value) -> Vec<&'a str> {
    let pointer = error.schema_path().as_str();
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    // Schema paths go through `$ref`s; follow them step by step.
    let mut here = root;
    for step in parent.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let next = match here {
            Value::Array(items) => step.parse::<usize>().ok().and_then(|i| items.get(i)),
            other => other.get(&step),
        };
        match (step.as_str(), next) {
            ("$ref", Some(Value::String(target))) => {
                here = target
                    .strip_prefix('#')
                    .and_then(|p| root.pointer(p))
                    .unwrap_or(&Value::Null);
            }
            (_, Some(next)) => here = next,
            (_, None) => return Vec::new(),
        }
    }
    properties(here)
}

fn type_names(kind: &TypeKind) -> String {
    let name = |json_type: &str| match json_type {
        "null" => "nothing",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "text",
        "array" => "a list",
        _ => "a mapping",
    };
    match kind {
        TypeKind::Single(one) => name(&one.to_string()).to_owned(),
        TypeKind::Multiple(set) => {
            let mut names: Vec<&str> = set.iter().map(|t| name(&t.to_string())).collect();
            // "a number or nothing": what is asked for first, its absence last.
            names.sort_by_key(|n| *n == "nothing");
            names.join(" or ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::registry;
    use super::*;

    fn misfits(kind: &str, settings: Value, fed: &[&str]) -> String {
        let registry = registry();
        let schema = Schema::new(registry.get(kind).unwrap()).unwrap();
        let found = schema.misfits(&settings, fed);
        let said: Vec<String> = found
            .iter()
            .map(|m| {
                format!(
                    "{}: {}{}",
                    m.path.join("."),
                    m.message,
                    m.hint.as_ref().map_or(String::new(), |h| format!(" ({h})"))
                )
            })
            .collect();
        said.join("\n")
    }

    #[test]
    fn what_fits_is_silent() {
        let settings = json!({"latent_dim": 3, "learning_rate": 1e-4, "variant": "ae", "filters": [1, 2], "note": null, "reduction": "mean"});
        assert_eq!(misfits("train", settings, &[]), "");
    }

    #[test]
    fn every_misfit_is_said_in_words() {
        let settings = json!({
            "latent_dim": 0, "epochs": "abc", "learning_rate": 0, "variant": "vea", "reduction": "men", "filters": "x",
            "augment": {"rotaton": 1, "flip": 3}, "note": 3, "latnt_dim": 3, "images": "x"
        });
        insta::assert_snapshot!(misfits("train", settings, &[]), @r#"
        latent_dim: must be at least 1, is 0
        epochs: expects a whole number, got text "abc"
        learning_rate: must be more than 0, is 0
        variant: expects one of vae, ae, wae, got text "vea" (did you mean `vae`?)
        reduction: expects one of sum, mean, got text "men" (did you mean `mean`?)
        filters: expects a whole number or a list, got text "x"
        augment.flip: expects true or false, got 3
        augment.rotaton: no setting is called `rotaton` here (did you mean `rotation`?)
        note: expects text or nothing, got 3
        latnt_dim: no setting is called `latnt_dim` here (did you mean `latent_dim`?)
        images: no setting is called `images` here (`images` is an input: put it under `inputs`)
        "#);
    }

    #[test]
    fn a_branch_with_the_right_type_speaks_for_itself() {
        assert_eq!(
            misfits("train", json!({"filters": [1, "x"]}), &[]),
            "filters.1: expects a whole number, got text \"x\""
        );
    }

    #[test]
    fn a_missing_setting_may_come_from_a_stage() {
        assert_eq!(misfits("copy", json!({}), &[]), ": the setting `size` is missing");
        assert_eq!(misfits("copy", json!({}), &["size"]), "");
    }

    #[test]
    fn samples_fit_their_schema() {
        let registry = registry();
        for kind in ["train", "copy", "load", "cluster"] {
            let schema = Schema::new(registry.get(kind).unwrap()).unwrap();
            for name in schema.properties().into_iter().filter(|n| *n != "learning_rate") {
                let found = schema.misfits(&json!({name: schema.sample(name)}), &["dataset", "size"]);
                assert_eq!(found, [], "{kind}.{name}");
            }
        }
    }
}
