//! Stopping, and two runs at once.

use super::lab::{Lab, Log, behaves, registry, says};
use moelab_engine::job::Event;
use moelab_engine::run::{JobInfo, Observer, run};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Sender, channel};

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

/// Sends a word when its job has begun, and lets the other's job go on when it has to wait for it.
struct Meeting {
    began: Sender<()>,
    go: PathBuf,
    log: Log,
}

impl Observer for Meeting {
    fn job_progress(&mut self, job: &JobInfo, event: &Event) {
        match event {
            Event::Started { .. } => drop(self.began.send(())),
            Event::Waiting { holder } => {
                assert!(holder.contains("process"), "{holder}");
                fs::write(&self.go, "").unwrap();
            }
            _ => {}
        }
        self.log.job_progress(job, event);
    }
}

#[test]
fn of_two_runs_one_runs_the_action_and_the_other_waits_and_takes_its_result() {
    let mut lab = Lab::new();
    lab.stage("a", behaves("a", "wait_for_go"), &[]);
    let (began, has_begun) = channel();
    let meeting = || Meeting {
        began: began.clone(),
        go: lab.options.data.join("go"),
        log: Log::default(),
    };
    let mut second_options = lab.options.clone();
    second_options.run = "second".into();
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| run(&lab.plan, &registry(), &lab.store, &lab.options, &mut meeting()).unwrap());
        has_begun.recv().unwrap();
        let second = run(&lab.plan, &registry(), &lab.store, &second_options, &mut meeting()).unwrap();
        (first.join().unwrap(), second)
    });
    assert_eq!((first.executed, first.waited), (1, 0), "{first:?}");
    assert_eq!((second.executed, second.waited), (0, 1), "{second:?}");
}
