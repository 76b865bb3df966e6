//! Reading the safetensors artifacts that figures need.

use crate::error::ResultsError;
use moelab_stages::artifact;
use safetensors::tensor::{Dtype, SafeTensors};
use std::path::Path;

/// Rows of f32, N × D.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Points {
    pub(crate) values: Vec<f32>,
    pub(crate) dimensions: usize,
}

impl Points {
    pub(crate) fn rows(&self) -> usize {
        self.values.len() / self.dimensions.max(1)
    }

    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.dimensions..(row + 1) * self.dimensions]
    }
}

/// Images as stored: u8, [N, C, H, W].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Images {
    pub(crate) rows: usize,
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) pixels: Vec<u8>,
}

impl Images {
    /// One image, [C, H, W].
    pub(crate) fn row(&self, row: usize) -> &[u8] {
        let size = self.channels * self.height * self.width;
        &self.pixels[row * size..(row + 1) * size]
    }
}

/// Class of each row, and the names of the classes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Labels {
    pub(crate) values: Vec<i64>,
    names: Vec<String>,
}

impl Labels {
    pub(crate) fn name(&self, label: i64) -> String {
        let named = usize::try_from(label).ok().and_then(|label| self.names.get(label));
        named.cloned().unwrap_or_else(|| label.to_string())
    }
}

/// Reads a `points` or `features` artifact.
pub(crate) fn points(path: &Path, artifact: &str) -> Result<Points, ResultsError> {
    let name = if artifact == artifact::FEATURES {
        "features"
    } else {
        "points"
    };
    tensor(path, name, Dtype::F32, |shape, bytes| {
        let &[_, dimensions] = shape else { return None };
        let values = bytes.chunks_exact(4);
        let values = values.map(|c| f32::from_le_bytes(c.try_into().expect("chunks of four")));
        Some(Points {
            values: values.collect(),
            dimensions,
        })
    })
}

/// Reads an `images` artifact.
pub(crate) fn images(path: &Path) -> Result<Images, ResultsError> {
    tensor(path, "images", Dtype::U8, |shape, bytes| {
        let &[rows, channels, height, width] = shape else {
            return None;
        };
        Some(Images {
            rows,
            channels,
            height,
            width,
            pixels: bytes.to_vec(),
        })
    })
}

/// Reads a `labels` artifact.
pub(crate) fn labels(path: &Path) -> Result<Labels, ResultsError> {
    let bytes = std::fs::read(path).map_err(|e| unreadable(path, &e))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| unreadable(path, &e))?;
    let meta = header.metadata().as_ref().and_then(|meta| meta.get("moelab"));
    let meta: serde_json::Value = meta
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let names = meta["classes"].as_array().into_iter().flatten();
    let names = names.map(|name| name.as_str().map_or_else(|| name.to_string(), str::to_owned));
    let names: Vec<String> = names.collect();
    tensor(path, "labels", Dtype::I64, |_, bytes| {
        let values = bytes.chunks_exact(8);
        let values = values.map(|c| i64::from_le_bytes(c.try_into().expect("chunks of eight")));
        Some(Labels {
            values: values.collect(),
            names,
        })
    })
}

fn tensor<T>(
    path: &Path,
    name: &str,
    dtype: Dtype,
    read: impl FnOnce(&[usize], &[u8]) -> Option<T>,
) -> Result<T, ResultsError> {
    let bytes = std::fs::read(path).map_err(|e| unreadable(path, &e))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| unreadable(path, &e))?;
    let view = file.tensor(name).map_err(|e| unreadable(path, &e))?;
    let read = (view.dtype() == dtype)
        .then(|| read(view.shape(), view.data()))
        .flatten();
    read.ok_or_else(|| {
        let found = format!("{name} is {:?} {:?}", view.dtype(), view.shape());
        unreadable(path, &found)
    })
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> ResultsError {
    ResultsError::NoTensors {
        path: path.to_owned(),
        message: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::safetensors_file;

    #[test]
    fn points_images_and_labels_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let floats: Vec<u8> = [1.0_f32, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let path = safetensors_file(dir.path(), "points", Dtype::F32, &[2, 2], &floats, "{}");
        let read = points(&path, artifact::POINTS).unwrap();
        assert_eq!((read.rows(), read.row(1)), (2, &[3.0, 4.0][..]));

        let path = safetensors_file(dir.path(), "images", Dtype::U8, &[2, 1, 1, 2], &[1, 2, 3, 4], "{}");
        let read = images(&path).unwrap();
        assert_eq!((read.rows, read.row(1)), (2, &[3, 4][..]));

        let longs: Vec<u8> = [1_i64, 7].iter().flat_map(|x| x.to_le_bytes()).collect();
        let meta = r#"{"classes": ["zero", "one"]}"#;
        let path = safetensors_file(dir.path(), "labels", Dtype::I64, &[2], &longs, meta);
        let read = labels(&path).unwrap();
        assert_eq!((read.name(1), read.name(7)), ("one".to_owned(), "7".to_owned()));
    }

    #[test]
    fn another_type_or_shape_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = safetensors_file(dir.path(), "images", Dtype::U8, &[2, 2], &[1, 2, 3, 4], "{}");
        let said = images(&path).unwrap_err().to_string();
        assert!(said.contains("[2, 2]") && said.contains("moelab verify"), "{said}");
        assert!(points(&path, artifact::POINTS).is_err());
        std::fs::write(&path, "no tensors").unwrap();
        assert!(labels(&path).is_err());
    }
}
