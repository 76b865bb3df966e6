//! Leases on accelerators: which job holds which device, in this run and on this machine.
//!
//! A device belongs to one run at a time. While a run uses it, it holds a lock on a file named after the device, in a folder
//! that all runs of a user on a machine share; the lock dies with the process. A run keeps its devices, since warm workers
//! keep memory on them, until another run waits for one: then it lets go as soon as none of its jobs is on it. Whoever waits
//! holds a lock on a second file, which is how the holder knows.
//!
//! Within a run a device serves one job, or several whose memory is known from earlier results and fits together.

use super::device::Accelerator;
use crate::store::{Holder, KeyLock, lock};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Part of a device's memory that jobs may be promised: libraries need some for themselves, and jobs vary.
const PROMISED: f64 = 0.85;

pub(super) struct Leases {
    devices: Vec<Device>,
    folder: PathBuf,
    run: String,
    /// A job went without a device since the last [`Leases::settle`].
    wanting: bool,
}

struct Device {
    is: Accelerator,
    held: Option<KeyLock>,
    /// Held while another run has the device and this one wants it.
    next: Option<KeyLock>,
    /// Job → the memory it was promised, in bytes; all of it if `None`.
    jobs: BTreeMap<u64, Option<u64>>,
    /// Whom the user was told of.
    told: Option<Holder>,
}

impl Leases {
    pub(super) fn new(devices: &[Accelerator], folder: &Path, run: &str) -> Self {
        let device = |is: &Accelerator| Device {
            is: is.clone(),
            held: None,
            next: None,
            jobs: BTreeMap::new(),
            told: None,
        };
        Self {
            devices: devices.iter().map(device).collect(),
            folder: folder.to_owned(),
            run: run.to_owned(),
            wanting: false,
        }
    }

    /// A device for a job that needs so many bytes on it, or all of them: an empty one, else one with room.
    pub(super) fn take(&mut self, job: u64, need: Option<u64>) -> Option<String> {
        let room: Vec<bool> = self.devices.iter().map(|device| device.has_room(need)).collect();
        let empty = |i: &usize| self.devices[*i].jobs.is_empty();
        let (first, then): (Vec<usize>, Vec<usize>) = (0..self.devices.len()).filter(|i| room[*i]).partition(empty);
        for i in first.into_iter().chain(then) {
            if self.hold(i) {
                let device = &mut self.devices[i];
                device.jobs.insert(job, need);
                return Some(device.is.name.clone());
            }
        }
        self.wanting = true;
        None
    }

    /// Makes sure that this run has a device.
    fn hold(&mut self, i: usize) -> bool {
        let (folder, holder) = (&self.folder, Holder::this_process(&self.run));
        let device = &mut self.devices[i];
        if device.held.is_some() {
            return true;
        }
        match KeyLock::try_take(&device.path(folder), &holder) {
            Ok(Some(lock)) => {
                (device.held, device.next, device.told) = (Some(lock), None, None);
                true
            }
            Ok(None) => {
                if device.next.is_none() {
                    device.next =
                        KeyLock::try_take(&device.path(folder).with_extension("next"), &holder).unwrap_or(None);
                }
                false
            }
            Err(e) => {
                tracing::warn!("{e}: other runs may use {} at the same time", device.is.name);
                true
            }
        }
    }

    pub(super) fn release(&mut self, job: u64) {
        for device in &mut self.devices {
            device.jobs.remove(&job);
        }
    }

    /// After a round of [`Leases::take`]: a run that wants no device any more stops waiting for one. Gives what there is
    /// to tell: devices another run has.
    pub(super) fn settle(&mut self) -> Vec<(String, Holder)> {
        let wanting = std::mem::take(&mut self.wanting);
        let mut tell = vec![];
        for device in &mut self.devices {
            if !wanting {
                device.next = None;
            } else if device.held.is_none() {
                let holder = KeyLock::holder(&device.path(&self.folder));
                if let Some(holder) = holder.filter(|holder| device.told.as_ref() != Some(holder)) {
                    device.told = Some(holder.clone());
                    tell.push((device.is.name.clone(), holder));
                }
            }
        }
        tell
    }

    /// Devices this run has and does not use, while another run waits for them.
    pub(super) fn asked_for(&self) -> Vec<String> {
        let idle = self
            .devices
            .iter()
            .filter(|device| device.held.is_some() && device.jobs.is_empty());
        let asked = idle.filter(|device| lock::in_use(&device.path(&self.folder).with_extension("next")));
        asked.map(|device| device.is.name.clone()).collect()
    }

    /// Lets another run have a device; nothing of this run may be on it.
    pub(super) fn let_go(&mut self, name: &str) {
        for device in self.devices.iter_mut().filter(|device| device.is.name == name) {
            device.held = None;
        }
    }
}

impl Device {
    fn path(&self, folder: &Path) -> PathBuf {
        let name = self.is.id.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        folder.join(format!("{name}.lock"))
    }

    fn has_room(&self, need: Option<u64>) -> bool {
        if self.jobs.is_empty() {
            return true;
        }
        let promised = self.jobs.values().copied().chain([need]).sum::<Option<u64>>();
        match (promised, self.is.memory) {
            (Some(promised), Some(memory)) => promised as f64 <= memory as f64 * PROMISED,
            _ => false,
        }
    }
}

/// Where the runs of this user on this machine meet: a place that is neither shared between machines nor depends on the
/// environment, which differs between a terminal, a service and a batch system.
pub fn default_folder() -> PathBuf {
    PathBuf::from(format!("/tmp/moelab-{}/devices", rustix::process::getuid().as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn leases(folder: &Path, names: &[&str], memory: Option<u64>) -> Leases {
        let accelerator = |name: &&str| Accelerator {
            name: (*name).to_owned(),
            id: (*name).to_owned(),
            memory,
        };
        let all: Vec<_> = names.iter().map(accelerator).collect();
        Leases::new(&all, folder, "test")
    }

    #[test]
    fn a_device_serves_one_job_unless_their_memory_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let mut known = leases(dir.path(), &["cuda:0"], Some(80 * GIB));
        assert!(known.take(1, None).is_some());
        assert_eq!(known.take(2, Some(GIB)), None, "the first may need all of it");
        known.release(1);
        assert!(known.take(2, Some(GIB)).is_some());
        assert_eq!(known.take(3, None), None, "it may need all of it");
        drop(known);
        let mut unknown = leases(dir.path(), &["cuda:0"], None);
        assert!(unknown.take(1, Some(GIB)).is_some());
        assert_eq!(unknown.take(2, Some(GIB)), None);
    }

    #[test]
    fn jobs_share_a_device_while_their_sum_fits() {
        let dir = tempfile::tempdir().unwrap();
        let mut leases = leases(dir.path(), &["cuda:0"], Some(80 * GIB));
        for job in 1..=3 {
            assert!(leases.take(job, Some(20 * GIB)).is_some());
        }
        assert_eq!(leases.take(4, Some(20 * GIB)), None, "80 GiB are not promised in full");
        assert!(leases.take(5, Some(5 * GIB)).is_some());
        leases.release(2);
        assert!(leases.take(4, Some(20 * GIB)).is_some());
    }

    #[test]
    fn an_empty_device_comes_before_a_shared_one() {
        let dir = tempfile::tempdir().unwrap();
        let mut leases = leases(dir.path(), &["cuda:0", "cuda:1"], Some(80 * GIB));
        let mut take = |job| leases.take(job, Some(GIB)).unwrap();
        assert_eq!([take(1), take(2), take(3)], ["cuda:0", "cuda:1", "cuda:0"]);
    }

    #[test]
    fn a_device_another_run_holds_is_not_taken_and_its_holder_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = leases(dir.path(), &["cuda:0"], None);
        let mut second = leases(dir.path(), &["cuda:0"], None);
        first.take(1, None).unwrap();
        assert_eq!(second.take(1, None), None);
        let told = second.settle();
        assert_eq!((told.len(), told[0].1.pid), (1, std::process::id()));
        assert_eq!(second.take(1, None), None);
        assert_eq!(second.settle(), []);
        drop(first);
        assert!(second.take(1, None).is_some());
    }

    #[test]
    fn a_run_keeps_its_device_until_another_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = leases(dir.path(), &["cuda:0"], None);
        let mut second = leases(dir.path(), &["cuda:0"], None);
        first.take(1, None).unwrap();
        first.release(1);
        assert!(first.asked_for().is_empty(), "nobody waits");
        assert_eq!(second.take(1, None), None);
        assert_eq!(first.asked_for(), ["cuda:0"]);
        first.let_go("cuda:0");
        assert!(second.take(1, None).is_some());
        assert_eq!(first.take(2, None), None, "now it is the other way round");
        assert!(second.asked_for().is_empty(), "its job is not done");
        second.release(1);
        assert_eq!(second.asked_for(), ["cuda:0"]);
    }

    #[test]
    fn a_run_that_no_longer_wants_a_device_does_not_wait_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = leases(dir.path(), &["cuda:0"], None);
        let mut second = leases(dir.path(), &["cuda:0"], None);
        first.take(1, None).unwrap();
        second.take(1, None);
        second.settle();
        second.settle();
        first.release(1);
        assert!(first.asked_for().is_empty());
    }

    #[test]
    fn two_names_of_one_device_meet() {
        let dir = tempfile::tempdir().unwrap();
        let named = |name: &str| {
            let is = Accelerator {
                name: name.into(),
                id: "GPU-8f1c".into(),
                memory: None,
            };
            Leases::new(&[is], dir.path(), "test")
        };
        let (mut first, mut second) = (named("cuda:0"), named("cuda:1"));
        assert!(first.take(1, None).is_some());
        assert_eq!(second.take(1, None), None);
    }
}
