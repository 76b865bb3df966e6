//! Checking, cleaning and measuring the store, as a user does.

use crate::lab::Lab;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A store with one finished seed.
fn filled() -> Lab {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    lab.run(&["tiny"]);
    lab
}

/// The largest object.
fn largest(lab: &Lab) -> PathBuf {
    let shards = fs::read_dir(lab.path("store/objects")).unwrap().flatten();
    let objects = shards.flat_map(|shard| fs::read_dir(shard.path()).unwrap().flatten());
    let size = |path: &PathBuf| fs::metadata(path).unwrap().len();
    objects.map(|object| object.path()).max_by_key(size).unwrap()
}

#[test]
fn damage_is_found_and_the_printed_commands_mend_it() {
    let lab = filled();
    let whole = lab.moelab(&["verify"]);
    assert_eq!(whole.code, 0, "{}", whole.out);
    let object = largest(&lab);
    let mut bytes = fs::read(&object).unwrap();
    bytes[100] ^= 1;
    fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&object, bytes).unwrap();

    let found = lab.moelab(&["verify", "--format", "json"]);
    assert_eq!(found.code, 5, "{}", found.err);
    let damage = &found.json()["damages"][0];
    assert_eq!(damage["results"][0]["experiment"], "tiny", "{damage}");
    assert_eq!(damage["mend"][0], format!("rm {}", object.display()));
    assert_eq!(damage["mend"][1], "moelab run tiny --store store");
    fs::remove_file(object).unwrap();
    assert_eq!(lab.run(&["tiny"])["executed"], 1);
    assert_eq!(lab.moelab(&["verify"]).code, 0);
}

#[test]
fn evicted_models_leave_the_table_and_the_plan_as_they_are() {
    let lab = filled();
    let table = lab.moelab(&["table", "tiny", "--format", "json"]).json();
    let clean = |args: &[&str]| {
        lab.moelab(&[&["gc", "--role", "model", "--format", "json"][..], args].concat())
            .json()
    };
    let planned = clean(&[]);
    let freed = planned["evicted_objects"]["bytes"].as_u64().unwrap();
    assert!(freed > 0 && planned["done"] == false, "{planned}");
    let done = clean(&["--yes"]);
    assert_eq!(
        (&done["evicted_objects"], &done["done"]),
        (&planned["evicted_objects"], &true.into())
    );
    assert_eq!(lab.moelab(&["table", "tiny", "--format", "json"]).json(), table);
    assert_eq!(lab.planned(&["tiny"]), Vec::<String>::new());
    let usage = lab.moelab(&["du", "--format", "json"]).json();
    assert!(
        usage["by_artifact"]["model"].is_null() && usage["evicted"]["files"].as_u64().unwrap() > 0,
        "{usage}"
    );
}

#[test]
fn an_age_or_a_type_that_means_nothing_is_refused() {
    let lab = filled();
    for (args, word) in [(["--older-than", "30"], "30d"), (["--role", "weights"], "model")] {
        let said = lab.moelab(&[&["gc"][..], &args].concat());
        assert_eq!(said.code, 2);
        assert!(said.err.contains(word), "{}", said.err);
    }
}
