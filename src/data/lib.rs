//! Everything stage `load` needs: find, verify, decompress and read data, and say what was read by digests.
//!
//! Nothing here knows a tensor library, so a program that links none can compute digests too. Order of operations:
//! classes → limit → resize → pad.

pub mod archive;
mod cifar;
mod coil;
pub mod content;
mod digits;
pub mod error;
mod fetch;
#[cfg(fuzzing)]
pub mod fuzzing;
mod idx;
pub mod image_folder;
pub mod images;
pub mod known;
mod libsvm;
mod matlab;
pub mod matrix;
mod memory;
mod npy;
pub mod random;
mod registry;
mod stl;
mod subset;
mod svhn;
pub mod synthetic;
#[cfg(test)]
pub mod testing;
mod transform;

pub use error::DataError;
pub use images::{Features, Images, Labels, Loaded};
pub use subset::Class;
pub use synthetic::Synthetic;
pub use transform::Size;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which part of a set. `All` is train then test; it is the only part of sets that are not divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    Train,
    Test,
    #[default]
    All,
}

impl Split {
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
            Self::All => "all",
        }
    }
}

/// What to load, as a spec writes it: `mnist`, `{folder: PATH}`, `{arrays: {images: x.npy, labels: y.npy}}` or
/// `{blobs: {n: 500, seed: 1}}`. Paths are used as they stand; the caller makes relative ones absolute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum Source {
    Known(String),
    /// A folder, or a tar or zip archive, of PNG and JPEG files.
    Folder {
        folder: PathBuf,
    },
    Arrays {
        arrays: Arrays,
    },
    Synthetic(Synthetic),
}

/// `.npy` files; exactly one of `images` and `features`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arrays {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
}

/// Where known sets lie, and whether a missing one may be fetched.
#[derive(Clone, Debug)]
pub struct DataDir {
    pub dir: PathBuf,
    pub download: bool,
}

/// What to take and how to shape it. `resize` and `pad` are for images alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    pub split: Split,
    pub classes: Option<Vec<Class>>,
    pub limit: Option<usize>,
    pub resize: Option<Size>,
    /// Side of the square that images are centred in, in pixels.
    pub pad: Option<u32>,
}

/// Loads, filters and shapes.
pub fn load(source: &Source, options: &Options, at: &DataDir) -> Result<Loaded, DataError> {
    let mut loaded = match source {
        Source::Known(name) => Loaded::Images(known::load(name, options.split, at)?),
        Source::Folder { folder } => Loaded::Images(image_folder::load(folder, options.split, options.resize)?),
        Source::Arrays { arrays } => {
            only_all(options.split, "arrays are")?;
            load_arrays(arrays)?
        }
        Source::Synthetic(generator) => {
            only_all(options.split, "generated points are")?;
            Loaded::Features(generator.generate()?)
        }
    };
    if let Some(wanted) = &options.classes {
        loaded = subset::classes(&loaded, wanted)?;
    }
    if let Some(limit) = options.limit {
        loaded = subset::limit(&loaded, limit)?;
    }
    match loaded {
        Loaded::Images(mut images) => {
            if let Some(size) = options.resize {
                images = transform::resize(images, size)?;
            }
            if let Some(side) = options.pad {
                images = transform::pad(images, side)?;
            }
            Ok(Loaded::Images(images))
        }
        Loaded::Features(_) if options.resize.is_some() || options.pad.is_some() => {
            let setting = if options.resize.is_some() { "resize" } else { "pad" };
            Err(DataError::setting(
                setting,
                "these data are features, not images",
                "leave it out",
            ))
        }
        features => Ok(features),
    }
}

/// Content digests by role, for the key: the pinned ones of a known set (no file needed), else those of the files.
/// Generated data have no source, so their map is empty.
pub fn source_digests(source: &Source, split: Split, at: &DataDir) -> Result<BTreeMap<String, String>, DataError> {
    match source {
        Source::Known(name) => match known::source_digests(name, split) {
            Some(pinned) => Ok(pinned),
            None => known::local_digests(name, split, at),
        },
        Source::Folder { folder } => Ok(BTreeMap::from([("folder".into(), archive::tree_digest(folder)?)])),
        Source::Arrays { arrays } => {
            let files = [
                ("images", &arrays.images),
                ("features", &arrays.features),
                ("labels", &arrays.labels),
            ];
            let given = files
                .into_iter()
                .filter_map(|(role, path)| Some((role, path.as_ref()?)));
            given
                .map(|(role, path)| Ok((role.to_owned(), content::file_digest(path)?)))
                .collect()
        }
        Source::Synthetic(_) => Ok(BTreeMap::new()),
    }
}

fn only_all(split: Split, what: &str) -> Result<(), DataError> {
    match split {
        Split::All => Ok(()),
        _ => Err(DataError::setting(
            "split",
            format!("{what} not divided"),
            "use `split: all`",
        )),
    }
}

fn load_arrays(arrays: &Arrays) -> Result<Loaded, DataError> {
    let mut digests = BTreeMap::new();
    let mut read = |role: &str, path: &Path, kept: u64| -> Result<(Vec<u8>, String), DataError> {
        let bytes = npy::read(path, kept)?;
        digests.insert(role.to_owned(), content::sha256(&bytes));
        Ok((bytes, path.display().to_string()))
    };
    let labels = match &arrays.labels {
        None => None,
        Some(path) => {
            let (bytes, place) = read("labels", path, 8)?;
            Some((
                Labels {
                    values: npy::labels(&bytes, &place)?,
                    class_names: Vec::new(),
                },
                place,
            ))
        }
    };
    let matching = |n: usize| match labels {
        None => Ok(None),
        Some((labels, place)) => npy::same_length(n, labels.values.len(), &place).map(|()| Some(labels)),
    };
    let name_of = |path: &Path| {
        path.file_stem()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let split = Split::All.name().to_owned();
    match (&arrays.images, &arrays.features) {
        (Some(path), None) => {
            let (bytes, place) = read("images", path, 2)?;
            let part = npy::images(&bytes, &place)?;
            let labels = matching(part.n())?;
            let (n, source_digest) = (part.n(), content::combined(&digests));
            let images::Part {
                channels,
                height,
                width,
                data,
                ..
            } = part;
            let name = name_of(path);
            Ok(Loaded::Images(Images {
                n,
                channels,
                height,
                width,
                data,
                labels,
                name,
                split,
                source_digest,
            }))
        }
        (None, Some(path)) => {
            let (bytes, place) = read("features", path, 4)?;
            let matrix = npy::features(&bytes, &place)?;
            let labels = matching(matrix.rows())?;
            let source_digest = content::combined(&digests);
            Ok(Loaded::Features(Features {
                matrix,
                labels,
                name: name_of(path),
                split,
                source_digest,
            }))
        }
        _ => Err(DataError::setting(
            "dataset",
            "`arrays` needs either `images` or `features`",
            "give exactly one of them",
        )),
    }
}

#[cfg(test)]
mod tests;
