//! Where the value of a parameter is written: what a problem with it points at.

use super::cells::Row;
use super::doc::{Doc, Part, Source};
use super::interpolate::within;
use super::report::Problem;
use super::words;
use serde_json::Value;
use std::path::Path;

/// Everything that gives parameters their values.
#[derive(Clone, Copy)]
pub struct Written<'a> {
    pub pipeline: &'a Source,
    pub experiment: &'a Source,
    /// The `--set` options.
    pub given: &'a [String],
}

impl Written<'_> {
    /// A problem with a parameter, by its dotted name, at the place its value in this row comes from; none if the name is
    /// written nowhere.
    pub fn problem(&self, name: &str, row: &Row, part: Part, message: &str) -> Option<Problem> {
        // In the order in which one replaces the other.
        if let Some(axis) = row.keys().find(|axis| within(name, axis)) {
            let declared = ["matrix", "axes", axis];
            let problem = match self.experiment.holds(&declared) {
                true => self.experiment.problem(&declared, Part::Key, message),
                false => self.experiment.problem(&["matrix", "include"], Part::Key, message),
            };
            return Some(problem.hint(format!("where {axis} = {}", words::plain(&row[axis]))));
        }
        let taken = format!("`{name}` is taken by {}", self.pipeline.file.display());
        let names = |text: &&String| {
            text.split_once('=')
                .is_some_and(|(set, value)| gives(set.trim(), value, name))
        };
        if let Some(option) = self.given.iter().rev().find(names) {
            return Some(Problem::of_file(Path::new(&format!("--set {option}")), message).hint(taken));
        }
        let steps: Vec<&str> = name.split('.').collect();
        let nested = |top| [&[top], &steps[..]].concat();
        let set = [nested("set"), vec!["set", name]];
        if let Some(path) = set.iter().find(|path| self.experiment.holds(path)) {
            return Some(self.experiment.problem(path, part, message).hint(taken));
        }
        let default = nested("params");
        self.pipeline
            .holds(&default)
            .then(|| self.pipeline.problem(&default, part, message))
    }
}

/// Whether the option `set=value` gives this parameter its value: a mapping that does not hold it left it what it was.
fn gives(set: &str, value: &str, name: &str) -> bool {
    let Some(rest) = name.strip_prefix(set).filter(|_| within(name, set)) else {
        return false;
    };
    let Ok(doc) = Doc::parse(Path::new("--set"), value) else {
        return true;
    };
    let mut steps = rest.split('.').filter(|step| !step.is_empty());
    let end = steps.try_fold(&doc.value, |value, step| match value {
        Value::Object(map) => map.get(step),
        plain => Some(plain),
    });
    end.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The place a problem with this parameter is told at.
    fn place(name: &str, row: &[&str], given: &[&str]) -> Option<String> {
        let doc = |file: &str, text: &str| Doc::parse(Path::new(file), text).unwrap();
        let pipeline = doc("p.yaml", "params:\n  a: 1\n  epochs:\n    vae: 2\n    moe: 3\n  k: 4\n");
        let experiment = doc(
            "e.yaml",
            "set:\n  a: 5\n  epochs.moe: 6\nmatrix:\n  axes:\n    k: [7]\n  include:\n    - {d: 8}\n",
        );
        let given: Vec<String> = given.iter().map(|&text| text.to_owned()).collect();
        let written = Written {
            pipeline: &pipeline.source,
            experiment: &experiment.source,
            given: &given,
        };
        let row: Row = row.iter().map(|&axis| (axis.to_owned(), json!(1))).collect();
        let problem = written.problem(name, &row, Part::Value, "wrong")?;
        let line = problem.line.map_or(String::new(), |line| format!(":{line}"));
        Some(format!("{}{line}", problem.file.display()))
    }

    #[test]
    fn what_replaces_the_others_is_pointed_at() {
        let at = |name, row: &[&str], given: &[&str]| place(name, row, given).unwrap();
        assert_eq!(at("epochs.vae", &[], &[]), "p.yaml:4", "the default");
        assert_eq!(at("a", &[], &[]), "e.yaml:2", "what the experiment sets");
        assert_eq!(at("epochs.moe", &[], &[]), "e.yaml:3", "spelt with dots");
        assert_eq!(at("a", &[], &["a=1", "a=2"]), "--set a=2", "the last option");
        assert_eq!(at("epochs.vae", &[], &["epochs={vae: 1}"]), "--set epochs={vae: 1}");
        assert_eq!(at("epochs.vae", &[], &["epochs={moe: 1}"]), "p.yaml:4", "not in it");
        assert_eq!(at("k", &["k"], &["k=1"]), "e.yaml:6", "an axis");
        assert_eq!(at("d", &["d"], &[]), "e.yaml:7", "a row of `include`");
    }

    #[test]
    fn what_is_written_nowhere_has_no_place() {
        assert_eq!(place("b", &[], &["ab=1"]), None);
    }
}
