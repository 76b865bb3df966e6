use super::*;
use crate::input::{Reduce, State};
use crate::testing::{Build, action, column, field, history_file, sample};
use serde_json::json;

fn strings(frame: &DataFrame, column: &str) -> Vec<Option<String>> {
    frame
        .column(column)
        .unwrap()
        .str()
        .unwrap()
        .iter()
        .map(|text| text.map(str::to_owned))
        .collect()
}

#[test]
fn there_is_a_line_per_run_and_metric() {
    let found = collect(&[sample(&[(10, &[Some(0.5), None]), (100, &[Some(0.75), Some(1.0)])]).input]).unwrap();
    assert_eq!(found.frame.height(), 4);
    assert_eq!(
        found.frame.get_column_names(),
        [
            "experiment",
            "alpha",
            "seed",
            "metric",
            "value",
            "status",
            "key",
            "device",
            ACTION
        ]
    );
    assert_eq!(strings(&found.frame, "status")[1].as_deref(), Some("missing"));
    assert_eq!(strings(&found.frame, "key")[0].as_deref(), Some("key-e-10-0"));
    assert_eq!(found.frame.column("value").unwrap().f64().unwrap().get(3), Some(1.0));
}

#[test]
fn rows_are_sorted_by_the_axes_of_the_table() {
    let mut build = Build::new("e", &["x", "y"])
        .metrics([field("v", "a", "v")])
        .rows(&["y", "x"]);
    for (x, y) in [("b", 2), ("b", 1), ("a", 2), ("a", 1)] {
        let run = build.run(json!({"x": x, "y": y}), 0);
        build.done(run, "a", &format!("{x}{y}"), json!({"v": 1}));
    }
    let found = collect(&[build.input]).unwrap();
    let places: Vec<_> = strings(&found.frame, "y")
        .into_iter()
        .zip(strings(&found.frame, "x"))
        .collect();
    let wanted = [("2", "b"), ("2", "a"), ("1", "b"), ("1", "a")];
    assert_eq!(places, wanted.map(|(y, x)| (Some(y.to_owned()), Some(x.to_owned()))));
}

#[test]
fn an_axis_named_like_a_column_is_renamed() {
    let mut build = Build::new("e", &["n"]).metrics([field("v", "a", "v")]);
    let run = build.run(json!({"n": 3}), 0);
    build.done(run, "a", "a", json!({"v": 1}));
    let found = collect(&[build.input]).unwrap();
    assert_eq!(strings(&found.frame, "param.n"), [Some("3".to_owned())]);
}

#[test]
fn several_experiments_share_the_union_of_axes_and_metrics() {
    let mut other = Build::new("other", &["k"]).metrics([field("nmi", "evaluation", "nmi")]);
    let run = other.run(json!({"k": 5}), 0);
    other.done(run, "evaluation", "o", json!({"nmi": 0.25}));
    let found = collect(&[sample(&[(10, &[Some(0.5)])]).input, other.input]).unwrap();
    assert_eq!(
        (found.axes, found.metrics),
        (vec!["alpha".into(), "k".into()], vec!["acc".into(), "nmi".into()])
    );
    assert_eq!(strings(&found.frame, "k"), [None, Some("5".to_owned())]);
    // Equal numbers of actions in two experiments are not the same action.
    assert_eq!(found.frame.column(ACTION).unwrap().u64().unwrap().get(1), Some(1));
}

#[test]
fn a_metric_name_that_nothing_has_is_an_error_with_what_there_is() {
    let build = sample(&[(10, &[Some(0.5), None])]).metrics([field("acc", "evaluation", "acx")]);
    let error = collect(&[build.input]).err().unwrap().to_string();
    assert_eq!(
        error,
        "the metric `acc` reads `acx` of stage `evaluation`, which no finished run holds\n  = it holds acc"
    );
}

#[test]
fn a_metric_name_that_one_run_has_is_a_failure_of_the_others() {
    let mut build = sample(&[(10, &[Some(0.5)])]);
    let run = build.run(json!({"alpha": 10}), 1);
    build.done(run, "evaluation", "other", json!({"nmi": 0.5}));
    let found = collect(&[build.input]).unwrap();
    assert_eq!(strings(&found.frame, "status")[1].as_deref(), Some("failed"));
    assert_eq!(
        found.notes,
        ["mnist-moe: `acc` failed for seed 1 at alpha=10: `evaluation.metrics` holds no `acc`"]
    );
}

#[test]
fn histories_and_values_stand_beside_metrics() {
    let dir = tempfile::tempdir().unwrap();
    let path = history_file(dir.path(), &[4.0, 2.0, 1.0]);
    let latent = crate::input::Metric {
        reading: Reading::Value,
        output: "latent_dim".into(),
        ..field("k", "finder", "")
    };
    let mut build = Build::new("e", &[]).metrics([column("rec", "moe", "loss", Reduce::MeanLast(2)), latent]);
    let run = build.run(json!({}), 0);
    let files = [("history".to_owned(), Some(path))].into();
    build.act(
        run,
        "moe",
        "m",
        action(State::Done(crate::input::Done {
            files,
            ..Default::default()
        })),
    );
    build.act(run, "finder", "f", crate::testing::done("latent_dim", json!(12)));
    let frame = collect(&[build.input]).unwrap().frame;
    assert_eq!(
        frame.column("value").unwrap().f64().unwrap().to_vec(),
        [Some(1.5), Some(12.0)]
    );
}

#[test]
fn a_seed_that_does_not_matter_is_left_empty() {
    let mut build = sample(&[(10, &[Some(0.5)])]);
    build.input.actions[0].seeded = false;
    let frame = collect(&[build.input]).unwrap().frame;
    assert_eq!(frame.column("seed").unwrap().null_count(), 1);
}

#[test]
fn nothing_twice_and_no_metrics_are_refused() {
    assert!(matches!(collect(&[]), Err(ResultsError::Nothing)));
    let one = sample(&[(10, &[Some(0.5)])]).input;
    assert!(matches!(
        collect(&[one.clone(), one.clone()]),
        Err(ResultsError::Twice { .. })
    ));
    assert!(matches!(
        collect(&[Input { metrics: vec![], ..one }]),
        Err(ResultsError::NoMetrics { .. })
    ));
}
