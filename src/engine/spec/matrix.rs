//! The matrix of an experiment: which settings to sweep.
//!
//! An axis is a dotted parameter with the values it takes:
//!
//! ```yaml
//! matrix:
//!   axes:
//!     dataset: [mnist, usps]                       # plain values
//!     alpha: [10, {value: 100, when: {dataset: mnist}}]    # a value of some rows only
//!     beta: {values: [1, 2], when: {dataset: [mnist, usps]}}    # all values of some rows only
//!     gamma:                                       # blocks of values, each for its rows
//!       - {values: [1, 2], when: {dataset: mnist}}
//!       - {values: [3], when: {dataset: usps}}
//!   exclude: [{alpha: 10, dataset: mnist}]         # drops every row that agrees with an entry
//!   include: [{alpha: 1000}]                       # adds one row, whatever the axes list
//! ```
//!
//! `when` names axes or parameters, each with one value or a list of them. An axis none of whose values holds in a row is
//! absent from it: its parameter keeps its default there. A value that is itself a mapping with a field `value` or
//! `values` is written as `{value: …}`. `include` comes after `exclude`; what an entry does not name keeps its default, so
//! that `{}` is the row of all defaults.

use super::fields::Item;
use super::interpolate;
use super::params;
use super::report::Problem;
use super::words;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Names no axis can have: the seeds are an axis of their own.
const SEED: &str = "seed";
/// Axes are bits of a word in the plan.
const MOST_AXES: usize = 64;

/// The matrix as written.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    /// In the order of the file.
    pub axes: Vec<Axis>,
    /// Partial rows to leave out: names with the values that match.
    pub exclude: Vec<Conditions>,
    /// Rows to add.
    pub include: Vec<Vec<(String, Value)>>,
}

/// Names and the values each may have; all of them must hold.
pub type Conditions = Vec<(String, Vec<Value>)>;

#[derive(Clone, Debug)]
pub struct Axis {
    pub name: String,
    pub choices: Vec<Choice>,
}

impl Axis {
    /// Whether every row has it.
    pub fn always(&self) -> bool {
        self.choices.iter().all(|choice| choice.when.is_empty())
    }
}

#[derive(Clone, Debug)]
pub struct Choice {
    pub value: Value,
    pub when: Conditions,
}

/// Equality of values, where `100` is `100.0`.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(v, w)| same(v, w)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(k, v)| y.get(k).is_some_and(|w| same(v, w)))
        }
        _ => a == b,
    }
}

struct Reader<'a, 'm> {
    /// See [`params::exists`].
    params: [&'a Map<String, Value>; 2],
    axes: Vec<String>,
    /// Every `when`, to be looked at when all axes are known.
    conditions: Vec<(Item<'m>, Conditions)>,
    problems: &'a mut Vec<Problem>,
}

/// Reads `matrix`, whose axes must be among the parameters ([`params::exists`]).
pub fn read(item: Option<Item<'_>>, params: [&Map<String, Value>; 2], problems: &mut Vec<Problem>) -> Matrix {
    let Some(item) = item else { return Matrix::default() };
    if !item.fields("the matrix", &["axes", "exclude", "include"], problems) {
        return Matrix::default();
    }
    let axes = item
        .get("axes")
        .map(|axes| axes.entries("a mapping from parameters to values", problems))
        .unwrap_or_default();
    if axes.len() > MOST_AXES {
        problems.push(item.key_problem(format!("a matrix has at most {MOST_AXES} axes")));
        return Matrix::default();
    }
    let names = axes.iter().map(|axis| axis.name().to_owned()).collect();
    let mut reader = Reader {
        params,
        axes: names,
        conditions: Vec::new(),
        problems,
    };
    let mut matrix = Matrix {
        axes: axes.iter().filter_map(|axis| reader.axis(axis)).collect(),
        ..Matrix::default()
    };
    reader.overlaps(&axes);
    let taken = taken(&matrix.axes);
    for (when, conditions) in std::mem::take(&mut reader.conditions) {
        // One of several values may be meant for another day; without any the axis is always absent.
        let never = |(name, values): &(String, Vec<Value>)| {
            let all = taken.get(name.as_str()).map(|(all, _)| all);
            all.is_some_and(|all| values.iter().all(|value| !all.contains(&canonical(value))))
        };
        let conditions: Conditions = conditions.into_iter().filter(never).collect();
        reader.reachable(&when, &conditions, &taken);
    }
    if let Some(exclude) = item.get("exclude") {
        for entry in exclude.items("a list of partial rows", reader.problems) {
            let conditions = reader.conditions(&entry);
            reader.reachable(&entry, &conditions, &taken);
            matrix.exclude.push(conditions);
        }
    }
    if let Some(include) = item.get("include") {
        for entry in include.items("a list of rows", reader.problems) {
            let row = reader.row(&entry);
            matrix.include.push(row);
        }
    }
    let names = matrix.include.iter().flatten().map(|(name, _)| name);
    let names: BTreeSet<&String> = names.chain(matrix.axes.iter().map(|axis| &axis.name)).collect();
    if names.len() > MOST_AXES {
        let message = format!("a matrix has at most {MOST_AXES} axes, those of `include` counted");
        reader.problems.push(item.key_problem(message));
        return Matrix::default();
    }
    if item.object().is_some_and(Map::is_empty) {
        reader.problems.push(
            item.key_problem("the matrix is empty")
                .hint("name its `axes`, or leave it out"),
        );
    }
    matrix
}

impl<'m> Reader<'_, 'm> {
    /// Whether the name is an axis or a parameter; if not, that is reported.
    fn known(&mut self, entry: &Item<'_>) -> bool {
        let name = entry.name();
        if name == SEED {
            let problem = entry.key_problem("`seed` is no axis of the matrix");
            self.problems.push(problem.hint("list the seeds under `seeds`"));
            return false;
        }
        let known = params::exists(name, self.params);
        if !known {
            let names = interpolate::names(self.params[1]);
            let problem = entry.key_problem(format!("the pipeline has no parameter `{name}`"));
            let hint = words::suggest(name, names.iter().map(String::as_str));
            self.problems.push(problem.maybe_hint(hint));
        }
        known
    }

    fn axis(&mut self, item: &Item<'m>) -> Option<Axis> {
        if !self.known(item) {
            return None;
        }
        let mut choices = Vec::new();
        match item.value {
            Value::Array(list) => {
                for i in 0..list.len() {
                    self.element(&nth(item, i, list), &mut choices);
                }
            }
            Value::Object(map) if map.contains_key("values") => self.element(item, &mut choices),
            other => {
                let message = format!(
                    "an axis is a list of values, or {{values: […], when: {{…}}}}, not {}",
                    words::describe(other)
                );
                self.problems.push(item.problem(message));
                return None;
            }
        }
        if choices.is_empty() {
            self.problems
                .push(item.key_problem(format!("the axis `{}` has no values", item.name())));
        }
        Some(Axis {
            name: item.name().to_owned(),
            choices,
        })
    }

    /// A plain value, `{value: …, when: …}` or `{values: […], when: …}`.
    fn element(&mut self, item: &Item<'m>, choices: &mut Vec<Choice>) {
        let map = item.object();
        let has = |key: &str| map.is_some_and(|map| map.contains_key(key));
        let (values, when) = match (has("value"), has("values")) {
            (false, false) => (vec![item.clone()], None),
            (single, _) => {
                let field = if single { "value" } else { "values" };
                item.fields("a value of an axis", &[field, "when"], self.problems);
                let values = match (single, item.get(field)) {
                    (true, value) => vec![value.unwrap_or_else(|| Item {
                        value: &Value::Null,
                        ..item.clone()
                    })],
                    (false, Some(list)) => list.items("a list of values", self.problems),
                    (false, None) => Vec::new(),
                };
                (values, item.get("when"))
            }
        };
        let when = when.map(|when| {
            let conditions = self.conditions(&when);
            self.conditions.push((when, conditions.clone()));
            conditions
        });
        let when = when.unwrap_or_default();
        for value in values {
            if interpolate::refers(value.value) {
                let problem = value.problem("the values of an axis are written out, without `${…}`");
                self.problems
                    .push(problem.hint("write $${ for the text ${ in a parameter instead"));
            }
            choices.push(Choice {
                value: value.value.clone(),
                when: when.clone(),
            });
        }
    }

    fn conditions(&mut self, item: &Item<'_>) -> Conditions {
        let entries = item.entries("a mapping from axes to values", self.problems);
        if entries.is_empty() && item.value.is_object() {
            self.problems.push(item.problem("this names no axis"));
        }
        let mut found = Vec::new();
        for entry in entries {
            if self.known(&entry) {
                // A list is several values, or the one value that it is: `classes: [0, 1]`.
                let mut values = entry.value.as_array().cloned().unwrap_or_default();
                values.push(entry.value.clone());
                found.push((entry.name().to_owned(), values));
            }
        }
        found
    }

    fn row(&mut self, item: &Item<'_>) -> Vec<(String, Value)> {
        let entries = item.entries("a mapping from axes to values", self.problems);
        let mut found: Vec<(String, Value)> = Vec::new();
        for entry in &entries {
            if interpolate::refers(entry.value) {
                self.problems
                    .push(entry.problem("the values of an axis are written out, without `${…}`"));
            }
            if self.known(entry) {
                found.push((entry.name().to_owned(), entry.value.clone()));
            }
        }
        if entries.len() > MOST_AXES {
            self.problems
                .push(item.problem(format!("a row has at most {MOST_AXES} axes")));
            return found;
        }
        self.overlaps(&entries);
        for entry in &entries {
            let near = self
                .axes
                .iter()
                .find(|axis| *axis != entry.name() && related(axis, entry.name()));
            if let Some(axis) = near {
                self.problems
                    .push(entry.key_problem(format!("`{}` and the axis `{axis}` overlap", entry.name())));
            }
        }
        found
    }

    /// An axis within another would be set in an order that nobody sees.
    fn overlaps(&mut self, entries: &[Item<'_>]) {
        for (i, later) in entries.iter().enumerate() {
            if let Some(earlier) = entries[..i]
                .iter()
                .find(|earlier| related(earlier.name(), later.name()))
            {
                let message = format!(
                    "`{}` and `{}` overlap: one is part of the other",
                    later.name(),
                    earlier.name()
                );
                self.problems.push(later.key_problem(message));
            }
        }
    }

    /// A value that an axis never takes is a slip of the pen; a parameter's may come from elsewhere.
    fn reachable(&mut self, entry: &Item<'_>, conditions: &Conditions, taken: &Taken<'_>) {
        for (name, values) in conditions {
            let Some((all, shown)) = taken.get(name.as_str()) else {
                continue;
            };
            // The last of them is a list as a whole, if they are a list.
            let (whole, each) = values.split_last().expect("conditions have a value");
            let wanted = match each {
                [] => values,
                _ if all.contains(&canonical(whole)) => continue,
                each => each,
            };
            for value in wanted.iter().filter(|value| !all.contains(&canonical(value))) {
                let at = entry.get(name).unwrap_or_else(|| entry.clone());
                let problem = at.problem(format!("the axis `{name}` never is {}", words::plain(value)));
                let text = value.as_str().filter(|text| all.contains(*text));
                let hint = text.map_or_else(
                    || format!("it is one of {shown}"),
                    |text| format!("write {text} without quotes: it is no text there"),
                );
                self.problems.push(problem.hint(hint));
            }
        }
    }
}

/// Axis → its values, for looking up and for people. Axes that can be absent are left out: where they are, the default of
/// their parameter counts, which `set` may change.
type Taken<'a> = BTreeMap<&'a str, (BTreeSet<String>, String)>;

fn taken(axes: &[Axis]) -> Taken<'_> {
    let always = axes.iter().filter(|axis| axis.always());
    always
        .map(|axis| {
            let shown: Vec<String> = axis.choices.iter().map(|c| words::plain(&c.value)).collect();
            let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
            let all = axis.choices.iter().map(|c| canonical(&c.value)).collect();
            (axis.name.as_str(), (all, words::list(&shown)))
        })
        .collect()
}

/// Equal for values that are the [`same`].
fn canonical(value: &Value) -> String {
    serde_json_canonicalizer::to_string(value).expect("specs hold finite numbers")
}

fn nth<'a>(item: &Item<'a>, i: usize, list: &'a [Value]) -> Item<'a> {
    let mut path = item.path.clone();
    path.push(i.to_string());
    Item {
        source: item.source,
        path,
        value: &list[i],
    }
}

fn related(a: &str, b: &str) -> bool {
    interpolate::within(a, b) || interpolate::within(b, a)
}

#[cfg(test)]
mod tests {
    use super::super::fake::load;
    use super::*;
    use serde_json::json;

    fn error(matrix: &str) -> String {
        load(&format!("matrix: {matrix}\n"))
            .err()
            .unwrap_or_else(|| panic!("{matrix} was accepted"))
    }

    #[test]
    fn hundred_is_hundred() {
        assert!(same(&json!({"a": [100]}), &json!({"a": [100.0]})));
        assert!(!same(&json!("100"), &json!(100)));
    }

    #[test]
    fn an_axis_must_be_a_parameter() {
        insta::assert_snapshot!(error("{axes: {epochs.vea: [1]}}"), @r"
        error: the pipeline has no parameter `epochs.vea`
         --> experiments/e.yaml:3:17
          |
        3 | matrix: {axes: {epochs.vea: [1]}}
          |                 ^^^^^^^^^^
          = did you mean `epochs.vae`?
        ");
    }

    #[test]
    fn malformed_axes_are_refused() {
        for (matrix, part) in [
            ("{axes: {k: 3}}", "an axis is a list"),
            ("{axes: {k: []}}", "has no values"),
            ("{axes: {seed: [1]}}", "`seed` is no axis"),
            ("{axes: {epochs.vae: [1], epochs: [{vae: 1, wide: 2}]}}", "overlap"),
            ("{axes: {dataset: [\"${k}\"]}}", "without `${…}`"),
            ("{axes: {k: [{value: 1, when: {alpah: 3}}]}}", "no parameter `alpah`"),
            ("{axes: {k: [{value: 1, wen: {alpha: 3}}]}}", "no field `wen`"),
            ("{axes: {k: {values: [1], when: {}}}}", "names no axis"),
            ("{axes: {k: [1, 2]}, exclude: [{k: 3}]}", "never is 3"),
            ("{axes: {k: [1, 2], alpha: {values: [1], when: {k: 3}}}}", "never is 3"),
            (
                "{axes: {k: [1, 2], alpha: {values: [1], when: {k: \"2\"}}}}",
                "write 2 without quotes",
            ),
            ("{axes: {k: [1, 2]}, exclude: {k: 1}}", "expects a list of partial rows"),
            ("{axes: {k: [1, 2]}, include: [{kk: 1}]}", "no parameter `kk`"),
            ("{axes: {k: [[1], [2]]}, exclude: [{k: [3]}]}", "never is 3"),
            ("{axis: {k: [1]}}", "no field `axis`"),
            ("{}", "the matrix is empty"),
            ("[1]", "expects the matrix, got a list"),
        ] {
            let said = error(matrix);
            assert!(said.contains(part), "{matrix}: {said}");
        }
    }
}
