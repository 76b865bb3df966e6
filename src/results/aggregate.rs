//! Over the seeds: how many, and what they say.

use crate::collect::{ACTION, Collected};
use crate::error::ResultsError;
use crate::statistics::bootstrap;
use polars::prelude::*;
use rayon::prelude::*;

/// Tells rows with a seed from rows without; internal to tables.
pub(crate) const SEEDED: &str = "#seeded";
/// Per cell the numbers of its lines in the raw table; internal to tables.
pub(crate) const LINES: &str = "#lines";

/// One line per row of the table, metric and *action*.
///
/// Runs that differ only in axes the metric does not depend on read the same action, which must count once. What counts
/// is the action, not its key or value: two seeds that happen to give equal bytes are still two measurements.
pub(crate) fn distinct(collected: &Collected) -> Result<DataFrame, ResultsError> {
    let mut by = keys(collected);
    by.push(col(ACTION));
    let frame = collected
        .frame
        .clone()
        .lazy()
        .unique_stable_generic(Some(by), UniqueKeepStrategy::First);
    Ok(frame.collect()?)
}

/// One line per row and metric, grouped by everything but the seed.
///
/// `n` counts values, `expected` actions, so k/N is always at hand; `n + missing + failed = expected`. The standard
/// deviation is the sample's (n − 1) and null at n = 1, and so is the interval of the mean.
pub(crate) fn aggregate(raw: &DataFrame, collected: &Collected) -> Result<DataFrame, ResultsError> {
    let counted = |status: &str| col("status").eq(lit(status)).cast(DataType::UInt32).sum();
    let value = || col("value");
    let numbered = raw.clone().lazy().with_row_index(LINES, None);
    let frame = numbered.group_by_stable(keys(collected)).agg([
        col(LINES),
        value().count().cast(DataType::UInt32).alias("n"),
        len().cast(DataType::UInt32).alias("expected"),
        counted("missing").cast(DataType::UInt32).alias("missing"),
        counted("failed").cast(DataType::UInt32).alias("failed"),
        value().mean().alias("mean"),
        // Of equal values the mean may be off by a last bit, and they would seem to differ.
        when(value().min().eq(value().max()).and(value().count().gt(lit(1))))
            .then(lit(0.0))
            .otherwise(value().std(1))
            .alias("std"),
        value().min().alias("min"),
        value().median().alias("median"),
        value().max().alias("max"),
        col("seed").count().gt(lit(0)).alias(SEEDED),
    ]);
    let mut frame = frame.collect()?;
    let values = raw.column("value")?.f64()?.rechunk();
    let samples = lines(&frame)?;
    let intervals: Vec<Option<(f64, f64)>> = samples
        .par_iter()
        .map(|lines| {
            let sample: Vec<f64> = lines.iter().filter_map(|line| values.get(*line as usize)).collect();
            bootstrap::interval(&sample)
        })
        .collect();
    let after = frame.try_get_column_index("std")? + 1;
    let bound = |of: fn((f64, f64)) -> f64| intervals.iter().map(|bounds| bounds.map(of)).collect::<Vec<_>>();
    frame.insert_column(after, Column::new("ci_low".into(), bound(|(low, _)| low)))?;
    frame.insert_column(after + 1, Column::new("ci_high".into(), bound(|(_, high)| high)))?;
    Ok(frame)
}

/// Lines of the raw table, per cell.
pub(crate) fn lines(aggregated: &DataFrame) -> PolarsResult<Vec<Vec<u32>>> {
    let lists = aggregated.column(LINES)?.list()?;
    let lines = |list: Option<Series>| -> PolarsResult<Vec<u32>> {
        let list = list.expect("no cell is without lines");
        Ok(list.u32()?.iter().flatten().collect())
    };
    (0..lists.len()).map(|cell| lines(lists.get_as_series(cell))).collect()
}

/// What tells the cells of a table apart.
fn keys(collected: &Collected) -> Vec<Expr> {
    let mut keys = vec![col("experiment")];
    keys.extend(collected.axes.iter().map(|axis| col(axis.as_str())));
    keys.push(col("metric"));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::collect;
    use crate::input::State;
    use crate::testing::{Build, action, field, sample};
    use serde_json::json;

    fn table(build: Build) -> DataFrame {
        let collected = collect(&[build.input]).unwrap();
        aggregate(&distinct(&collected).unwrap(), &collected).unwrap()
    }

    fn float(frame: &DataFrame, column: &str, row: usize) -> Option<f64> {
        frame.column(column).unwrap().f64().unwrap().get(row)
    }

    fn count(frame: &DataFrame, column: &str, row: usize) -> u32 {
        frame.column(column).unwrap().u32().unwrap().get(row).unwrap()
    }

    fn counts(frame: &DataFrame, row: usize) -> [u32; 4] {
        ["n", "expected", "missing", "failed"].map(|column| count(frame, column, row))
    }

    #[test]
    fn the_statistics_are_those_of_a_hand_calculation() {
        // Mean 3; squared deviations 4 + 1 + 0 + 9 = 14 over 3; median of 1, 2, 3, 6 is 2.5.
        let frame = table(sample(&[(10, &[Some(6.0), Some(1.0), Some(3.0), Some(2.0)])]));
        assert_eq!(float(&frame, "mean", 0), Some(3.0));
        assert!((float(&frame, "std", 0).unwrap() - (14.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(
            ["min", "median", "max"].map(|c| float(&frame, c, 0)),
            [Some(1.0), Some(2.5), Some(6.0)]
        );
        assert_eq!(counts(&frame, 0), [4, 4, 0, 0]);
    }

    #[test]
    fn one_seed_has_no_spread() {
        let frame = table(sample(&[(10, &[Some(0.5)])]));
        assert_eq!((float(&frame, "mean", 0), float(&frame, "std", 0)), (Some(0.5), None));
        assert_eq!((float(&frame, "ci_low", 0), float(&frame, "ci_high", 0)), (None, None));
    }

    #[test]
    fn equal_seeds_have_exactly_no_spread() {
        let frame = table(sample(&[(10, &[Some(0.1), Some(0.1), Some(0.1)])]));
        assert_eq!(float(&frame, "std", 0), Some(0.0));
        assert_eq!(float(&frame, "ci_low", 0), float(&frame, "ci_high", 0));
    }

    #[test]
    fn the_interval_is_that_of_the_values_there_are() {
        let frame = table(sample(&[(10, &[Some(0.25), None, Some(0.75)])]));
        let (low, high) = bootstrap::interval(&[0.25, 0.75]).unwrap();
        assert_eq!(
            (float(&frame, "ci_low", 0), float(&frame, "ci_high", 0)),
            (Some(low), Some(high))
        );
    }

    #[test]
    fn a_missing_seed_is_counted_and_not_averaged() {
        let frame = table(sample(&[(10, &[Some(0.25), None, Some(0.75)])]));
        assert_eq!(float(&frame, "mean", 0), Some(0.5));
        assert_eq!(counts(&frame, 0), [2, 3, 1, 0]);
    }

    #[test]
    fn a_cell_without_any_value_stays_in_the_table() {
        let frame = table(sample(&[(10, &[None, None])]));
        assert_eq!((float(&frame, "mean", 0), float(&frame, "max", 0)), (None, None));
        assert_eq!(counts(&frame, 0), [0, 2, 2, 0]);
    }

    #[test]
    fn a_failed_seed_is_told_from_a_missing_one() {
        let mut build = sample(&[(10, &[Some(0.5), None])]);
        let run = build.run(json!({"alpha": 10}), 2);
        build.act(run, "evaluation", "f", action(State::Failed("killed".into())));
        assert_eq!(counts(&table(build), 0), [1, 3, 1, 1]);
    }

    #[test]
    fn a_value_that_is_not_a_number_counts_as_failed() {
        let mut build = sample(&[(10, &[Some(0.5)])]);
        let run = build.run(json!({"alpha": 10}), 1);
        build.done(run, "evaluation", "null", json!({"acc": null}));
        let frame = table(build);
        assert_eq!((counts(&frame, 0), float(&frame, "mean", 0)), ([1, 2, 0, 1], Some(0.5)));
    }

    #[test]
    fn an_action_shared_over_an_unused_axis_counts_once() {
        let mut build = Build::new("e", &["x"]).metrics([field("v", "a", "v")]).rows(&[]);
        for x in [1, 2, 3] {
            for seed in 0..2 {
                let run = build.run(json!({"x": x}), seed);
                build.done(run, "a", &format!("a{seed}"), json!({"v": seed}));
            }
        }
        let frame = table(build);
        assert_eq!((frame.height(), counts(&frame, 0)), (1, [2, 2, 0, 0]));
        assert_eq!(float(&frame, "mean", 0), Some(0.5));
    }

    #[test]
    fn seeds_with_equal_bytes_are_still_several() {
        let mut build = Build::new("e", &[]).metrics([field("v", "a", "v")]);
        for seed in 0..3 {
            let run = build.run(json!({}), seed);
            build.done(run, "a", &format!("a{seed}"), json!({"v": 1.0})).key = Some("same".into());
        }
        assert_eq!(counts(&table(build), 0), [3, 3, 0, 0]);
    }

    #[test]
    fn an_action_without_a_seed_is_one_of_one() {
        let mut build = Build::new("e", &[]).metrics([field("v", "a", "v")]);
        for seed in 0..3 {
            let run = build.run(json!({}), seed);
            build.done(run, "a", "only", json!({"v": 1.0})).seeded = false;
        }
        let frame = table(build);
        assert_eq!(counts(&frame, 0), [1, 1, 0, 0]);
        assert_eq!(frame.column(SEEDED).unwrap().bool().unwrap().get(0), Some(false));
    }

    #[test]
    fn rows_keep_the_order_of_the_spec() {
        let frame = table(sample(&[(100, &[Some(1.0)]), (10, &[Some(2.0)])]));
        let alpha = frame.column("alpha").unwrap().str().unwrap();
        assert_eq!((alpha.get(0), alpha.get(1)), (Some("100"), Some("10")));
    }
}
