//! `moelab gc`, killed while it removes what it may.

use crate::lab::{Lab, random, rounds, said};
use crate::processes::kill;
use rand::RngExt;
use rustix::process::Signal;
use std::time::Duration;

/// A cleaner of this small store is at work for about so long.
const SECONDS: f64 = 0.02;

#[test]
fn killing_a_cleaner_loses_no_result() {
    let mut rng = random("cleaner");
    let lab = Lab::new();
    lab.finish();
    let (n, mut strikes, mut remade) = (rounds(10, 100), 0, 0);
    while strikes < n {
        let mut cleaner = lab.moelab(&["gc", "--to-size", "0", "--yes"]).spawn().unwrap();
        std::thread::sleep(Duration::from_secs_f64(rng.random_range(0.0..SECONDS)));
        strikes += usize::from(cleaner.try_wait().unwrap().is_none());
        kill(cleaner.id(), Signal::KILL);
        cleaner.wait().unwrap();
        // What was given up still counts as done, and nothing is damaged.
        lab.assert_untouched();
        // The last stage reads the bytes of others, which come back as they were.
        let mut again = lab.command();
        let output = again.args(["--force", "scores"]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        remade += report["executed"].as_u64().unwrap() - 2;
        lab.assert_untouched();
    }
    println!("{strikes} cleaners killed; {remade} actions ran again for their bytes; 0 losses");
}
