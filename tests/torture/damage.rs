//! Bits that flip and files that end too soon.

use crate::lab::{Lab, random, reference, rounds, said};
use rand::RngExt;
use rand::rngs::StdRng;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found.sort();
    found
}

/// Flips a bit or cuts the end off; gives the bytes that were there.
fn damage(rng: &mut StdRng, path: &Path) -> Vec<u8> {
    let before = fs::read(path).unwrap();
    let mut after = before.clone();
    if rng.random_range(0..4) == 0 {
        after.truncate(rng.random_range(0..before.len()));
    } else {
        let place = rng.random_range(0..before.len());
        after[place] ^= 1 << rng.random_range(0..8);
    }
    write(path, &after);
    before
}

fn write(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn damage_in_objects_and_manifests_is_found() {
    let mut rng = random("damage");
    let lab = Lab::new();
    lab.finish();
    let mut all = files(&lab.store().join("objects"));
    all.extend(files(&lab.store().join("actions")));
    let n = rounds(40, 900);
    for _ in 0..n {
        let path = &all[rng.random_range(0..all.len())];
        let before = damage(&mut rng, path);
        let verified = lab.moelab(&["verify"]).output().unwrap();
        assert_eq!(
            verified.status.code(),
            Some(5),
            "{}: {}",
            path.display(),
            said(&verified)
        );
        // Below the store a path is ab/cdef…: its last part names the file.
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            said(&verified).contains(&name[..12]),
            "{} is not named: {}",
            path.display(),
            said(&verified)
        );
        write(path, &before);
    }
    lab.assert_untouched();
    println!(
        "{n} flips and truncations in {} objects and manifests: each found",
        all.len()
    );
}

#[test]
fn a_run_mends_damage_and_uses_none_of_it() {
    let mut rng = random("mending");
    let lab = Lab::new();
    lab.finish();
    let n = rounds(4, 50);
    for _ in 0..n {
        let objects = files(&lab.store().join("objects"));
        let chosen = rng.random_range(0..objects.len());
        damage(&mut rng, &objects[chosen]);
        // Everything that reads an object runs again, so that the damaged one is read if anybody reads it at all.
        let manifests = files(&lab.store().join("actions"));
        for path in manifests {
            let text = fs::read_to_string(&path).unwrap();
            if ["\"load\"", "\"pretrain_vae\""]
                .iter()
                .all(|kind| !text.contains(&format!("\"stage\": {kind}")))
            {
                fs::remove_file(path).unwrap();
            }
        }
        lab.finish();
        assert_eq!(lab.outputs(), reference().0, "damaged bytes were used");
        lab.clear();
        lab.finish();
    }
    println!("{n} runs over a damaged object: each ended in the bytes of an untouched run");
}

#[test]
fn a_damaged_checkpoint_is_never_taken_up() {
    let mut rng = random("checkpoints");
    let (n, mut done) = (rounds(4, 100), 0);
    let lab = Lab::new();
    while done < n {
        let mut run = lab.start();
        let whole = reference().1.as_secs_f64();
        std::thread::sleep(std::time::Duration::from_secs_f64(rng.random_range(0.1..0.6) * whole));
        let below = crate::processes::descendants(run.id());
        crate::processes::kill(run.id(), rustix::process::Signal::KILL);
        run.wait().unwrap();
        crate::processes::assert_gone(&below);
        let mut found = files(&lab.store().join("work"));
        // One that was being written has another name, which nobody reads, and may be empty as yet.
        found.retain(|path| path.extension().is_some_and(|ending| ending == "safetensors"));
        for path in &found {
            damage(&mut rng, path);
            done += 1;
        }
        lab.finish();
        lab.assert_untouched();
        lab.clear();
    }
    println!("{done} flips and truncations in checkpoints: none was used");
}
