//! safetensors files: named tensors with one JSON document of metadata.

use crate::matrix::Matrix;
use burn::tensor::{Device, Tensor, TensorData};
use moelab_engine::digest::Digest;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// The one metadata entry we write. The format keeps metadata in a hash map: with a single entry the bytes of a file
/// cannot depend on its order.
const META: &str = "moelab";

/// A file that cannot be read as what it should be.
#[derive(Debug, thiserror::Error)]
pub enum TensorFileError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write {path}: {message}")]
    Write { path: PathBuf, message: String },
    #[error("{path} is not the safetensors file it should be: {message}")]
    Content { path: PathBuf, message: String },
}

/// An f32 tensor on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl Named {
    pub fn new(shape: Vec<usize>, values: Vec<f32>) -> Self {
        Self { shape, values }
    }

    pub fn from_tensor<const D: usize>(tensor: Tensor<D>) -> Self {
        let shape = tensor.dims().to_vec();
        Self {
            shape,
            values: host(tensor),
        }
    }

    pub fn to_tensor<const D: usize>(&self, device: &Device) -> Tensor<D> {
        Tensor::from_data(TensorData::new(self.values.clone(), self.shape.clone()), device)
    }
}

/// The values of a tensor, row-major.
pub fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .into_data()
        .convert::<f32>()
        .try_into_vec()
        .expect("converted to f32 one call before")
}

/// Contents of a safetensors file.
pub struct TensorFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl TensorFile {
    pub fn open(path: &Path) -> Result<Self, TensorFileError> {
        let bytes = std::fs::read(path).map_err(|source| TensorFileError::Read {
            path: path.to_owned(),
            source,
        })?;
        let file = Self {
            path: path.to_owned(),
            bytes,
        };
        file.parse()?;
        Ok(file)
    }

    /// The digest of the whole file.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    fn parse(&self) -> Result<SafeTensors<'_>, TensorFileError> {
        SafeTensors::deserialize(&self.bytes).map_err(|e| self.content(e.to_string()))
    }

    fn content(&self, message: String) -> TensorFileError {
        TensorFileError::Content {
            path: self.path.clone(),
            message,
        }
    }

    /// The metadata document.
    pub fn meta<T: DeserializeOwned>(&self) -> Result<T, TensorFileError> {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).map_err(|e| self.content(e.to_string()))?;
        let entries = header.metadata().as_ref();
        let text = entries
            .and_then(|m| m.get(META))
            .ok_or_else(|| self.content(format!("no {META:?} metadata")))?;
        serde_json::from_str(text).map_err(|e| self.content(format!("its {META:?} metadata: {e}")))
    }

    fn view(&self, name: &str, dtype: Dtype) -> Result<TensorView<'_>, TensorFileError> {
        let view = self.parse()?.tensor(name).map_err(|e| self.content(e.to_string()))?;
        self.typed(name, view, dtype)
    }

    fn typed<'a>(&self, name: &str, view: TensorView<'a>, dtype: Dtype) -> Result<TensorView<'a>, TensorFileError> {
        match view.dtype() == dtype {
            true => Ok(view),
            false => Err(self.content(format!("tensor {name} holds {:?}, {dtype:?} is wanted", view.dtype()))),
        }
    }

    /// Shape and bytes of a u8 tensor.
    pub fn u8(&self, name: &str) -> Result<(Vec<usize>, Vec<u8>), TensorFileError> {
        let view = self.view(name, Dtype::U8)?;
        Ok((view.shape().to_vec(), view.data().to_vec()))
    }

    pub fn i64(&self, name: &str) -> Result<Vec<i64>, TensorFileError> {
        let view = self.view(name, Dtype::I64)?;
        let bytes = view.data();
        Ok(bytes
            .chunks_exact(8)
            .map(|c| i64::from_le_bytes(c.try_into().expect("chunks of eight")))
            .collect())
    }

    pub fn f32(&self, name: &str) -> Result<Named, TensorFileError> {
        Ok(floats(&self.view(name, Dtype::F32)?))
    }

    /// A rank-2 f32 tensor as a matrix.
    pub fn matrix(&self, name: &str) -> Result<Matrix, TensorFileError> {
        let named = self.f32(name)?;
        match named.shape[..] {
            [rows, cols] => Ok(Matrix::new(rows, cols, named.values)),
            _ => Err(self.content(format!(
                "tensor {name} has the shape {:?}, [N, D] is wanted",
                named.shape
            ))),
        }
    }

    /// All f32 tensors by name.
    pub fn all_f32(&self) -> Result<BTreeMap<String, Named>, TensorFileError> {
        let tensors = self.parse()?;
        tensors
            .iter()
            .map(|(name, view)| Ok((name.to_owned(), floats(&self.typed(name, view, Dtype::F32)?))))
            .collect()
    }
}

/// An f32 tensor on the host; the format has checked that its bytes are as many as its shape says.
fn floats(view: &TensorView<'_>) -> Named {
    let values = view
        .data()
        .chunks_exact(4)
        .map(|c| f32::from_le_bytes(c.try_into().expect("chunks of four")))
        .collect();
    Named::new(view.shape().to_vec(), values)
}

/// One tensor to be written.
pub enum Content<'a> {
    U8(&'a [u8]),
    I64(&'a [i64]),
    F32(&'a [f32]),
}

/// Writes named tensors with their metadata; equal contents are equal bytes.
pub fn write(path: &Path, tensors: &[(&str, &[usize], Content<'_>)], meta: &Value) -> Result<(), TensorFileError> {
    let failed = |message: String| TensorFileError::Write {
        path: path.to_owned(),
        message,
    };
    let bytes: Vec<(&str, Dtype, &[usize], Vec<u8>)> = tensors
        .iter()
        .map(|(name, shape, content)| {
            let (dtype, bytes) = match content {
                Content::U8(v) => (Dtype::U8, v.to_vec()),
                Content::I64(v) => (Dtype::I64, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
                Content::F32(v) => (Dtype::F32, v.iter().flat_map(|x| x.to_le_bytes()).collect()),
            };
            (*name, dtype, *shape, bytes)
        })
        .collect();
    let mut views = Vec::with_capacity(bytes.len());
    for (name, dtype, shape, data) in &bytes {
        let view = TensorView::new(*dtype, shape.to_vec(), data).map_err(|e| failed(e.to_string()))?;
        views.push((*name, view));
    }
    let meta = HashMap::from([(META.to_owned(), meta.to_string())]);
    safetensors::serialize_to_file(views, Some(meta), path).map_err(|e| failed(e.to_string()))
}

/// Writes weights by path.
pub fn write_weights(path: &Path, weights: &BTreeMap<String, Named>, meta: &Value) -> Result<(), TensorFileError> {
    let tensors: Vec<_> = weights
        .iter()
        .map(|(name, t)| (name.as_str(), &t.shape[..], Content::F32(&t.values)))
        .collect();
    write(path, &tensors, meta)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tensors_and_metadata_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let meta = json!({"name": "digits", "classes": ["0", "1"]});
        let f32s = Content::F32(&[0.5, -1.5]);
        write(
            &path,
            &[
                ("a", &[2, 1], f32s),
                ("b", &[3], Content::I64(&[-1, 0, 7])),
                ("c", &[1, 2], Content::U8(&[1, 2])),
            ],
            &meta,
        )
        .unwrap();
        let file = TensorFile::open(&path).unwrap();
        assert_eq!(file.meta::<Value>().unwrap(), meta);
        assert_eq!(file.matrix("a").unwrap(), Matrix::new(2, 1, vec![0.5, -1.5]));
        assert_eq!(file.i64("b").unwrap(), [-1, 0, 7]);
        assert_eq!(file.u8("c").unwrap(), (vec![1, 2], vec![1, 2]));
    }

    #[test]
    fn wrong_types_names_and_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        write(&path, &[("a", &[2], Content::I64(&[1, 2]))], &json!({})).unwrap();
        let file = TensorFile::open(&path).unwrap();
        assert!(file.f32("a").unwrap_err().to_string().contains("I64"));
        assert!(file.i64("b").is_err());
        assert!(file.all_f32().unwrap_err().to_string().contains("tensor a holds I64"));
        std::fs::write(&path, b"not tensors").unwrap();
        assert!(TensorFile::open(&path).is_err());
    }

    #[test]
    fn headers_that_lie_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let open = |length: Option<u64>, header: &str, body: usize| {
            let length = length.unwrap_or(header.len() as u64).to_le_bytes();
            std::fs::write(&path, [&length[..], header.as_bytes(), &vec![0; body]].concat()).unwrap();
            TensorFile::open(&path)
        };
        let tensor = |shape: &str, end: u64| format!(r#""dtype":"F32","shape":{shape},"data_offsets":[0,{end}]"#);
        let one = |shape: &str, end: u64| format!(r#"{{"x":{{{}}}}}"#, tensor(shape, end));
        assert_eq!(open(None, &one("[2]", 8), 8).unwrap().f32("x").unwrap().shape, [2]);
        assert!(open(None, &one("[3]", 8), 8).is_err(), "another shape");
        assert!(
            open(None, &one("[4611686018427387904, 4]", 8), 8).is_err(),
            "a shape that overflows"
        );
        assert!(open(None, &one("[2]", 8), 7).is_err(), "cut");
        assert!(open(None, &one("[2]", 8), 9).is_err(), "trailing bytes");
        assert!(
            open(Some(u64::MAX), &one("[2]", 8), 8).is_err(),
            "a header beyond the file"
        );
        let both = format!(r#"{{"x":{{{}}},"y":{{{}}}}}"#, tensor("[2]", 8), tensor("[2]", 8));
        assert!(open(None, &both, 8).is_err(), "tensors that overlap");
    }
}
