//! Which results a selection takes, and in which order.

use super::*;

#[test]
fn a_role_takes_its_outputs_and_no_others() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    let roles = vec!["model".into()];
    let other = Selection { roles, ..garbage() };
    assert!(store.gc(&other).unwrap().evicted.is_empty());
    assert_eq!(store.gc(&data()).unwrap().evicted.len(), 1);
}

#[test]
fn names_that_nothing_has_are_told_with_those_there_are() {
    let (_dir, store) = scratch();
    result(&store, 1, "a", "usps", 1.0);
    let catalogue = store.catalogue().unwrap();
    assert_eq!(data().unknown(&catalogue), None);
    let roles = vec!["points".into(), "weights".into()];
    let said = Selection { roles, ..garbage() }.unknown(&catalogue).unwrap();
    assert_eq!(
        said,
        "nothing in the store is of type `weights`; there are metrics, points"
    );
    let experiment = Some("usp".into());
    let said = Selection {
        experiment,
        ..garbage()
    }
    .unknown(&catalogue)
    .unwrap();
    assert_eq!(said, "nothing in the store is of experiment `usp`; there are usps");
}

#[test]
fn small_outputs_stay_unless_their_role_is_named() {
    let (_dir, store) = scratch();
    let large = "x".repeat(SMALL as usize);
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    publish(&store, &action(2), Some(&large), Some("1")).unwrap();
    let all = Selection {
        unused_for: Some(Duration::ZERO),
        ..garbage()
    };
    store.gc(&all).unwrap();
    assert!(is_there(&store, b"a") && !is_there(&store, large.as_bytes()));
}

#[test]
fn an_age_counts_from_the_last_use() {
    let (_dir, store) = scratch();
    for (n, bytes) in [(1, "old"), (2, "old, used")] {
        result(&store, n, bytes, "x", 1.0);
    }
    publish(&store, &action(3), Some("new"), Some("1")).unwrap();
    let today = super::super::super::time::now();
    drop(record_run(&store, "r", "x", &today, &[action(2).digest()]));
    let old = Selection {
        unused_for: Some(Duration::from_secs(86_400)),
        ..data()
    };
    store.gc(&old).unwrap();
    assert!(!is_there(&store, b"old") && is_there(&store, b"old, used") && is_there(&store, b"new"));
}

#[test]
fn an_experiment_loses_what_it_used_alone() {
    let (_dir, store) = scratch();
    for (n, bytes, experiment) in [(1, "mine", "a"), (2, "shared", "a"), (3, "theirs", "b")] {
        result(&store, n, bytes, experiment, 1.0);
    }
    drop(record_run(&store, "r", "b", LONG_AGO, &[action(2).digest()]));
    let mine = Selection {
        experiment: Some("a".into()),
        ..data()
    };
    store.gc(&mine).unwrap();
    assert!(!is_there(&store, b"mine") && is_there(&store, b"shared") && is_there(&store, b"theirs"));
}

#[test]
fn to_a_size_the_cheapest_bytes_go_first_and_no_more_than_needed() {
    let (_dir, store) = scratch();
    let large = "x".repeat(100_000);
    result(&store, 1, &format!("dear {large}"), "x", 3600.0);
    result(&store, 2, &format!("cheap {large}"), "x", 1.0);
    let before = store.gc_plan(&garbage()).unwrap().before;
    let to = |size| Selection {
        to_size: Some(size),
        ..garbage()
    };
    assert!(store.gc_plan(&to(before)).unwrap().evicted.is_empty());
    let plan = store.gc_plan(&to(before - 1)).unwrap();
    let stages: Vec<_> = plan.evicted.iter().map(|e| e.result.stage.as_str()).collect();
    assert_eq!(stages, ["stage2"]);
    assert_eq!(store.gc_plan(&to(0)).unwrap().evicted.len(), 2);
}

#[test]
fn bytes_that_a_result_keeps_stay_although_another_gives_them_up() {
    let (_dir, store) = scratch();
    result(&store, 1, "same", "a", 1.0);
    result(&store, 2, "same", "b", 1.0);
    let of = |name: &str| Selection {
        experiment: Some(name.into()),
        ..data()
    };
    let done = store.gc(&of("a")).unwrap();
    assert!(
        done.evicted.is_empty() && is_there(&store, b"same"),
        "nothing would be freed"
    );
    assert_eq!(store.gc(&data()).unwrap().evicted_objects, Share { files: 1, bytes: 4 });
}

#[test]
fn bytes_that_two_outputs_of_one_result_share_go_with_it() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("same"), Some("1")).unwrap();
    let mut manifest = store.manifest(&action(1).digest()).unwrap();
    let twin = manifest.outputs["data"].clone();
    manifest.outputs.insert("twin".into(), twin);
    let lock = store
        .try_lock(&manifest.key(), &Holder::this_process("t"))
        .unwrap()
        .unwrap();
    store.rewrite_manifest(&lock, &manifest).unwrap();
    drop(lock);
    let done = store.gc(&data()).unwrap();
    assert_eq!(done.evicted_objects, Share { files: 1, bytes: 4 });
    assert!(!is_there(&store, b"same") && store.lookup(&action(1).digest()).is_some());
}

#[test]
fn the_cost_of_asking_again_counts_what_is_read_and_gone() {
    let (_dir, store) = scratch();
    result(&store, 1, "a", "x", 10.0);
    let mut reader = action(2);
    reader.inputs.insert("points".into(), InputKey::One(Digest::of(b"a")));
    publish_with(&store, &reader, Some("b"), Some("1"), &[Digest::of(b"a")]).unwrap();
    let seconds = entry(&store, &reader.digest()).seconds;
    store
        .gc(&Selection {
            experiment: Some("x".into()),
            ..data()
        })
        .unwrap();
    let plan = store.gc_plan(&data()).unwrap();
    assert_eq!(plan.evicted.len(), 1);
    assert_eq!((plan.recompute.results, plan.recompute.seconds), (2, 10.0 + seconds));
}
