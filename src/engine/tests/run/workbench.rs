//! Jobs outside any plan.

use crate::lab::{BUILD, Lab, behaves, registry, says, worker};
use moelab_engine::job::{Failure, FailureKind};
use moelab_engine::run::{Piece, RunOptions, Workbench};
use moelab_engine::store::Manifest;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;

fn bench() -> Workbench {
    Workbench::new(RunOptions::new(worker(&[]), BUILD), Path::new(".")).unwrap()
}

fn run(bench: &mut Workbench, settings: Value, inputs: &BTreeMap<String, Piece>) -> Result<Manifest, Failure> {
    bench.run(&registry(), ("step", settings), None, inputs, &mut |_| {})
}

#[test]
fn a_job_takes_what_another_store_holds_and_leaves_it_as_it_was() {
    let mut lab = Lab::new();
    lab.stage("first", says("hello"), &[]);
    lab.run();
    let made = lab.results("echo").remove(0).outputs["data"].clone();
    let before = lab.store.manifests().len();

    let mut bench = bench();
    bench.bring(&lab.store, &made.digest).unwrap();
    let piece = Piece {
        digest: made.digest,
        artifact: made.artifact,
    };
    let inputs = [("points".to_owned(), piece)].into();
    let said = run(&mut bench, says("again"), &inputs).unwrap();
    let text = bench.store().read_object(&said.outputs["data"].digest).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("again") && text.contains("hello"), "{text}");
    assert_eq!(lab.store.manifests().len(), before);
}

#[test]
fn one_worker_serves_one_job_after_the_other() {
    let mut bench = bench();
    let none = BTreeMap::new();
    let texts = ["one", "two"].map(|text| run(&mut bench, says(text), &none).unwrap().outputs["data"].digest);
    assert_ne!(texts[0], texts[1]);
    // The same job again is there already.
    assert_eq!(
        run(&mut bench, says("one"), &none).unwrap().outputs["data"].digest,
        texts[0]
    );
}

#[test]
fn failures_and_slips_come_back_in_words() {
    let mut bench = bench();
    let none = BTreeMap::new();
    let failure = run(&mut bench, behaves("x", "fail"), &none).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Stage, "{failure}");
    let slip = run(&mut bench, serde_json::json!({"n": "many"}), &none).unwrap_err();
    assert!(slip.message.contains("n: expects a whole number"), "{slip}");
}

#[test]
fn a_job_that_is_asked_to_stop_ends() {
    let options = RunOptions::new(worker(&[]), BUILD);
    let cancel = options.cancel.clone();
    let mut bench = Workbench::new(options, Path::new(".")).unwrap();
    cancel.store(2, Ordering::SeqCst);
    let failure = run(&mut bench, says("x"), &BTreeMap::new()).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Interrupted);
}
