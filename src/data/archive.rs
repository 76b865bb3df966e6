//! The files of a folder or of an archive (tar, tar.gz, tar.bz2, tar.xz, zip), seen in one way.
//!
//! Names are relative, `/`-separated, without the leading folders that all files share (unless such a folder is called
//! `train` or `test`, which carry meaning). So a folder, a tar and a zip of the same files have the same names, and
//! [`tree_digest`] gives them one digest. Hidden files and the litter of file managers are left out.

use super::content::{self, Packing};
use super::error::DataError;
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// Largest single file inside a tree, in bytes.
const MAX_FILE: u64 = 256 << 20;
/// Most files in a tree.
const MAX_FILES: usize = 20_000_000;
/// Most folders within each other.
const MAX_DEPTH: usize = 32;
/// Most bytes between two files of a tar archive: headers and long names, which are held in memory.
const MAX_HEADERS: u64 = 1 << 20;

/// What is done with a file: its name as stored, and its content.
pub(crate) type Each<'a, T> = dyn FnMut(&str, Vec<u8>) -> Result<T, DataError> + 'a;

/// Visits every file (name as stored, content) in the order of the medium; see [`common_top`] for its final name.
pub(crate) fn visit(path: &Path, each: &mut Each<()>) -> Result<(), DataError> {
    if path.is_dir() {
        return folder(path, each);
    }
    let (packing, file) = content::open(path)?;
    match packing {
        Packing::Zip => zip(path, file, each),
        _ => tar(path, each),
    }
}

fn folder(root: &Path, each: &mut Each<()>) -> Result<(), DataError> {
    let mut open = vec![(root.to_owned(), String::new())];
    while let Some((dir, prefix)) = open.pop() {
        if prefix.matches('/').count() > MAX_DEPTH {
            return Err(DataError::format(
                dir.display(),
                format!("folders are nested more than {MAX_DEPTH} deep"),
                "look for a loop of links",
            ));
        }
        let fail = |e| DataError::io("list", &dir, e);
        let mut entries = fs::read_dir(&dir)
            .map_err(fail)?
            .collect::<Result<Vec<_>, _>>()
            .map_err(fail)?;
        entries.sort_by_key(|e| e.file_name());
        for entry in entries {
            let path = entry.path();
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                return Err(DataError::format(path.display(), "its name is not UTF-8", "rename it"));
            };
            let name = format!("{prefix}{name}");
            if is_litter(&name) {
                continue;
            }
            if name.contains(char::is_control) {
                let what = format!("the name `{}` holds a control character", name.escape_debug());
                return Err(DataError::format(dir.display(), what, "rename it"));
            }
            let meta = fs::metadata(&path).map_err(|e| DataError::io("read", &path, e))?;
            if meta.is_dir() {
                open.push((path, name + "/"));
            } else if meta.is_file() {
                let file = fs::File::open(&path).map_err(|e| DataError::io("open", &path, e))?;
                let bytes = content::bounded(file, MAX_FILE).map_err(|e| DataError::io("read", &path, e))?;
                each(&name, bytes)?;
            } else {
                return Err(DataError::format(
                    path.display(),
                    "is neither a file nor a folder",
                    "remove it",
                ));
            }
        }
    }
    Ok(())
}

fn tar(path: &Path, each: &mut Each<()>) -> Result<(), DataError> {
    let fail = |e| DataError::io("read as a tar archive", path, e);
    let left = Cell::new(0);
    let mut archive = tar::Archive::new(Rationed {
        inner: content::unpacked(path)?,
        left: &left,
    });
    let mut entries = archive.entries().map_err(fail)?;
    loop {
        left.set(MAX_HEADERS);
        let Some(entry) = entries.next() else { return Ok(()) };
        let mut entry = entry.map_err(fail)?;
        left.set(u64::MAX);
        let raw = entry.path_bytes().into_owned();
        let kind = entry.header().entry_type();
        let skipped = kind.is_dir() || matches!(kind, tar::EntryType::XGlobalHeader);
        let name = if skipped { String::new() } else { checked(path, &raw)? };
        if skipped || is_litter(&name) {
            // Here and not by the next turn of the loop, which may take headers only.
            io::copy(&mut entry, &mut io::sink()).map_err(fail)?;
            continue;
        }
        if !kind.is_file() {
            let what = format!("its entry `{name}` is a link or a device");
            return Err(DataError::format(path.display(), what, "pack the files themselves"));
        }
        let size = entry.size();
        let bytes = content::bounded(entry, MAX_FILE).map_err(fail)?;
        if bytes.len() as u64 != size {
            let what = format!("ends inside its entry `{name}`");
            return Err(DataError::format(
                path.display(),
                what,
                "fetch or pack the archive again",
            ));
        }
        each(&name, bytes)?;
    }
}

/// Reads `left` bytes and no more.
struct Rationed<'a, R> {
    inner: R,
    left: &'a Cell<u64>,
}

impl<R: Read> Read for Rationed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let left = self.left.get().checked_sub(n as u64);
        self.left.set(left.ok_or_else(|| {
            let what = format!("more than {MAX_HEADERS} bytes of headers and names stand before a file");
            io::Error::new(io::ErrorKind::FileTooLarge, what)
        })?);
        Ok(n)
    }
}

fn zip(path: &Path, file: std::io::BufReader<fs::File>, each: &mut Each<()>) -> Result<(), DataError> {
    let fail = |e: zip::result::ZipError| {
        DataError::format(
            path.display(),
            format!("is no readable zip archive: {e}"),
            "fetch or pack it again",
        )
    };
    let size = file
        .get_ref()
        .metadata()
        .map_err(|e| DataError::io("open", path, e))?
        .len();
    let mut unpacking = content::Unpacking::of(size);
    let mut archive = zip::ZipArchive::new(file).map_err(fail)?;
    if archive.has_duplicate_names() || archive.has_overlapping_files().map_err(fail)? {
        return Err(DataError::format(
            path.display(),
            "holds a name twice, or files that share their bytes",
            "pack it again",
        ));
    }
    for i in 0..archive.len() {
        let entry = archive.by_index(i).map_err(fail)?;
        if entry.is_dir() {
            continue;
        }
        let raw = entry.name().map_err(fail)?.into_owned();
        let name = checked(path, raw.as_bytes())?;
        if is_litter(&name) {
            continue;
        }
        if entry.is_symlink() || entry.encrypted() {
            let what = format!("its entry `{name}` is a link or encrypted");
            return Err(DataError::format(
                path.display(),
                what,
                "pack the plain files themselves",
            ));
        }
        let bytes = content::bounded(entry, MAX_FILE)
            .and_then(|bytes| unpacking.count(bytes.len() as u64).map(|()| bytes))
            .map_err(|e| DataError::io("read", &path.join(&name), e))?;
        each(&name, bytes)?;
    }
    Ok(())
}

/// The name of an archive's entry as a relative path; whatever could lead out of the archive is refused.
fn checked(archive: &Path, raw: &[u8]) -> Result<String, DataError> {
    let fail = |what: &str| {
        let what = format!("its entry `{}` {what}", String::from_utf8_lossy(raw).escape_debug());
        Err(DataError::format(
            archive.display(),
            what,
            "do not trust this archive; pack it again with relative names",
        ))
    };
    let Ok(text) = std::str::from_utf8(raw) else {
        return fail("has a name that is not UTF-8");
    };
    if text.contains(|c: char| c == '\\' || c.is_control()) {
        return fail("has a backslash or a control character in its name");
    }
    let mut parts = Vec::new();
    for part in PathBuf::from(text).components() {
        match part {
            Component::Normal(p) => parts.push(p.to_str().expect("part of a UTF-8 name").to_owned()),
            Component::CurDir => {}
            _ => return fail("leads out of the archive"),
        }
    }
    match parts.len() {
        0 => fail("has no name"),
        n if n > MAX_DEPTH => fail(&format!("lies more than {MAX_DEPTH} folders deep")),
        _ => Ok(parts.join("/")),
    }
}

/// Hidden files and what file managers leave behind.
fn is_litter(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with('.') || part == "__MACOSX")
        || name
            .rsplit('/')
            .next()
            .is_some_and(|n| n.eq_ignore_ascii_case("thumbs.db") || n.eq_ignore_ascii_case("desktop.ini"))
}

/// How many bytes of the front of each name are folders that all names share, see the module's text.
fn common_top<'a>(names: impl Iterator<Item = &'a str> + Clone) -> usize {
    let mut cut = 0;
    loop {
        let mut tops = names.clone().map(|n| n[cut..].split_once('/').map(|(top, _)| top));
        let Some(Some(first)) = tops.next() else { return cut };
        if matches!(first, "train" | "test") || tops.any(|t| t != Some(first)) {
            return cut;
        }
        cut += first.len() + 1;
    }
}

/// A value per file, ordered by final name.
pub(crate) struct Tree<T> {
    pub files: BTreeMap<String, T>,
    pub digest: String,
}

/// Reads a whole tree: `keep` turns each file into what is kept of it, and the digest is made on the way.
pub(crate) fn read<T>(path: &Path, keep: &mut Each<T>) -> Result<Tree<T>, DataError> {
    let mut stored = BTreeMap::new();
    visit(path, &mut |name, bytes| {
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        if stored.len() >= MAX_FILES {
            let what = format!("holds more than {MAX_FILES} files");
            return Err(DataError::format(path.display(), what, "give a smaller folder"));
        }
        if stored.insert(name.to_owned(), (hash, keep(name, bytes)?)).is_some() {
            let what = format!("holds `{name}` twice");
            return Err(DataError::format(path.display(), what, "pack it again"));
        }
        Ok(())
    })?;
    if stored.is_empty() {
        return Err(DataError::format(
            path.display(),
            "holds no files",
            "name a folder or archive of PNG or JPEG images",
        ));
    }
    let cut = common_top(stored.keys().map(String::as_str));
    let mut hash = Sha256::new();
    let mut files = BTreeMap::new();
    for (name, (content, value)) in stored {
        let name = &name[cut..];
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        hash.update(content);
        files.insert(name.to_owned(), value);
    }
    Ok(Tree {
        files,
        digest: content::hex(&hash.finalize()),
    })
}

/// The digest of a folder or archive: SHA-256 over, for each file in byte order of its name, the length of the name
/// (u64, little-endian), the name, and the SHA-256 (32 bytes) of the file's content.
pub fn tree_digest(path: &Path) -> Result<String, DataError> {
    Ok(read(path, &mut |_, _| Ok(()))?.digest)
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
