//! From the matrix to its rows.

use super::interpolate::{Piece, Scope, pieces, refers, within};
use super::matrix::{Axis, Conditions, Matrix, same};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Rows times seeds above which an experiment is refused: far more than anybody can run, and planned in seconds.
pub const MOST_RUNS: usize = 100_000;
/// Rows times conditions that are looked at.
const MOST_CHECKS: usize = 10_000_000;

/// One row: axis → value.
pub type Row = BTreeMap<String, Value>;

/// Expands the matrix into distinct rows; axes declared first vary slowest. The error is for people.
pub fn expand(matrix: &Matrix, params: &Map<String, Value>, seeds: usize) -> Result<Vec<Row>, String> {
    let order = dependency_order(&matrix.axes, params)?;
    let limit = MOST_RUNS / seeds.max(1);
    // Axes in order of dependence, each row the choice per axis in order of declaration.
    let mut picks: Vec<Vec<Option<usize>>> = vec![vec![None; matrix.axes.len()]];
    for at in order {
        let axis = &matrix.axes[at];
        let free = axis.choices.iter().all(|choice| choice.when.is_empty());
        // Told before a single row is made: every row takes every choice.
        if free && picks.len().saturating_mul(axis.choices.len()) > limit {
            return Err(too_many(matrix, seeds));
        }
        if !free {
            checks(picks.len(), axis.choices.len(), "values with `when`")?;
        }
        let mut wider = Vec::new();
        for pick in &picks {
            let row = if free { Row::new() } else { row_of(matrix, pick) };
            let holding: Vec<usize> = (0..axis.choices.len())
                .filter(|i| free || holds(&axis.choices[*i].when, &row, params))
                .collect();
            let options = if holding.is_empty() {
                vec![None]
            } else {
                holding.into_iter().map(Some).collect()
            };
            for option in options {
                let mut next = pick.clone();
                next[at] = option;
                wider.push(next);
            }
            if wider.len() > limit {
                return Err(too_many(matrix, seeds));
            }
        }
        picks = wider;
    }
    picks.sort();
    let mut rows: Vec<Row> = Vec::new();
    // `include` alone stands for itself, without the one row of a matrix without axes.
    if !matrix.axes.is_empty() || matrix.include.is_empty() {
        rows.extend(picks.iter().map(|pick| row_of(matrix, pick)));
    }
    checks(rows.len(), matrix.exclude.len(), "entries of `exclude`")?;
    rows.retain(|row| !matrix.exclude.iter().any(|entry| holds(entry, row, params)));
    rows.extend(
        matrix
            .include
            .iter()
            .map(|entry| entry.iter().cloned().collect::<Row>()),
    );
    distinct(&mut rows, params);
    match rows.len() {
        0 => Err("nothing is left of the matrix: `exclude` drops every row".into()),
        n if n > limit => Err(too_many(matrix, seeds)),
        _ => Ok(rows),
    }
}

fn row_of(matrix: &Matrix, pick: &[Option<usize>]) -> Row {
    let chosen = matrix
        .axes
        .iter()
        .zip(pick)
        .filter_map(|(axis, pick)| Some((axis, (*pick)?)));
    chosen
        .map(|(axis, i)| (axis.name.clone(), axis.choices[i].value.clone()))
        .collect()
}

/// The value a name has in a row: the axis's, else the parameter's.
pub fn value_of(name: &str, row: &Row, params: &Map<String, Value>) -> Option<Value> {
    match row.get(name) {
        Some(value) => Some(value.clone()),
        None => Scope::new(params, row).get(name).ok(),
    }
}

/// What these axes are in rows that leave them out. Those whose parameter refers to others are not among them: they may
/// be something else in every row.
pub fn defaults<'a>(axes: impl IntoIterator<Item = &'a String>, params: &Map<String, Value>) -> Row {
    let plain = |axis: &&String| written(axis, params).is_some_and(|value| !refers(value));
    let value = |axis: &String| Some((axis.clone(), value_of(axis, &Row::new(), params)?));
    axes.into_iter().filter(plain).filter_map(value).collect()
}

/// Whether every named axis or parameter has one of the values given.
pub fn holds(conditions: &Conditions, row: &Row, params: &Map<String, Value>) -> bool {
    conditions.iter().all(|(name, values)| match row.get(name) {
        Some(value) => values.iter().any(|v| same(v, value)),
        None => value_of(name, row, params).is_some_and(|value| values.iter().any(|v| same(v, &value))),
    })
}

/// Drops rows in which everything that varies has the value of an earlier row, be it written or a default: in a table
/// both would be the same row, and its seeds would count twice.
fn distinct(rows: &mut Vec<Row>, params: &Map<String, Value>) {
    let names: BTreeSet<String> = rows.iter().flat_map(|row| row.keys().cloned()).collect();
    let mut seen = BTreeSet::new();
    rows.retain(|row| {
        let values: Vec<Option<Value>> = names.iter().map(|name| value_of(name, row, params)).collect();
        seen.insert(serde_json_canonicalizer::to_string(&values).expect("specs hold finite numbers"))
    });
}

/// Axes so that each comes after those its `when`s look at.
fn dependency_order(axes: &[Axis], params: &Map<String, Value>) -> Result<Vec<usize>, String> {
    let waits: Vec<BTreeSet<usize>> = axes.iter().map(|axis| looks_at(axis, axes, params)).collect();
    let mut done: Vec<usize> = Vec::new();
    while done.len() < axes.len() {
        let ready = (0..axes.len()).find(|i| !done.contains(i) && waits[*i].iter().all(|on| done.contains(on)));
        match ready {
            Some(i) => done.push(i),
            None => {
                let stuck: Vec<&str> = (0..axes.len())
                    .filter(|i| !done.contains(i))
                    .map(|i| axes[i].name.as_str())
                    .collect();
                return Err(format!(
                    "the `when`s of these axes wait for each other: {}",
                    stuck.join(", ")
                ));
            }
        }
    }
    Ok(done)
}

/// The axes that the `when`s of an axis may depend on, by what they name and by what the parameters among that refer to.
fn looks_at(axis: &Axis, axes: &[Axis], params: &Map<String, Value>) -> BTreeSet<usize> {
    let conditions = axis.choices.iter().flat_map(|choice| &choice.when);
    let mut open: Vec<String> = conditions.map(|(name, _)| name.clone()).collect();
    let (mut seen, mut found) = (BTreeSet::new(), BTreeSet::new());
    while let Some(name) = open.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let related = |i: &usize| within(&name, &axes[*i].name) || within(&axes[*i].name, &name);
        found.extend((0..axes.len()).filter(related));
        if let Some(value) = written(&name, params) {
            references(&name, value, axes, &mut open);
        }
    }
    found
}

/// What the parameters say of a name, or of the reference above it that leads elsewhere.
fn written<'a>(name: &str, params: &'a Map<String, Value>) -> Option<&'a Value> {
    let mut steps = name.split('.');
    let first = params.get(steps.next()?)?;
    steps.try_fold(first, |value, step| match value {
        Value::String(_) => Some(value),
        _ => value.get(step),
    })
}

/// The names that a value refers to.
fn references(name: &str, value: &Value, axes: &[Axis], found: &mut Vec<String>) {
    // In every row the axis stands in its place.
    if axes.iter().any(|axis| axis.always() && within(name, &axis.name)) {
        return;
    }
    match value {
        Value::String(text) => {
            let names = pieces(text).unwrap_or_default().into_iter();
            found.extend(names.filter_map(|piece| match piece {
                Piece::Name(name) => Some(name),
                Piece::Text(_) => None,
            }));
        }
        Value::Array(items) => items.iter().for_each(|item| references(name, item, axes, found)),
        Value::Object(map) => {
            for (key, item) in map {
                references(&format!("{name}.{key}"), item, axes, found);
            }
        }
        _ => {}
    }
}

fn checks(rows: usize, conditions: usize, what: &str) -> Result<(), String> {
    match rows.saturating_mul(conditions) {
        0..=MOST_CHECKS => Ok(()),
        _ => Err(format!(
            "{rows} rows times {conditions} {what} are too much to look at; write fewer of them"
        )),
    }
}

fn too_many(matrix: &Matrix, seeds: usize) -> String {
    let factors: Vec<String> = matrix.axes.iter().map(|axis| axis.choices.len().to_string()).collect();
    format!(
        "the matrix has more than {MOST_RUNS} runs: up to {} rows times {seeds} seeds; at most {MOST_RUNS} are planned",
        factors.join(" × ")
    )
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Lab, PIPELINE, load};
    use std::collections::BTreeSet;

    fn rows(matrix: &str) -> String {
        let experiment = load(&format!("matrix: {matrix}\n")).unwrap_or_else(|e| panic!("{e}"));
        let rows: Vec<String> = experiment
            .rows
            .iter()
            .map(|row| serde_json::to_string(row).unwrap())
            .collect();
        rows.join(" ")
    }

    fn error(matrix: &str) -> String {
        load(&format!("matrix: {matrix}\n")).expect_err("refused")
    }

    #[test]
    fn axes_are_crossed_the_first_varying_slowest() {
        insta::assert_snapshot!(rows("{axes: {k: [1, 2], alpha: [0.1, 0.2]}}"), @r#"{"alpha":0.1,"k":1} {"alpha":0.2,"k":1} {"alpha":0.1,"k":2} {"alpha":0.2,"k":2}"#);
    }

    #[test]
    fn without_a_matrix_there_is_one_row() {
        assert_eq!(load("").unwrap().rows, [Default::default()]);
    }

    #[test]
    fn equal_values_give_one_row() {
        assert_eq!(rows("{axes: {k: [10, 10.0, 10]}}"), r#"{"k":10}"#);
    }

    #[test]
    fn a_value_may_hold_in_some_rows_only() {
        let matrix = "{axes: {alpha: [0.1, {value: 0.2, when: {k: 1}}], k: [1, 2]}}";
        insta::assert_snapshot!(rows(matrix), @r#"{"alpha":0.1,"k":1} {"alpha":0.1,"k":2} {"alpha":0.2,"k":1}"#);
    }

    #[test]
    fn an_axis_that_does_not_hold_is_absent() {
        insta::assert_snapshot!(rows("{axes: {k: [1, 2], alpha: {values: [0.1], when: {k: [2, 3]}}}}"), @r#"{"k":1} {"alpha":0.1,"k":2}"#);
        insta::assert_snapshot!(
            rows("{axes: {k: [1, 2], alpha: [{values: [0.1, 0.2], when: {k: 1}}, {values: [0.3], when: {k: 2}}]}}"), @r#"{"alpha":0.1,"k":1} {"alpha":0.2,"k":1} {"alpha":0.3,"k":2}"#);
    }

    #[test]
    fn when_may_name_a_parameter() {
        assert_eq!(
            rows("{axes: {k: {values: [1, 2], when: {dataset: digits}}}}"),
            r#"{"k":1} {"k":2}"#
        );
        let all = load("matrix: {axes: {k: [1, 2], alpha: {values: [0.1], when: {epochs.vae: 9}}}}")
            .unwrap()
            .rows;
        assert!(all.iter().all(|row| !row.contains_key("alpha")));
    }

    #[test]
    fn exclude_matches_in_part_and_by_parameters_too() {
        assert_eq!(
            rows("{axes: {k: [1, 2, 3]}, exclude: [{k: 1}, {k: [3], dataset: usps}]}"),
            r#"{"k":2} {"k":3}"#
        );
        assert_eq!(
            rows("{axes: {k: [1, 2]}, exclude: [{k: 1, dataset: digits}]}"),
            r#"{"k":2}"#
        );
    }

    #[test]
    fn a_list_in_a_condition_is_several_values_or_the_one_it_is() {
        let f = ("  k: 10\n", "  k: 10\n  f: [1, 2]\n");
        let with = |f_is: &str| {
            rows_on(f, &[&format!("k: [2, {{value: 3, when: {{f: {f_is}}}}}]")])
                .unwrap()
                .len()
        };
        assert_eq!((with("[1, 2]"), with("[[1, 2], [3]]"), with("[1, 3]")), (2, 2, 1));
    }

    #[test]
    fn include_adds_rows_after_exclude() {
        assert_eq!(
            rows("{axes: {k: [1, 2]}, exclude: [{k: 1}], include: [{k: 1000}, {k: 2}]}"),
            r#"{"k":2} {"k":1000}"#
        );
        assert_eq!(rows("{include: [{k: 3}]}"), r#"{"k":3}"#);
        assert_eq!(rows("{axes: {k: [1]}, include: [{}]}"), r#"{"k":1} {}"#);
    }

    #[test]
    fn a_row_that_only_writes_a_default_out_is_not_counted_twice() {
        assert_eq!(
            rows("{axes: {k: [1, 2]}, include: [{k: 1, dataset: digits}]}"),
            r#"{"k":1} {"k":2}"#
        );
    }

    #[test]
    fn a_matrix_with_nothing_left_is_refused() {
        assert!(error("{axes: {k: [1]}, exclude: [{k: 1}]}").contains("nothing is left"));
    }

    #[test]
    fn axes_that_wait_for_each_other_are_refused() {
        let said = error("{axes: {k: {values: [1], when: {alpha: 1}}, alpha: {values: [1], when: {k: 1}}}}");
        assert!(said.contains("wait for each other: k, alpha"), "{said}");
    }

    /// Rows of an experiment on the usual pipeline with a parameter written otherwise, in no order.
    fn rows_on(params: (&str, &str), axes: &[&str]) -> Result<BTreeSet<String>, String> {
        let lab = Lab::new(&PIPELINE.replacen(params.0, params.1, 1));
        let experiment = lab.load(&format!("matrix: {{axes: {{{}}}}}\n", axes.join(", ")), &[])?;
        let rows = experiment.rows.iter().map(|row| serde_json::to_string(row).unwrap());
        Ok(rows.collect())
    }

    #[test]
    fn when_waits_for_the_axes_that_its_parameter_refers_to_or_is_a_part_of() {
        let family = (
            "  k: 10\n",
            "  k: 10\n  family: ${group.name}\n  group: {name: \"${dataset}\"}\n",
        );
        let mapping = ("dataset: digits", "dataset: {n: 1}");
        for (params, k, dataset, last) in [
            (
                family,
                "k: [2, {value: 1, when: {family: usps}}]",
                "dataset: [digits, usps]",
                r#"{"dataset":"usps","k":1}"#,
            ),
            (
                mapping,
                "k: [2, {value: 1, when: {dataset.n: 3}}]",
                "dataset: [{n: 2}, {n: 3}]",
                r#"{"dataset":{"n":3},"k":1}"#,
            ),
        ] {
            let rows = rows_on(params, &[k, dataset]).unwrap();
            assert!(rows.len() == 3 && rows.contains(last), "{rows:?}");
            assert_eq!(rows, rows_on(params, &[dataset, k]).unwrap());
        }
    }

    #[test]
    fn axes_that_wait_for_each_other_through_a_parameter_are_refused() {
        let family = ("  k: 10\n", "  k: 10\n  family: ${dataset}\n");
        let (k, dataset) = (
            "k: [2, {value: 1, when: {family: usps}}]",
            "dataset: [digits, {value: usps, when: {k: 2}}]",
        );
        let said = rows_on(family, &[k, dataset]).unwrap_err();
        assert!(said.contains("wait for each other: k, dataset"), "{said}");
        // The default that refers to `k` is in no row.
        let default = ("alpha: 0.001", "alpha: ${k}");
        let rows = rows_on(
            default,
            &["k: [1, {value: 2, when: {alpha: 0.1}}]", "alpha: [0.1, 0.2]"],
        )
        .unwrap();
        assert_eq!(rows.len(), 3, "{rows:?}");
    }

    #[test]
    fn a_huge_matrix_is_refused_at_once() {
        let list = (0..1000).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
        let start = std::time::Instant::now();
        let said = error(&format!(
            "{{axes: {{k: [{list}], epochs.vae: [{list}], epochs.wide: [{list}]}}}}"
        ));
        assert!(said.contains("1000 × 1000 × 1000 rows times 1 seeds"), "{said}");
        assert!(start.elapsed().as_secs() < 5);
    }

    #[test]
    fn a_matrix_of_a_million_rows_by_conditions_is_refused() {
        let list = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
        let excluded = (0..3000).map(|i| format!("{{k: {i}}}")).collect::<Vec<_>>().join(", ");
        let axes = format!("axes: {{k: [{}], epochs.vae: [{}]}}", list(3000), list(10));
        let said = error(&format!("{{{axes}, exclude: [{excluded}]}}"));
        assert!(said.contains("30000 rows times 3000 entries of `exclude`"), "{said}");
        let some = (0..2999).map(|i| format!("{{k: {i}}}")).collect::<Vec<_>>().join(", ");
        assert_eq!(
            rows(&format!("{{axes: {{k: [{}]}}, exclude: [{some}]}}", list(3000))),
            r#"{"k":2999}"#
        );
    }

    #[test]
    fn more_axes_than_a_plan_can_tell_apart_are_refused_also_through_include() {
        let lab = Lab::new(&PIPELINE.replace("  k: 10\n", "  k: 10\n  spare: {}\n"));
        let included = |n: usize| {
            let rows = (0..n)
                .map(|i| format!("{{spare.a{i}: 1}}"))
                .collect::<Vec<_>>()
                .join(", ");
            lab.load(&format!("matrix: {{axes: {{k: [1]}}, include: [{rows}]}}"), &[])
                .unwrap_err()
        };
        assert!(
            included(64).contains("at most 64 axes, those of `include` counted"),
            "{}",
            included(64)
        );
        assert!(!included(63).contains("at most 64"), "{}", included(63));
    }

    #[test]
    fn seeds_count_towards_the_size() {
        let list = (1..200).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
        assert!(
            load(&format!("seeds: 1000\nmatrix: {{axes: {{k: [{list}]}}}}"))
                .unwrap_err()
                .contains("more than")
        );
    }
}
