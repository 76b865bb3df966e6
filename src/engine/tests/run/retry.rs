//! Failures that are tried again.

use super::lab::{Lab, Log, behaves, says};
use moelab_engine::job::FailureKind;
use moelab_engine::run::{Devices, Ended, JobInfo, Observer};
use moelab_engine::spec::Retry;
use std::fs;
use std::path::PathBuf;

#[test]
fn each_kind_is_tried_again_as_often_as_its_policy_says() {
    for (behave, kind) in [
        ("fail", FailureKind::Stage),
        ("panic", FailureKind::Bug),
        ("bad_input", FailureKind::BadInput),
        ("abort", FailureKind::Killed),
        ("exit", FailureKind::LostWorker),
        ("timeout", FailureKind::Timeout),
        ("out_of_memory", FailureKind::OutOfMemory),
    ] {
        let run = |retry: Retry, behave: &str| {
            let mut lab = Lab::new();
            lab.stage("a", behaves("a", behave), &[]);
            lab.options.retry = retry;
            lab.run()
        };
        let none = run(Retry::none(), behave);
        assert_eq!((none.retried, none.failures[0].attempts), (0, 1), "{none:?}");
        let twice = run(Retry::none().with(kind, 2), behave);
        assert_eq!(
            (twice.retried, twice.failures[0].attempts, twice.failed),
            (2, 3, 1),
            "{twice:?}"
        );
        assert_eq!(twice.failures[0].kind, kind);
        let mended = run(Retry::none().with(kind, 2), &format!("once:{behave}"));
        assert_eq!(
            (mended.retried, mended.executed, mended.failed),
            (1, 1, 0),
            "{mended:?}"
        );
    }
}

#[test]
fn another_kind_than_the_policy_names_is_not_tried_again() {
    let mut lab = Lab::new();
    lab.stage("a", behaves("a", "abort"), &[]);
    lab.options.retry = Retry::none().with(FailureKind::LostWorker, 5);
    assert_eq!(lab.run().retried, 0);
}

#[test]
fn a_retry_is_told_and_recorded_with_its_reason() {
    let mut lab = Lab::new();
    lab.stage("a", behaves("a", "once:exit"), &[]);
    let mut log = Log::default();
    let report = lab.watched(&mut log);
    assert_eq!(log.ended, ["a retried normal", "a done"]);
    let events = fs::read_to_string(lab.store.run_dir(&report.run).join("events.jsonl")).unwrap();
    let line = events.lines().find(|line| line.contains("retried")).unwrap();
    assert!(line.contains("lost_worker") && line.contains("status 3"), "{line}");
}

/// `once:` looks for the checkpoint of the first attempt, so the second ends well only if that is still there.
#[test]
fn a_retry_goes_on_from_the_checkpoint_and_gives_the_same_bytes() {
    let (mut lab, mut calm) = (Lab::new(), Lab::new());
    lab.stage("a", behaves("a", "once:abort"), &[]);
    lab.options.retry = Retry::none().with(FailureKind::Killed, 1);
    calm.stage("a", says("a"), &[]);
    assert_eq!((lab.run().executed, calm.run().executed), (1, 1));
    assert_eq!(lab.made("a"), calm.made("a"));
}

/// Lets the job that waits for it go on when another one is to be tried again.
struct GoOnRetry(PathBuf, Log);

impl Observer for GoOnRetry {
    fn job_started(&mut self, job: &JobInfo) {
        self.1.job_started(job);
    }

    fn job_finished(&mut self, job: &JobInfo, ended: &Ended) {
        if matches!(ended, Ended::Retried { .. }) {
            fs::write(&self.0, "").unwrap();
        }
        self.1.job_finished(job, ended);
    }
}

#[test]
fn what_ran_out_of_memory_runs_again_with_no_job_beside_it() {
    let mut lab = Lab::new();
    lab.stage("large", behaves("large", "out_of_memory_unless_alone"), &[]);
    lab.stage("beside", behaves("beside", "wait_for:go"), &[]);
    lab.stage("later", says("later"), &[]);
    lab.options.jobs = 2;
    let mut observer = GoOnRetry(lab.options.data.join("go"), Log::default());
    let report = lab.watched(&mut observer);
    assert_eq!((report.executed, report.retried), (3, 1), "{report:?}");
    let order: Vec<_> = observer
        .1
        .beside
        .iter()
        .map(|(stage, beside)| (stage.as_str(), beside.len()))
        .collect();
    assert_eq!(order, [("large", 0), ("beside", 1), ("large", 0), ("later", 0)]);
    let made = lab.results("echo");
    let alone = made
        .iter()
        .filter(|m| m.provenance.libraries.contains_key("memory"))
        .count();
    assert_eq!(alone, 1);
}

#[test]
fn a_full_device_is_tried_alone_then_with_the_saver_and_gives_the_same_bytes() {
    let mut lab = Lab::new();
    lab.stage_of("fast", "a", behaves("a", "device_out_of_memory_unless_saving"), &[]);
    lab.options.devices = Devices::parse("cuda:0").unwrap();
    let mut log = Log::default();
    let report = lab.watched(&mut log);
    assert_eq!((report.executed, report.retried), (1, 2), "{report:?}");
    assert_eq!(log.ended, ["a retried alone", "a retried saver", "a done"]);
    let manifest = lab.results("fast").remove(0);
    assert_eq!(manifest.provenance.libraries["memory"], "saver");
    assert_eq!(lab.made("a"), "a");
}

#[test]
fn a_device_that_is_full_even_then_fails_the_job_in_the_words_of_its_stage() {
    let mut lab = Lab::new();
    lab.stage_of("fast", "a", behaves("a", "device_out_of_memory"), &[]);
    lab.options.devices = Devices::parse("cuda:0").unwrap();
    let report = lab.run();
    assert_eq!((report.retried, report.failures[0].attempts), (2, 3), "{report:?}");
    assert_eq!(report.failures[0].kind, FailureKind::DeviceOutOfMemory);
    assert!(report.failures[0].message.contains("told to end"), "{report:?}");
}
