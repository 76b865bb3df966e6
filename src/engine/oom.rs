//! Whether the kernel killed a process for want of memory.
//!
//! A process that dies of SIGKILL does not say who sent it. The kernel counts its own kills for memory, per control group
//! and for the machine, before it sends the signal. Where the worker's group has a counter, that alone is asked: kills in
//! other groups (another container, another user's session) do not count. Where it has none (the root group), the
//! machine's counter is asked, and then a kill of any other process during the job would be taken for the worker's. Either
//! way a process of the same group that the kernel kills while somebody else sends SIGKILL to the worker misleads us.

use std::fs;
use std::path::{Path, PathBuf};

/// The kernel's counters, as they stood when a job began.
#[derive(Debug, Default)]
pub struct Kills {
    /// Counter file of the worker's control group.
    group: Option<(PathBuf, u64)>,
    machine: u64,
}

/// Whose counter rose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// That of the worker's control group: its limit was reached, or the machine's memory used up.
    Group,
    /// That of the machine.
    Machine,
}

impl Kills {
    /// The counters that matter for a process.
    pub fn of(process: u32) -> Self {
        Self::under(Path::new("/"), process)
    }

    fn under(root: &Path, process: u32) -> Self {
        let groups = fs::read_to_string(root.join(format!("proc/{process}/cgroup"))).unwrap_or_default();
        let group = counters(root, &groups).find_map(|file| count(&file).map(|n| (file, n)));
        let machine = count(&root.join("proc/vmstat")).unwrap_or(0);
        Self { group, machine }
    }

    /// Who has seen a kill for memory since.
    pub fn since(&self) -> Option<Witness> {
        self.since_under(Path::new("/"))
    }

    fn since_under(&self, root: &Path) -> Option<Witness> {
        if let Some((file, before)) = &self.group
            && let Some(now) = count(file)
        {
            return (now > *before).then_some(Witness::Group);
        }
        (count(&root.join("proc/vmstat"))? > self.machine).then_some(Witness::Machine)
    }
}

/// Where the groups that `/proc/<pid>/cgroup` names keep their counters: version 2, then version 1.
fn counters<'a>(root: &'a Path, groups: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
    let entries = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        Some((parts.next()?, parts.next()?.trim_start_matches('/')))
    });
    let mut files: Vec<_> = entries
        .filter_map(|(controllers, path)| match controllers {
            "" => Some((2, root.join("sys/fs/cgroup").join(path).join("memory.events"))),
            named if named.split(',').any(|one| one == "memory") => {
                let group = root.join("sys/fs/cgroup/memory").join(path);
                Some((1, group.join("memory.oom_control")))
            }
            _ => None,
        })
        .collect();
    files.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    files.into_iter().map(|(_, file)| file)
}

/// The line `oom_kill N` that all these files have.
fn count(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let number = |line: &str| line.strip_prefix("oom_kill ")?.trim().parse().ok();
    text.lines().find_map(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A made-up machine.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new(groups: &str) -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            machine.put("proc/7/cgroup", groups);
            machine.put("proc/vmstat", "nr_free_pages 12\noom_kill 3\n");
            machine
        }

        fn put(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn now(&self) -> Kills {
            Kills::under(self.0.path(), 7)
        }

        fn since(&self, before: &Kills) -> Option<Witness> {
            before.since_under(self.0.path())
        }

        fn machine_kills(&self) {
            self.put("proc/vmstat", "nr_free_pages 12\noom_kill 4\n");
        }
    }

    const V2: &str = "sys/fs/cgroup/user/moelab/memory.events";
    const V1: &str = "sys/fs/cgroup/memory/job/memory.oom_control";

    #[test]
    fn a_kill_in_the_group_of_the_worker_is_seen() {
        let machine = Machine::new("0::/user/moelab\n");
        machine.put(V2, "low 0\noom 1\noom_kill 1\noom_group_kill 0\n");
        let before = machine.now();
        assert_eq!(machine.since(&before), None);
        machine.put(V2, "low 0\noom 2\noom_kill 2\noom_group_kill 0\n");
        assert_eq!(machine.since(&before), Some(Witness::Group));
    }

    #[test]
    fn a_kill_in_another_group_is_not_ours() {
        let machine = Machine::new("0::/user/moelab\n");
        machine.put(V2, "oom_kill 0\n");
        let before = machine.now();
        machine.machine_kills();
        assert_eq!(machine.since(&before), None);
    }

    #[test]
    fn groups_of_the_first_version_count_too() {
        let machine = Machine::new("9:name=systemd:/\n4:cpu,memory:/job\n0::/\n");
        machine.put(V1, "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
        let before = machine.now();
        machine.put(V1, "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
        assert_eq!(machine.since(&before), Some(Witness::Group));
    }

    #[test]
    fn without_a_counter_of_the_group_the_machine_is_asked() {
        let machine = Machine::new("0::/\n");
        let before = machine.now();
        assert_eq!(machine.since(&before), None);
        machine.machine_kills();
        assert_eq!(machine.since(&before), Some(Witness::Machine));
    }

    #[test]
    fn a_group_that_is_gone_leaves_the_machine() {
        let machine = Machine::new("0::/user/moelab\n");
        machine.put(V2, "oom_kill 0\n");
        let before = machine.now();
        fs::remove_file(machine.0.path().join(V2)).unwrap();
        machine.machine_kills();
        assert_eq!(machine.since(&before), Some(Witness::Machine));
    }
}
