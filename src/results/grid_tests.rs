use super::*;
use crate::input::State;
use crate::testing::{Build, action, field, sample};
use serde_json::json;

fn pivot(build: Build) -> Grid {
    Grid::pivot(&Table::build(&[build.input]).unwrap())
}

#[test]
fn a_complete_row_says_its_seeds_once() {
    let grid = pivot(sample(&[(10, &[Some(0.9), Some(0.8), Some(0.7)])]));
    assert_eq!(grid.ours, [["10", "0.800 ± 0.100", "3"]]);
}

#[test]
fn no_value_of_an_axis_moves_the_cursor_or_breaks_a_line() {
    let mut build = Build::new("e", &["name"]).metrics([field("acc", "a", "acc")]);
    let run = build.run(json!({"name": "\u{1b}[31mred\nline\tend"}), 0);
    build.done(run, "a", "1", json!({"acc": 0.5}));
    assert_eq!(pivot(build).ours[0][0], " [31mred line end");
}

#[test]
fn a_gap_is_marked_in_the_cell() {
    let grid = pivot(sample(&[
        (10, &[Some(0.9), None, Some(0.7)]),
        (20, &[None, None, None]),
    ]));
    assert_eq!(grid.ours, [["10", "0.800 ± 0.141 (2/3)", "2"], ["20", "– (0/3)", "0"]]);
}

#[test]
fn cells_of_different_counts_give_a_range() {
    let mut build = sample(&[(10, &[Some(0.9), Some(0.7)])]);
    build.input.metrics.push(field("nmi", "other", "nmi"));
    build.done(0, "other", "o0", json!({"nmi": 0.5}));
    build.act(1, "other", "o1", action(State::Missing(None)));
    assert_eq!(pivot(build).ours, [["10", "0.800 ± 0.141", "0.500 (1/2)", "1 to 2"]]);
}

#[test]
fn what_depends_on_no_seed_does_not_lower_the_count() {
    let mut build = sample(&[(10, &[Some(0.9), Some(0.7)])]);
    build.input.metrics.push(field("size", "data", "size"));
    for run in [0, 1] {
        build.done(run, "data", "d", json!({"size": 70000})).seeded = false;
    }
    assert_eq!(pivot(build).ours, [["10", "0.800 ± 0.141", "70000", "2"]]);
}

#[test]
fn a_metric_that_a_row_does_not_have_is_blank() {
    let mut build = sample(&[(10, &[Some(0.9)]), (20, &[Some(0.7)])]);
    build.input.metrics.push(field("nmi", "other", "nmi"));
    build.done(0, "other", "o", json!({"nmi": 0.5}));
    assert_eq!(pivot(build).ours[1], ["20", "0.700", "", "1"]);
}

#[test]
fn a_table_without_axes_names_its_experiment() {
    let build = Build::new("one", &[]).metrics([field("acc", "a", "acc")]);
    let mut build = build;
    let run = build.run(json!({}), 0);
    build.done(run, "a", "a", json!({"acc": 0.5}));
    let grid = pivot(build);
    assert_eq!(
        (grid.heads[0].title.as_str(), grid.ours[0][0].as_str()),
        ("experiment", "one")
    );
}

#[test]
fn a_raw_line_has_a_short_key() {
    let table = Table::build(&[sample(&[(10, &[Some(0.9), None])]).input]).unwrap();
    let grid = Grid::raw(&table);
    assert_eq!(
        grid.ours[0],
        ["mnist-moe", "10", "0", "acc", "0.9", "ok", "key-e-10", "cpu"]
    );
    assert_eq!(grid.ours[1][4..6], ["", "missing"]);
}

/// Two methods on two data sets, each with its own labels.
fn methods() -> Build {
    let mut build = Build::new("e", &["method", "dataset"]).metrics([field("acc", "a", "acc")]);
    build.input.spread = vec!["dataset".into()];
    for (method, dataset, acc) in [
        ("dec", "digits", 0.8),
        ("dec", "usps", 0.7),
        ("moe", "digits", 0.9),
        ("moe", "usps", 0.6),
    ] {
        for seed in 0..2 {
            let run = build.run(json!({"method": method, "dataset": dataset}), seed);
            let name = format!("{method}-{dataset}-{seed}");
            build
                .done(run, "a", &name, json!({"acc": acc + 0.001 * seed as f64}))
                .origins = [dataset.to_owned()].into();
        }
    }
    build
}

#[test]
fn a_spread_axis_makes_a_column_per_value_and_best_is_told_per_data_set() {
    let grid = pivot(methods());
    let heads: Vec<String> = grid.heads.iter().map(Head::line).collect();
    assert_eq!(heads, ["method", "acc digits", "acc usps", "seeds"]);
    assert_eq!(grid.ours[0], ["dec", "0.800 ± 0.001", "0.700 ± 0.001", "2"]);
    assert_eq!(grid.marks, [((0, 2), Mark::Best), ((1, 1), Mark::Best)].into());
}

#[test]
fn published_rows_stand_in_the_columns_of_their_data() {
    let mut build = methods();
    let reference = |dataset: &str, acc: f64| crate::input::Reference {
        labels: [
            ("dataset".to_owned(), json!(dataset)),
            ("method".to_owned(), json!("dec")),
        ]
        .into(),
        values: [("acc".to_owned(), acc)].into(),
        source: "Xie".into(),
        ..Default::default()
    };
    build.input.references = vec![reference("digits", 0.85), reference("usps", 0.75)];
    assert_eq!(pivot(build).published, [["dec", "0.850", "0.750", "", "Xie"]]);
}

#[test]
fn cells_are_printed_as_the_experiment_says() {
    let with = |cells| {
        let mut build = sample(&[(10, &[Some(0.9), Some(0.7), Some(0.5)])]);
        build.input.cells = cells;
        let grid = pivot(build);
        (grid.ours[0][1].clone(), grid.notes.first().cloned().unwrap_or_default())
    };
    assert_eq!(with(Cells::MeanStd), ("0.700 ± 0.200".into(), String::new()));
    let (text, note) = with(Cells::MedianRange);
    assert_eq!(text, "0.700 [0.500, 0.900]");
    assert!(note.contains("median") && note.contains("least"), "{note}");
    let (text, note) = with(Cells::MeanCi);
    assert_eq!(text, "0.700 [0.500, 0.900]");
    assert!(note.contains("confidence"), "{note}");
    assert_eq!(with(Cells::Mean).0, "0.700");
}
