use super::super::testing::{action, damage, publish, publish_with, put, scratch};
use super::*;
use crate::key::InputKey;
use std::fs;
use std::os::unix::fs::symlink;

/// `1` gives `a`; `2` reads it and gives `b`; `3` reads that and gives `c`.
fn chain() -> (tempfile::TempDir, Store) {
    let (dir, store) = scratch();
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    for (n, input, output) in [(2, "a", "b"), (3, "b", "c")] {
        let mut reader = action(n);
        let input = Digest::of(input.as_bytes());
        reader.inputs.insert("points".into(), InputKey::One(input));
        publish_with(&store, &reader, Some(output), Some("1"), &[input]).unwrap();
    }
    for (key, mut manifest) in store.manifests() {
        let origin = &mut manifest.provenance.origin;
        origin.experiment = "usps".into();
        origin.stage = format!("stage{}", manifest.action.config["n"]);
        origin.axes = [("seed".to_owned(), 0.into())].into();
        let lock = store
            .try_lock(&key, &super::super::Holder::this_process("t"))
            .unwrap()
            .unwrap();
        store.rewrite_manifest(&lock, &manifest).unwrap();
    }
    (dir, store)
}

fn kinds(store: &Store) -> Vec<DamageKind> {
    store
        .verify()
        .unwrap()
        .damages
        .iter()
        .map(|damage| damage.kind)
        .collect()
}

/// The text with the folder of the store and times left out.
fn said(store: &Store) -> String {
    let text = store.verify().unwrap().to_string();
    text.replace(&store.root().display().to_string(), "STORE")
}

#[test]
fn a_whole_store_has_no_damage() {
    let (_dir, store) = chain();
    insta::assert_snapshot!(said(&store), @r#"
    3 results, 4 objects (4 B) hashed
    no damage
    "#);
}

#[test]
fn a_damaged_object_is_found_with_what_it_touches_and_how_to_mend_it() {
    let (_dir, store) = chain();
    damage(&store, &Digest::of(b"a"), b"x");
    insta::assert_snapshot!(said(&store), @r#"
    damaged object STORE/objects/ca/978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb
      its 1 bytes have the digest 2d711642
      touches: usps stage1 [seed=0]
      read before by, and still good: usps stage2 [seed=0], usps stage3 [seed=0]
    3 results, 4 objects (4 B) hashed
    1 damaged; this mends what can be mended:
      rm STORE/objects/ca/978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb
      moelab run usps
    "#);
    fs::remove_file(store.object_path(&Digest::of(b"a"))).unwrap();
    assert_eq!(kinds(&store), [DamageKind::Missing]);
    publish(&store, &action(1), Some("a"), Some("1")).unwrap();
    assert_eq!(kinds(&store), []);
}

#[test]
fn a_missing_object_and_a_short_one_are_found() {
    let (_dir, store) = chain();
    fs::remove_file(store.object_path(&Digest::of(b"b"))).unwrap();
    damage(&store, &Digest::of(b"c"), b"");
    assert_eq!(kinds(&store), [DamageKind::Object, DamageKind::Missing]);
}

#[test]
fn an_evicted_object_is_no_damage_whether_it_is_there_or_not() {
    let (_dir, store) = chain();
    let mut manifest = store.lookup(&action(1).digest()).unwrap();
    manifest.outputs.get_mut("data").unwrap().state = Presence::Evicted;
    let holder = super::super::Holder::this_process("t");
    let lock = store.try_lock(&manifest.key(), &holder).unwrap().unwrap();
    store.rewrite_manifest(&lock, &manifest).unwrap();
    assert_eq!(kinds(&store), []);
    fs::remove_file(store.object_path(&Digest::of(b"a"))).unwrap();
    assert_eq!(kinds(&store), []);
}

#[test]
fn manifests_that_are_torn_misplaced_or_newer_are_found() {
    let (_dir, store) = chain();
    let path = |n| store.manifest_path(&action(n).digest());
    for n in [7, 8, 9] {
        fs::create_dir_all(path(n).parent().unwrap()).unwrap();
    }
    fs::copy(path(1), path(7)).unwrap();
    fs::write(path(8), "{\"version\"").unwrap();
    fs::write(path(9), "{\"version\": 99}").unwrap();
    let verified = store.verify().unwrap();
    let mut found: Vec<_> = verified.damages.iter().map(|d| (d.path.clone(), d.kind)).collect();
    let mut expected = vec![
        (path(7), DamageKind::Manifest),
        (path(8), DamageKind::Manifest),
        (path(9), DamageKind::Newer),
    ];
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_torn_manifest_is_laid_to_the_experiment_that_its_job_names() {
    let (_dir, store) = chain();
    let key = action(1).digest();
    let mut job = crate::job::testing::job(store.root());
    job.origin.experiment = "usps".into();
    job.origin.stage = "vae".into();
    fs::write(
        store.attempt_dir(&key, 1).join("job.json"),
        serde_json::to_vec(&job).unwrap(),
    )
    .unwrap();
    fs::write(store.manifest_path(&key), "{").unwrap();
    let damage = store.verify().unwrap().damages.remove(0);
    assert_eq!(damage.results[0].to_string(), "usps vae");
    assert_eq!(damage.mend[1], "moelab run usps");
}

#[test]
fn what_nobody_names_and_what_is_not_the_stores_is_told_and_is_no_damage() {
    let (_dir, store) = chain();
    put(&store, b"nobody's");
    fs::write(store.root().join("objects/note.txt"), "").unwrap();
    let shard = store.object_path(&Digest::of(b"a")).with_file_name(".tmp-damaged-x");
    fs::write(shard, "").unwrap();
    let verified = store.verify().unwrap();
    assert!(verified.damages.is_empty());
    assert_eq!(verified.unreferenced, Share { files: 1, bytes: 8 });
    assert_eq!((verified.leftovers.len(), verified.foreign.len()), (1, 1));
}

#[test]
fn names_that_are_no_utf8_are_told_in_words_and_in_json() {
    use std::os::unix::ffi::OsStrExt;
    let (dir, store) = chain();
    let shard = store.object_path(&Digest::of(b"a"));
    let name = std::ffi::OsStr::from_bytes;
    fs::write(shard.with_file_name(name(b"\xff")), "").unwrap();
    fs::write(shard.with_file_name(name(b".tmp-\xff")), "").unwrap();
    symlink(dir.path(), shard.with_file_name(name(b"\xfe"))).unwrap();
    let verified = store.verify().unwrap();
    assert_eq!(
        (verified.damages.len(), verified.foreign.len(), verified.leftovers.len()),
        (1, 1, 1)
    );
    assert!(verified.to_string().contains('\u{fffd}'));
    assert!(serde_json::to_string(&verified).unwrap().contains('\u{fffd}'));
    store.gc(&super::super::Selection::default()).unwrap();
    assert!(store.verify().unwrap().leftovers.is_empty());
}

#[test]
fn links_are_found_wherever_they_are_planted() {
    let (dir, store) = chain();
    let object = store.object_path(&Digest::of(b"a"));
    let places = [
        object.with_file_name("0".repeat(62)),
        store.root().join("objects/zz"),
        store.manifest_path(&action(1).digest()).with_file_name("link.json"),
        store.work_dir(&action(9).digest()),
        store.attempt_dir(&action(1).digest(), 9),
        store.root().join("locks/link"),
        store.root().join("runs/link"),
    ];
    for place in &places {
        symlink(dir.path(), place).unwrap();
    }
    let verified = store.verify().unwrap();
    let found: BTreeSet<_> = verified.damages.iter().map(|damage| damage.path.clone()).collect();
    assert_eq!(found, places.into());
    assert!(verified.damages.iter().all(|damage| damage.kind == DamageKind::Link));
}

#[test]
fn every_flipped_bit_and_every_truncation_is_found() {
    let (_dir, store) = chain();
    let files = || {
        let mut all = files::list(&store.root().join("objects"), "").unwrap();
        all.extend(files::list(&store.root().join("actions"), ".json").unwrap());
        all
    };
    for Listed { path, .. } in files() {
        let whole = fs::read(&path).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 5 + 1) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            for damaged in [&flipped, &whole[..at].to_vec()] {
                fs::write(&path, damaged).unwrap();
                let verified = store.verify().unwrap();
                assert_eq!(verified.damages.len(), 1, "{} at {at}", path.display());
                assert_eq!(verified.damages[0].path, path);
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(kinds(&store), []);
}
