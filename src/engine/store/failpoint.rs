//! Named places at which a test may have the process die, and a file system that a test may have go without locks.

use std::sync::OnceLock;

/// The environment variable that names the failpoint to die at.
pub const VARIABLE: &str = "MOELAB_FAILPOINT";

/// Every failpoint, in the order in which publishing an action passes them.
pub const ALL: [&str; 8] = [
    "job-started",
    "outputs-written",
    "inputs-checked",
    "object-synced",
    "object-renamed",
    "objects-published",
    "manifest-written",
    "manifest-renamed",
];

/// As value of [`VARIABLE`]: every lock is answered as a file system without locks would.
pub const NO_LOCKS: &str = "no-locks";

/// Whether a test wants this file system to have no locks.
pub(crate) fn without_locks() -> bool {
    #[cfg(test)]
    if LOCKLESS.get() {
        return true;
    }
    armed() == Some(NO_LOCKS)
}

#[cfg(test)]
thread_local! {
    /// As [`NO_LOCKS`], for the threads of one test.
    pub(crate) static LOCKLESS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    /// Locks as NFS has them, of bytes: an exclusive one takes a file opened for writing.
    pub(crate) static BYTE_LOCKS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// The variable is read once, so an unset one costs a load.
fn armed() -> Option<&'static str> {
    static ARMED: OnceLock<Option<String>> = OnceLock::new();
    ARMED
        .get_or_init(|| std::env::var(VARIABLE).ok().filter(|name| !name.is_empty()))
        .as_deref()
}

/// Aborts the process if `MOELAB_FAILPOINT` names this place.
pub fn reached(name: &str) {
    if armed() == Some(name) {
        debug_assert!(ALL.contains(&name), "failpoint {name} is not listed");
        eprintln!("failpoint {name} reached");
        std::process::abort();
    }
}
