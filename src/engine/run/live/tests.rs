use super::*;
use crate::store::testing::scratch;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;

fn key(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// Appends events to a run, and marks it as living until the result is dropped.
fn record(store: &Store, run: &str, events: &[Value]) -> File {
    let dir = store.run_dir(run);
    fs::create_dir_all(&dir).unwrap();
    let path = dir.join("events.jsonl");
    let mut file = File::options().create(true).append(true).open(path).unwrap();
    for event in events {
        let mut event = event.clone();
        if event["at"].is_null() {
            event["at"] = json!(time::now());
        }
        writeln!(file, "{event}").unwrap();
    }
    lock::mark_used(&dir.join("used")).unwrap()
}

fn started(experiment: &str) -> Value {
    json!({"event": "started", "experiment": experiment, "jobs": 2, "pid": 7, "host": "here", "stages": [
        {"stage": "a", "kind": "load", "actions": 1, "after": []},
        {"stage": "b", "kind": "train", "actions": 3, "after": ["a"]},
        {"stage": "c", "kind": "score", "actions": 3, "after": ["b"]},
    ]})
}

fn event(what: &str, stage: &str, seed: u64, more: Value) -> Value {
    let mut event =
        json!({"event": what, "stage": stage, "axes": {"seed": seed}, "key": key(&format!("{stage}{seed}"))});
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

fn ended(stage: &str, seed: u64, how: &str, detail: Value) -> Value {
    event(
        "job_ended",
        stage,
        seed,
        json!({"attempt": 1, "how": how, "detail": detail}),
    )
}

fn job_started(stage: &str, seed: u64) -> Value {
    event("job_started", stage, seed, json!({"attempt": 1, "device": "cpu"}))
}

fn look(store: &Store) -> Vec<RunState> {
    Monitor::new(store).look().unwrap()
}

/// done, running, failed, left
fn stage(state: &RunState, name: &str) -> [usize; 4] {
    let stage = state.stages.iter().find(|stage| stage.stage == name).unwrap();
    [stage.done, stage.running, stage.failed, stage.left]
}

#[test]
fn a_store_without_runs_tells_of_none() {
    let (_dir, store) = scratch();
    assert_eq!(look(&store), []);
}

#[test]
fn actions_are_counted_by_stage_and_state() {
    let (_dir, store) = scratch();
    let failure = json!({"kind": "stage", "message": "no luck"});
    let _lives = record(
        &store,
        "r",
        &[
            started("x"),
            event("cached", "a", 0, json!({})),
            job_started("b", 0),
            job_started("b", 1),
            ended("b", 0, "done", json!(4.0)),
            ended("b", 1, "failed", failure),
            job_started("b", 2),
        ],
    );
    let all = look(&store);
    let [state] = &all[..] else { panic!("{all:?}") };
    assert_eq!((state.life, state.pid), (Life::Running, Some(7)));
    assert_eq!(stage(state, "a"), [1, 0, 0, 0]);
    assert_eq!(stage(state, "b"), [1, 1, 1, 0]);
    assert_eq!(stage(state, "c"), [0, 0, 0, 3]);
    assert_eq!(state.counts(), [7, 2, 1]);
    assert_eq!(state.failures[0].message, "no luck");
    assert_eq!(state.running[0].axes["seed"], 2);
}

#[test]
fn nodes_that_came_out_equal_are_done_together() {
    let (_dir, store) = scratch();
    let mut same = event("same", "c", 1, json!({}));
    same["key"] = json!(key("c0"));
    let _lives = record(&store, "r", &[started("x"), job_started("c", 0), same]);
    assert_eq!(stage(&look(&store)[0], "c"), [0, 2, 0, 1]);
    let _lives = record(&store, "r", &[ended("c", 0, "done", json!(1.0))]);
    assert_eq!(stage(&look(&store)[0], "c"), [2, 0, 0, 1]);
}

#[test]
fn an_action_tried_again_or_made_elsewhere_counts_once() {
    let (_dir, store) = scratch();
    let _lives = record(
        &store,
        "r",
        &[
            started("x"),
            job_started("b", 0),
            ended("b", 0, "retried", json!({})),
            job_started("b", 0),
            event(
                "waiting",
                "b",
                1,
                json!({"holder": {"pid": 3, "host": "there", "since": "noon", "run": "q"}}),
            ),
            ended("b", 2, "already_there", json!(null)),
        ],
    );
    let state = &look(&store)[0];
    assert_eq!(stage(state, "b"), [1, 2, 0, 0]);
    let waits: Vec<_> = state.running.iter().filter_map(|job| job.waits_for.clone()).collect();
    assert_eq!(waits, ["process 3 on there since noon (run q)"]);
}

#[test]
fn a_run_without_a_last_word_is_killed_once_its_mark_is_gone() {
    let (_dir, store) = scratch();
    let lives = record(&store, "r", &[started("x"), job_started("b", 0)]);
    assert_eq!(look(&store)[0].life, Life::Running);
    drop(lives);
    let state = &look(&store)[0];
    assert_eq!(
        (state.life, state.running.len(), state.seconds_left),
        (Life::Killed, 0, None)
    );
    assert_eq!(stage(state, "b"), [0, 0, 0, 3], "what it ran is left to do");
}

#[test]
fn a_run_that_ended_says_how() {
    let (_dir, store) = scratch();
    drop(record(
        &store,
        "r",
        &[started("x"), json!({"event": "finished", "interrupted": true})],
    ));
    drop(record(&store, "s", &[started("y"), json!({"event": "finished"})]));
    let lives: Vec<Life> = look(&store).iter().map(|state| state.life).collect();
    assert_eq!(lives, [Life::Interrupted, Life::Finished]);
}

#[test]
fn of_each_experiment_the_newest_run_is_told_and_every_living_one() {
    let (_dir, store) = scratch();
    let _lives = record(&store, "1", &[started("x")]);
    drop(record(&store, "2", &[started("x")]));
    drop(record(&store, "3", &[started("x")]));
    drop(record(&store, "4", &[started("y")]));
    let names: Vec<String> = look(&store).into_iter().map(|state| state.run).collect();
    assert_eq!(names, ["1", "3", "4"]);
}

/// Progress of the job `b` with seed 0.
fn progress(store: &Store, done: u64) {
    let dir = store.attempt_dir(&key("b0"), 1);
    fs::create_dir_all(&dir).unwrap();
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(dir.join("events.jsonl"))
        .unwrap();
    let event = json!({"event": "progress", "done": done, "total": 30, "unit": "epoch", "values": {"loss": 2.5}});
    writeln!(file, "{event}").unwrap();
}

#[test]
fn a_training_tells_its_position_and_time_left_from_where_its_attempt_began() {
    let (_dir, store) = scratch();
    let mut since = job_started("b", 0);
    since["at"] = json!("2026-01-01T00:00:00Z");
    let _lives = record(&store, "r", &[started("x"), since]);
    let mut monitor = Monitor::new(&store);
    assert_eq!(monitor.look().unwrap()[0].running[0].position, None);
    progress(&store, 10);
    assert_eq!(
        monitor.look().unwrap()[0].running[0].seconds_left,
        None,
        "one mark gives no pace"
    );
    progress(&store, 20);
    let job = monitor.look().unwrap()[0].running[0].clone();
    assert_eq!(job.position.unwrap().values["loss"], 2.5);
    // Ten epochs took all the time until now, ten are left.
    assert_eq!(job.seconds_left, Some(job.seconds));
}

#[test]
fn time_left_is_work_over_jobs_but_not_less_than_the_longest_chain() {
    let (_dir, store) = scratch();
    let took = |seconds: f64| {
        [
            started("x"),
            event("cached", "a", 0, json!({})),
            ended("b", 0, "done", json!(10.0)),
            ended("c", 0, "done", json!(seconds)),
        ]
    };
    // Two of each are left: 2·10 + 2·4 on two jobs, a chain of 10 + 4.
    let _lives = record(&store, "r", &took(4.0));
    assert_eq!(look(&store)[0].seconds_left, Some(14.0));
    let _lives = record(
        &store,
        "s",
        &[&took(40.0)[..], &[ended("b", 1, "done", json!(10.0))]].concat(),
    );
    // 10 + 2·40 on two jobs are 45, the chain is 50.
    assert_eq!(look(&store)[1].seconds_left, Some(50.0));
}

#[test]
fn of_a_stage_that_nobody_ever_ran_no_time_is_told() {
    let (_dir, store) = scratch();
    let _lives = record(&store, "r", &[started("x")]);
    assert_eq!(look(&store)[0].seconds_left, None);
}

#[test]
fn events_of_an_older_build_or_torn_ones_are_no_error() {
    let (_dir, store) = scratch();
    let old = json!({"event": "started", "experiment": "x", "build": "b"});
    let _lives = record(&store, "r", &[old, event("cached", "a", 0, json!({}))]);
    let path = store.run_dir("r").join("events.jsonl");
    File::options()
        .append(true)
        .open(path)
        .unwrap()
        .write_all(b"rubbish\n{\"event\":")
        .unwrap();
    let state = &look(&store)[0];
    assert_eq!((state.experiment.as_str(), state.stages.len()), ("x", 0));
}

#[test]
fn of_two_runs_in_one_second_the_one_that_wrote_last_is_the_newest() {
    let (_dir, store) = scratch();
    drop(record(&store, "20260101T000000Z-b", &[started("x")]));
    drop(record(
        &store,
        "20260101T000000Z-a",
        &[started("x"), json!({"event": "finished"})],
    ));
    let written = |run: &str, seconds: u64| {
        let file = File::options()
            .append(true)
            .open(store.run_dir(run).join("events.jsonl"))
            .unwrap();
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        file.set_modified(at).unwrap();
    };
    written("20260101T000000Z-b", 10);
    written("20260101T000000Z-a", 20);
    let lives: Vec<Life> = look(&store).iter().map(|state| state.life).collect();
    assert_eq!(lives, [Life::Finished]);
}
