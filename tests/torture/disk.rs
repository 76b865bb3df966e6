//! A disk that fills up.

use crate::lab::{Lab, random, rounds, said};
use rand::RngExt;
use std::path::Path;
use std::process::Command;

/// A file system in memory, of a size that can change; gone with this value.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    /// None without the right to mount.
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        mount(dir.path(), "size=64m").then_some(Self { dir })
    }

    fn resize(&self, kib: u64) {
        assert!(mount(self.dir.path(), &format!("remount,size={kib}k")));
    }
}

fn mount(path: &Path, options: &str) -> bool {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", options, "moelab-torture"]).arg(path);
    command.output().is_ok_and(|output| output.status.success())
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.dir.path()).output());
    }
}

#[test]
fn a_full_disk_is_said_and_nothing_is_lost() {
    let Some(disk) = SmallDisk::new() else {
        println!("left out: mounting a small file system needs rights this user lacks");
        return;
    };
    let mut rng = random("disk");
    let (n, mut full) = (rounds(3, 40), 0);
    let lab = Lab::in_folder(disk.dir.path());
    while full < n {
        disk.resize(rng.random_range(100..2500));
        let output = lab.command().output().unwrap();
        match output.status.code() {
            Some(0) => {}
            Some(code) => {
                assert_eq!(code, 6, "{}", said(&output));
                assert!(said(&output).contains("full"), "{}", said(&output));
                full += 1;
            }
            None => panic!("{}", said(&output)),
        }
        let kept = lab.manifests();
        disk.resize(64 << 10);
        lab.finish();
        lab.assert_untouched();
        for (path, text) in kept {
            assert_eq!(std::fs::read(&path).unwrap(), text, "{} is lost", path.display());
        }
        lab.clear();
    }
    println!("{full} full disks, {full} resumes, 0 losses");
}
