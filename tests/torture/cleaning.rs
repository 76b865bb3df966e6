//! `moelab gc`, killed while it removes what it may.

use crate::lab::{Lab, random, rounds, said};
use crate::processes::kill;
use rand::RngExt;
use rustix::process::Signal;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

/// A cleaner of this small store is at work for about so long.
const SECONDS: f64 = 0.03;

/// Gives up all that the last stage reads, and what that is made from.
fn cleaner(lab: &Lab) -> Command {
    lab.moelab(&[
        "gc",
        "--role",
        "assignments,model,manager,points,clusters,labels",
        "--yes",
    ])
}

/// Runs the last stage of both seeds again; says how many others had to run for it, since their bytes were gone.
fn read_again(lab: &Lab) -> u64 {
    let output = lab.command().args(["--force", "scores"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    report["executed"].as_u64().unwrap() - 2
}

#[test]
fn killing_a_cleaner_loses_no_result() {
    let mut rng = random("cleaner");
    let lab = Lab::new();
    lab.finish();
    let (n, mut strikes, mut remade) = (rounds(3, 100), 0, 0);
    while strikes < n {
        let mut cleaner = cleaner(&lab).spawn().unwrap();
        std::thread::sleep(Duration::from_secs_f64(rng.random_range(0.0..SECONDS)));
        strikes += usize::from(cleaner.try_wait().unwrap().is_none());
        kill(cleaner.id(), Signal::KILL);
        cleaner.wait().unwrap();
        // What was given up still counts as done, nothing is damaged, and bytes come back as they were.
        lab.assert_untouched();
        remade += read_again(&lab);
        lab.assert_untouched();
    }
    println!("{strikes} cleaners killed; {remade} actions ran again for their bytes; 0 losses");
    let output = cleaner(&lab).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(read_again(&lab) > 0, "a cleaner that is let be gives up bytes");
    lab.assert_untouched();
}
