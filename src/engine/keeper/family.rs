//! Everything a process has started, found by who is whose parent.

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, wait as wait_any};
use std::collections::BTreeMap;
use std::fs;

/// Kills every descendant of this process once. One that starts another meanwhile leaves that to the next call.
pub(super) fn kill() {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for (pid, parent) in all() {
        children.entry(parent).or_default().push(pid);
    }
    let mut open = vec![getpid().as_raw_nonzero().get()];
    while let Some(parent) = open.pop() {
        for pid in children.remove(&parent).unwrap_or_default() {
            if let Some(pid) = Pid::from_raw(pid) {
                let _gone = kill_process(pid, Signal::KILL);
            }
            open.push(pid);
        }
    }
}

/// Kills until no child is left. For a process that adopts what its descendants leave behind: then nothing is left at all.
pub(super) fn end() {
    loop {
        match wait_any(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => {
                kill();
                let _ended = wait_any(WaitOptions::empty());
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// Every process of the system with its parent.
fn all() -> Vec<(i32, i32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: i32| {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        Some((pid, parent(&String::from_utf8_lossy(&stat))?))
    })
    .collect()
}

/// The fourth field of `/proc/PID/stat`. The second is the program's name in brackets and may hold anything.
fn parent(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_whatever_the_program_is_called() {
        assert_eq!(parent("12 (sleep) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (a) 9 (b) c) R 7 12 12 0"), Some(7));
        assert_eq!(parent("12"), None);
    }

    #[test]
    fn this_process_has_its_parent() {
        let me = getpid().as_raw_nonzero().get();
        let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
        assert!(all().contains(&(me, parent)));
    }
}
