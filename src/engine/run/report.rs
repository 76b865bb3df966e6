//! What a run did.

use crate::digest::Digest;
use crate::job::FailureKind;
use crate::plan::Axes;
use serde::Serialize;
use std::path::PathBuf;

/// Counts are of distinct actions.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunReport {
    pub run: String,
    /// Run by this invocation.
    pub executed: usize,
    /// Found in the store.
    pub cached: usize,
    pub failed: usize,
    /// Run by another process while this one waited.
    pub waited: usize,
    /// Attempts after the first, of all actions.
    pub retried: usize,
    /// Actions of the plan that could not run because something before them failed.
    pub blocked: usize,
    /// Actions of the plan that were not begun, since the run stopped.
    pub not_started: usize,
    /// It was asked to stop.
    pub interrupted: bool,
    pub keep_going: bool,
    pub seconds: f64,
    pub failures: Vec<FailedAction>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailedAction {
    pub stage: String,
    pub kind: FailureKind,
    /// What, where, and what to do next.
    pub message: String,
    pub axes: Axes,
    /// Absent if not even its key could be made.
    pub key: Option<Digest>,
    /// How often this run tried it; 0 if it could not even be started.
    pub attempts: u32,
    pub log: Option<PathBuf>,
}

impl RunReport {
    pub fn complete(&self) -> bool {
        self.failed == 0 && self.blocked == 0 && self.not_started == 0 && !self.interrupted
    }

    /// The exit code of a program that ends with this report: the one a user can do most about.
    pub fn exit_code(&self) -> u8 {
        let any = |kinds: &[FailureKind]| self.failures.iter().any(|failure| kinds.contains(&failure.kind));
        if self.interrupted {
            130
        } else if any(&[FailureKind::DiskFull, FailureKind::StoreNotWritable]) {
            6
        } else if any(&[FailureKind::StoreDamaged]) {
            5
        } else if any(&[FailureKind::Bug]) {
            1
        } else if any(&[FailureKind::Worker]) {
            2
        } else if self.complete() {
            0
        } else if self.keep_going {
            4
        } else {
            3
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(kinds: &[FailureKind]) -> RunReport {
        let failure = |kind: &FailureKind| FailedAction {
            stage: "s".into(),
            kind: *kind,
            message: String::new(),
            axes: Axes::new(),
            key: None,
            attempts: 1,
            log: None,
        };
        RunReport {
            failed: kinds.len(),
            failures: kinds.iter().map(failure).collect(),
            ..RunReport::default()
        }
    }

    #[test]
    fn the_exit_code_says_what_to_do() {
        use FailureKind::*;
        assert_eq!(report(&[]).exit_code(), 0);
        assert_eq!(report(&[Stage]).exit_code(), 3);
        assert_eq!(
            RunReport {
                keep_going: true,
                ..report(&[Stage])
            }
            .exit_code(),
            4
        );
        assert_eq!(report(&[Stage, Bug]).exit_code(), 1);
        assert_eq!(report(&[Worker]).exit_code(), 2);
        assert_eq!(report(&[Stage, StoreDamaged]).exit_code(), 5);
        assert_eq!(report(&[Bug, DiskFull]).exit_code(), 6);
        assert_eq!(
            RunReport {
                interrupted: true,
                ..report(&[Stage])
            }
            .exit_code(),
            130
        );
        assert_eq!(
            RunReport {
                not_started: 1,
                ..report(&[])
            }
            .exit_code(),
            3
        );
    }
}
