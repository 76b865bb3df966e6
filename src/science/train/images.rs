//! Images on the device, as batches.

use crate::matrix::Matrix;
use crate::tensors::{TensorFile, TensorFileError};
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::path::Path;

/// Rows encoded at once where no gradient is kept.
pub const INFERENCE_BATCH: usize = 500;

/// An images artifact: u8 on the host, scaled to [0, 1] on its way to the device. Or points, as images of one pixel whose
/// channels are the dimensions, unscaled.
pub struct Images {
    pub rows: usize,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    values: Values,
}

enum Values {
    Pixels(Vec<u8>),
    Points(Matrix),
}

impl Images {
    pub fn open(path: &Path) -> Result<Self, TensorFileError> {
        let (shape, pixels) = TensorFile::open(path)?.u8("images")?;
        let [rows, channels, height, width] = shape[..] else {
            let message = format!("images have the shape {shape:?}, [N, C, H, W] is wanted");
            return Err(TensorFileError::Content {
                path: path.to_owned(),
                message,
            });
        };
        Ok(Self {
            rows,
            channels,
            height,
            width,
            values: Values::Pixels(pixels),
        })
    }

    /// A features artifact.
    pub fn open_points(path: &Path) -> Result<Self, TensorFileError> {
        Ok(Self::points(TensorFile::open(path)?.matrix("features")?))
    }

    pub fn points(points: Matrix) -> Self {
        Self {
            rows: points.rows(),
            channels: points.cols(),
            height: 1,
            width: 1,
            values: Values::Points(points),
        }
    }

    pub fn new(rows: usize, [channels, height, width]: [usize; 3], pixels: Vec<u8>) -> Self {
        assert_eq!(rows * channels * height * width, pixels.len(), "pixels fit the shape");
        Self {
            rows,
            channels,
            height,
            width,
            values: Values::Pixels(pixels),
        }
    }

    /// These rows, in this order.
    pub fn select(&self, rows: &[usize]) -> Self {
        let size = self.channels * self.height * self.width;
        let values = match &self.values {
            Values::Pixels(pixels) => {
                let of = |&row: &usize| &pixels[row * size..(row + 1) * size];
                Values::Pixels(rows.iter().flat_map(of).copied().collect())
            }
            Values::Points(points) => Values::Points(points.select(rows)),
        };
        Self {
            rows: rows.len(),
            values,
            ..*self
        }
    }

    /// All rows as one tensor [N, C, H, W] in [0, 1].
    pub fn upload(&self, device: &Device) -> Tensor<4> {
        let data = TensorData::new(
            self.scaled(0..self.rows),
            [self.rows, self.channels, self.height, self.width],
        );
        Tensor::from_data(data, device)
    }

    /// Consecutive batches of at most [`INFERENCE_BATCH`] rows.
    pub fn batches<'a>(&'a self, device: &'a Device) -> impl Iterator<Item = Tensor<4>> + 'a {
        (0..self.rows).step_by(INFERENCE_BATCH).map(move |start| {
            let end = (start + INFERENCE_BATCH).min(self.rows);
            let shape = [end - start, self.channels, self.height, self.width];
            Tensor::from_data(TensorData::new(self.scaled(start..end), shape), device)
        })
    }

    /// Values of one row; pixels in [0, 1].
    pub fn row(&self, row: usize) -> Vec<f32> {
        self.scaled(row..row + 1)
    }

    fn scaled(&self, rows: std::ops::Range<usize>) -> Vec<f32> {
        let size = self.channels * self.height * self.width;
        let range = rows.start * size..rows.end * size;
        match &self.values {
            Values::Pixels(pixels) => pixels[range].iter().map(|&v| f32::from(v) / 255.0).collect(),
            Values::Points(points) => points.data()[range].to_vec(),
        }
    }
}

/// The rows `rows` of a tensor on the device.
pub fn gather<const D: usize>(data: &Tensor<D>, rows: &[usize]) -> Tensor<D> {
    let rows: Vec<i64> = rows.iter().map(|&r| r as i64).collect();
    let n = rows.len();
    let indices = Tensor::<1, Int>::from_data(TensorData::new(rows, [n]), &data.device());
    data.clone().select(0, indices)
}
