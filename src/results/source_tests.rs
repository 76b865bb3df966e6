use super::*;
use crate::bench::{Bench, EXPERIMENT, Fate, seed};
use crate::table::Table;
use moelab_engine::store::{Holder, Presence};
use std::fs;

#[test]
fn a_finished_experiment_is_a_complete_table() {
    let bench = Bench::new(EXPERIMENT);
    bench.run(|_| Fate::Done("cpu"));
    assert!(bench.table().complete() && bench.table().below_min_seeds().is_empty());
    insta::assert_snapshot!(bench.markdown(), @"
    | data | alpha | k | acc | loss | seeds | source |
    | --- | --- | ---: | ---: | ---: | ---: | --- |
    | here | 10 | 12 ± 0 | **0.105 ± 0.007** | 10.5 ± 0.7 | 2 |  |
    | here | 1 | 12 ± 0 | 0.015 ± 0.007 | 1.5 ± 0.7 | 2 |  |
    | *published* |  |  |  |  |  |  |
    |  | 10 | – | 0.900 | – | 5 | S |

    - **bold**: best mean among the rows on the same data; *italic*: not significantly worse (paired t-test on shared seeds; two-sided p ≥ 0.05, each row by itself)
    ");
}

#[test]
fn an_experiment_that_never_ran_is_all_missing() {
    let bench = Bench::new(EXPERIMENT);
    let none = Source {
        store: None,
        ..bench.source()
    };
    let table = Table::build(&Source::inputs(&[none]).unwrap()).unwrap();
    assert!(table.cells().iter().all(|cell| (cell.n, cell.missing) == (0, 2)));
    assert_eq!(
        bench.table().cells(),
        table.cells(),
        "an empty store and none are the same"
    );
}

#[test]
fn a_failure_counts_for_everything_behind_it_with_its_reason() {
    let bench = Bench::new(EXPERIMENT);
    bench.run(|node| {
        if seed(node) == 1 {
            Fate::Fails
        } else {
            Fate::Done("cpu")
        }
    });
    let table = bench.table();
    assert!(
        table
            .cells()
            .iter()
            .all(|cell| (cell.n, cell.failed, cell.missing) == (1, 1, 0)),
        "{:?}",
        table.cells()
    );
    assert_eq!(
        table.notes()[0],
        "e: `k`, `acc`, `loss` failed for seed 1 in all 2 rows: train: out of memory"
    );
}

#[test]
fn what_was_not_run_yet_is_missing_not_failed() {
    let bench = Bench::new(EXPERIMENT);
    bench.run(|node| {
        if node.stage == "score" {
            Fate::Never
        } else {
            Fate::Done("cpu")
        }
    });
    let cells = bench.table();
    let of = |metric: &str| cells.cells().iter().find(|cell| cell.metric == metric).unwrap().clone();
    assert_eq!((of("acc").missing, of("acc").failed, of("loss").n), (2, 0, 2));
}

#[test]
fn keys_and_devices_reach_the_raw_table() {
    let bench = Bench::new(EXPERIMENT);
    bench.run(|_| Fate::Done("cuda:1"));
    let raw = bench.table().raw().clone();
    assert!(
        raw.column("key")
            .unwrap()
            .str()
            .unwrap()
            .iter()
            .all(|key| key.is_some_and(|key| key.len() == 64))
    );
    assert!(
        raw.column("device")
            .unwrap()
            .str()
            .unwrap()
            .iter()
            .all(|device| device == Some("cuda"))
    );
}

#[test]
fn the_device_that_counts_is_that_of_the_accelerated_ancestors() {
    let bench = Bench::new(EXPERIMENT);
    bench.run(|node| {
        Fate::Done(if node.stage == "train" && seed(node) == 0 {
            "cuda:0"
        } else {
            "cpu"
        })
    });
    let table = bench.table();
    assert_eq!(table.notes().len(), 1, "{:?}", table.notes());
    assert!(
        table.notes()[0].contains("6 cells mix device kinds (cpu, cuda)"),
        "{:?}",
        table.notes()
    );
}

#[test]
fn an_evicted_history_is_missing_and_its_metrics_stay() {
    let bench = Bench::new(EXPERIMENT);
    bench.run(|_| Fate::Done("cpu"));
    for manifest in bench.store.manifests().values() {
        let mut manifest = manifest.clone();
        if let Some(history) = manifest.outputs.get_mut("history") {
            history.state = Presence::Evicted;
            drop(fs::remove_file(bench.store.object_path(&history.digest)));
            let holder = Holder::this_process("test");
            let lock = bench.store.try_lock(&manifest.key(), &holder).unwrap().unwrap();
            bench.store.rewrite_manifest(&lock, &manifest).unwrap();
        }
    }
    let table = bench.table();
    let of = |metric: &str| table.cells().iter().find(|cell| cell.metric == metric).unwrap().clone();
    assert_eq!((of("loss").missing, of("acc").n, of("k").n), (2, 2, 2));
    assert!(
        table.notes()[0].contains("`train.history` was evicted"),
        "{:?}",
        table.notes()
    );
}

#[test]
fn a_damaged_history_is_an_error_and_no_number() {
    let bench = Bench::new(EXPERIMENT);
    bench.run(|_| Fate::Done("cpu"));
    let manifests = bench.store.manifests();
    let history = manifests
        .values()
        .find_map(|manifest| manifest.outputs.get("history"))
        .unwrap();
    let path = bench.store.object_path(&history.digest);
    let mut bytes = fs::read(&path).unwrap();
    bytes[10] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let result = Source::inputs(&[bench.source()]);
    assert!(matches!(result, Err(ResultsError::Store(_))));
}

#[test]
fn data_that_are_not_there_leave_the_table_empty_with_the_reason() {
    let bench = Bench::new(&format!("{EXPERIMENT}set: {{data: absent}}\n"));
    let table = bench.table();
    assert!(table.cells().iter().all(|cell| (cell.n, cell.missing) == (0, 2)));
    assert_eq!(
        table.notes()[0],
        "e: `k`, `acc`, `loss` missing for all 2 seeds in all 2 rows: stage `train`: no data set `absent`"
    );
}

#[test]
fn experiments_side_by_side_know_each_others_rows() {
    let plain = EXPERIMENT.replace("rows: [data, alpha], ", "rows: [alpha], ");
    let other = EXPERIMENT
        .replace("experiment: e", "experiment: other")
        .replace("matrix: {axes: {alpha: [10, 1]}}\n", "");
    let other = other
        .replace("rows: [data, alpha], ", "")
        .replace("reference: [{alpha: 10, acc: 0.9, source: S, runs: 5}]\n", "");
    let (one, two) = (Bench::new(&plain), Bench::new(&other));
    let inputs = Source::inputs(&[one.source(), two.source()]).unwrap();
    assert_eq!(inputs[1].rows, ["alpha"]);
    assert_eq!(
        inputs[1].runs[0].axes["alpha"], 1,
        "a parameter of one is an axis of the other"
    );
}

#[test]
fn scores_are_higher_by_themselves_and_other_numbers_neither() {
    let input = Bench::new(EXPERIMENT).input();
    let better: Vec<_> = input.metrics.iter().map(|metric| metric.better).collect();
    assert_eq!(better, [Better::Neither, Better::Higher, Better::Neither]);
    // The same name, but of a stage that does not score.
    let bench = Bench::new(&EXPERIMENT.replace("acc: score.acc", "acc: {of: train.history.acc, reduce: last}"));
    assert_eq!(bench.input().metrics[1].better, Better::Neither);
}
