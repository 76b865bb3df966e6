use super::super::Holder;
use super::super::testing::{action, damage, publish, publish_with, put, scratch};
use super::*;
use serde_json::json;

#[test]
fn the_first_publication_wins_and_a_different_second_is_recorded_as_divergent() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("first"), Some("1")).unwrap();
    let second = publish(&store, &action(1), Some("second"), Some("1")).unwrap();
    assert!(second.divergent);
    let manifest = store.lookup(&action(1).digest()).unwrap();
    assert_eq!(manifest, second.manifest);
    assert_eq!(manifest.outputs["data"].digest, Digest::of(b"first"));
    assert_eq!(manifest.provenance.attempt, 1);
    assert_eq!(manifest.divergent.len(), 1);
    assert_eq!(manifest.divergent[0].outputs["data"].digest, Digest::of(b"second"));
    assert!(
        !manifest.divergent[0].outputs.contains_key("score"),
        "only what differs"
    );
    assert_eq!(
        store.read_object(&Digest::of(b"second")).unwrap(),
        b"second",
        "kept for whoever asks"
    );
}

#[test]
fn an_equal_second_publication_changes_nothing() {
    let (_dir, store) = scratch();
    let first = publish(&store, &action(1), Some("same"), Some("1")).unwrap().manifest;
    let second = publish(&store, &action(1), Some("same"), Some("1")).unwrap();
    assert!(!second.divergent);
    assert_eq!(store.lookup(&action(1).digest()).unwrap(), first);
}

#[test]
fn a_missing_output_is_an_error_unless_it_is_optional() {
    let (_dir, store) = scratch();
    let error = publish(&store, &action(1), Some("a"), None).unwrap_err();
    assert!(
        matches!(&error, StoreError::NoOutput { output, .. } if output == "score"),
        "{error}"
    );
    assert!(store.lookup(&action(1).digest()).is_none());
    let manifest = publish(&store, &action(1), None, Some("1")).unwrap().manifest;
    assert_eq!(manifest.outputs.keys().collect::<Vec<_>>(), ["score"]);
}

#[test]
fn a_value_must_be_json() {
    let (_dir, store) = scratch();
    let error = publish(&store, &action(1), None, Some("NaN")).unwrap_err();
    assert!(error.to_string().contains("JSON"), "{error}");
    assert_eq!(error.exit_code(), 3);
}

#[test]
fn a_large_value_stays_out_of_the_manifest() {
    let (_dir, store) = scratch();
    let limit = usize::try_from(LARGEST_VALUE).unwrap();
    let json = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
    let small = publish(&store, &action(1), None, Some(&json(limit))).unwrap().manifest;
    assert!(small.values.contains_key("score"));
    let large = publish(&store, &action(2), None, Some(&json(limit + 1)))
        .unwrap()
        .manifest;
    assert!(large.values.is_empty());
}

#[test]
fn an_output_that_is_a_link_is_refused() {
    let (dir, store) = scratch();
    let attempt = store.new_attempt(&action(1).digest()).unwrap();
    let target = dir.path().join("target");
    fs::write(&target, "1").unwrap();
    fs::create_dir(attempt.dir().join("out")).unwrap();
    std::os::unix::fs::symlink(&target, attempt.output("score")).unwrap();
    let lock = store
        .try_lock(&action(1).digest(), &Holder::this_process("t"))
        .unwrap()
        .unwrap();
    let outputs = [(
        "score".to_owned(),
        Declared {
            artifact: "metrics".into(),
            value: true,
            optional: false,
        },
    )]
    .into();
    let publication = Publication {
        action: &action(1),
        attempt: &attempt,
        outputs: &outputs,
        inputs: &[],
        provenance: Provenance::default(),
        durability: Durability::Later,
    };
    let error = store.publish(&lock, publication).unwrap_err();
    assert!(error.to_string().contains("plain file"), "{error}");
}

#[test]
fn nothing_is_published_if_an_input_changed_meanwhile() {
    let (_dir, store) = scratch();
    let input = put(&store, b"input");
    store.verified_path(&input).unwrap();
    damage(&store, &input, b"inpuT");
    let error = publish_with(&store, &action(1), None, Some("1"), &[input]).unwrap_err();
    assert!(matches!(error, StoreError::InputChanged { .. }), "{error}");
    assert!(store.lookup(&action(1).digest()).is_none());
    damage(&store, &input, b"input");
    publish_with(&store, &action(1), None, Some("1"), &[input]).unwrap();
    assert!(store.lookup(&action(1).digest()).is_some());
}

#[test]
fn a_publication_that_fails_leaves_the_earlier_result() {
    let (_dir, store) = scratch();
    let first = publish(&store, &action(1), Some("a"), Some("1")).unwrap().manifest;
    publish(&store, &action(1), Some("b"), None).unwrap_err();
    let found = store.lookup(&action(1).digest()).unwrap();
    assert_eq!(found, first);
    assert_eq!(store.read_object(&found.outputs["data"].digest).unwrap(), b"a");
}

#[test]
fn job_folders_may_lie_on_another_file_system_than_objects() {
    let Some(elsewhere) = super::super::testing::other_file_system() else {
        eprintln!("left out: this machine has no second file system at /dev/shm");
        return;
    };
    let (_dir, store) = scratch();
    fs::remove_dir(store.root().join("work")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), store.root().join("work")).unwrap();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    assert!(store.lookup(&action(1).digest()).unwrap().complete());
    assert_eq!(store.read_object(&Digest::of(b"a")).unwrap(), b"a");
}

#[test]
fn without_locks_the_first_to_publish_wins() {
    failpoint::LOCKLESS.set(true);
    let (_dir, store) = scratch();
    // Both believe to be alone.
    let lock = || store.try_lock(&action(1).digest(), &Holder::this_process("t")).unwrap();
    let (first, second) = (lock(), lock());
    assert!(first.is_some() && second.is_some());
    publish(&store, &action(1), Some("first"), Some("1")).unwrap();
    assert!(
        publish(&store, &action(1), Some("second"), Some("1"))
            .unwrap()
            .divergent
    );
    let found = store.lookup(&action(1).digest()).unwrap();
    assert_eq!(found.outputs["data"].digest, Digest::of(b"first"));
}

#[test]
fn a_manifest_that_appears_while_one_publishes_stands() {
    let (_dir, store) = scratch();
    let first = publish(&store, &action(1), Some("first"), Some("1")).unwrap().manifest;
    let mut second = first.clone();
    second.outputs.get_mut("data").unwrap().digest = put(&store, b"second");
    let path = store.manifest_path(&first.key());
    assert!(!disk::write_new(&path, &text_of(&second), Durability::Now, || ()).unwrap());
    assert!(store.beside_earlier(second, &path).unwrap().divergent);
    let found = store.lookup(&first.key()).unwrap();
    assert_eq!(found.outputs, first.outputs);
}

#[test]
fn nothing_is_published_through_a_link() {
    let (dir, store) = scratch();
    let shard = store.manifest_path(&action(1).digest());
    let shard = shard.parent().unwrap();
    std::os::unix::fs::symlink(dir.path(), shard).unwrap();
    let before = fs::read_dir(dir.path()).unwrap().count();
    let error = publish(&store, &action(1), Some("a"), Some("1")).unwrap_err();
    assert!(matches!(error, StoreError::Link(_)), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), before);
}

#[test]
fn a_damaged_manifest_is_replaced() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    fs::write(store.manifest_path(&action(1).digest()), "{").unwrap();
    publish(&store, &action(1), Some("b"), Some("1")).unwrap();
    assert_eq!(
        store.lookup(&action(1).digest()).unwrap().outputs["data"].digest,
        Digest::of(b"b")
    );
}

#[test]
fn a_result_whose_object_was_lost_is_replaced() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    fs::remove_file(store.object_path(&Digest::of(b"a"))).unwrap();
    let again = publish(&store, &action(1), Some("b"), Some("2")).unwrap();
    assert!(!again.divergent);
    let found = store.lookup(&action(1).digest()).unwrap();
    assert_eq!(
        (&found.outputs["data"].digest, &found.values["score"]),
        (&Digest::of(b"b"), &json!(2))
    );
}

fn evict(store: &Store, key: &Digest, output: &str) {
    let mut manifest = store.lookup(key).unwrap();
    let evicted = manifest.outputs.get_mut(output).unwrap();
    evicted.state = Presence::Evicted;
    fs::remove_file(store.object_path(&evicted.digest)).unwrap();
    let lock = store.try_lock(key, &Holder::this_process("gc")).unwrap().unwrap();
    store.rewrite_manifest(&lock, &manifest).unwrap();
}

#[test]
fn an_evicted_output_comes_back_with_the_same_bytes() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    evict(&store, &action(1).digest(), "data");
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    assert!(store.lookup(&action(1).digest()).unwrap().complete());
}

#[test]
fn an_evicted_output_that_comes_back_otherwise_keeps_its_first_digest() {
    let (_dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    evict(&store, &action(1).digest(), "data");
    assert!(publish(&store, &action(1), Some("b"), Some("1")).unwrap().divergent);
    let found = store.lookup(&action(1).digest()).unwrap();
    assert_eq!(found.outputs["data"].digest, Digest::of(b"a"));
    assert_eq!(found.outputs["data"].state, Presence::Evicted);
}
