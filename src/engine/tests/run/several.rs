//! Several runs on one store, or on one device.

use super::cache::evict;
use super::lab::{Lab, Log, RUNNER, behaves, grid, registry, says};
use moelab_engine::job::Event;
use moelab_engine::run::{Devices, Ended, JobInfo, Observer, RunReport, run};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const DEEP: usize = 4;
const WIDE: usize = 3;
const RUNS: usize = 8;

/// Tells a runner process what to do.
const DOES: &str = "ECHO_RUNNER_DOES";

/// A runner process in a folder.
pub fn runner(dir: &Path) {
    let mut lab = Lab::at(dir);
    match std::env::var(DOES).unwrap().as_str() {
        "for_ever" => {
            lab.stage("a", behaves("a", "for_ever"), &[]);
            lab.run();
        }
        "wait_for:go" => {
            lab.stage("a", behaves("a", "wait_for:go"), &[]);
            lab.run();
        }
        "read:go" => {
            let a = lab.stage("a", behaves("a", "wait_for:go"), &[]);
            lab.stage("b", says("b"), &[a]);
            lab.run();
        }
        "grid" => {
            grid(&mut lab, DEEP, WIDE, "count");
            lab.options.jobs = 2;
            while !dir.join("start").exists() {
                std::thread::yield_now();
            }
            let report = lab.run();
            let path = dir.join(format!("report-{}.json", std::process::id()));
            fs::write(path, serde_json::to_vec(&report).unwrap()).unwrap();
        }
        other => panic!("{other}"),
    }
}

pub fn start_runner(dir: &Path, does: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_runner_process", "--nocapture"])
        .env(RUNNER, dir)
        .env(DOES, does)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn of_eight_runs_started_together_each_action_is_run_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut runners: Vec<_> = (0..RUNS).map(|_| start_runner(dir.path(), "grid")).collect();
    fs::write(dir.path().join("start"), "").unwrap();
    for runner in &mut runners {
        assert!(runner.wait().unwrap().success());
    }
    let ran = fs::read_to_string(dir.path().join("data/ran")).unwrap();
    let distinct: BTreeSet<&str> = ran.lines().collect();
    assert_eq!(
        (ran.lines().count(), distinct.len()),
        (DEEP * WIDE, DEEP * WIDE),
        "{ran}"
    );
    let reports: Vec<serde_json::Value> = fs::read_dir(dir.path())
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("report-"))
        .map(|entry| serde_json::from_slice(&fs::read(entry.path()).unwrap()).unwrap())
        .collect();
    assert_eq!(reports.len(), RUNS);
    let sum = |name: &str| reports.iter().map(|report| report[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("failed") + sum("not_started"), 0, "{reports:#?}");
    assert_eq!(sum("executed"), (DEEP * WIDE) as u64, "{reports:#?}");
    let all = sum("executed") + sum("waited") + sum("cached");
    assert_eq!(all, (RUNS * DEEP * WIDE) as u64, "{reports:#?}");
}

/// Calls one function when an event comes, and writes everything down.
struct On<E: FnMut(&JobInfo, &Event), F: FnMut(&JobInfo, &Ended), N: FnMut(&str)> {
    event: E,
    finished: F,
    note: N,
    log: Log,
}

impl<E: FnMut(&JobInfo, &Event), F: FnMut(&JobInfo, &Ended), N: FnMut(&str)> Observer for On<E, F, N> {
    fn job_started(&mut self, job: &JobInfo) {
        self.log.job_started(job);
    }

    fn job_progress(&mut self, job: &JobInfo, event: &Event) {
        (self.event)(job, event);
        self.log.job_progress(job, event);
    }

    fn job_finished(&mut self, job: &JobInfo, ended: &Ended) {
        (self.finished)(job, ended);
        self.log.job_finished(job, ended);
    }

    fn note(&mut self, text: &str) {
        (self.note)(text);
        self.log.note(text);
    }
}

/// The run of a lab whose first job has begun in another process, which goes on when `go` is there.
struct Held {
    dir: tempfile::TempDir,
    lab: Lab,
    holder: Child,
    go: PathBuf,
}

impl Held {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lab = Lab::at(dir.path());
        let holder = start_runner(dir.path(), "wait_for:go");
        wait_until_begun(&lab);
        let go = lab.options.data.join("go");
        Self { dir, lab, holder, go }
    }
}

/// Waits until a job of the store has begun; gives its key.
pub fn wait_until_begun(lab: &Lab) -> moelab_engine::digest::Digest {
    loop {
        let works = fs::read_dir(lab.store.root().join("work")).unwrap().flatten();
        let begun = |work: &fs::DirEntry| {
            fs::read_to_string(work.path().join("1/events.jsonl")).is_ok_and(|events| events.contains("started"))
        };
        match works.into_iter().find(begun) {
            Some(work) => return work.file_name().to_str().unwrap().parse().unwrap(),
            None => std::thread::yield_now(),
        }
    }
}

#[test]
fn the_second_run_says_who_runs_the_action_and_takes_the_result() {
    let Held {
        mut lab,
        mut holder,
        go,
        dir: _dir,
    } = Held::new();
    lab.stage("a", behaves("a", "wait_for:go"), &[]);
    let mut told = vec![];
    let mut observer = On {
        event: |_: &JobInfo, event: &Event| {
            if let Event::Waiting { holder } = event {
                told.push(holder.clone());
                fs::write(&go, "").unwrap();
            }
        },
        finished: |_: &JobInfo, _: &Ended| (),
        note: |_: &str| (),
        log: Log::default(),
    };
    let report = lab.watched(&mut observer);
    assert_eq!(observer.log.ended, ["a already there"]);
    assert_eq!((report.executed, report.waited), (0, 1), "{report:?}");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("process ") && told[0].contains(" on ") && told[0].contains(" since "),
        "{told:?}"
    );
    assert!(holder.wait().unwrap().success());
}

/// With one slot, this ends only if the wait does not take it.
#[test]
fn waiting_for_another_run_takes_no_slot() {
    let Held {
        mut lab,
        mut holder,
        go,
        dir: _dir,
    } = Held::new();
    lab.stage("a", behaves("a", "wait_for:go"), &[]);
    let b = lab.stage("b", says("b"), &[]);
    lab.stage("c", says("c"), &[b]);
    let mut observer = On {
        event: |_: &JobInfo, _: &Event| (),
        finished: |job: &JobInfo, ended: &Ended| {
            if job.stage == "c" && matches!(ended, Ended::Done { .. }) {
                fs::write(&go, "").unwrap();
            }
        },
        note: |_: &str| (),
        log: Log::default(),
    };
    let report = lab.watched(&mut observer);
    assert_eq!((report.executed, report.waited), (2, 1), "{report:?}");
    assert!(holder.wait().unwrap().success());
}

#[test]
fn evicted_bytes_that_another_run_brings_back_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let mut lab = Lab::at(dir.path());
    let go = lab.options.data.join("go");
    let a = lab.stage("a", behaves("a", "wait_for:go"), &[]);
    fs::write(&go, "").unwrap();
    lab.run();
    evict(&lab);
    fs::remove_file(&go).unwrap();
    let mut holder = start_runner(dir.path(), "read:go");
    let key = lab.results("echo").remove(0).key();
    while lab.store.held(&key).is_none() {
        std::thread::yield_now();
    }
    lab.stage("c", says("c"), &[a]);
    let mut observer = On {
        event: |_: &JobInfo, event: &Event| {
            if let Event::Waiting { .. } = event {
                fs::write(&go, "").unwrap();
            }
        },
        finished: |_: &JobInfo, _: &Ended| (),
        note: |_: &str| (),
        log: Log::default(),
    };
    let report = lab.watched(&mut observer);
    assert_eq!((report.executed, report.waited), (1, 1), "{report:?}");
    assert!(holder.wait().unwrap().success());
}

#[test]
fn an_action_whose_holder_is_killed_is_run_by_whoever_waited() {
    let Held {
        mut lab,
        mut holder,
        go,
        dir: _dir,
    } = Held::new();
    lab.stage("a", behaves("a", "wait_for:go"), &[]);
    let mut observer = On {
        event: |_: &JobInfo, event: &Event| {
            if let Event::Waiting { .. } = event {
                holder.kill().unwrap();
                holder.wait().unwrap();
                fs::write(&go, "").unwrap();
            }
        },
        finished: |_: &JobInfo, _: &Ended| (),
        note: |_: &str| (),
        log: Log::default(),
    };
    let report = lab.watched(&mut observer);
    assert_eq!((report.executed + report.waited, report.failed), (1, 0), "{report:?}");
}

#[test]
fn a_stop_ends_the_wait_for_another_run() {
    let Held {
        mut lab,
        mut holder,
        go,
        dir: _dir,
    } = Held::new();
    lab.stage("a", behaves("a", "wait_for:go"), &[]);
    let cancel = lab.options.cancel.clone();
    let mut observer = On {
        event: |_: &JobInfo, event: &Event| {
            if let Event::Waiting { .. } = event {
                cancel.store(1, std::sync::atomic::Ordering::SeqCst);
            }
        },
        finished: |_: &JobInfo, _: &Ended| (),
        note: |_: &str| (),
        log: Log::default(),
    };
    let report = lab.watched(&mut observer);
    assert_eq!(
        (report.interrupted, report.not_started, report.exit_code()),
        (true, 1, 130),
        "{report:?}"
    );
    fs::write(&go, "").unwrap();
    assert!(holder.wait().unwrap().success());
}

#[test]
fn a_device_is_lent_from_run_to_run_and_other_work_goes_on_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let lab = |name: &str| {
        let mut lab = Lab::at(&dir.path().join(name));
        lab.options.devices = Devices::parse("cuda:0").unwrap();
        lab.options.device_locks = dir.path().join("devices");
        lab
    };
    let (mut first, mut second) = (lab("first"), lab("second"));
    first.stage_of("fast", "a", behaves("a", "wait_for:go"), &[]);
    let a = first.plan.graph.node_indices().next().unwrap();
    // The first run still goes on when the second gets the device.
    first.stage("tail", behaves("tail", "wait_for:lent"), &[a]);
    second.stage_of("fast", "b", says("b"), &[]);
    second.stage("slow", says("slow"), &[]);
    let (go, lent) = (first.options.data.join("go"), first.options.data.join("lent"));
    let registry = registry();
    let (one, two): (RunReport, RunReport) = std::thread::scope(|scope| {
        let began = std::sync::mpsc::channel();
        let (first, registry) = (&first, &registry);
        let sender = began.0;
        let one = scope.spawn(move || {
            let mut observer = On {
                event: |_: &JobInfo, event: &Event| {
                    if matches!(event, Event::Started { .. }) {
                        sender.send(()).unwrap();
                    }
                },
                finished: |_: &JobInfo, _: &Ended| (),
                note: |_: &str| (),
                log: Log::default(),
            };
            run(&first.plan, registry, &first.store, &first.options, &mut observer).unwrap()
        });
        began.1.recv().unwrap();
        let seen = std::cell::Cell::new((false, false));
        let release = |device: bool, other: bool| {
            seen.set((seen.get().0 | device, seen.get().1 | other));
            if seen.get() == (true, true) {
                fs::write(&go, "").unwrap();
            }
        };
        let mut observer = On {
            event: |_: &JobInfo, _: &Event| (),
            finished: |job: &JobInfo, _: &Ended| {
                release(false, job.stage == "slow");
                if job.stage == "b" {
                    fs::write(&lent, "").unwrap();
                }
            },
            note: |text: &str| release(text.contains("waits for cuda:0, which process"), false),
            log: Log::default(),
        };
        let two = run(&second.plan, registry, &second.store, &second.options, &mut observer).unwrap();
        assert_eq!(observer.log.started, ["slow", "b"]);
        (one.join().unwrap(), two)
    });
    assert_eq!((one.executed, two.executed), (2, 2), "{one:?} {two:?}");
}
