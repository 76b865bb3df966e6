//! One artifact as a file: as it is, or in another open format.

use super::table::{Table, TableForm};
use crate::error::ResultsError;
use moelab_stages::artifact as types;
use npyz::WriterBuilder;
use safetensors::{Dtype, SafeTensors};
use std::path::Path;

/// Formats that single artifacts are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Safetensors,
    Npy,
    Parquet,
    Csv,
    Json,
    Png,
}

impl Form {
    pub const ALL: [Self; 6] = [
        Self::Safetensors,
        Self::Npy,
        Self::Parquet,
        Self::Csv,
        Self::Json,
        Self::Png,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Npy => "npy",
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Png => "png",
        }
    }

    /// What an artifact of this type can be written as, its own format first.
    pub fn of(artifact: &str) -> &'static [Self] {
        match artifact {
            types::IMAGES | types::LABELS | types::FEATURES | types::POINTS => &[Self::Safetensors, Self::Npy],
            types::MODEL | types::MANAGER => &[Self::Safetensors],
            types::LATENT_DIM | types::METRICS => &[Self::Json],
            types::PICTURE => &[Self::Png],
            types::FILE => &[],
            _ => &[Self::Parquet, Self::Csv],
        }
    }
}

/// The bytes of the artifact at `path` in a format that [`Form::of`] lists for its type.
pub fn artifact(path: &Path, form: Form) -> Result<Vec<u8>, ResultsError> {
    match form {
        Form::Npy => npy(path, None),
        Form::Csv => Table::read(path)?.bytes(TableForm::Csv),
        Form::Safetensors | Form::Parquet | Form::Json | Form::Png => std::fs::read(path).map_err(ResultsError::Write),
    }
}

/// A tensor of a safetensors file as `.npy`: the named one, or the only one.
pub fn npy(path: &Path, name: Option<&str>) -> Result<Vec<u8>, ResultsError> {
    let odd = |what: String| ResultsError::Export {
        path: path.to_owned(),
        source: std::io::Error::other(what),
    };
    let bytes = std::fs::read(path).map_err(ResultsError::Write)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| odd(e.to_string()))?;
    let name = match (name, &file.names()[..]) {
        (Some(name), _) => name.to_owned(),
        (None, [one]) => (*one).to_owned(),
        (None, names) => return Err(odd(format!("holds {} tensors, an array is one", names.len()))),
    };
    let tensor = file.tensor(&name).map_err(|e| odd(e.to_string()))?;
    let shape: Vec<u64> = tensor.shape().iter().map(|n| *n as u64).collect();
    let data = tensor.data();
    match tensor.dtype() {
        Dtype::U8 => array(&shape, data.iter().copied()),
        Dtype::I64 => array(
            &shape,
            data.chunks_exact(8)
                .map(|c| i64::from_le_bytes(c.try_into().expect("eight bytes"))),
        ),
        Dtype::F32 => array(
            &shape,
            data.chunks_exact(4)
                .map(|c| f32::from_le_bytes(c.try_into().expect("four bytes"))),
        ),
        other => Err(odd(format!("holds {other:?}, which none of our artifacts does"))),
    }
}

fn array<T: npyz::AutoSerialize>(shape: &[u64], values: impl Iterator<Item = T>) -> Result<Vec<u8>, ResultsError> {
    let mut bytes = vec![];
    let options = npyz::WriteOptions::new()
        .default_dtype()
        .shape(shape)
        .writer(&mut bytes);
    let mut writer = options.begin_nd().map_err(ResultsError::Write)?;
    writer.extend(values).map_err(ResultsError::Write)?;
    writer.finish().map_err(ResultsError::Write)?;
    Ok(bytes)
}
