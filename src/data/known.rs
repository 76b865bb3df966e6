//! Known data sets: found below the data folder, fetched if allowed, verified, read.

use super::archive;
use super::content;
use super::error::DataError;
use super::fetch;
use super::images::{Images, Labels, Part};
use super::registry::{Archive, Form, KnownFile, KnownSet, SETS};
use super::{DataDir, Split, cifar, coil, digits, idx, libsvm, stl, svhn};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// No decompressed file of a known set is larger, in bytes (the largest has 221 MB).
const MAX_FILE: u64 = 256 << 20;

/// Names of all known sets.
pub fn names() -> impl Iterator<Item = &'static str> {
    SETS.iter().map(|s| s.name)
}

/// Pinned digests by role of the files that a split of a known set needs. Needs no file. `None` for a set or split that
/// is not known, and for sets whose content was never pinned (`cifar10`, `cifar100-20`, `stl10`, `usps-smoothed`): use [`local_digests`].
pub fn source_digests(name: &str, split: Split) -> Option<BTreeMap<String, String>> {
    let set = SETS.iter().find(|s| s.name == name)?;
    if !set.has(split) {
        return None;
    }
    set.of_split(split)
        .map(|f| Some((f.role.to_owned(), f.digest?.to_owned())))
        .collect()
}

/// Digests by role of the files at hand (fetched first where `at` allows it).
pub fn local_digests(name: &str, split: Split, at: &DataDir) -> Result<BTreeMap<String, String>, DataError> {
    let set = find(name, split)?;
    match set.form {
        Form::Embedded | Form::Coil => Ok(source_digests(name, split).expect("both are pinned")),
        _ => Ok(contents(set, split, at)?
            .into_iter()
            .map(|c| (c.file.role.to_owned(), c.digest))
            .collect()),
    }
}

/// Loads a split of a known set.
pub fn load(name: &str, split: Split, at: &DataDir) -> Result<Images, DataError> {
    let set = find(name, split)?;
    let mut class_names: Vec<String> = set.class_names.iter().map(|s| s.to_string()).collect();
    let (part, digests) = match set.form {
        Form::Embedded => (digits::load()?, source_digests(name, split).expect("digits are pinned")),
        Form::Coil => {
            class_names = coil::class_names();
            coil::load(set, at)?
        }
        _ => {
            let found = contents(set, split, at)?;
            let digests = found
                .iter()
                .map(|c| (c.file.role.to_owned(), c.digest.clone()))
                .collect();
            (read(set, &found)?, digests)
        }
    };
    Ok(Images {
        n: part.n(),
        channels: part.channels,
        height: part.height,
        width: part.width,
        data: part.data,
        labels: part.labels.map(|values| Labels { values, class_names }),
        name: name.to_owned(),
        split: split.name().to_owned(),
        source_digest: content::combined(&digests),
    })
}

/// Whether files that carry the names of a known set's lie in the data folder; what they hold is not looked at.
pub fn present(name: &str, at: &DataDir) -> bool {
    let set = SETS.iter().find(|set| set.name == name);
    set.is_some_and(|set| match set.form {
        Form::Embedded => true,
        Form::Coil => coil::find(set, at).is_some(),
        _ => {
            let unpacked = set.files.iter().all(|file| !candidates(set, file, at).is_empty());
            let archive = set.archive.as_ref().and_then(|archive| packed(set, archive, at));
            unpacked || archive.is_some()
        }
    })
}

fn find(name: &str, split: Split) -> Result<&'static KnownSet, DataError> {
    let Some(set) = SETS.iter().find(|s| s.name == name) else {
        let known = names().collect::<Vec<_>>().join(", ");
        return Err(DataError::UnknownSet {
            name: name.to_owned(),
            known,
        });
    };
    if !set.has(split) {
        let what = format!("`{name}` has no part called `{}`", split.name());
        return Err(DataError::setting("split", what, "use `split: all`"));
    }
    Ok(set)
}

/// One file of a set: where it was found, its decompressed content and digest.
struct Content {
    file: &'static KnownFile,
    place: String,
    bytes: Vec<u8>,
    digest: String,
}

/// All files that a split needs, each verified.
fn contents(set: &'static KnownSet, split: Split, at: &DataDir) -> Result<Vec<Content>, DataError> {
    let mut found = Vec::new();
    for file in set.of_split(split) {
        match (on_disk(set, file, at)?, &set.archive) {
            (Some(content), _) => found.push(content),
            (None, Some(archive)) => return from_archive(set, archive, split, at),
            (None, None) => {
                fetch_file(set, file, split, at)?;
                let again = on_disk(set, file, at)?;
                found.push(again.ok_or_else(|| missing(set, split, at, String::new()))?);
            }
        }
    }
    Ok(found)
}

/// Looks through all places. A file that carries the name but not the content, or cannot be read, is an error only if no
/// place has the right one: sets share file names, and may share a folder.
fn on_disk(set: &KnownSet, file: &'static KnownFile, at: &DataDir) -> Result<Option<Content>, DataError> {
    let mut refused = None;
    for path in candidates(set, file, at) {
        match verified(set, file, &path) {
            Ok(content) => return Ok(Some(content)),
            Err(e) => refused = refused.or(Some(e)),
        }
    }
    refused.map_or(Ok(None), Err)
}

fn verified(set: &KnownSet, file: &'static KnownFile, path: &Path) -> Result<Content, DataError> {
    let bytes = content::read_at_most(path, MAX_FILE)?;
    let digest = content::sha256(&bytes);
    verify(set, file, path, &digest)?;
    Ok(Content {
        file,
        place: path.display().to_string(),
        bytes,
        digest,
    })
}

fn candidates(set: &KnownSet, file: &KnownFile, at: &DataDir) -> Vec<PathBuf> {
    let folders = set.folders.iter().map(|f| at.dir.join(f)).chain([at.dir.clone()]);
    let mut found = Vec::new();
    for folder in folders {
        for name in file.names {
            for ending in ["", ".gz", ".bz2", ".xz"] {
                let path = folder.join(format!("{name}{ending}"));
                if path.is_file() && !found.contains(&path) {
                    found.push(path);
                }
            }
        }
    }
    found
}

/// Checks a content digest against the pin; a set without pins must at least not be another known set.
pub(super) fn verify(set: &KnownSet, file: &KnownFile, path: &Path, digest: &str) -> Result<(), DataError> {
    if file.digest == Some(digest) {
        return Ok(());
    }
    let owner = SETS.iter().find_map(|s| {
        s.files
            .iter()
            .find(|f| f.digest == Some(digest))
            .map(|f| (s.name, f.role))
    });
    let next = match owner {
        Some((other, role)) => {
            format!(
                "it is `{role}` of `{other}`: load it as that, or put the file of `{}` there{}",
                set.name,
                home(set)
            )
        }
        None => format!(
            "put the published file there{}, or load it as your own data by `folder` or `arrays`",
            home(set)
        ),
    };
    match (file.digest, owner) {
        (None, None) => Ok(()),
        (None, Some(_)) => {
            let what = format!("is not a file of `{}`", set.name);
            Err(DataError::format(path.display(), what, next))
        }
        (Some(expected), _) => Err(DataError::Digest {
            path: path.to_owned(),
            expected: expected.to_owned(),
            found: digest.to_owned(),
            next,
        }),
    }
}

fn home(set: &KnownSet) -> String {
    set.homes.first().map(|h| format!(" (from {h})")).unwrap_or_default()
}

fn fetch_file(set: &KnownSet, file: &KnownFile, split: Split, at: &DataDir) -> Result<(), DataError> {
    let target = at.dir.join(set.folders[0]).join(file.remote);
    let check = |path: &Path| {
        let bytes = content::read_at_most(path, MAX_FILE)?;
        verify(set, file, path, &content::sha256(&bytes))?;
        // Without a pin the format and the number of items are all there is to go by.
        if file.digest.is_none() {
            let place = set.homes.concat() + file.remote;
            counted(libsvm::usps(&bytes, &place)?, file, &place)?;
        }
        Ok(())
    };
    fetch_any(set, file.remote, &target, split, at, &check)
}

/// Tries the homes of a set in turn; the error holds what the last one said.
pub(super) fn fetch_any(
    set: &KnownSet,
    remote: &str,
    target: &Path,
    split: Split,
    at: &DataDir,
    check: &dyn Fn(&Path) -> Result<(), DataError>,
) -> Result<(), DataError> {
    if !at.download || remote.is_empty() {
        return Err(missing(set, split, at, String::new()));
    }
    let mut said = String::new();
    for home in set.homes {
        match fetch::download(&format!("{home}{remote}"), target, check) {
            Ok(()) => return Ok(()),
            // Not the network's fault, so another address would not help.
            Err(e @ DataError::Io { .. }) => return Err(e),
            Err(e) => said = format!("; {e}"),
        }
    }
    Err(missing(set, split, at, said))
}

fn missing(set: &KnownSet, split: Split, at: &DataDir, download: String) -> DataError {
    let mut files: Vec<&str> = set.of_split(split).map(|f| f.names[0]).collect();
    if let Some(archive) = &set.archive {
        files = vec![archive.name];
    }
    let published = match set.name {
        // The pinned texts have no public home that we know, only their pixels have.
        "usps" => "https://hastie.su.domains/ElemStatLearn/data.html (zip.train.gz, zip.test.gz: USPS in another \
                   text form; write each line as `digit+1 1:value … 256:value`, numbers without trailing zeros)"
            .to_owned(),
        _ => set.homes.join(", "),
    };
    let folder = at.dir.join(set.folders.first().unwrap_or(&set.name));
    DataError::Missing {
        name: set.name.to_owned(),
        files: files.join(", "),
        folder,
        published: published + &download,
    }
}

/// The published archive, or the same unpacked by gzip alone.
fn packed(set: &KnownSet, published: &Archive, at: &DataDir) -> Option<PathBuf> {
    let names = [published.name, published.name.trim_end_matches(".gz")];
    let folders = set.folders.iter().map(|f| at.dir.join(f)).chain([at.dir.clone()]);
    folders.flat_map(|f| names.map(|n| f.join(n))).find(|p| p.is_file())
}

/// The files out of the published archive.
fn from_archive(
    set: &'static KnownSet,
    published: &Archive,
    split: Split,
    at: &DataDir,
) -> Result<Vec<Content>, DataError> {
    let archive = match packed(set, published, at) {
        Some(path) => path,
        None => {
            let target = at.dir.join(set.folders[0]).join(published.name);
            fetch_any(set, published.name, &target, split, at, &|path| {
                let bytes = std::fs::read(path).map_err(|e| DataError::io("read", path, e))?;
                match content::sha256(&bytes) == published.digest {
                    true => Ok(()),
                    false => Err(DataError::format(
                        path.display(),
                        "is not the published archive",
                        "fetch it again",
                    )),
                }
            })?;
            target
        }
    };
    let mut by_name = BTreeMap::new();
    archive::visit(&archive, &mut |name, bytes| {
        let name = name.rsplit('/').next().unwrap_or(name);
        let file = set.of_split(split).find(|f| f.names[0] == name);
        if file.is_some_and(|file| by_name.insert(file.role, bytes).is_some()) {
            let what = format!("holds two files called `{name}`");
            return Err(DataError::format(archive.display(), what, "fetch the archive again"));
        }
        Ok(())
    })?;
    let take = |file: &'static KnownFile| {
        let place = format!("{}: {}", archive.display(), file.names[0]);
        let bytes = by_name
            .remove(file.role)
            .ok_or_else(|| DataError::format(&place, "is not in the archive", "fetch the archive again"))?;
        Ok(Content {
            file,
            place,
            digest: content::sha256(&bytes),
            bytes,
        })
    };
    set.of_split(split).map(take).collect()
}

/// Parses verified contents and joins the parts, train before test.
fn read(set: &KnownSet, found: &[Content]) -> Result<Part, DataError> {
    let mut whole: Option<Part> = None;
    let mut add = |part: Part, content: &Content| -> Result<(), DataError> {
        let part = counted(part, content.file, &content.place)?;
        whole = Some(match whole.take() {
            None => part,
            Some(w) => w.then(part, &content.place)?,
        });
        Ok(())
    };
    match set.form {
        Form::Idx => {
            for pair in found.chunks_exact(2) {
                let images = idx::images(&pair[0].bytes, &pair[0].place)?;
                let labels = idx::labels(&pair[1].bytes, set.class_names.len() as i64, &pair[1].place)?;
                add(idx::join(images, labels, &pair[1].place)?, &pair[0])?;
            }
        }
        Form::Usps => found
            .iter()
            .try_for_each(|c| add(libsvm::usps(&c.bytes, &c.place)?, c))?,
        Form::Stl => {
            for pair in found.chunks_exact(2) {
                let places = [&*pair[0].place, &pair[1].place];
                add(stl::labelled(&pair[0].bytes, &pair[1].bytes, places)?, &pair[0])?;
            }
        }
        Form::Svhn => found
            .iter()
            .try_for_each(|c| add(svhn::digits(&c.bytes, &c.place)?, c))?,
        Form::Cifar100 => found
            .iter()
            .try_for_each(|c| add(cifar::superclasses(&c.bytes, &c.place)?, c))?,
        _ => found
            .iter()
            .try_for_each(|c| add(cifar::batch(&c.bytes, &c.place)?, c))?,
    }
    Ok(whole.expect("every split of a known set has a file"))
}

/// The part, if it has as many images as the file must have.
fn counted(part: Part, file: &KnownFile, place: &str) -> Result<Part, DataError> {
    if part.n() == file.items {
        return Ok(part);
    }
    let what = format!("holds {} images where `{}` has {}", part.n(), file.role, file.items);
    Err(DataError::format(place, what, "fetch the file again"))
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
