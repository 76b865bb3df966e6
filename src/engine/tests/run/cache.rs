//! What runs, and what need not.

use super::lab::{Lab, Log, behaves, empty, says};
use moelab_engine::digest::Digest;
use moelab_engine::job::FailureKind;
use moelab_engine::run::{Ended, JobInfo, Observer, Question, Status, plan_status};
use moelab_engine::store::Selection;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[test]
fn a_chain_runs_once_and_is_cached_after() {
    let mut lab = Lab::new();
    let a = lab.stage("a", says("a"), &[]);
    let b = lab.stage("b", says("b"), &[a]);
    lab.stage("c", says("c"), &[a, b]);
    let mut log = Log::default();
    let first = lab.watched(&mut log);
    assert_eq!(
        (first.executed, first.cached, first.exit_code()),
        (3, 0, 0),
        "{first:?}"
    );
    assert_eq!(lab.made("c"), "c(a)(b(a))");
    assert!(
        log.events
            .iter()
            .any(|e| e.contains(r#""unit":"step","values":{"loss":0.5}"#)),
        "{:?}",
        log.events
    );
    // A worker that is not there is not missed.
    lab.options.worker.program = "/nowhere".into();
    let second = lab.run();
    assert_eq!(
        (second.executed, second.cached, second.exit_code()),
        (0, 3, 0),
        "{second:?}"
    );
}

#[test]
fn equal_actions_run_once() {
    let mut lab = Lab::new();
    let a = lab.stage("a", says("same"), &[]);
    let b = lab.stage("b", says("same"), &[]);
    lab.stage("c", says("c"), &[a]);
    lab.stage("d", says("c"), &[b]);
    let report = lab.run();
    assert_eq!((report.executed, report.cached), (2, 0));
}

#[test]
fn a_changed_setting_runs_what_depends_on_it_and_equal_bytes_stop_the_wave() {
    let mut lab = Lab::new();
    let plan = |lab: &mut Lab, n: i64, other: &str| {
        lab.plan = empty();
        let a = lab.stage("a", json!({"text": "a", "n": n}), &[]);
        lab.stage("b", says("b"), &[a]);
        lab.stage("other", says(other), &[]);
    };
    plan(&mut lab, 1, "x");
    assert_eq!(lab.run().executed, 3);
    plan(&mut lab, 2, "x");
    let report = lab.run();
    assert_eq!(
        (report.executed, report.cached),
        (1, 2),
        "a gives the same data, so b stays"
    );
    plan(&mut lab, 2, "y");
    let report = lab.run();
    assert_eq!((report.executed, report.cached), (1, 2));
}

#[test]
fn a_value_feeds_a_setting_and_equals_the_literal() {
    let mut lab = Lab::new();
    let a = lab.stage("a", json!({"text": "a", "n": 12}), &[]);
    let b = lab.stage("b", says("b"), &[]);
    lab.feed(a, b);
    lab.stage("literal", json!({"text": "b", "n": 12}), &[]);
    let report = lab.run();
    assert_eq!(report.executed, 2, "{report:?}");
}

#[test]
fn only_the_stages_asked_for_run_with_what_they_need() {
    let mut lab = Lab::new();
    let a = lab.stage("a", says("a"), &[]);
    let b = lab.stage("b", says("b"), &[a]);
    lab.stage("c", says("c"), &[b]);
    lab.options.wanted = Some([b].into());
    let report = lab.run();
    assert_eq!((report.executed, report.not_started, report.exit_code()), (2, 0, 0));
}

#[test]
fn a_forced_stage_runs_again_and_its_first_result_stands() {
    let mut lab = Lab::new();
    let a = lab.stage("a", behaves("a", "noise"), &[]);
    lab.stage("b", says("b"), &[a]);
    lab.run();
    let before = lab.made("b");
    lab.options.force = vec!["a".into()];
    let report = lab.run();
    assert_eq!((report.executed, report.cached), (1, 1), "{report:?}");
    assert_eq!(lab.made("b"), before);
    let divergent: usize = lab
        .store
        .manifests()
        .values()
        .map(|manifest| manifest.divergent.len())
        .sum();
    assert_eq!(divergent, 1);
}

#[test]
fn a_forced_stage_runs_again_also_under_the_name_of_one_that_equals_it() {
    let mut lab = Lab::new();
    let wide = lab.stage("wide", says("a"), &[]);
    lab.name(wide, "twin");
    lab.stage("b", says("b"), &[wide]);
    lab.run();
    lab.options.force = vec!["twin".into()];
    let forced = ask(&lab, &lab.options.force);
    assert_eq!(forced[0], (Status::WillRun, "forced".into()));
    let report = lab.run();
    assert_eq!((report.executed, report.cached), (1, 1), "{report:?}");
}

/// Which of two nodes that turn out equal is seen first must not matter.
#[test]
fn force_reaches_an_action_through_each_of_its_nodes() {
    for force in ["found", "literal"] {
        let mut lab = Lab::new();
        let a = lab.stage("a", json!({"text": "a", "n": 12}), &[]);
        let found = lab.stage("found", says("b"), &[]);
        lab.feed(a, found);
        lab.stage("literal", json!({"text": "b", "n": 12}), &[]);
        lab.stage("c", says("c"), &[found]);
        assert_eq!(lab.run().executed, 3);
        lab.options.force = vec![force.into()];
        let forced = (Status::WillRun, "forced".to_owned());
        assert_eq!(ask(&lab, &lab.options.force)[1..3], [forced.clone(), forced]);
        let report = lab.run();
        assert_eq!((report.executed, report.cached), (1, 2), "{force}: {report:?}");
    }
}

#[test]
fn lost_bytes_are_made_again_when_somebody_reads_them_and_only_then() {
    let mut lab = Lab::new();
    let a = lab.stage("a", says("a"), &[]);
    lab.stage("b", says("b"), &[a]);
    lab.run();
    let manifest = lab
        .results("echo")
        .into_iter()
        .find(|m| m.action.inputs.is_empty())
        .unwrap();
    evict(&lab);

    let report = lab.run();
    assert_eq!((report.executed, report.cached), (0, 2), "nobody reads it");
    lab.stage("c", says("c"), &[a]);
    let report = lab.run();
    assert_eq!((report.executed, report.cached), (2, 1), "{report:?}");
    assert!(lab.store.lookup(&manifest.key()).unwrap().complete());
}

#[test]
fn bytes_that_several_actions_wait_for_are_made_again_once() {
    for jobs in [1, 3] {
        let mut lab = Lab::new();
        lab.options.jobs = jobs;
        let a = lab.stage("a", says("a"), &[]);
        lab.run();
        evict(&lab);
        for name in ["b", "c", "d"] {
            lab.stage(name, says(name), &[a]);
        }
        let report = lab.run();
        assert_eq!((report.executed, report.failed), (4, 0), "{jobs} jobs: {report:?}");
    }
}

/// Writes other bytes over the data that a stage of this text made.
fn damage(lab: &Lab, text: &str) {
    spoil(&lab.store.object_path(&Digest::of(text.as_bytes())));
}

fn spoil(object: &Path) {
    let length = fs::metadata(object).unwrap().len() as usize;
    fs::remove_file(object).unwrap();
    // Of the same length, or the plan would see it already.
    fs::write(object, "?".repeat(length)).unwrap();
}

#[test]
fn damaged_inputs_are_made_again_however_many_an_action_reads() {
    let mut lab = Lab::new();
    let (a, b) = (lab.stage("a", says("a"), &[]), lab.stage("b", says("b"), &[]));
    lab.run();
    damage(&lab, "a");
    damage(&lab, "b");
    lab.stage("c", says("reads "), &[a, b]);
    let mut log = Log::default();
    let report = lab.watched(&mut log);
    assert_eq!((report.executed, report.failed), (3, 0), "{report:?}");
    assert_eq!(lab.made("reads"), "reads (a)(b)");
    assert!(log.notes.iter().any(|note| note.contains("damaged")), "{:?}", log.notes);
}

/// Of readers that start together one finds the damage, and the others find nothing or what was made again meanwhile.
#[test]
fn a_damaged_input_is_made_again_for_all_who_read_it_together() {
    for _ in 0..10 {
        let mut lab = Lab::new();
        lab.options.jobs = 4;
        let a = lab.stage("a", says("a"), &[]);
        lab.run();
        damage(&lab, "a");
        for name in ["b", "c", "d", "e"] {
            lab.stage(name, says(name), &[a]);
        }
        let report = lab.run();
        assert_eq!((report.executed, report.failed), (5, 0), "{report:?}");
    }
}

/// Damages an object whenever a job of some stage ends some way.
struct Spoils {
    object: PathBuf,
    stage: &'static str,
    when: fn(&Ended) -> bool,
}

impl Observer for Spoils {
    fn job_finished(&mut self, job: &JobInfo, ended: &Ended) {
        if job.stage == self.stage && (self.when)(ended) {
            spoil(&self.object);
        }
    }
}

#[test]
fn bytes_that_are_damaged_each_time_are_said_to_be_damaged() {
    let mut lab = Lab::new();
    let a = lab.stage("a", says("a"), &[]);
    lab.stage("b", says("b"), &[a]);
    let mut spoils = Spoils {
        object: lab.store.object_path(&Digest::of(b"a")),
        stage: "a",
        when: |ended| matches!(ended, Ended::Done { .. }),
    };
    let report = lab.watched(&mut spoils);
    assert_eq!((report.executed, report.failed), (1, 1), "{report:?}");
    let failure = &report.failures[0];
    assert_eq!((failure.stage.as_str(), failure.kind), ("b", FailureKind::StoreDamaged));
    assert!(failure.message.contains("damaged again"), "{report:?}");
}

#[test]
fn an_action_whose_inputs_are_made_again_keeps_what_it_needs_of_memory() {
    let mut lab = Lab::new();
    let a = lab.stage("a", says("a"), &[]);
    lab.stage("b", behaves("b", "out_of_memory_unless_alone"), &[a]);
    let mut spoils = Spoils {
        object: lab.store.object_path(&Digest::of(b"a")),
        stage: "b",
        when: |ended| matches!(ended, Ended::Retried { .. }),
    };
    let report = lab.watched(&mut spoils);
    assert_eq!(
        (report.executed, report.failed, report.retried),
        (2, 0, 1),
        "{report:?}"
    );
}

#[test]
fn evicted_bytes_that_come_back_otherwise_fail_their_reader_with_advice() {
    let mut lab = Lab::new();
    let a = lab.stage("a", behaves("a", "noise"), &[]);
    lab.run();
    let key = lab.results("echo").remove(0).key();
    evict(&lab);
    lab.stage("b", says("b"), &[a]);
    let report = lab.run();
    assert_eq!((report.executed, report.failed), (1, 1), "{report:?}");
    assert!(report.failures[0].message.contains("other bytes"), "{report:?}");
    let manifest = lab.store.lookup(&key).unwrap();
    assert_eq!((manifest.divergent.len(), manifest.complete()), (1, false));
}

/// Gives up the data of all results.
pub fn evict(lab: &Lab) {
    let roles = vec!["points".to_owned()];
    let done = lab
        .store
        .gc(&Selection {
            roles,
            ..Selection::default()
        })
        .unwrap();
    assert!(!done.evicted.is_empty() && done.kept.is_empty(), "{done}");
}

/// What a run would do with each node, and why.
fn ask(lab: &Lab, force: &[String]) -> Vec<(Status, String)> {
    let (registry, question) = (super::lab::registry(), Question { wanted: None, force });
    let mut all = plan_status(&lab.plan, &registry, Some(&lab.store), &lab.options.data, question);
    all.sort_by_key(|one| one.node);
    all.into_iter().map(|one| (one.status, one.why)).collect()
}

#[test]
fn a_plan_tells_who_runs_again_for_bytes_that_others_need() {
    let mut lab = Lab::new();
    let a = lab.stage("a", says("a"), &[]);
    let b = lab.stage("b", says("b"), &[a]);
    lab.stage("unread", says("d"), &[b]);
    lab.run();
    evict(&lab);
    let cached = (Status::Cached, String::new());
    assert_eq!(ask(&lab, &[]), vec![cached.clone(); 3], "nobody reads it");
    lab.stage("c", says("c"), &[b]);
    let needed = (
        Status::WillRun,
        "its bytes are needed and are not in the store".to_owned(),
    );
    let planned = ask(&lab, &[]);
    assert_eq!(planned[..3], [needed.clone(), needed, cached]);
    assert_eq!(planned[3].0, Status::WillRun);
    let report = lab.run();
    assert_eq!((report.executed, report.cached), (3, 1), "{report:?}");
}

#[test]
fn the_status_of_a_plan_is_what_a_run_would_do() {
    let mut lab = Lab::new();
    let a = lab.stage("a", says("a"), &[]);
    lab.stage("b", says("b"), &[a]);
    assert_eq!(
        ask(&lab, &[]),
        [
            (Status::WillRun, "never run".into()),
            (Status::Waiting, "waits for a".into())
        ]
    );
    lab.run();
    assert_eq!(
        ask(&lab, &[]),
        [(Status::Cached, String::new()), (Status::Cached, String::new())]
    );
    assert_eq!(ask(&lab, &["b".into()])[1], (Status::WillRun, "forced".into()));
    let key = lab
        .results("echo")
        .into_iter()
        .find(|m| m.action.inputs.is_empty())
        .unwrap()
        .key();
    let path = lab.store.root().join(format!("actions/{}.json", key.sharded()));
    let whole = fs::read(&path).unwrap();
    fs::write(&path, "{").unwrap();
    let damaged = "its record in the store is damaged".to_owned();
    assert_eq!(ask(&lab, &[])[0], (Status::WillRun, damaged));
    fs::write(&path, whole).unwrap();
    Arc::make_mut(&mut lab.plan.graph[a].settings)["n"] = json!(5);
    assert_eq!(ask(&lab, &[])[0], (Status::WillRun, "n 1 → 5".into()));
}

#[test]
fn a_run_leaves_its_spec_events_and_report() {
    let mut lab = Lab::new();
    lab.stage("a", says("a"), &[]);
    lab.options.spec_text = "experiment: x\n".into();
    let report = lab.run();
    let dir = lab.store.run_dir(&report.run);
    assert_eq!(fs::read_to_string(dir.join("spec.yaml")).unwrap(), "experiment: x\n");
    let events = fs::read_to_string(dir.join("events.jsonl")).unwrap();
    assert!(
        events.contains("job_started") && events.contains("job_ended"),
        "{events}"
    );
    assert!(dir.join("report.json").exists());
}

#[test]
fn a_large_cached_plan_starts_no_worker() {
    let mut lab = Lab::new();
    for i in 0..20 {
        let a = lab.stage("a", says(&format!("a{i}")), &[]);
        lab.stage("b", says(&format!("b{i}")), &[a]);
    }
    assert_eq!(lab.run().executed, 40);
    lab.options.worker.program = "/nowhere".into();
    let report = lab.run();
    assert_eq!((report.executed, report.cached), (0, 40));
}
