use super::*;
use crate::input::{Reference, State};
use crate::testing::{Build, action, field, sample};
use serde_json::json;

fn table(build: Build) -> Table {
    Table::build(&[build.input]).unwrap()
}

fn with_seeds(least: u64, seeds: &[Option<f64>]) -> Table {
    let mut build = sample(&[(10, seeds)]);
    build.input.min_seeds = least;
    table(build)
}

#[test]
fn the_tidy_table_has_the_documented_columns() {
    let mut build = sample(&[(10, &[Some(0.5), Some(0.75)])]);
    build.input.references = vec![Reference {
        values: [("acc".to_owned(), 0.97)].into(),
        source: "S".into(),
        ..Reference::default()
    }];
    let table = table(build);
    assert_eq!(
        table.tidy().get_column_names(),
        [
            "experiment",
            "kind",
            "alpha",
            "metric",
            "n",
            "expected",
            "missing",
            "failed",
            "mean",
            "std",
            "ci_low",
            "ci_high",
            "min",
            "median",
            "max",
            "mark",
            "source"
        ]
    );
    let kind = table
        .tidy()
        .column("kind")
        .unwrap()
        .str()
        .unwrap()
        .iter()
        .flatten()
        .collect::<Vec<_>>();
    assert_eq!(kind, ["ours", "reference"]);
}

#[test]
fn the_raw_table_has_the_documented_columns() {
    let table = with_seeds(1, &[Some(0.5), None]);
    assert_eq!(
        table.raw().get_column_names(),
        [
            "experiment",
            "alpha",
            "seed",
            "metric",
            "value",
            "status",
            "key",
            "device"
        ]
    );
    assert_eq!(table.raw().height(), 2);
}

#[test]
fn a_table_is_complete_only_with_every_value() {
    assert!(with_seeds(1, &[Some(0.5), Some(0.5)]).complete());
    assert!(!with_seeds(1, &[Some(0.5), None]).complete());
}

#[test]
fn min_seeds_is_held_against_every_cell() {
    assert!(
        with_seeds(2, &[Some(0.5), Some(0.5), None])
            .below_min_seeds()
            .is_empty()
    );
    let table = with_seeds(3, &[Some(0.5), Some(0.5), None]);
    let below = table.below_min_seeds();
    assert_eq!((below.len(), below[0].n, below[0].wanted), (1, 2, 3));
    assert_eq!(
        table.notes()[1..],
        ["mnist-moe: 1 cell has fewer than the 3 seeds of `min_seeds`"]
    );
}

#[test]
fn min_seeds_counts_even_if_fewer_were_asked_for() {
    let table = with_seeds(3, &[Some(0.5)]);
    assert!(table.complete());
    assert_eq!(table.below_min_seeds().len(), 1);
}

#[test]
fn what_does_not_depend_on_seeds_needs_one_value() {
    let mut build = Build::new("e", &[]).metrics([field("v", "a", "v")]);
    build.input.min_seeds = 3;
    for seed in 0..3 {
        let run = build.run(json!({}), seed);
        build.done(run, "a", "only", json!({"v": 1})).seeded = false;
    }
    assert!(table(build).below_min_seeds().is_empty());
}

#[test]
fn what_does_not_depend_on_seeds_and_failed_is_below() {
    let mut build = Build::new("e", &[]).metrics([field("v", "a", "v")]);
    let run = build.run(json!({}), 0);
    build.act(run, "a", "only", action(State::Missing(None))).seeded = false;
    let table = table(build);
    assert_eq!(table.below_min_seeds().len(), 1);
    assert!(!table.complete());
}

#[test]
fn a_cell_from_two_device_kinds_is_warned_of() {
    let mut build = sample(&[(10, &[Some(0.5), Some(0.5)]), (100, &[Some(0.5)])]);
    build.input.actions[1].devices = ["cuda".to_owned()].into();
    assert_eq!(
        table(build).notes(),
        ["mnist-moe: warning: 1 cell mixes device kinds (cpu, cuda): `acc` at alpha = 10, for one"]
    );
}

#[test]
fn cells_from_one_device_kind_each_are_fine() {
    let mut build = sample(&[(10, &[Some(0.5)]), (100, &[Some(0.5)])]);
    build.input.actions[1].devices = ["cuda".to_owned()].into();
    assert!(table(build).notes().is_empty());
}

#[test]
fn a_device_that_gave_no_value_mixes_nothing() {
    let mut build = sample(&[(10, &[Some(0.5), None])]);
    build.input.actions[1].devices = ["cuda".to_owned()].into();
    assert_eq!(
        table(build).notes(),
        ["mnist-moe: `acc` missing for seed 1 at alpha=10"]
    );
}

#[test]
fn an_axis_that_was_left_out_is_in_the_table_and_in_the_notes() {
    let build = sample(&[(10, &[Some(0.5)]), (100, &[Some(0.75)])]).rows(&[]);
    let table = table(build);
    assert_eq!((table.tidy().height(), table.axes.len()), (2, 1));
    assert!(table.notes()[0].contains("`alpha` was added"));
}

#[test]
fn a_thousand_runs_with_twenty_metrics_are_one_table() {
    let metrics = (0..20).map(|m| field(&format!("m{m}"), "a", &format!("m{m}")));
    let mut build = Build::new("big", &["x", "y"]).metrics(metrics);
    let values: serde_json::Map<_, _> = (0..20).map(|m| (format!("m{m}"), json!(0.5))).collect();
    for (x, y, seed) in (0..1000).map(|run| (run / 100, run / 10 % 10, run % 10)) {
        let run = build.run(json!({"x": x, "y": y}), seed);
        build.done(run, "a", &format!("{x}{y}{seed}"), values.clone().into());
    }
    let table = table(build);
    assert_eq!((table.raw().height(), table.tidy().height()), (20_000, 2_000));
    assert!(table.cells().iter().all(|cell| cell.n == 10 && cell.std == Some(0.0)));
}
