//! Stopping.

use super::lab::{Lab, behaves, says};
use moelab_engine::job::Event;
use moelab_engine::run::{JobInfo, Observer};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Asks the run to stop when the first job has begun.
struct Stopper(Arc<AtomicU8>, u8);

impl Observer for Stopper {
    fn job_progress(&mut self, _job: &JobInfo, event: &Event) {
        if matches!(event, Event::Started { .. }) {
            self.0.store(self.1, Ordering::SeqCst);
        }
    }
}

#[test]
fn a_stop_lets_jobs_save_checkpoints_and_starts_nothing_new() {
    let mut lab = Lab::new();
    lab.stage("a", behaves("a", "until_stopped"), &[]);
    lab.stage("b", says("b"), &[]);
    let mut stopper = Stopper(lab.options.cancel.clone(), 1);
    let report = lab.watched(&mut stopper);
    assert!(report.interrupted);
    assert_eq!(
        (report.executed, report.failed, report.not_started, report.exit_code()),
        (0, 0, 2, 130),
        "{report:?}"
    );
    let work = fs::read_dir(lab.store.root().join("work"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert_eq!(fs::read_to_string(work.join("checkpoints/state")).unwrap(), "saved");
}

#[test]
fn a_second_stop_kills_jobs_that_do_not_listen() {
    let mut lab = Lab::new();
    lab.stage("a", behaves("a", "for_ever"), &[]);
    let mut stopper = Stopper(lab.options.cancel.clone(), 2);
    let report = lab.watched(&mut stopper);
    assert_eq!((report.interrupted, report.failed), (true, 0), "{report:?}");
    // Its lock died with it.
    let key = lab.store.root().join("locks");
    for entry in fs::read_dir(key).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let holder = moelab_engine::store::Holder::this_process("test");
        assert!(lab.store.try_lock(&name.parse().unwrap(), &holder).unwrap().is_some());
    }
}
