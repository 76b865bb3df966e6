//! `${a.b}`: parameters inside settings.
//!
//! A scalar that is nothing but `${a.b}` becomes the parameter with its type; inside other text it becomes text; `$${`
//! writes `${`. Parameters may refer to parameters, not in circles.

use super::words;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

/// Values and bytes of text that the references of one stage may unfold to; parameters that double each other ask for
/// more than any machine has.
const MOST_UNFOLDED: usize = 1 << 20;

/// Names that hints know of, those within the last one beyond it.
const MOST_NAMED: usize = 300;

/// Literal text or the name of a parameter.
#[derive(Debug, PartialEq)]
pub enum Piece {
    Text(String),
    Name(String),
}

/// Why a text cannot be interpolated, and what to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// Path within the interpolated value.
    pub path: Vec<String>,
    pub message: String,
    pub hint: Option<String>,
    /// The cause lies in this parameter, not in the text itself.
    pub parameter: Option<String>,
}

impl Trouble {
    fn new(message: impl Into<String>, hint: Option<String>) -> Self {
        Self {
            path: Vec::new(),
            message: message.into(),
            hint,
            parameter: None,
        }
    }
}

/// Splits a text at its references.
pub fn pieces(text: &str) -> Result<Vec<Piece>, Trouble> {
    let mut found = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            literal += &rest[..at - 1];
            literal += "${";
            rest = &rest[at + 2..];
            continue;
        }
        literal += &rest[..at];
        let after = &rest[at + 2..];
        let Some(end) = after.find('}') else {
            let hint = "close it with }, or write $${ for the text ${".to_owned();
            return Err(Trouble::new("`${` has no closing brace", Some(hint)));
        };
        let name = after[..end].trim();
        if name.is_empty() || !name.split('.').all(super::fields::is_name) {
            let hint = "a parameter is named like ${epochs.vae}; write $${ for the text ${".to_owned();
            return Err(Trouble::new(
                format!("`${{{}}}` names no parameter", words::shorten(name)),
                Some(hint),
            ));
        }
        if !literal.is_empty() {
            found.push(Piece::Text(std::mem::take(&mut literal)));
        }
        found.push(Piece::Name(name.to_owned()));
        rest = &after[end + 1..];
    }
    literal += rest;
    if !literal.is_empty() || found.is_empty() {
        found.push(Piece::Text(literal));
    }
    Ok(found)
}

/// Whether anything in `value` is to be replaced.
pub fn refers(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("${"),
        Value::Array(items) => items.iter().any(refers),
        Value::Object(map) => map.values().any(refers),
        _ => false,
    }
}

/// Parameters as one cell sees them: the experiment's, with the values of the cell's axes put in.
pub struct Scope<'a> {
    params: &'a Map<String, Value>,
    axes: &'a BTreeMap<String, Value>,
    /// Axes that were looked at.
    touched: RefCell<BTreeSet<String>>,
    /// How much of [`MOST_UNFOLDED`] is spent.
    unfolded: Cell<usize>,
}

impl<'a> Scope<'a> {
    pub fn new(params: &'a Map<String, Value>, axes: &'a BTreeMap<String, Value>) -> Self {
        Self {
            params,
            axes,
            touched: RefCell::default(),
            unfolded: Cell::default(),
        }
    }

    /// The axes that anything asked of this scope so far depends on.
    pub fn touched(&self) -> BTreeSet<String> {
        self.touched.borrow().clone()
    }

    /// A parameter by its dotted name, references within it resolved.
    pub fn get(&self, name: &str) -> Result<Value, Trouble> {
        self.lookup(name, &mut Vec::new())
    }

    /// Every reference in `value` replaced; all troubles, each with its path.
    pub fn fill(&self, value: &Value) -> Result<Value, Vec<Trouble>> {
        let mut troubles = Vec::new();
        let filled = self.fill_at(value, &mut Vec::new(), &mut Vec::new(), &mut troubles);
        if troubles.is_empty() { Ok(filled) } else { Err(troubles) }
    }

    fn spend(&self, size: usize) -> Result<(), Trouble> {
        self.unfolded.set(self.unfolded.get().saturating_add(size));
        if self.unfolded.get() <= MOST_UNFOLDED {
            return Ok(());
        }
        let message = format!("the parameters unfold to more than {MOST_UNFOLDED} values and characters");
        Err(Trouble::new(
            message,
            Some("do not let parameters double each other".into()),
        ))
    }

    fn fill_at(&self, value: &Value, path: &mut Vec<String>, open: &mut Vec<String>, out: &mut Vec<Trouble>) -> Value {
        match value {
            Value::String(text) => self.fill_text(text, open).unwrap_or_else(|trouble| {
                out.push(Trouble {
                    path: path.clone(),
                    ..trouble
                });
                Value::Null
            }),
            Value::Array(items) => {
                let mut each = |(i, item): (usize, &Value)| {
                    path.push(i.to_string());
                    let filled = self.fill_at(item, path, open, out);
                    path.pop();
                    filled
                };
                items.iter().enumerate().map(&mut each).collect()
            }
            Value::Object(map) => {
                let mut filled = Map::new();
                for (key, item) in map {
                    path.push(key.clone());
                    filled.insert(key.clone(), self.fill_at(item, path, open, out));
                    path.pop();
                }
                Value::Object(filled)
            }
            other => other.clone(),
        }
    }

    fn fill_text(&self, text: &str, open: &mut Vec<String>) -> Result<Value, Trouble> {
        self.spend(1 + text.len())?;
        let pieces = pieces(text)?;
        if let [Piece::Name(name)] = &pieces[..] {
            return self.lookup(name, open);
        }
        let mut whole = String::new();
        for piece in &pieces {
            match piece {
                Piece::Text(text) => whole += text,
                Piece::Name(name) => match self.lookup(name, open)? {
                    Value::String(s) => {
                        self.spend(s.len())?;
                        whole += &s;
                    }
                    // One spelling per number, as everywhere: 100 for 100.0 and for 1e2.
                    value @ (Value::Number(_) | Value::Bool(_)) => {
                        whole += &words::whole(&value).map_or_else(|| value.to_string(), |n| n.to_string());
                    }
                    other => {
                        let message = format!(
                            "`${{{name}}}` is {} and cannot stand inside text",
                            words::describe(&other)
                        );
                        return Err(Trouble::new(message, Some("let it be the whole value".into())));
                    }
                },
            }
        }
        Ok(Value::String(whole))
    }

    fn lookup(&self, name: &str, open: &mut Vec<String>) -> Result<Value, Trouble> {
        if open.iter().any(|o| o == name) {
            let circle: Vec<&str> = open.iter().map(String::as_str).chain([name]).collect();
            let mut trouble = Trouble::new(
                format!("parameters refer to each other in a circle: {}", circle.join(" → ")),
                None,
            );
            trouble.parameter = Some(name.to_owned());
            return Err(trouble);
        }
        let raw = self.raw(name, open)?;
        open.push(name.to_owned());
        let mut troubles = Vec::new();
        let value = self.fill_at(&raw, &mut Vec::new(), open, &mut troubles);
        open.pop();
        match troubles.into_iter().next() {
            Some(first) => Err(Trouble {
                parameter: Some(name.to_owned()),
                ..first
            }),
            None => Ok(value),
        }
    }

    /// The value of a name with its own references still in it; those on the way to it are followed.
    fn raw(&self, name: &str, open: &mut Vec<String>) -> Result<Value, Trouble> {
        let unknown = || {
            let names = names(self.params);
            Trouble::new(
                format!("no parameter is called `{name}`"),
                words::suggest(name, names.iter().map(String::as_str)).or(Some("this pipeline has no `params`".into())),
            )
        };
        // The axis that is the name or stands above it replaces whatever the parameters say.
        let above = || self.axes.iter().filter(|(axis, _)| within(name, axis));
        self.touched.borrow_mut().extend(above().map(|(axis, _)| axis.clone()));
        let above = above().next();
        let (mut value, rest) = match above {
            Some((axis, value)) => (Cow::Borrowed(value), name[axis.len()..].trim_start_matches('.')),
            None => {
                let (first, rest) = name.split_once('.').unwrap_or((name, ""));
                (Cow::Borrowed(self.params.get(first).ok_or_else(unknown)?), rest)
            }
        };
        let mut so_far = name[..name.len() - rest.len()].trim_end_matches('.').to_owned();
        for step in rest.split('.').filter(|s| !s.is_empty()) {
            if value.is_string() {
                value = Cow::Owned(self.lookup(&so_far, open)?);
            }
            // Declared perhaps, but not in what stands in its place.
            let lacking = |value: &Value| match above.is_some() || !value.is_object() {
                true => Trouble::new(
                    format!(
                        "no parameter is called `{name}`: `{so_far}` is {} here",
                        words::plain(value)
                    ),
                    None,
                ),
                false => unknown(),
            };
            value = match value {
                Cow::Borrowed(value) => Cow::Borrowed(value.get(step).ok_or_else(|| lacking(value))?),
                Cow::Owned(value) => Cow::Owned(value.get(step).cloned().ok_or_else(|| lacking(&value))?),
            };
            so_far = format!("{so_far}.{step}");
        }
        // Axes that stand below the name change a part of it.
        for (axis, part) in self.axes.iter().filter(|(axis, _)| *axis != name && within(axis, name)) {
            self.touched.borrow_mut().insert(axis.clone());
            if let Value::String(text) = value.as_ref() {
                open.push(name.to_owned());
                let filled = self.fill_text(text, open);
                open.pop();
                value = Cow::Owned(filled?);
            }
            let Value::Object(map) = value.to_mut() else {
                let message = format!("`{name}` is {} here and has no part `{axis}`", words::plain(&value));
                return Err(Trouble::new(message, None));
            };
            put(map, &axis[name.len() + 1..], part.clone());
        }
        Ok(value.into_owned())
    }
}

/// Whether `name` is `above` or lies below it.
pub fn within(name: &str, above: &str) -> bool {
    name.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Dotted names in `params`, inner and outer, for hints: no more than anybody looks through.
pub fn names(params: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in params {
        if found.len() >= MOST_NAMED {
            break;
        }
        found.push(key.clone());
        if let Value::Object(inner) = value {
            found.extend(names(inner).into_iter().map(|name| format!("{key}.{name}")));
        }
    }
    found
}

/// Sets a dotted name, making the mappings on the way.
pub fn put(map: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => drop(map.insert(name.to_owned(), value)),
        Some((first, rest)) => {
            let inner = map.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            put(inner.as_object_mut().expect("made one above"), rest, value);
        }
    }
}

#[cfg(test)]
mod tests;
