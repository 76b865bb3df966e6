//! Why data could not be loaded.

use std::io;
use std::path::{Path, PathBuf};

/// Every message says what is wrong, where, and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("cannot {action} {}: {source}; check that the path is right and readable", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },

    /// The bytes are not what their format promises. `place` is a path, with a line, byte or row where there is one.
    #[error("{place}: {what}; {next}")]
    Format { place: String, what: String, next: String },

    /// A file whose content is pinned holds something else.
    #[error("{}: its content (after decompression) has SHA-256 {found}, expected {expected}; {next}", path.display())]
    Digest {
        path: PathBuf,
        expected: String,
        found: String,
        next: String,
    },

    #[error("the data set `{name}` is not complete on this machine: put {files} into {} (plain or compressed); \
        published at {published}", folder.display())]
    Missing {
        name: String,
        files: String,
        folder: PathBuf,
        published: String,
    },

    #[error("no data set is called `{name}`; known: {known}; for your own data give `folder:` or `arrays:`")]
    UnknownSet { name: String, known: String },

    #[error("`{setting}`: {what}; {next}")]
    Setting {
        setting: &'static str,
        what: String,
        next: String,
    },

    #[error("download of {url} failed: {what}; {next}")]
    Download { url: String, what: String, next: String },
}

impl DataError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn format(place: impl ToString, what: impl ToString, next: impl ToString) -> Self {
        Self::Format {
            place: place.to_string(),
            what: what.to_string(),
            next: next.to_string(),
        }
    }

    pub(crate) fn setting(setting: &'static str, what: impl ToString, next: impl ToString) -> Self {
        Self::Setting {
            setting,
            what: what.to_string(),
            next: next.to_string(),
        }
    }
}
