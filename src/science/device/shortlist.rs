//! The near rows of a neighbour search, by one product and one selection on the device.

use crate::manifold::knn::{Prepared, Shortlist};
use crate::tensors::host;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::ops::Range;

/// Products on the device at a time: half a gibibyte, and twice that while the greatest are chosen.
const PRODUCTS: usize = 1 << 27;

/// The rows of a search, kept on a device.
pub struct DeviceShortlist {
    /// rows × dims.
    rows: Tensor<2>,
    /// 2·rowsᵀ, dims × rows.
    doubled: Tensor<2>,
    /// 1 × rows.
    norms: Tensor<2>,
}

impl DeviceShortlist {
    pub fn new(prepared: &Prepared<'_>, device: &Device) -> Self {
        let tensor =
            |values: &[f32], shape: [usize; 2]| Tensor::<2>::from_data(TensorData::new(values.to_vec(), shape), device);
        let rows = tensor(prepared.values, [prepared.rows, prepared.dims]);
        Self {
            doubled: rows.clone().transpose().mul_scalar(2.0),
            norms: tensor(prepared.norms, [1, prepared.rows]),
            rows,
        }
    }
}

impl Shortlist for DeviceShortlist {
    fn batch(&self) -> usize {
        let [rows, _] = self.rows.dims();
        (PRODUCTS / rows.max(1)).max(1)
    }

    fn nearest(&mut self, queries: Range<usize>, length: usize) -> Vec<(f32, u32)> {
        let queries = self.rows.clone().slice([queries]);
        let values = queries.matmul(self.doubled.clone()) - self.norms.clone();
        let [_, rows] = values.dims();
        // burn chooses fewer than all only.
        let chosen: Tensor<2, Int> = if length < rows {
            values.clone().argtopk(length, 1)
        } else {
            values.clone().argsort_descending(1)
        };
        let values = host(values.gather(1, chosen.clone()));
        let chosen = chosen.into_data().convert::<i64>();
        let rows = chosen.iter::<i64>().map(|row| row as u32);
        values.into_iter().zip(rows).collect()
    }
}
