//! Published rows: set beside ours, never mixed with them.

use crate::collect::{Collected, axis_column};
use crate::input::{Input, Reference, display};
use polars::prelude::*;

/// A published result on the axes of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    pub experiment: String,
    /// Per axis column of the table.
    pub axes: Vec<Option<String>>,
    /// Per metric of the table.
    pub values: Vec<Option<f64>>,
    /// How many runs stand behind it, in the source's words.
    pub runs: Option<String>,
    pub source: String,
}

/// The published results of an experiment that say something about the metrics of the table.
pub(crate) fn published(input: &Input, collected: &Collected) -> Vec<Published> {
    let rows = input
        .references
        .iter()
        .map(|reference| one(input, reference, collected));
    rows.filter(|row| row.values.iter().any(Option::is_some)).collect()
}

fn one(input: &Input, reference: &Reference, collected: &Collected) -> Published {
    let label = |column: &String| {
        reference
            .labels
            .iter()
            .find(|(axis, _)| axis_column(axis) == *column)
            .map(|(axis, value)| collected.spelling.text(axis, value))
    };
    // What has no column must not get lost: without it a result on other data would look like one on these.
    let beyond: Vec<String> = reference
        .labels
        .iter()
        .filter(|(axis, _)| !collected.axes.contains(&axis_column(axis)))
        .map(|(axis, value)| format!("{axis} = {}", display(value)))
        .collect();
    let beyond = if beyond.is_empty() {
        String::new()
    } else {
        format!(" ({})", beyond.join(", "))
    };
    Published {
        experiment: input.experiment.clone(),
        axes: collected.axes.iter().map(label).collect(),
        values: collected
            .metrics
            .iter()
            .map(|metric| reference.values.get(metric).copied())
            .collect(),
        runs: reference.runs.clone(),
        source: format!("{}{beyond}", reference.source),
    }
}

/// Which of the columns `mean`, `min`, `median`, `max` a published value belongs to, and over how many runs.
///
/// A best-of-10 in the column of means would be compared with our means by whoever reads the file by program, so the
/// first word decides: `best` and `max` go to `max`, `min` and `median` to their own, everything else is taken for a
/// mean. The number of runs is the first number in the text.
pub(crate) fn statistic(runs: Option<&str>) -> (&'static str, Option<u32>) {
    let runs = runs.unwrap_or_default().to_lowercase();
    let word = runs
        .split(|c: char| !c.is_alphabetic())
        .find(|word| !word.is_empty())
        .unwrap_or_default();
    let column = match word {
        "best" | "max" | "maximum" => "max",
        "min" | "minimum" => "min",
        "median" => "median",
        _ => "mean",
    };
    (
        column,
        runs.split(|c: char| !c.is_ascii_digit())
            .find_map(|number| number.parse().ok()),
    )
}

/// The published rows in the columns of the tidy table.
pub(crate) fn frame(rows: &[Published], axes: &[String], metrics: &[String]) -> PolarsResult<DataFrame> {
    let lines: Vec<(&Published, &String, f64)> = rows
        .iter()
        .flat_map(|row| {
            metrics
                .iter()
                .zip(&row.values)
                .filter_map(move |(metric, value)| Some((row, metric, (*value)?)))
        })
        .collect();
    let text = |name: &str, of: &dyn Fn(&Published) -> Option<String>| {
        Column::new(name.into(), lines.iter().map(|(row, _, _)| of(row)).collect::<Vec<_>>())
    };
    let number = |name: &'static str| {
        let of =
            |(row, _, value): &(&Published, &String, f64)| (statistic(row.runs.as_deref()).0 == name).then_some(*value);
        Column::new(name.into(), lines.iter().map(of).collect::<Vec<_>>())
    };
    let blank = |name: &str| Column::full_null(name.into(), lines.len(), &DataType::Float64);
    let none = |name: &str| Column::full_null(name.into(), lines.len(), &DataType::UInt32);
    let runs: Vec<_> = lines
        .iter()
        .map(|(row, _, _)| statistic(row.runs.as_deref()).1)
        .collect();
    let mut columns = vec![
        text("experiment", &|row| Some(row.experiment.clone())),
        text("kind", &|_| Some("reference".into())),
    ];
    columns.extend(
        axes.iter()
            .enumerate()
            .map(|(i, axis)| text(axis, &|row| row.axes[i].clone())),
    );
    columns.extend([
        Column::new(
            "metric".into(),
            lines.iter().map(|(_, metric, _)| metric.as_str()).collect::<Vec<_>>(),
        ),
        Column::new("n".into(), runs),
        none("expected"),
        none("missing"),
        none("failed"),
        number("mean"),
        blank("std"),
        blank("ci_low"),
        blank("ci_high"),
        number("min"),
        number("median"),
        number("max"),
        text("mark", &|_| None),
        text("source", &|row| {
            Some(
                row.runs
                    .as_ref()
                    .map_or_else(|| row.source.clone(), |runs| format!("{}; {runs}", row.source)),
            )
        }),
    ]);
    DataFrame::new(lines.len(), columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::collect;
    use crate::testing::sample;
    use serde_json::json;

    fn with(reference: Reference) -> Vec<Published> {
        let mut input = sample(&[(10, &[Some(0.5)])]).input;
        input.references = vec![reference];
        let collected = collect(std::slice::from_ref(&input)).unwrap();
        published(&input, &collected)
    }

    fn reference() -> Reference {
        Reference {
            labels: [("alpha".to_owned(), json!(10))].into(),
            values: [("acc".to_owned(), 0.97)].into(),
            runs: Some("mean of 5".into()),
            source: "Santos, Table IV".into(),
        }
    }

    #[test]
    fn the_words_of_the_source_choose_the_column() {
        for (runs, wanted) in [
            ("mean of 5", ("mean", Some(5))),
            ("best of 10", ("max", Some(10))),
            ("Best", ("max", None)),
            ("median over 3 seeds", ("median", Some(3))),
            ("min of 4", ("min", Some(4))),
            ("5", ("mean", Some(5))),
            ("single run", ("mean", None)),
        ] {
            assert_eq!(statistic(Some(runs)), wanted, "{runs}");
        }
        assert_eq!(statistic(None), ("mean", None));
    }

    #[test]
    fn labels_that_are_axes_stand_in_their_columns() {
        let rows = with(reference());
        assert_eq!(
            (rows[0].axes.clone(), rows[0].values.clone()),
            (vec![Some("10".to_owned())], vec![Some(0.97)])
        );
        assert_eq!(rows[0].source, "Santos, Table IV");
    }

    #[test]
    fn labels_that_are_no_axes_are_kept_with_the_source() {
        let mut other = reference();
        other.labels.insert("dataset".into(), json!("usps"));
        assert_eq!(with(other)[0].source, "Santos, Table IV (dataset = usps)");
    }

    #[test]
    fn a_reference_without_a_metric_of_the_table_is_left_out() {
        assert!(
            with(Reference {
                values: [("nmi".to_owned(), 0.9)].into(),
                ..reference()
            })
            .is_empty()
        );
    }

    #[test]
    fn the_value_stands_in_one_column_and_the_runs_with_the_source() {
        let best = Reference {
            runs: Some("best of 10".into()),
            ..reference()
        };
        let frame = frame(&with(best), &["alpha".into()], &["acc".into()]).unwrap();
        let float = |column: &str| frame.column(column).unwrap().f64().unwrap().get(0);
        assert_eq!((float("mean"), float("max"), float("std")), (None, Some(0.97), None));
        assert_eq!(frame.column("n").unwrap().u32().unwrap().get(0), Some(10));
        assert_eq!(
            frame.column("source").unwrap().str().unwrap().get(0),
            Some("Santos, Table IV; best of 10")
        );
    }
}
