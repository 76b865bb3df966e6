//! The table an experiment wants, and the published rows to set beside it.

use super::fields::Item;
use super::interpolate;
use super::metrics::Metric;
use super::params;
use super::report::Problem;
use super::words;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Rows and columns of the result table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Axes or parameters; the axes of the matrix that are not among the columns unless written.
    pub rows: Vec<String>,
    /// Names of metrics; all of them unless written.
    pub columns: Vec<String>,
    /// Axes or parameters that stand in the columns: each metric has a column per value.
    pub spread: Vec<String>,
    /// What is printed of a cell.
    pub cells: Cells,
    /// Metric → which way is better, where that was written.
    pub better: BTreeMap<String, Better>,
    /// Below so many seeds a cell counts as incomplete.
    pub min_seeds: u64,
}

/// What is printed of a cell in the tables for people; the tidy ones have all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cells {
    /// Mean ± sample standard deviation.
    #[default]
    MeanStd,
    /// Mean and its confidence interval.
    MeanCi,
    /// Median, least and greatest value.
    MedianRange,
    Mean,
}

impl Cells {
    const NAMES: [(&str, Self); 4] = [
        ("mean_std", Self::MeanStd),
        ("mean_ci", Self::MeanCi),
        ("median_range", Self::MedianRange),
        ("mean", Self::Mean),
    ];
}

/// Which way a metric is better; that decides what is marked as best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
    /// Neither: nothing is marked.
    Neither,
}

impl Better {
    const NAMES: [(&str, Self); 3] = [
        ("higher", Self::Higher),
        ("lower", Self::Lower),
        ("neither", Self::Neither),
    ];
}

/// A published result.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// What it was obtained on: axes or parameters.
    pub labels: BTreeMap<String, Value>,
    /// Metric → value.
    pub values: BTreeMap<String, f64>,
    /// How many runs stand behind it, in the source's words.
    pub runs: Option<String>,
    pub source: String,
}

/// What names may be used in a table.
pub struct Names<'a> {
    /// See [`params::exists`].
    pub params: [&'a Map<String, Value>; 2],
    pub metrics: &'a [Metric],
    /// Whether all metrics could be read; if not, an unknown one may be among those.
    pub complete: bool,
}

impl Names<'_> {
    fn metric(&self, name: &str) -> bool {
        self.metrics.iter().any(|m| m.name == name)
    }

    fn hint(&self, name: &str, metrics: bool, params: bool) -> Option<String> {
        let names = if params {
            interpolate::names(self.params[1])
        } else {
            Vec::new()
        };
        let metrics = self.metrics.iter().filter(|_| metrics).map(|m| m.name.as_str());
        let all: Vec<&str> = metrics.chain(names.iter().map(String::as_str)).collect();
        words::suggest(name, all.iter().copied())
    }
}

pub fn read(
    item: Option<Item<'_>>,
    names: &Names<'_>,
    axes: &[String],
    seeds: usize,
    problems: &mut Vec<Problem>,
) -> Table {
    let mut table = Table {
        rows: axes.to_vec(),
        columns: names.metrics.iter().map(|m| m.name.clone()).collect(),
        min_seeds: 1,
        ..Table::default()
    };
    let Some(item) = item else { return table };
    item.fields(
        "the table",
        &["rows", "columns", "min_seeds", "cells", "better"],
        problems,
    );
    if let Some(columns) = item.get("columns") {
        let listed = distinct(
            &columns,
            "a list of metrics, and axes to spread",
            problems,
            |column, problems| {
                if !names.metric(column.text) && !params::exists(column.text, names.params) && names.complete {
                    let problem = column
                        .item
                        .problem(format!("`{}` is no metric, axis or parameter", column.text));
                    let hint = names.hint(column.text, true, true);
                    problems.push(problem.maybe_hint(hint.or(Some("name it under `metrics`".into()))));
                }
            },
        );
        let (metrics, spread): (Vec<_>, Vec<_>) = listed.into_iter().partition(|name| names.metric(name));
        table.rows.retain(|row| !spread.contains(row));
        table.spread = spread;
        if !metrics.is_empty() {
            table.columns = metrics;
        }
    }
    if let Some(rows) = item.get("rows") {
        table.rows = distinct(&rows, "a list of axes or parameters", problems, |row, problems| {
            if !params::exists(row.text, names.params) {
                let problem = row.item.problem(format!("`{}` is no axis and no parameter", row.text));
                problems.push(problem.maybe_hint(names.hint(row.text, false, true)));
            }
        });
    }
    if let Some(both) = table.rows.iter().find(|row| table.spread.contains(row)) {
        let problem = item.problem(format!("`{both}` stands in the rows and in the columns"));
        problems.push(problem.hint("leave it out of one of them"));
    }
    if let Some(cells) = item.get("cells") {
        table.cells = one_of(&cells, "what is printed of a cell", &Cells::NAMES, problems).unwrap_or_default();
    }
    if let Some(better) = item.get("better") {
        for entry in better.entries("a mapping from metrics to higher, lower or neither", problems) {
            let name = entry.name().to_owned();
            if !names.metric(&name) && names.complete {
                let problem = entry.key_problem(format!("`{name}` is none of the metrics"));
                problems.push(problem.maybe_hint(names.hint(&name, true, false)));
            }
            let way = one_of(&entry, "which way is better", &Better::NAMES, problems);
            table.better.extend(way.map(|way| (name, way)));
        }
    }
    if let Some(least) = item.get("min_seeds") {
        table.min_seeds = least.count("a number of seeds", 1, problems).unwrap_or(1);
        if table.min_seeds > seeds as u64 {
            let problem = least.problem(format!(
                "`min_seeds` is {}, but there are only {seeds} seeds",
                table.min_seeds
            ));
            problems.push(problem.hint("every cell would be incomplete: raise `seeds`"));
        }
    }
    table
}

fn one_of<T: Copy>(item: &Item<'_>, what: &str, names: &[(&str, T)], problems: &mut Vec<Problem>) -> Option<T> {
    let text = item.text(what, problems)?;
    let found = names.iter().find(|(name, _)| *name == text);
    if found.is_none() {
        let known: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        let problem = item.problem(format!("`{}` is not {what}", words::shorten(&text)));
        problems.push(problem.hint(format!("write one of {}", words::list(&known))));
    }
    found.map(|(_, value)| *value)
}

struct Named<'i, 'd> {
    item: &'i Item<'d>,
    text: &'i str,
}

fn distinct(
    list: &Item<'_>,
    what: &str,
    problems: &mut Vec<Problem>,
    mut check: impl FnMut(Named<'_, '_>, &mut Vec<Problem>),
) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for item in list.names(what, problems) {
        let text = item.value.as_str().unwrap_or_default();
        if found.iter().any(|f| f == text) {
            problems.push(item.problem(format!("`{text}` stands twice")));
            continue;
        }
        check(Named { item: &item, text }, problems);
        found.push(text.to_owned());
    }
    found
}

/// Reads the published rows.
pub fn references(item: Option<Item<'_>>, names: &Names<'_>, problems: &mut Vec<Problem>) -> Vec<Reference> {
    let Some(item) = item else { return Vec::new() };
    let rows = item.items("a list of published results", problems);
    rows.iter().filter_map(|row| reference(row, names, problems)).collect()
}

fn reference(item: &Item<'_>, names: &Names<'_>, problems: &mut Vec<Problem>) -> Option<Reference> {
    let mut row = Reference {
        labels: BTreeMap::new(),
        values: BTreeMap::new(),
        runs: None,
        source: String::new(),
    };
    let entries = item.entries("a published result", problems);
    for entry in &entries {
        let name = entry.name().to_owned();
        match name.as_str() {
            "source" => row.source = entry.text("where it was published", problems).unwrap_or_default(),
            "runs" => match entry.value {
                Value::Number(n) => row.runs = Some(n.to_string()),
                _ => row.runs = entry.text("how many runs stand behind it", problems),
            },
            _ if names.metric(&name) => {
                let value = entry.number("a number", problems);
                row.values.extend(value.map(|value| (name, value)));
            }
            _ if params::exists(&name, names.params) => {
                if interpolate::refers(entry.value) {
                    problems.push(entry.problem("what was published is written out, without `${…}`"));
                }
                row.labels.insert(name, entry.value.clone());
            }
            // It may be a metric that could not be read.
            _ if !names.complete => drop(row.values.insert(name, 0.0)),
            _ => {
                let problem = entry.key_problem(format!("`{name}` is no axis, parameter or metric"));
                problems.push(problem.maybe_hint(names.hint(&name, true, true)));
            }
        }
    }
    if !item.value.is_object() {
        return None;
    }
    if item.get("source").is_none() {
        problems.push(
            item.problem("a published result needs its `source`")
                .hint("like source: \"Author (year), Table 2\""),
        );
    }
    if row.values.is_empty() && names.complete {
        problems.push(item.problem("a published result needs the value of a metric"));
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::super::fake::load;
    use super::*;
    use serde_json::json;

    const METRICS: &str =
        "seeds: 3\nmatrix: {axes: {k: [1, 2]}}\nmetrics: {acc: evaluation.acc, nmi: evaluation.nmi}\n";

    fn with(rest: &str) -> Result<crate::spec::Experiment, String> {
        load(&format!("{METRICS}{rest}\n"))
    }

    #[test]
    fn the_table_has_axes_and_metrics_by_default() {
        let table = with("").unwrap().table;
        assert_eq!(
            (table.rows, table.columns, table.min_seeds),
            (vec!["k".into()], vec!["acc".into(), "nmi".into()], 1)
        );
    }

    #[test]
    fn rows_may_be_parameters_and_columns_chosen() {
        let table = with("table: {rows: [dataset, epochs.vae], columns: nmi, min_seeds: 2}")
            .unwrap()
            .table;
        assert_eq!(
            (table.rows.len(), table.columns, table.min_seeds),
            (2, vec!["nmi".to_owned()], 2)
        );
    }

    #[test]
    fn axes_among_the_columns_are_spread_and_leave_the_rows() {
        let table = with("table: {columns: [k, nmi]}").unwrap().table;
        assert_eq!(
            (table.rows, table.columns, table.spread),
            (vec![], vec!["nmi".to_owned()], vec!["k".to_owned()])
        );
        let table = with("table: {rows: [dataset], columns: [k]}").unwrap().table;
        assert_eq!((table.rows.len(), table.columns.len(), table.spread.len()), (1, 2, 1));
    }

    #[test]
    fn cells_and_directions_are_words() {
        let table = with("table: {cells: mean_ci, better: {acc: higher, nmi: neither}}")
            .unwrap()
            .table;
        assert_eq!(table.cells, Cells::MeanCi);
        let better = [("acc".to_owned(), Better::Higher), ("nmi".to_owned(), Better::Neither)];
        assert_eq!(table.better, better.into());
    }

    #[test]
    fn unknown_names_in_a_table_are_refused() {
        for (table, part) in [
            ("{rows: [datset]}", "did you mean `dataset`?"),
            ("{rows: [k], columns: [k]}", "`k` stands in the rows and in the columns"),
            ("{cells: median}", "write one of mean_std, mean_ci, median_range, mean"),
            ("{better: {acc: up}}", "write one of higher, lower, neither"),
            ("{better: {ac: higher}}", "did you mean `acc`?"),
            ("{columns: [ac]}", "did you mean `acc`?"),
            ("{columns: [acc, acc]}", "stands twice"),
            ("{min_seeds: 4}", "only 3 seeds"),
            ("{min_seeds: 0}", "expects a number of seeds, got 0"),
            ("{colums: [acc]}", "no field `colums`"),
        ] {
            let said = with(&format!("table: {table}")).unwrap_err();
            assert!(said.contains(part), "{table}: {said}");
        }
    }

    #[test]
    fn a_published_result_has_labels_values_and_a_source() {
        let row =
            with("reference: [{dataset: mnist, k: 10, acc: 0.97, runs: mean of 5, source: \"Santos, Table IV\"}]")
                .unwrap();
        let row = &row.reference[0];
        assert_eq!(
            row.labels,
            [("dataset".to_owned(), json!("mnist")), ("k".to_owned(), json!(10))].into()
        );
        assert_eq!(
            (row.values["acc"], row.runs.as_deref(), row.source.as_str()),
            (0.97, Some("mean of 5"), "Santos, Table IV")
        );
    }

    #[test]
    fn incomplete_or_unknown_references_are_refused() {
        insta::assert_snapshot!(with("reference:\n  - {datset: mnist, acc: high}\n").unwrap_err(), @r#"
        error: a published result needs its `source`
         --> experiments/e.yaml:7:5
          |
        7 |   - {datset: mnist, acc: high}
          |     ^
          = like source: "Author (year), Table 2"

        error: a published result needs the value of a metric
         --> experiments/e.yaml:7:5
          |
        7 |   - {datset: mnist, acc: high}
          |     ^

        error: `datset` is no axis, parameter or metric
         --> experiments/e.yaml:7:6
          |
        7 |   - {datset: mnist, acc: high}
          |      ^^^^^^
          = did you mean `dataset`?

        error: expects a number, got text "high"
         --> experiments/e.yaml:7:26
          |
        7 |   - {datset: mnist, acc: high}
          |                          ^^^^
        "#);
    }

    #[test]
    fn a_reference_says_something_and_writes_it_out() {
        let refused = |row: &str| with(&format!("reference: [{row}]")).unwrap_err();
        assert!(refused("{}").contains("needs its `source`"));
        assert!(refused("{dataset: \"${dataset}\", acc: 1, source: x}").contains("without `${…}`"));
        assert!(
            with("reference: [{k: null, acc: 1, source: x}]").is_ok(),
            "an axis may be null"
        );
    }

    #[test]
    fn a_broken_metric_does_not_make_its_column_unknown() {
        let said = load("metrics: {acc: evaluatn.acc}\ntable: {columns: [acc]}\nreference: [{acc: 1, source: x}]\n")
            .unwrap_err();
        assert_eq!(said.matches("error:").count(), 1, "{said}");
    }
}
