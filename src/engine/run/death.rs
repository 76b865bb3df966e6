//! Why a worker died.

use crate::job::{Failure, FailureKind, log};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

/// How many processes the kernel has killed for want of memory, on this machine and since it started.
pub(super) fn out_of_memory_kills() -> u64 {
    let text = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let count = |line: &str| line.strip_prefix("oom_kill ")?.trim().parse().ok();
    text.lines().find_map(count).unwrap_or(0)
}

/// What the death of a worker means for its job.
pub(super) fn explain(status: ExitStatus, kills_before: u64, job_log: &Path, worker_log: &Path) -> Failure {
    let starved = status.signal() == Some(9) && out_of_memory_kills() > kills_before;
    judge(status, starved, job_log, worker_log)
}

fn judge(status: ExitStatus, starved: bool, job_log: &Path, worker_log: &Path) -> Failure {
    let began = job_log.exists();
    let (kind, what) = match (status.signal(), status.code()) {
        (Some(9), _) if starved => (
            FailureKind::OutOfMemory,
            "the system ran out of memory and killed the worker; use fewer --jobs or a smaller batch_size".to_owned(),
        ),
        (Some(signal), _) => (
            FailureKind::Killed,
            format!("the worker was killed by signal {}", name(signal)),
        ),
        (None, code) if !began => (
            FailureKind::Worker,
            format!("moelab-worker did not start: it ended with status {}", number(code)),
        ),
        (None, code) => (
            FailureKind::LostWorker,
            format!("the worker ended with status {} and gave no result", number(code)),
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

    fn judged(raw: i32, starved: bool, log: Option<&str>) -> Failure {
        let dir = tempfile::tempdir().unwrap();
        let (job, worker) = (dir.path().join("log"), dir.path().join("worker"));
        if let Some(text) = log {
            std::fs::write(&job, text).unwrap();
        }
        std::fs::write(&worker, "cannot open libtorch.so\n").unwrap();
        judge(ExitStatus::from_raw(raw), starved, &job, &worker)
    }

    #[test]
    fn a_signal_is_named_with_the_last_lines_of_the_log() {
        let failure = judged(6, false, Some("one\nterminate called\n"));
        assert_eq!(failure.kind, FailureKind::Killed);
        assert!(
            failure.message.contains("SIGABRT") && failure.message.ends_with("terminate called"),
            "{failure}"
        );
    }

    #[test]
    fn a_kill_is_out_of_memory_only_if_the_kernel_says_so() {
        assert_eq!(judged(9, true, Some("")).kind, FailureKind::OutOfMemory);
        assert_eq!(judged(9, false, Some("")).kind, FailureKind::Killed);
        assert_eq!(judged(11, true, Some("")).kind, FailureKind::Killed);
    }

    #[test]
    fn a_worker_that_never_began_is_told_from_one_that_left() {
        let never = judged(127 << 8, false, None);
        assert_eq!(never.kind, FailureKind::Worker);
        assert!(
            never.message.contains("127") && never.message.contains("libtorch.so"),
            "{never}"
        );
        assert_eq!(judged(3 << 8, false, Some("began")).kind, FailureKind::LostWorker);
    }
}
