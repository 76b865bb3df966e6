mod selection;

use super::super::failpoint;
use super::super::testing::{action, damage, entry, publish, publish_with, put, record_run, scratch};
use super::*;
use crate::key::InputKey;
use std::fs;
use std::os::unix::fs::symlink;

const LONG_AGO: &str = "2001-01-01T00:00:00Z";

fn garbage() -> Selection {
    Selection::default()
}

/// Outputs called `data`, whatever their size.
fn data() -> Selection {
    Selection {
        roles: vec!["points".into()],
        ..Selection::default()
    }
}

fn is_there(store: &Store, bytes: &[u8]) -> bool {
    store.object_size(&Digest::of(bytes)).is_some()
}

/// Changes what a manifest says of its making.
fn made(store: &Store, n: i64, change: impl FnOnce(&mut super::super::Provenance)) {
    let mut manifest = store.manifest(&action(n).digest()).unwrap();
    change(&mut manifest.provenance);
    let lock = store
        .try_lock(&manifest.key(), &Holder::this_process("t"))
        .unwrap()
        .unwrap();
    store.rewrite_manifest(&lock, &manifest).unwrap();
}

/// Publishes `n` with these data, as an experiment's stage that took some seconds long ago.
fn result(store: &Store, n: i64, bytes: &str, experiment: &str, seconds: f64) {
    publish(store, &action(n), Some(bytes), Some("1")).unwrap();
    made(store, n, |provenance| {
        provenance.origin.experiment = experiment.into();
        provenance.origin.stage = format!("stage{n}");
        provenance.started = LONG_AGO.into();
        provenance.seconds = seconds;
    });
}

#[test]
fn garbage_goes_and_results_stay() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    put(&store, b"nobody's");
    let leftover = store.object_path(&Digest::of(b"a")).with_file_name(".tmp-damaged-x");
    fs::write(&leftover, "half").unwrap();
    let plan = store.gc_plan(&garbage()).unwrap();
    assert!(
        is_there(&store, b"nobody's") && leftover.exists(),
        "a plan removes nothing"
    );
    let done = store.gc(&garbage()).unwrap();
    assert!(!is_there(&store, b"nobody's") && !leftover.exists());
    assert_eq!((done.unreferenced, done.leftovers), (plan.unreferenced, plan.leftovers));
    assert_eq!(
        (done.unreferenced.bytes, done.leftovers.bytes, done.freed()),
        (8, 4, 12)
    );
    assert!(store.lookup(&action(1).digest()).unwrap().complete());
    assert_eq!(store.gc_plan(&garbage()).unwrap().freed(), 0, "once is enough");
}

#[test]
fn other_bytes_of_a_later_attempt_are_no_garbage_and_are_evicted_with_their_result() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("first"), Some("1")).unwrap();
    publish(&store, &action(1), Some("second"), Some("1")).unwrap();
    store.gc(&garbage()).unwrap();
    assert!(is_there(&store, b"first") && is_there(&store, b"second"));
    store.gc(&data()).unwrap();
    assert!(!is_there(&store, b"first") && !is_there(&store, b"second"));
    assert!(store.lookup(&action(1).digest()).is_some());
}

#[test]
fn an_evicted_result_is_done_and_comes_back_with_the_same_bytes() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    let done = store.gc(&data()).unwrap();
    assert_eq!((done.evicted.len(), done.evicted_objects.bytes), (1, 1));
    let manifest = store.lookup(&action(1).digest()).expect("still a hit");
    assert!(!manifest.complete() && !is_there(&store, b"a"));
    assert!(is_there(&store, b"1"), "what stands in the manifest is not worth it");
    assert!(!publish(&store, &action(1), Some("a"), Some("1")).unwrap().divergent);
    assert!(store.lookup(&action(1).digest()).unwrap().complete());
    store.gc(&data()).unwrap();
    assert!(publish(&store, &action(1), Some("b"), Some("1")).unwrap().divergent);
}

#[test]
fn what_a_running_job_reads_stays() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    let loose = put(&store, b"loose");
    let attempt = store.new_attempt(&action(2).digest()).unwrap();
    let mut job = crate::job::testing::job(store.root());
    let input = |digest| crate::job::InputFile {
        axes: Default::default(),
        digest,
        artifact: "points".into(),
        path: store.object_path(&digest),
    };
    job.inputs = [("points".to_owned(), vec![input(Digest::of(b"a")), input(loose)])].into();
    fs::write(attempt.dir().join("job.json"), serde_json::to_vec(&job).unwrap()).unwrap();
    let done = store.gc(&data()).unwrap();
    assert!(
        done.evicted.is_empty() && done.kept[0].contains("running job"),
        "{:?}",
        done.kept
    );
    assert!(is_there(&store, b"a") && is_there(&store, b"loose"));
    drop(attempt);
    store.gc(&data()).unwrap();
    assert!(!is_there(&store, b"a") && !is_there(&store, b"loose"));
}

#[test]
fn what_a_running_invocation_counts_on_stays() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    let running = record_run(&store, "r", "x", LONG_AGO, &[action(1).digest()]);
    let done = store.gc(&data()).unwrap();
    assert!(done.evicted.is_empty() && done.kept[0].contains("running invocation"));
    drop(running);
    assert_eq!(store.gc(&data()).unwrap().evicted.len(), 1);
}

#[test]
fn a_result_whose_key_is_locked_is_skipped_and_named() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    let _lock = store
        .try_lock(&action(1).digest(), &Holder::this_process("r"))
        .unwrap()
        .unwrap();
    let done = store.gc(&data()).unwrap();
    assert!(
        done.evicted.is_empty() && done.kept[0].contains("made again"),
        "{:?}",
        done.kept
    );
    assert!(store.lookup(&action(1).digest()).unwrap().complete());
}

#[test]
fn a_death_between_evicting_and_removing_leaves_garbage_and_no_damage() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    let plan = store.gc_plan(&data()).unwrap();
    store.evict(&plan.evicted[0]).unwrap().unwrap();
    assert!(is_there(&store, b"a") && store.verify().unwrap().damages.is_empty());
    assert_eq!(store.gc(&garbage()).unwrap().unreferenced.files, 1);
}

#[test]
fn while_a_manifest_cannot_be_read_no_object_is_removed() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    publish(&store, &action(2), Some("b"), Some("1")).unwrap();
    let path = store.manifest_path(&action(1).digest());
    let whole = fs::read(&path).unwrap();
    for damaged in [&whole[..10], br#"{"version": 99}"#] {
        fs::write(&path, damaged).unwrap();
        let done = store.gc(&data()).unwrap();
        assert!(
            done.kept.iter().any(|why| why.contains("cannot be read")),
            "{:?}",
            done.kept
        );
        assert!(is_there(&store, b"a") && is_there(&store, b"b"));
    }
    fs::write(&path, &whole).unwrap();
    assert!(store.lookup(&action(1).digest()).unwrap().complete());
}

#[test]
fn attempts_of_finished_actions_go_and_those_of_unfinished_ones_only_with_age() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    let (finished, unfinished) = (action(1).digest(), action(2).digest());
    for key in [finished, unfinished] {
        drop(store.new_attempt(&key).unwrap());
        fs::create_dir(store.checkpoints_dir(&key)).unwrap();
        fs::write(store.checkpoints_dir(&key).join("a"), "state").unwrap();
    }
    store.gc(&garbage()).unwrap();
    assert!(!store.checkpoints_dir(&finished).exists());
    assert!(store.attempt_dir(&finished, 1).exists() && !store.attempt_dir(&finished, 2).exists());
    assert!(store.checkpoints_dir(&unfinished).exists());
    let old = |age| Selection {
        unused_for: Some(Duration::from_secs(age)),
        ..garbage()
    };
    store.gc(&old(3600)).unwrap();
    assert!(store.checkpoints_dir(&unfinished).exists());
    let running = store.new_attempt(&unfinished).unwrap();
    store.gc(&old(0)).unwrap();
    assert!(store.checkpoints_dir(&unfinished).exists(), "somebody is at it");
    drop(running);
    store.gc(&old(0)).unwrap();
    assert!(!store.work_dir(&unfinished).exists());
}

#[test]
fn checkpoints_of_an_evicted_result_that_is_being_made_again_go_only_with_age() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    store.gc(&data()).unwrap();
    let checkpoints = store.checkpoints_dir(&action(1).digest());
    fs::create_dir(&checkpoints).unwrap();
    store.gc(&garbage()).unwrap();
    assert!(checkpoints.exists());
    let old = Selection {
        unused_for: Some(Duration::ZERO),
        ..garbage()
    };
    store.gc(&old).unwrap();
    assert!(!checkpoints.exists());
    assert!(
        store.attempt_dir(&action(1).digest(), 1).exists(),
        "its manifest names it"
    );
}

#[test]
fn what_a_manifest_nobody_can_read_tells_of_keeps_its_logs() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    let key = action(1).digest();
    let old = Selection {
        unused_for: Some(Duration::ZERO),
        ..garbage()
    };
    for unreadable in [&br#"{"version": 99}"#[..], b"{"] {
        fs::write(store.manifest_path(&key), unreadable).unwrap();
        store.gc(&old).unwrap();
        assert!(store.attempt_dir(&key, 1).exists());
    }
}

#[test]
fn garbage_goes_although_a_manifest_cannot_be_rewritten() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    put(&store, b"nobody's");
    // A folder in the place of the lock stands for a disk without room for the manifest.
    fs::remove_dir_all(store.work_dir(&action(1).digest())).unwrap();
    fs::create_dir(store.root().join("locks").join(action(1).digest().hex())).unwrap();
    assert!(store.gc(&data()).is_err());
    assert!(is_there(&store, b"a") && !is_there(&store, b"nobody's"));
}

#[test]
fn records_of_invocations_go_with_age_unless_they_still_run() {
    let (_dir, store) = scratch();
    let running = record_run(&store, "r1", "x", LONG_AGO, &[]);
    drop(record_run(&store, "r2", "x", LONG_AGO, &[]));
    store.gc(&garbage()).unwrap();
    assert!(store.run_dir("r2").exists());
    let old = Selection {
        unused_for: Some(Duration::ZERO),
        ..garbage()
    };
    store.gc(&old).unwrap();
    assert!(store.run_dir("r1").exists() && !store.run_dir("r2").exists());
    drop(running);
}

#[test]
fn nothing_outside_the_store_is_removed_through_a_link() {
    let (dir, store) = scratch();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let precious = [".tmp-x".to_owned(), "0".repeat(62), "events.jsonl".to_owned()];
    for name in &precious {
        fs::write(outside.join(name), "").unwrap();
    }
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    drop(store.new_attempt(&action(2).digest()).unwrap());
    for place in [
        store.root().join("objects/00"),
        store.root().join("actions/00"),
        store.root().join("runs/link"),
        store.attempt_dir(&action(2).digest(), 9),
        store.work_dir(&action(3).digest()),
        store.root().join("work/.tmp-link"),
    ] {
        symlink(&outside, place).unwrap();
    }
    let all = Selection {
        unused_for: Some(Duration::ZERO),
        ..garbage()
    };
    store.gc(&all).unwrap();
    for name in &precious {
        assert!(outside.join(name).exists(), "{name}");
    }
}

#[test]
fn without_locks_nothing_is_evicted_and_young_garbage_stays() {
    failpoint::LOCKLESS.set(true);
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    put(&store, b"just adopted, its manifest to come");
    let done = store.gc(&data()).unwrap();
    assert!(done.evicted.is_empty());
    assert!(is_there(&store, b"a") && is_there(&store, b"just adopted, its manifest to come"));
}

#[test]
fn publishers_and_cleaners_at_the_same_time_lose_nothing() {
    let (_dir, store) = scratch();
    let root = store.root().to_owned();
    std::thread::scope(|scope| {
        for start in [0, 100] {
            let root = &root;
            scope.spawn(move || {
                let store = Store::open(root).unwrap();
                for n in start..start + 15 {
                    // Half of the objects are those of the other thread.
                    let data = format!("data {}", n % 100 / 2);
                    publish(&store, &action(n), Some(&data), Some("1")).unwrap();
                }
            });
        }
        scope.spawn(|| {
            let store = Store::open(&root).unwrap();
            for round in 0..8 {
                let selection = if round % 2 == 0 { garbage() } else { data() };
                store.gc(&selection).unwrap();
            }
        });
    });
    let found = store.verify().unwrap();
    assert!(found.damages.is_empty(), "{found}");
    assert_eq!(found.results, 30);
    for n in (0..15).chain(100..115) {
        assert!(store.lookup(&action(n).digest()).is_some(), "{n}");
    }
}

#[test]
fn a_plan_and_a_cleaning_in_words() {
    let (_dir, store) = scratch();
    result(&store, 1, &"a".repeat(200_000), "usps", 4000.0);
    result(&store, 2, &"b".repeat(100_000), "usps", 9.0);
    made(&store, 2, |provenance| provenance.device = "cuda:0".into());
    put(&store, b"nobody's");
    let selection = Selection {
        experiment: Some("usps".into()),
        ..garbage()
    };
    let mut plan = store.gc_plan(&selection).unwrap();
    // Manifests and job folders are of no fixed size.
    plan.before = 400_000;
    insta::assert_snapshot!(plan, @r#"
    objects of no result         1 files          8 B
    usps stage1                  1 results   200.0 kB, made in 1 h 6 min
    usps stage2                  1 results   100.0 kB, made in 9.0 s
    would free 300.0 kB of 400.0 kB
    these results still count as done; whatever reads their bytes again runs up to 2 actions (1 h 6 min when they first ran)
    1 of them ran on an accelerator: other bytes may come out, and then what reads them has to be forced to run again
    nothing was removed: --yes does it
    "#);
    let mut done = store.gc(&garbage()).unwrap();
    done.before = 400_000;
    insta::assert_snapshot!(done, @r#"
    objects of no result         1 files          8 B
    freed 8 B of 400.0 kB
    "#);
}

#[test]
fn a_damaged_object_that_nobody_names_is_garbage_and_one_that_is_named_stays() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    damage(&store, &Digest::of(b"a"), b"x");
    damage(&store, &put(&store, b"nobody's"), b"x");
    store.gc(&garbage()).unwrap();
    assert!(is_there(&store, b"a") && !is_there(&store, b"nobody's"));
}
