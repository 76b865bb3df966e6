//! Named places at which a test may have the process die.

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

/// Aborts the process if `MOELAB_FAILPOINT` names this place. The variable is read once, so an unset one costs a load.
pub fn reached(name: &str) {
    static ARMED: OnceLock<Option<String>> = OnceLock::new();
    let armed = ARMED.get_or_init(|| std::env::var(VARIABLE).ok().filter(|name| !name.is_empty()));
    if armed.as_deref() == Some(name) {
        debug_assert!(ALL.contains(&name), "failpoint {name} is not listed");
        eprintln!("failpoint {name} reached");
        std::process::abort();
    }
}
