//! How much memory a load may take: told before it is taken, so that a wrong number in a header or a setting costs a
//! message and not the machine.

use super::error::DataError;
use std::fs;

/// Most bytes one data set may need, on any machine.
const MOST: u64 = 64 << 30;

/// Refuses what needs more than this machine has to give. `place` is the file or setting that asks for `bytes`.
pub(crate) fn check(place: impl ToString, what: impl ToString, bytes: u64) -> Result<(), DataError> {
    check_against(available(), place, what, bytes)
}

fn check_against(limit: u64, place: impl ToString, what: impl ToString, bytes: u64) -> Result<(), DataError> {
    if bytes <= limit {
        return Ok(());
    }
    Err(DataError::format(
        place,
        format!(
            "{} need {} of memory where {} may be taken",
            what.to_string(),
            readable(bytes),
            readable(limit)
        ),
        "take fewer or smaller items, or a machine with more memory",
    ))
}

/// What the system says is free, but never more than [`MOST`].
fn available() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    free_of(&text).unwrap_or(MOST).min(MOST)
}

/// The line `MemAvailable: N kB` of Linux.
fn free_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

fn readable(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_both_figures() {
        assert!(check_against(1000, "x", "2 images", 1000).is_ok());
        let said = check_against(2_500_000, "x", "2 images", 3_000_000_000)
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("x: 2 images need 3.0 GB of memory where 2.5 MB"),
            "{said}"
        );
    }

    #[test]
    fn nothing_may_take_more_than_any_machine_has() {
        assert!(check("x", "all", u64::MAX).is_err());
        assert!(check("x", "one byte", 1).is_ok());
    }

    #[test]
    fn the_free_memory_is_read_from_what_linux_says() {
        assert_eq!(free_of("MemTotal: 9 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
        for text in [
            "",
            "MemAvailable: x kB",
            "MemAvailable: 99999999999999999999 kB",
            "MemAvailable: 1 MB",
        ] {
            assert_eq!(free_of(text), None, "{text}");
        }
    }
}
