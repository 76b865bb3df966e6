//! Why a worker died.

use crate::job::{Failure, FailureKind, log};
use crate::oom::{Kills, Witness};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

const LESS_MEMORY: &str = "use fewer --jobs or a smaller batch_size";

/// Below so many free bytes a disk counts as full.
const FULL: u64 = 1 << 20;

/// What is known of a death beside the status.
#[derive(Clone, Copy, Debug, Default)]
struct Signs {
    /// The kernel killed for memory meanwhile.
    starved: Option<Witness>,
    /// The disk of the store is full: then not even a result can be written, and a mapped file kills who touches it.
    full: bool,
}

/// What the death of a worker means for its job.
pub(super) fn explain(status: ExitStatus, before: &Kills, job_log: &Path, worker_log: &Path) -> Failure {
    let free =
        rustix::fs::statvfs(job_log.parent().unwrap_or(job_log)).map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize));
    let signs = Signs {
        starved: before.since(),
        full: free.is_ok_and(|free| free < FULL),
    };
    judge(status, signs, job_log, worker_log)
}

/// What allocators say before they abort.
const STARVED: [&str; 2] = ["memory allocation of", "std::bad_alloc"];

fn judge(status: ExitStatus, signs: Signs, job_log: &Path, worker_log: &Path) -> Failure {
    let starved = |line: &String| STARVED.iter().any(|words| line.contains(words));
    // A stack trace may follow it.
    let aborted_for_memory = log::last_lines(job_log, 1000).into_iter().find(starved);
    let (kind, what) = match (status.signal(), status.code()) {
        (Some(9), _) if signs.starved.is_some() => {
            let (where_, told) = match signs.starved {
                Some(Witness::Group) => (
                    "its control group or the machine",
                    "the group's counter of such kills says so",
                ),
                _ => ("the machine", "the machine's counter of such kills says so"),
            };
            let what =
                format!("the kernel killed the worker because {where_} ran out of memory ({told}); {LESS_MEMORY}");
            (FailureKind::OutOfMemory, what)
        }
        (Some(6), _) if aborted_for_memory.is_some() => {
            let said = aborted_for_memory.unwrap_or_default();
            let what = format!("the worker could not get the memory it asked for ({said}); {LESS_MEMORY}");
            (FailureKind::OutOfMemory, what)
        }
        (Some(7), _) | (None, _) if signs.full => (
            FailureKind::DiskFull,
            "the disk of the store is full, so the worker ended without a result; free some space and run again: \
             it goes on from the last checkpoint"
                .to_owned(),
        ),
        (Some(signal), _) => {
            let next = match signal {
                2 | 9 | 15 => "somebody or something ended it; run again: it goes on from the last checkpoint",
                4 => "this program or a library was built for another processor",
                _ => "a library crashed; run again, and if it comes back report it with the log",
            };
            (
                FailureKind::Killed,
                format!("the worker was killed by signal {}: {next}", name(signal)),
            )
        }
        (None, code) if !job_log.exists() => (
            FailureKind::Worker,
            format!("moelab-worker did not start: it ended with status {}", number(code)),
        ),
        (None, code) => (
            FailureKind::LostWorker,
            format!(
                "the worker ended with status {} and gave no result; run again: it goes on from the last checkpoint",
                number(code)
            ),
        ),
    };
    let mut lines = log::last_lines(job_log, 8);
    if lines.is_empty() {
        lines = log::last_lines(worker_log, 8);
    }
    if lines.is_empty() {
        return Failure::new(kind, what);
    }
    Failure::new(kind, format!("{what}; it said last:\n  {}", lines.join("\n  ")))
}

fn number(code: Option<i32>) -> String {
    code.map_or_else(|| "unknown".to_owned(), |code| code.to_string())
}

fn name(signal: i32) -> String {
    let name = match signal {
        4 => "SIGILL, an instruction this processor does not have",
        6 => "SIGABRT, an abort",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV, a memory fault",
        15 => "SIGTERM",
        _ => return signal.to_string(),
    };
    format!("{signal} ({name})")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Signs = Signs {
        starved: None,
        full: false,
    };

    fn judged(raw: i32, signs: Signs, log: Option<&str>) -> Failure {
        let dir = tempfile::tempdir().unwrap();
        let (job, worker) = (dir.path().join("log"), dir.path().join("worker"));
        if let Some(text) = log {
            std::fs::write(&job, text).unwrap();
        }
        std::fs::write(&worker, "cannot open libtorch.so\n").unwrap();
        judge(ExitStatus::from_raw(raw), signs, &job, &worker)
    }

    #[test]
    fn a_signal_is_named_with_the_last_lines_of_the_log() {
        let failure = judged(6, CALM, Some("one\nterminate called\n"));
        assert_eq!(failure.kind, FailureKind::Killed);
        assert!(
            failure.message.contains("SIGABRT") && failure.message.ends_with("terminate called"),
            "{failure}"
        );
    }

    #[test]
    fn a_kill_is_out_of_memory_only_if_the_kernel_says_so_and_the_message_says_who() {
        let starved = |witness| Signs {
            starved: Some(witness),
            ..CALM
        };
        for (witness, word) in [
            (Witness::Group, "the group's counter"),
            (Witness::Machine, "the machine's counter"),
        ] {
            let failure = judged(9, starved(witness), Some(""));
            assert_eq!(failure.kind, FailureKind::OutOfMemory);
            assert!(failure.message.contains(word), "{failure}");
        }
        assert_eq!(judged(9, CALM, Some("")).kind, FailureKind::Killed);
        assert_eq!(judged(11, starved(Witness::Group), Some("")).kind, FailureKind::Killed);
    }

    #[test]
    fn an_abort_for_want_of_memory_is_told_from_other_aborts() {
        let starved = judged(6, CALM, Some("memory allocation of 99999999999 bytes failed\n"));
        assert_eq!(starved.kind, FailureKind::OutOfMemory);
        assert_eq!(judged(6, CALM, Some("assertion failed\n")).kind, FailureKind::Killed);
    }

    #[test]
    fn without_room_for_a_result_the_disk_is_full_and_the_worker_not_lost() {
        let full = Signs { full: true, ..CALM };
        assert_eq!(judged(1 << 8, full, Some("began")).kind, FailureKind::DiskFull);
        assert_eq!(judged(7, full, Some("began")).kind, FailureKind::DiskFull);
        assert_eq!(judged(7, CALM, Some("began")).kind, FailureKind::Killed);
        assert_eq!(judged(9, full, Some("began")).kind, FailureKind::Killed);
    }

    #[test]
    fn a_worker_that_never_began_is_told_from_one_that_left() {
        let never = judged(127 << 8, CALM, None);
        assert_eq!(never.kind, FailureKind::Worker);
        assert!(
            never.message.contains("127") && never.message.contains("libtorch.so"),
            "{never}"
        );
        assert_eq!(judged(3 << 8, CALM, Some("began")).kind, FailureKind::LostWorker);
    }
}
