//! How the program ends when something is wrong.

use crate::say::say;
use moelab_engine::spec::Report;
use moelab_engine::store::StoreError;
use std::process::ExitCode;

/// What a command ends with if it does not succeed.
pub enum Exit {
    /// Usage or spec: exit code 2.
    Usage(String),
    /// A spec with problems: exit code 2. The report words itself.
    Spec(Report),
    Store(StoreError),
    /// A stage failed: exit code 3.
    Failed(String),
    /// Stopped by a signal: exit code 130.
    Interrupted,
    /// What was to be printed found no room: exit code 6.
    Full(String),
    /// A bug of ours, or a system that gave way: exit code 1.
    Other(String),
}

impl Exit {
    /// Prints the message and gives the exit code.
    pub fn report(self) -> ExitCode {
        let (message, code) = match self {
            Self::Spec(report) => {
                say!("{report}");
                return ExitCode::from(2);
            }
            Self::Usage(message) => (message, 2),
            Self::Store(error) => (error.to_string(), error.exit_code()),
            Self::Failed(message) => (message, 3),
            Self::Interrupted => ("interrupted".to_owned(), 130),
            Self::Full(message) => (message, 6),
            Self::Other(message) => (message, 1),
        };
        say!("error: {message}");
        ExitCode::from(code)
    }
}

impl From<Report> for Exit {
    fn from(report: Report) -> Self {
        Self::Spec(report)
    }
}

impl From<StoreError> for Exit {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<std::io::Error> for Exit {
    fn from(error: std::io::Error) -> Self {
        // `moelab table … | head` closes the pipe early: that is no error of anybody's.
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        if error.kind() == std::io::ErrorKind::StorageFull {
            return Self::Full(error.to_string());
        }
        Self::Other(error.to_string())
    }
}
