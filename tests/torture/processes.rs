//! Processes of a run, through /proc.

use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

/// A process below a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    pub name: String,
    parent: u32,
    /// Clock ticks since the system started: a process id alone may be used again.
    born: u64,
}

/// Everything that `root` started, and what that started.
pub fn descendants(root: u32) -> Vec<Process> {
    let all: Vec<Process> = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?))
        .collect();
    let mut found: Vec<Process> = vec![];
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        let children = all.iter().filter(|process| process.parent == parent);
        parents.extend(children.clone().map(|process| process.pid));
        found.extend(children.cloned());
    }
    found
}

/// The living process of this id.
fn process(pid: u32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // `pid (name) state parent …`; the name may hold anything, also brackets.
    let (head, tail) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    (fields[0] != "Z").then_some(())?;
    Some(Process {
        pid,
        name: head.split_once('(')?.1.to_owned(),
        parent: fields[1].parse().ok()?,
        born: fields[19].parse().ok()?,
    })
}

pub fn kill(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    // It may have ended by itself a moment ago.
    let _gone = kill_process(pid, signal);
}

/// Waits for processes to be gone, which they must be soon.
pub fn assert_gone(processes: &[Process]) {
    let patience = Instant::now() + Duration::from_secs(20);
    let alive = |one: &&Process| process(one.pid).is_some_and(|now| now.born == one.born);
    while let Some(left) = processes.iter().find(alive) {
        assert!(Instant::now() < patience, "{left:?} outlived its runner");
        std::thread::yield_now();
    }
}
