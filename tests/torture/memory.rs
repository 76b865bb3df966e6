//! A worker that the kernel kills for want of memory.

use crate::lab::{Lab, said};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A control group that holds at most so many bytes; gone with this value.
struct Cage(PathBuf);

impl Cage {
    /// None without control groups for memory, or without the right to make one.
    fn new(bytes: u64) -> Option<Self> {
        let name = format!("moelab-torture-{}", std::process::id());
        for (root, limit) in [
            ("/sys/fs/cgroup", "memory.max"),
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        ] {
            let cage = Self(PathBuf::from(root).join(&name));
            // A control group comes with files; elsewhere a folder is just a folder.
            let group = fs::create_dir(&cage.0).is_ok() && cage.0.join("cgroup.procs").exists();
            if group && fs::write(cage.0.join(limit), bytes.to_string()).is_ok() {
                return Some(cage);
            }
        }
        None
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        drop(fs::remove_dir(&self.0));
    }
}

#[test]
fn a_worker_killed_for_memory_is_told_apart_and_nothing_is_lost() {
    let Some(cage) = Cage::new(120 << 20) else {
        println!("left out: there are no control groups for memory here, or no right to use them");
        return;
    };
    let lab = Lab::new();
    let inner = lab.command();
    let mut command = Command::new("sh");
    command
        .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
        .arg(cage.0.join("cgroup.procs"))
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir(lab.path());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.output().unwrap();
    assert!(
        said(&output).contains("the kernel killed the worker"),
        "{}",
        said(&output)
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let retried = report["retried"].as_u64().unwrap();
    match output.status.code() {
        // What did not fit beside another job fitted alone.
        Some(0) => assert!(retried > 0, "{}", said(&output)),
        code => {
            assert_eq!(code, Some(3), "{}", said(&output));
            assert_eq!(report["failures"][0]["kind"], "out_of_memory", "{}", said(&output));
        }
    }
    lab.finish();
    lab.assert_untouched();
    println!(
        "{retried} kills for memory that a second attempt made good, {} that ended the run; 0 losses",
        report["failed"]
    );
}
