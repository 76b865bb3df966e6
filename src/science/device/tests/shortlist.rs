//! Neighbours found with a device are those found without one.

use super::*;
use crate::manifold::{Metric, knn};
use crate::matrix::Matrix;

fn points(rows: usize, cols: usize) -> Matrix {
    Matrix::new(rows, cols, values(noise([rows, cols], 5, &Device::flex())))
}

#[test]
fn neighbours_have_the_same_bytes_on_every_device() {
    for device in devices() {
        for (data, k) in [(points(700, 12), 10), (points(60, 3), 60)] {
            for metric in [Metric::Euclidean, Metric::Cosine] {
                let open = |prepared: &knn::Prepared<'_>| DeviceShortlist::new(prepared, &device);
                let found = knn::exact_by(&data, k, metric, open).unwrap();
                assert_eq!(
                    found,
                    knn::exact(&data, k, metric).unwrap(),
                    "{device:?}, k {k}, {metric:?}"
                );
            }
        }
    }
}

#[test]
fn duplicates_are_ordered_by_row_on_every_device() {
    let mut data = points(300, 4);
    (50..250).for_each(|row| data.row_mut(row).fill(0.25));
    for device in devices() {
        let open = |prepared: &knn::Prepared<'_>| DeviceShortlist::new(prepared, &device);
        let found = knn::exact_by(&data, 6, Metric::Euclidean, open).unwrap();
        assert_eq!(found, knn::exact(&data, 6, Metric::Euclidean).unwrap(), "{device:?}");
    }
}
