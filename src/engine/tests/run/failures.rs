//! Jobs that fail, and what becomes of the others.

use super::lab::{Lab, Log, behaves, registry, says, worker};
use moelab_engine::job::FailureKind;
use moelab_engine::run::run;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

fn failing(behave: &str) -> moelab_engine::run::FailedAction {
    let mut lab = Lab::new();
    lab.stage("a", behaves("a", behave), &[]);
    let mut report = lab.run();
    assert_eq!((report.failed, report.failures.len()), (1, 1), "{report:?}");
    let failure = report.failures.remove(0);
    assert!(failure.log.as_ref().is_some_and(|log| log.exists()), "{failure:?}");
    failure
}

#[test]
fn each_way_to_fail_has_its_kind_and_its_words() {
    for (behave, kind, word) in [
        ("fail", FailureKind::Stage, "told to fail"),
        ("panic", FailureKind::Bug, "told to panic"),
        ("abort", FailureKind::Killed, "SIGABRT"),
        ("kill", FailureKind::Killed, "SIGKILL"),
        ("allocate", FailureKind::OutOfMemory, "memory allocation of"),
        ("exit", FailureKind::LostWorker, "status 3"),
        ("bad_input", FailureKind::BadInput, "BadInput"),
        ("timeout", FailureKind::Timeout, "Timeout"),
        ("disk_full", FailureKind::DiskFull, "no storage space"),
        ("out_of_memory", FailureKind::OutOfMemory, "OutOfMemory"),
        (
            "device_out_of_memory",
            FailureKind::DeviceOutOfMemory,
            "DeviceOutOfMemory",
        ),
    ] {
        let failure = failing(behave);
        assert_eq!(failure.kind, kind, "{failure:?}");
        assert!(failure.message.contains(word), "{failure:?}");
    }
}

#[test]
fn a_report_in_json_counts_actions_and_names_kinds() {
    let mut lab = Lab::new();
    lab.stage("a", says("a"), &[]);
    lab.run();
    lab.stage("b", says("b"), &[]);
    let c = lab.stage("c", behaves("c", "exit"), &[]);
    lab.stage("after_c", says("d"), &[c]);
    lab.options.keep_going = true;
    let report = serde_json::to_value(lab.run()).unwrap();
    let counts = [
        "executed",
        "cached",
        "failed",
        "waited",
        "retried",
        "blocked",
        "not_started",
    ];
    assert_eq!(counts.map(|name| report[name].as_u64().unwrap()), [1, 1, 1, 0, 1, 1, 0]);
    assert!(report["seconds"].as_f64().unwrap() > 0.0);
    let failure = &report["failures"][0];
    assert_eq!(
        (&failure["stage"], &failure["kind"], &failure["attempts"]),
        (&"c".into(), &"lost_worker".into(), &2.into())
    );
    assert!(failure["key"].is_string() && failure["log"].is_string() && failure["message"].is_string());
}

#[test]
fn a_full_disk_stops_the_run_whatever_else_could_go_on() {
    let mut lab = Lab::new();
    lab.stage("a", behaves("a", "disk_full"), &[]);
    lab.stage("b", says("b"), &[]);
    lab.options.keep_going = true;
    let report = lab.run();
    assert_eq!(
        (report.failed, report.not_started, report.exit_code()),
        (1, 1, 6),
        "{report:?}"
    );
}

#[test]
fn the_last_words_of_a_dead_worker_are_in_the_message() {
    assert!(failing("abort").message.contains("echo says a"));
}

/// A later table reads the failure from there, also that of a worker that wrote nothing more.
#[test]
fn every_failure_leaves_its_result_in_the_job_folder() {
    for behave in ["fail", "abort", "exit"] {
        let mut lab = Lab::new();
        lab.stage("a", behaves("a", behave), &[]);
        let failure = lab.run().failures.remove(0);
        let result = failure.log.unwrap().with_file_name("result.json");
        assert!(fs::read_to_string(result).unwrap().contains("\"failed\""), "{behave}");
    }
}

#[test]
fn a_crash_ends_one_job_and_not_the_run() {
    let mut lab = Lab::new();
    let a = lab.stage("a", behaves("a", "abort"), &[]);
    lab.stage("after_a", says("x"), &[a]);
    let b = lab.stage("b", says("b"), &[]);
    lab.stage("after_b", says("y"), &[b]);
    lab.options.keep_going = true;
    let report = lab.run();
    assert_eq!(
        (report.executed, report.failed, report.blocked, report.not_started),
        (2, 1, 1, 0),
        "{report:?}"
    );
    assert_eq!(report.exit_code(), 4);
}

#[test]
fn without_keep_going_nothing_new_starts_after_a_failure() {
    let mut lab = Lab::new();
    let a = lab.stage("a", behaves("a", "fail"), &[]);
    lab.stage("after_a", says("x"), &[a]);
    lab.stage("b", says("b"), &[]);
    let report = lab.run();
    assert_eq!(
        (report.executed, report.failed, report.blocked, report.not_started),
        (0, 1, 1, 1),
        "{report:?}"
    );
    assert_eq!(report.exit_code(), 3);
}

#[test]
fn a_failed_action_runs_again_next_time() {
    let mut lab = Lab::new();
    lab.stage("a", behaves("a", "fail_unless_mended"), &[]);
    assert_eq!(lab.run().failed, 1);
    fs::write(lab.options.data.join("mended"), "").unwrap();
    assert_eq!(lab.run().executed, 1);
}

#[test]
fn a_missing_worker_is_told_once() {
    let mut lab = Lab::new();
    lab.stage("a", says("a"), &[]);
    lab.stage("b", says("b"), &[]);
    lab.options.jobs = 2;
    lab.options.keep_going = true;
    lab.options.worker.program = "/nowhere/moelab-worker".into();
    let report = lab.run();
    assert_eq!(report.failures.len(), 1, "{report:?}");
    assert_eq!(report.failures[0].kind, FailureKind::Worker);
    assert!(
        report.failures[0].message.contains("/nowhere/moelab-worker is missing"),
        "{report:?}"
    );
}

#[test]
fn a_worker_of_another_build_is_told_once() {
    let mut lab = Lab::new();
    for name in ["a", "b", "c"] {
        lab.stage(name, says(name), &[]);
    }
    lab.options.jobs = 2;
    lab.options.keep_going = true;
    lab.options.worker = worker(&[("ECHO_BUILD", "build-0")]);
    let report = lab.run();
    assert_eq!((report.failures.len(), report.executed), (1, 0), "{report:?}");
    assert!(report.failures[0].message.contains("build-0"), "{report:?}");
}

#[test]
fn a_program_that_is_no_worker_is_told_with_what_it_said() {
    let mut lab = Lab::new();
    lab.stage("a", says("a"), &[]);
    lab.options.worker.program = "/bin/sh".into();
    lab.options.worker.args = ["-c", "echo cannot open libtorch.so >&2; exit 127"]
        .map(String::from)
        .into();
    let report = lab.run();
    assert_eq!(report.failures[0].kind, FailureKind::Worker);
    assert!(
        report.failures[0].message.contains("cannot open libtorch.so"),
        "{report:?}"
    );
}

#[test]
fn a_data_folder_that_cannot_be_told_to_a_worker_is_refused_before_anything_runs() {
    let mut lab = Lab::new();
    lab.stage("a", says("a"), &[]);
    lab.options.data = OsStr::from_bytes(b"d\xffta").into();
    let error = run(&lab.plan, &registry(), &lab.store, &lab.options, &mut Log::default()).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
}
