//! The signals that ask a program to end.

use rustix::process::Signal;

/// SIGINT, SIGTERM, and SIGHUP of a closing terminal unless `nohup` has it ignored.
pub fn stopping() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let hears = |signal: &Signal| *signal != Signal::HUP || !ignored(&status, signal.as_raw());
    let all = [Signal::INT, Signal::TERM, Signal::HUP].into_iter().filter(hears);
    all.map(Signal::as_raw).collect()
}

/// Whether the mask of ignored signals in `/proc/self/status` holds this one.
fn ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_ignores_stays_ignored() {
        assert!(ignored("Name:\tx\nSigIgn:\t0000000000001001\n", 1));
        assert!(!ignored("Name:\tx\nSigIgn:\t0000000000001000\n", 1));
        assert!(!ignored("", 1));
    }
}
