//! Walking through a parsed file: typed access that reports what is wrong instead of stopping at it.

use super::doc::{Doc, Part, Source};
use super::report::Problem;
use super::words;
use serde_json::{Map, Value};

/// A value of a document and the path to it.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    pub source: &'a Source,
    pub path: Vec<String>,
    pub value: &'a Value,
}

impl<'a> Item<'a> {
    pub fn root(doc: &'a Doc) -> Self {
        Self {
            source: &doc.source,
            path: Vec::new(),
            value: &doc.value,
        }
    }

    pub fn problem(&self, message: impl Into<String>) -> Problem {
        self.source.problem(&self.path, Part::Value, message)
    }

    /// A problem with the name of this entry.
    pub fn key_problem(&self, message: impl Into<String>) -> Problem {
        self.source.problem(&self.path, Part::Key, message)
    }

    fn wants(&self, what: &str) -> Problem {
        self.problem(format!("expects {what}, got {}", words::describe(self.value)))
    }

    fn child(&self, step: String, value: &'a Value) -> Self {
        let mut path = self.path.clone();
        path.push(step);
        Self {
            source: self.source,
            path,
            value,
        }
    }

    pub fn name(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    /// The field `key`; one that is written but left empty counts as absent.
    pub fn get(&self, key: &str) -> Option<Self> {
        self.value
            .get(key)
            .filter(|v| !v.is_null())
            .map(|v| self.child(key.to_owned(), v))
    }

    pub fn object(&self) -> Option<&'a Map<String, Value>> {
        self.value.as_object()
    }

    /// The entries of a mapping; anything else is reported as not being `what`.
    pub fn entries(&self, what: &str, problems: &mut Vec<Problem>) -> Vec<Self> {
        match self.value {
            Value::Object(map) => map.iter().map(|(k, v)| self.child(k.clone(), v)).collect(),
            _ => {
                problems.push(self.wants(what));
                Vec::new()
            }
        }
    }

    pub fn items(&self, what: &str, problems: &mut Vec<Problem>) -> Vec<Self> {
        match self.value {
            Value::Array(list) => list
                .iter()
                .enumerate()
                .map(|(i, v)| self.child(i.to_string(), v))
                .collect(),
            _ => {
                problems.push(self.wants(what));
                Vec::new()
            }
        }
    }

    /// Reports every field that is not among `known`, and anything that is no mapping. False if it is no mapping.
    pub fn fields(&self, what: &str, known: &[&str], problems: &mut Vec<Problem>) -> bool {
        for entry in self.entries(what, problems) {
            if !known.contains(&entry.name()) {
                let problem = entry.key_problem(format!("{what} has no field `{}`", entry.name()));
                problems.push(problem.maybe_hint(words::suggest(entry.name(), known.iter().copied())));
            }
        }
        self.value.is_object()
    }

    pub fn text(&self, what: &str, problems: &mut Vec<Problem>) -> Option<String> {
        match self.value {
            Value::String(s) if !s.trim().is_empty() => Some(s.clone()),
            _ => {
                problems.push(self.wants(what));
                None
            }
        }
    }

    /// A whole number of at least `least`.
    pub fn count(&self, what: &str, least: u64, problems: &mut Vec<Problem>) -> Option<u64> {
        match words::count(self.value) {
            Some(n) if n >= least => Some(n),
            _ => {
                problems.push(self.wants(what));
                None
            }
        }
    }

    pub fn number(&self, what: &str, problems: &mut Vec<Problem>) -> Option<f64> {
        let number = self.value.as_f64();
        if number.is_none() {
            problems.push(self.wants(what));
        }
        number
    }

    /// A required field.
    pub fn require(&self, key: &str, what: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let found = self.get(key);
        if found.is_none() && self.value.is_object() {
            problems.push(self.key_problem(format!("{what} needs a field `{key}`")));
        }
        found
    }

    /// A list of texts; a single text counts as a list of one.
    pub fn names(&self, what: &str, problems: &mut Vec<Problem>) -> Vec<Self> {
        if self.value.is_string() {
            return vec![self.clone()];
        }
        let items = self.items(what, problems);
        items
            .into_iter()
            .filter(|item| item.text("a name", problems).is_some())
            .collect()
    }
}

/// What [`is_name`] wants, in words.
pub const NAME: &str = "letters, digits, _ and -, beginning with a letter or _";

/// Whether `name` can name a stage, a parameter, a metric: letters, digits, `_` and `-`, not beginning with a digit or
/// dash. Dots separate names.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn doc(text: &str) -> Doc {
        Doc::parse(Path::new("x.yaml"), text).unwrap()
    }

    #[test]
    fn unknown_fields_are_reported_with_the_nearest_name() {
        let doc = doc("seeds: 3\nmatrx: {}\n");
        let mut problems = Vec::new();
        Item::root(&doc).fields("an experiment", &["seeds", "matrix"], &mut problems);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].line, Some(2));
        assert_eq!(problems[0].hint.as_deref(), Some("did you mean `matrix`?"));
    }

    #[test]
    fn wrong_types_say_what_is_wanted_and_what_is_there() {
        let doc = doc("a: x\nb: -1\n");
        let mut problems = Vec::new();
        let root = Item::root(&doc);
        assert_eq!(
            root.get("a").unwrap().count("a number of seeds", 1, &mut problems),
            None
        );
        assert_eq!(root.get("b").unwrap().text("a name", &mut problems), None);
        let said: Vec<&str> = problems.iter().map(|p| p.message.as_str()).collect();
        assert_eq!(
            said,
            ["expects a number of seeds, got text \"x\"", "expects a name, got -1"]
        );
    }

    #[test]
    fn an_empty_field_counts_as_absent() {
        let doc = doc("a:\n");
        let mut problems = Vec::new();
        assert!(Item::root(&doc).require("a", "a pipeline", &mut problems).is_none());
        assert_eq!(problems[0].message, "a pipeline needs a field `a`");
    }

    #[test]
    fn names_hold_no_dots_and_begin_with_a_letter_or_an_underscore() {
        assert!(is_name("wide_vae-2") && is_name("_x"));
        for bad in ["", "a.b", "2a", "-a", "a b", "é"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
