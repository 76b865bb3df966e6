//! What lies in the folders of objects and manifests.

use super::{StoreError, disk};
use crate::digest::Digest;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One entry below `objects/` or `actions/`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file at the place that this digest names.
    Named(Digest),
    /// A temporary file of a process, dead or alive, or a damaged object set aside.
    Temporary,
    Link,
    /// Nothing that the store puts there.
    Foreign,
}

/// The entries of `dir/ab/cdef…SUFFIX`, by path.  Links are named and not followed.
pub(super) fn list(dir: &Path, suffix: &str) -> Result<Vec<Listed>, StoreError> {
    let mut found = vec![];
    for (shard, path, kind) in entries(dir)? {
        let is_shard = shard.len() == 2 && shard.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match kind {
            Entry::Folder if is_shard => {
                for (name, path, kind) in entries(&path)? {
                    let digest = || format!("{shard}{}", name.strip_suffix(suffix)?).parse().ok();
                    let kind = match kind {
                        Entry::Link => Kind::Link,
                        Entry::File if name.starts_with(disk::TEMPORARY) => Kind::Temporary,
                        Entry::File => digest().map_or(Kind::Foreign, Kind::Named),
                        Entry::Folder | Entry::Other => Kind::Foreign,
                    };
                    found.push(Listed { path, kind });
                }
            }
            Entry::Link => found.push(Listed { path, kind: Kind::Link }),
            _ => found.push(Listed {
                path,
                kind: Kind::Foreign,
            }),
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    File,
    Folder,
    Link,
    Other,
}

/// Entries of a folder, by name (names that are no UTF-8 in a readable form); none if there is no such folder.
pub(super) fn entries(dir: &Path) -> Result<Vec<(String, PathBuf, Entry)>, StoreError> {
    let read = match fs::read_dir(dir) {
        Ok(read) => read,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(e) => return Err(StoreError::reading(dir)(e)),
    };
    let mut found = vec![];
    for entry in read {
        let entry = entry.map_err(StoreError::reading(dir))?;
        let kind = entry.file_type().map_err(StoreError::reading(dir))?;
        let kind = if kind.is_symlink() {
            Entry::Link
        } else if kind.is_dir() {
            Entry::Folder
        } else if kind.is_file() {
            Entry::File
        } else {
            Entry::Other
        };
        // Lossy names hold a character that none of ours has, so they match nothing of ours.
        let name = String::from_utf8_lossy(entry.file_name().as_bytes()).into_owned();
        found.push((name, entry.path(), kind));
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn entries_are_told_apart_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let shard = dir.path().join("ab");
        fs::create_dir(&shard).unwrap();
        let rest = "0".repeat(62);
        fs::write(shard.join(&rest), "").unwrap();
        fs::write(shard.join(".tmp-x"), "").unwrap();
        fs::write(shard.join(OsStr::from_bytes(b"\xff")), "").unwrap();
        fs::create_dir(shard.join("folder")).unwrap();
        std::os::unix::fs::symlink(shard.join(&rest), shard.join("1".repeat(62))).unwrap();
        std::os::unix::fs::symlink(&shard, dir.path().join("cd")).unwrap();
        fs::write(dir.path().join("note"), "").unwrap();
        let digest = format!("ab{rest}").parse().unwrap();
        let mut kinds: Vec<_> = list(dir.path(), "").unwrap().into_iter().map(|l| l.kind).collect();
        kinds.sort_by_key(|kind| format!("{kind:?}"));
        assert_eq!(
            kinds,
            [
                Kind::Foreign,
                Kind::Foreign,
                Kind::Foreign,
                Kind::Link,
                Kind::Link,
                Kind::Named(digest),
                Kind::Temporary
            ]
        );
        assert!(list(&dir.path().join("none"), "").unwrap().is_empty());
    }
}
