//! When two actions, two values or two fan-ins are the same, and in which order they come.

use super::{Axes, Input};
use crate::spec::variants::Variant;
use crate::spec::{Experiment, Row};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Numbers the distinct values of each axis from 1, equal numbers having one spelling, and a default being the value that
/// it is.
pub(super) fn number_values(experiment: &Experiment, defaults: &Row) -> Vec<Vec<u32>> {
    let mut known: Vec<BTreeMap<String, u32>> = vec![BTreeMap::new(); experiment.axes.len()];
    let mut number = |axis: usize, value: Option<&Value>| {
        let Some(value) = value else { return 0 };
        let text = serde_json_canonicalizer::to_string(value).expect("specs hold finite numbers");
        let next = u32::try_from(known[axis].len() + 1).expect("axes are bounded");
        *known[axis].entry(text).or_insert(next)
    };
    let rows = experiment.rows.iter();
    rows.map(|row| {
        experiment
            .axes
            .iter()
            .enumerate()
            .map(|(i, name)| number(i, row.get(name).or_else(|| defaults.get(name))))
            .collect()
    })
    .collect()
}

/// Everything that makes an action what it is, as far as it is known before anything has run.
pub(super) fn identity(kind: &str, variant: &Variant, seed: Option<u64>, inputs: &[Input]) -> String {
    let mut text = format!("{kind}\0{}\0{seed:?}", variant.identity);
    for input in inputs {
        let marker = if matches!(input, Input::Setting { .. }) {
            '='
        } else {
            ':'
        };
        write!(text, "\0{}{marker}", input.name()).expect("text takes all");
        match input {
            Input::Port { from, .. } | Input::Setting { from, .. } => {
                write!(text, "{}.{}", from.node.index(), from.output).expect("text takes all");
            }
            Input::Gather { members, .. } => {
                for (axes, from) in members {
                    let axes = serde_json_canonicalizer::to_string(axes).expect("specs hold finite numbers");
                    write!(text, "{axes}{}.{};", from.node.index(), from.output).expect("text takes all");
                }
            }
        }
    }
    text
}

/// Orders axis values: numbers by size, before texts by their letters, before the rest.
pub(super) fn by_axes(a: &Axes, b: &Axes) -> Ordering {
    let names = a.keys().cmp(b.keys());
    let values = a.values().zip(b.values()).map(|(x, y)| by_value(x, y));
    names.then(values.fold(Ordering::Equal, Ordering::then))
}

fn by_value(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x.as_f64().unwrap_or(0.0).total_cmp(&y.as_f64().unwrap_or(0.0)),
        (Value::String(x), Value::String(y)) => x.cmp(y),
        _ => {
            let rank = |v: &Value| match v {
                Value::Number(_) => 0,
                Value::String(_) => 1,
                _ => 2,
            };
            let text = |v: &Value| serde_json_canonicalizer::to_string(v).unwrap_or_default();
            rank(a).cmp(&rank(b)).then_with(|| text(a).cmp(&text(b)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_ordered_by_size_then_letters_then_text() {
        let mut values = vec![
            json!({"b": 1}),
            json!("b"),
            json!(10),
            json!("a"),
            json!(9.5),
            json!([1]),
            json!(-1),
        ];
        values.sort_by(by_value);
        assert_eq!(
            values,
            [
                json!(-1),
                json!(9.5),
                json!(10),
                json!("a"),
                json!("b"),
                json!([1]),
                json!({"b": 1})
            ]
        );
    }

    #[test]
    fn axes_are_ordered_by_their_values_in_turn() {
        let axes = |k: u64, seed: u64| Axes::from([("k".to_owned(), json!(k)), ("seed".to_owned(), json!(seed))]);
        assert_eq!(by_axes(&axes(9, 5), &axes(10, 1)), Ordering::Less);
        assert_eq!(by_axes(&axes(9, 5), &axes(9, 1)), Ordering::Greater);
        assert_eq!(by_axes(&axes(9, 5), &axes(9, 5)), Ordering::Equal);
    }
}
