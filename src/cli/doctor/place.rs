//! Whether the place of the store can hold one: tried in a folder beside its own, which goes away.

use super::Check;
use moelab_engine::store::{Locks, Store};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Less free space than this is worth a word, in bytes.
const LITTLE: u64 = 1 << 30;
/// Syncs slower than this cost more than small stages, in seconds.
const SLOW: f64 = 0.1;

pub(super) fn checks(store: &Path) -> Vec<Check> {
    let place = nearest(store);
    let is = if store.is_dir() { "" } else { " (does not exist yet)" };
    let shown = format!("{}{is}", store.display());
    let probe = tempfile::Builder::new().prefix(".moelab-doctor-").tempdir_in(&place);
    let probe = match probe {
        Ok(probe) => probe,
        Err(e) => {
            let said = format!("{shown}: {} cannot be written to: {e}", place.display());
            let next = "mend its permissions, or name another place with --store; tables and plans work all the same";
            return vec![Check::fail("store", said, next)];
        }
    };
    let mut checks = vec![match Store::open(&probe.path().join("store")) {
        Ok(store) => locks(&shown, &store),
        Err(e) => Check::fail("store", format!("{shown}: {e}"), "name another place with --store"),
    }];
    checks.push(syncs(probe.path()));
    checks.push(links(probe.path()));
    checks.push(space(&place));
    checks
}

/// The folder itself, or the nearest above that exists.
fn nearest(store: &Path) -> PathBuf {
    let absolute = std::path::absolute(store).unwrap_or_else(|_| store.to_owned());
    let found = absolute.ancestors().find(|folder| folder.is_dir());
    found.unwrap_or(Path::new("/")).to_owned()
}

fn locks(shown: &str, store: &Store) -> Check {
    match store.locks() {
        Ok(Locks::Sound) => Check::ok("store", format!("{shown} can be written to; locks work")),
        Ok(locks) => Check::warn(
            "store",
            format!("{shown}: {}", locks.warning().unwrap_or_default()),
            "run on one host at a time, or put the store on a local disk",
        ),
        Err(e) => Check::fail("store", format!("{shown}: {e}"), "name another place with --store"),
    }
}

fn syncs(probe: &Path) -> Check {
    let sync = || -> io::Result<f64> {
        let mut file = File::create(probe.join("synced"))?;
        file.write_all(&[0; 4096])?;
        let started = Instant::now();
        file.sync_all()?;
        Ok(started.elapsed().as_secs_f64())
    };
    match sync() {
        Ok(took) if took > SLOW => Check::warn(
            "sync",
            format!("a small file takes {:.0} ms to reach the disk", took * 1e3),
            "many short stages will be slow here: a local disk is quicker",
        ),
        Ok(took) => Check::ok("sync", format!("a small file reaches the disk in {:.1} ms", took * 1e3)),
        Err(e) => Check::fail(
            "sync",
            e.to_string(),
            "what is published here may not survive a power cut",
        ),
    }
}

/// A name is given only if it is free, which wants renaming without overwriting, or hard links.
fn links(probe: &Path) -> Check {
    let place = |text: &str| -> io::Result<tempfile::NamedTempFile> {
        let mut file = tempfile::NamedTempFile::new_in(probe)?;
        file.write_all(text.as_bytes())?;
        Ok(file)
    };
    let tried = || -> io::Result<bool> {
        place("first")?.persist_noclobber(probe.join("name"))?;
        let second = place("second")?.persist_noclobber(probe.join("name"));
        Ok(second.is_err() && std::fs::read(probe.join("name"))? == b"first")
    };
    let next = "two runs on one store could both publish a result: run one at a time, or move the store";
    match tried() {
        Ok(true) => Check::ok("names", "are given only if they are free"),
        Ok(false) => Check::fail("names", "one that was taken was given again", next),
        Err(e) => Check::fail("names", e.to_string(), next),
    }
}

fn space(place: &Path) -> Check {
    let stat = match rustix::fs::statvfs(place) {
        Ok(stat) => stat,
        Err(e) => return Check::warn("space", e.to_string(), "see for yourself with `df`"),
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let said = format!("{:.1} GB free", free as f64 / 1e9);
    match free < LITTLE {
        true => Check::warn(
            "space",
            said,
            "`moelab du` says what the store is spent on, `moelab gc` frees some",
        ),
        false => Check::ok("space", said),
    }
}
