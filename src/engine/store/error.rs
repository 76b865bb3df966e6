//! What can go wrong in a store, told apart by what the user can do about it.

use crate::digest::Digest;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "the store {path} cannot be written: {source}; choose another place with --store, or mend its permissions",
        path = path.display()
    )]
    NotWritable { path: PathBuf, source: io::Error },

    #[error("the disk of the store is full: writing {path}: {source}; `moelab gc` frees space", path = path.display())]
    Full { path: PathBuf, source: io::Error },

    #[error("there is no store at {path}; `moelab run` makes one, or name another with --store", path = .0.display())]
    Missing(PathBuf),

    #[error("{path} of the store is damaged: {what}; `moelab verify` lists all damage, `moelab run` repairs it", path = path.display())]
    Damaged { path: PathBuf, what: String },

    #[error("{path} was written by a newer moelab: it has {what}; use that moelab, or another --store", path = path.display())]
    Newer { path: PathBuf, what: String },

    #[error(
        "the path {0:?} cannot be handed to other programs as a line of text; use one that is UTF-8 and has no line breaks"
    )]
    Unprintable(PathBuf),

    #[error(
        "{path} is a symbolic link, and the store makes none: it may lead anywhere, so nothing is read, written or removed \
         through it; take it away",
        path = .0.display()
    )]
    Link(PathBuf),

    #[error("the store does not hold object {digest}: {path} is missing or was evicted; run the stage that makes it again", path = path.display())]
    Absent { digest: Digest, path: PathBuf },

    #[error("the stage did not write its output `{output}` ({path})", path = path.display())]
    NoOutput { output: String, path: PathBuf },

    #[error("the output `{output}` ({path}) {what}", path = path.display())]
    BadOutput {
        output: String,
        path: PathBuf,
        what: String,
    },

    #[error(
        "the input {path} changed while the stage ran, so its result was not kept: {what}; artifacts must not be edited",
        path = path.display()
    )]
    InputChanged { path: PathBuf, what: String },

    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl StoreError {
    /// The exit code of a program that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotWritable { .. } | Self::Full { .. } => 6,
            Self::Missing(_) | Self::Unprintable(_) => 2,
            Self::Damaged { .. }
            | Self::Newer { .. }
            | Self::Link(_)
            | Self::Absent { .. }
            | Self::InputChanged { .. }
            | Self::Io { .. } => 5,
            Self::NoOutput { .. } | Self::BadOutput { .. } => 3,
        }
    }

    /// An I/O error met while writing: a full disk and a closed door get their own variants.
    pub(crate) fn writing(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| {
            let path = path.to_owned();
            match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path, source },
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    Self::NotWritable { path, source }
                }
                _ => Self::Io { path, source },
            }
        }
    }

    pub(crate) fn reading(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_closed_door_exit_with_6_and_damage_with_5() {
        let code = |kind: io::ErrorKind| StoreError::writing(Path::new("x"))(kind.into()).exit_code();
        assert_eq!(code(io::ErrorKind::StorageFull), 6);
        assert_eq!(code(io::ErrorKind::QuotaExceeded), 6);
        assert_eq!(code(io::ErrorKind::PermissionDenied), 6);
        assert_eq!(code(io::ErrorKind::ReadOnlyFilesystem), 6);
        assert_eq!(code(io::ErrorKind::Other), 5);
    }
}
