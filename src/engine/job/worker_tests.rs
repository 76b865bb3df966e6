use super::super::testing::job;
use super::*;
use crate::job::InputFile;
use crate::store::testing::{damage, put, scratch};
use std::cell::Cell;
use tempfile::TempDir;

struct Bench {
    _dir: TempDir,
    store: Store,
    job: Job,
    attempt: Attempt,
}

fn bench() -> Bench {
    let (dir, store) = scratch();
    let mut job = job(store.root());
    let attempt = store.new_attempt(&job.key).unwrap();
    job.attempt = attempt.number();
    Bench {
        _dir: dir,
        store,
        job,
        attempt,
    }
}

impl Bench {
    fn run(&self, runner: &Runner<'_>) -> Outcome {
        fs::write(
            self.attempt.dir().join("job.json"),
            serde_json::to_vec(&self.job).unwrap(),
        )
        .unwrap();
        let result = Worker::new("test", runner, Arc::default())
            .keep_output()
            .run_job(self.attempt.dir())
            .unwrap();
        let read: JobResult =
            serde_json::from_slice(&fs::read(self.attempt.dir().join("result.json")).unwrap()).unwrap();
        assert_eq!(
            (&read.nonce, read.key, read.attempt),
            (&self.job.nonce, self.job.key, self.job.attempt)
        );
        result.outcome
    }

    fn fails(&self, runner: &Runner<'_>) -> Failure {
        match self.run(runner) {
            Outcome::Failed(failure) => failure,
            other => panic!("{other:?}"),
        }
    }

    fn input(&mut self, bytes: &[u8]) -> Digest {
        let digest = put(&self.store, bytes);
        let path = self.store.object_path(&digest);
        let input = InputFile {
            axes: Default::default(),
            digest,
            artifact: "points".into(),
            path,
        };
        self.job.inputs.entry("points".into()).or_default().push(input);
        digest
    }
}

fn write_score(context: &JobContext) -> Result<(), Failure> {
    fs::write(context.output("score")?, "{\"acc\": 1}")?;
    Ok(())
}

fn unreachable(_: &JobContext) -> Result<(), Failure> {
    panic!("the stage must not run")
}

#[test]
fn a_job_publishes_its_outputs_and_loses_its_checkpoints() {
    let bench = bench();
    let outcome = bench.run(&|context| {
        fs::write(context.checkpoints_dir()?.join("a"), "state")?;
        context.library("libtorch", "2.11.0");
        write_score(context)
    });
    assert!(matches!(outcome, Outcome::Published));
    let manifest = bench.store.lookup(&bench.job.key).unwrap();
    assert_eq!(manifest.values["score"], serde_json::json!({"acc": 1}));
    assert_eq!(manifest.provenance.libraries["libtorch"], "2.11.0");
    assert_eq!(manifest.provenance.attempt, 1);
    assert!(!bench.store.checkpoints_dir(&bench.job.key).exists());
}

#[test]
fn a_failed_job_publishes_nothing_and_keeps_its_checkpoints() {
    let bench = bench();
    let failure = bench.fails(&|context| {
        fs::write(context.checkpoints_dir()?.join("a"), "state")?;
        write_score(context)?;
        Err(Failure::stage("no cluster was found"))
    });
    assert_eq!(failure, Failure::stage("no cluster was found"));
    assert!(bench.store.lookup(&bench.job.key).is_none());
    assert!(bench.store.checkpoints_dir(&bench.job.key).join("a").exists());
}

#[test]
fn a_panic_is_a_bug_with_its_place() {
    let failure = bench().fails(&|_| panic!("index 3 is out of range"));
    assert_eq!(failure.kind, FailureKind::Bug);
    assert!(
        failure.message.contains("index 3") && failure.message.contains("worker_tests.rs"),
        "{failure}"
    );
}

#[test]
fn a_stage_that_stops_when_asked_is_interrupted_and_not_failed() {
    let bench = bench();
    fs::write(bench.attempt.dir().join(super::super::STOP), "").unwrap();
    let outcome = bench.run(&|context| {
        if context.should_stop() {
            Err(context.interrupted())
        } else {
            Ok(())
        }
    });
    assert!(matches!(outcome, Outcome::Interrupted));
}

#[test]
fn a_stage_that_finishes_although_asked_to_stop_is_published() {
    let bench = bench();
    fs::write(bench.attempt.dir().join(super::super::STOP), "").unwrap();
    assert!(matches!(bench.run(&write_score), Outcome::Published));
}

#[test]
fn a_result_that_is_there_is_taken_unless_forced() {
    let mut bench = bench();
    bench.run(&write_score);
    assert!(matches!(bench.run(&unreachable), Outcome::AlreadyThere));
    bench.job.force = true;
    let ran = Cell::new(false);
    let outcome = bench.run(&|context| {
        ran.set(true);
        write_score(context)
    });
    assert!(ran.get() && matches!(outcome, Outcome::Published));
}

#[test]
fn a_forced_job_that_was_interrupted_goes_on_from_its_checkpoint() {
    let mut bench = bench();
    bench.run(&write_score);
    bench.job.force = true;
    let outcome = bench.run(&|context| {
        fs::write(context.checkpoints_dir()?.join("a"), "state")?;
        Err(context.interrupted())
    });
    assert!(matches!(outcome, Outcome::Interrupted));
    let outcome = bench.run(&|context| {
        assert!(context.checkpoints_dir()?.join("a").exists());
        write_score(context)
    });
    assert!(matches!(outcome, Outcome::Published), "{outcome:?}");
    assert!(!bench.store.checkpoints_dir(&bench.job.key).exists());
}

#[test]
fn an_action_whose_result_is_of_a_newer_build_is_refused_before_it_runs() {
    let bench = bench();
    let place = format!("actions/{}.json", bench.job.key.sharded());
    disk::write_atomic(&bench.store.root().join(place), br#"{"version": 99}"#).unwrap();
    let failure = bench.fails(&unreachable);
    assert!(failure.message.contains("newer moelab"), "{failure}");
}

#[test]
fn the_end_of_a_single_job_is_its_exit_code() {
    let codes = [
        (Outcome::Published, 0),
        (Outcome::AlreadyThere, 0),
        (Outcome::Failed(Failure::stage("x")), 3),
        (Outcome::Busy, 4),
        (Outcome::InputsGone("x".into()), 4),
        (Outcome::Interrupted, 130),
    ];
    for (outcome, code) in codes {
        assert_eq!(outcome.exit_code(), code, "{outcome:?}");
    }
}

#[test]
fn a_runner_of_another_build_or_protocol_is_refused() {
    for change in [
        |job: &mut Job| job.build = "old".into(),
        |job: &mut Job| job.protocol += 1,
    ] {
        let mut bench = bench();
        change(&mut bench.job);
        let failure = bench.fails(&unreachable);
        assert_eq!(failure.kind, FailureKind::Worker);
        assert!(failure.message.contains("another build"), "{failure}");
    }
}

#[test]
fn a_job_whose_key_is_not_that_of_its_action_is_refused() {
    let mut bench = bench();
    bench.job.action.version += 1;
    assert_eq!(bench.fails(&unreachable).kind, FailureKind::Bug);
}

#[test]
fn damaged_inputs_are_set_aside_all_at_once_and_missing_ones_named() {
    let mut bench = bench();
    let gone = |bench: &Bench| match bench.run(&unreachable) {
        Outcome::InputsGone(what) => what,
        other => panic!("{other:?}"),
    };
    let inputs = [bench.input(b"bytes"), bench.input(b"more"), bench.input(b"whole")];
    damage(&bench.store, &inputs[0], b"bytez");
    damage(&bench.store, &inputs[1], b"moor");
    assert_eq!(gone(&bench).matches("was damaged and is set aside").count(), 2);
    let sizes = inputs.map(|digest| bench.store.object_size(&digest));
    assert_eq!(sizes, [None, None, Some(5)]);
    assert_eq!(gone(&bench).matches("missing or was evicted").count(), 2);
}

#[test]
fn a_stage_that_edits_its_input_publishes_nothing() {
    let mut bench = bench();
    let digest = bench.input(b"bytes");
    let failure = bench.fails(&|context| {
        damage(&bench.store, &context.input("points")?.digest, b"bytez");
        write_score(context)
    });
    assert_eq!(failure.kind, FailureKind::BadInput);
    assert!(bench.store.lookup(&bench.job.key).is_none());
    damage(&bench.store, &digest, b"bytes");
    assert!(matches!(bench.run(&write_score), Outcome::Published));
}

#[test]
fn a_missing_output_fails_the_stage() {
    let failure = bench().fails(&|_| Ok(()));
    assert_eq!(failure.kind, FailureKind::Stage);
    assert!(failure.message.contains("`score`"), "{failure}");
}

#[test]
fn an_action_that_another_process_runs_is_left_to_it() {
    let bench = bench();
    let lock = bench
        .store
        .try_lock(&bench.job.key, &Holder::this_process("r"))
        .unwrap();
    assert!(matches!(bench.run(&unreachable), Outcome::Busy));
    drop(lock);
    assert!(matches!(bench.run(&write_score), Outcome::Published));
}

#[test]
fn the_way_it_dealt_with_memory_is_provenance_and_not_part_of_the_result() {
    let published = |memory| {
        let mut bench = bench();
        bench.job.memory = memory;
        bench.run(&|context| {
            assert_eq!(context.saves_memory(), memory == Memory::Saver);
            context.device_memory(1 << 30);
            write_score(context)
        });
        bench.store.lookup(&bench.job.key).unwrap()
    };
    let (normal, saver) = (published(Memory::Normal), published(Memory::Saver));
    assert_eq!((normal.key(), &normal.outputs), (saver.key(), &saver.outputs));
    assert_eq!(normal.provenance.libraries.get("memory"), None);
    assert_eq!(saver.provenance.libraries["memory"], "saver");
    assert_eq!(saver.provenance.libraries["device_memory"], "1073741824");
}

#[test]
fn folders_come_as_lines_and_one_without_a_job_ends_the_worker() {
    let bench = bench();
    fs::write(
        bench.attempt.dir().join("job.json"),
        serde_json::to_vec(&bench.job).unwrap(),
    )
    .unwrap();
    let worker = Worker::new("test", &write_score, Arc::default()).keep_output();
    let lines = format!("{0}\n{0}\n", bench.attempt.dir().display());
    worker.serve(lines.as_bytes()).unwrap();
    assert!(bench.store.lookup(&bench.job.key).is_some());
    let error = worker.serve(&b"/nowhere\n"[..]).unwrap_err();
    assert!(error.to_string().contains("/nowhere/job.json"), "{error}");
}

#[test]
fn a_disk_that_a_library_says_is_full_is_told_from_other_errors_of_the_stage() {
    let said = |message: &'static str| bench().fails(&move |_| Err(Failure::stage(message)));
    let full = said("cannot write x: I/O error: No space left on device (os error 28)");
    assert_eq!(full.kind, FailureKind::DiskFull);
    assert!(
        full.message.contains("cannot write x") && full.message.contains("free some space"),
        "{full}"
    );
    assert_eq!(said("cannot read x: (os error 2)").kind, FailureKind::Stage);
}
