//! What `load` gives: images or feature vectors, and their labels where there are any.

use super::error::DataError;
use crate::matrix::Matrix;

/// The class of every item. `values[i]` is the label of item i; for sets with class names it is an index into
/// `class_names`, which is empty where classes have no names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    pub values: Vec<i64>,
    pub class_names: Vec<String>,
}

/// `n` images of `channels` × `height` × `width` bytes each, in NCHW order, 0 (black) … 255.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    pub n: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub data: Vec<u8>,
    pub labels: Option<Labels>,
    /// The known name, or the last part of the path it came from.
    pub name: String,
    /// `train`, `test` or `all`.
    pub split: String,
    /// SHA-256 that stands for all sources, see [`super::content::combined`].
    pub source_digest: String,
}

/// `matrix` holds one row of features per item.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    pub matrix: Matrix,
    pub labels: Option<Labels>,
    pub name: String,
    pub split: String,
    pub source_digest: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Loaded {
    Images(Images),
    Features(Features),
}

/// Pixels and labels of one part of a set (train, say), before a name and a digest are known. NCHW.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub data: Vec<u8>,
    pub labels: Option<Vec<i64>>,
}

impl Part {
    pub fn n(&self) -> usize {
        self.data.len() / (self.channels * self.height * self.width)
    }

    /// This part followed by `next`, which must have the same shape.
    pub fn then(mut self, next: Self, place: &str) -> Result<Self, DataError> {
        let shape = |p: &Self| (p.channels, p.height, p.width);
        if shape(&self) != shape(&next) {
            return Err(DataError::format(
                place,
                format!(
                    "train images are {:?} and test images {:?} (channels, height, width)",
                    shape(&self),
                    shape(&next)
                ),
                "load one split alone or make their sizes equal",
            ));
        }
        self.data.extend_from_slice(&next.data);
        self.labels = match (self.labels, next.labels) {
            (Some(mut a), Some(b)) => {
                a.extend_from_slice(&b);
                Some(a)
            }
            _ => None,
        };
        Ok(self)
    }
}

/// Square planes stored column by column, turned row by row.
pub(crate) fn rows_of_columns(columns: &[u8], side: usize) -> Vec<u8> {
    let mut rows = Vec::with_capacity(columns.len());
    for plane in columns.chunks_exact(side * side) {
        for row in 0..side {
            rows.extend((0..side).map(|column| plane[column * side + row]));
        }
    }
    rows
}

impl Labels {
    pub(crate) fn select(&self, keep: &[usize]) -> Self {
        Self {
            values: keep.iter().map(|&i| self.values[i]).collect(),
            class_names: self.class_names.clone(),
        }
    }
}

impl Images {
    /// Bytes of one image.
    pub fn item_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    pub fn item(&self, i: usize) -> &[u8] {
        &self.data[i * self.item_len()..(i + 1) * self.item_len()]
    }

    /// The images named by `keep`, in that order, with their labels.
    pub fn select(&self, keep: &[usize]) -> Self {
        let mut data = Vec::with_capacity(keep.len() * self.item_len());
        for &i in keep {
            data.extend_from_slice(self.item(i));
        }
        let labels = self.labels.as_ref().map(|l| l.select(keep));
        Self {
            n: keep.len(),
            data,
            labels,
            name: self.name.clone(),
            split: self.split.clone(),
            source_digest: self.source_digest.clone(),
            ..*self
        }
    }
}

impl Features {
    pub fn select(&self, keep: &[usize]) -> Self {
        Self {
            matrix: self.matrix.select(keep),
            labels: self.labels.as_ref().map(|l| l.select(keep)),
            name: self.name.clone(),
            split: self.split.clone(),
            source_digest: self.source_digest.clone(),
        }
    }
}

impl Loaded {
    /// SHA-256 that stands for all sources; empty for generated data.
    pub fn source_digest(&self) -> &str {
        match self {
            Self::Images(images) => &images.source_digest,
            Self::Features(features) => &features.source_digest,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Images(i) => i.n,
            Self::Features(f) => f.matrix.rows(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn labels(&self) -> Option<&Labels> {
        match self {
            Self::Images(i) => i.labels.as_ref(),
            Self::Features(f) => f.labels.as_ref(),
        }
    }

    pub(crate) fn select(&self, keep: &[usize]) -> Self {
        match self {
            Self::Images(i) => Self::Images(i.select(keep)),
            Self::Features(f) => Self::Features(f.select(keep)),
        }
    }
}
