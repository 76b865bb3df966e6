//! What the axes come from: covariances, or inner products where there are fewer points than features.

use crate::manifold::error::require_finite;
use crate::manifold::{ManifoldError, registers};
use crate::matrix::Matrix;
use faer::linalg::matmul::{matmul, triangular};
use faer::{Accum, Mat, MatRef, Par};
use pulp::Arch;
use rayon::prelude::*;
use std::ops::Range;
use triangular::BlockStructure::{Rectangular, TriangularLower};

/// Fixed shares of the sums over rows: enough to fill the threads, and always added in the same order.
const STRIPS: usize = 8;
/// Rows of a product, which is summed in f32.
const BLOCK: usize = 512;
/// Rows centred at a time, and by one thread.
const CHUNK: usize = 4 * BLOCK;
const SHARE: usize = 64;
/// Features of a tile of the covariance, down and across. Products with AVX-512 take 96 rows at a time.
const TILE: (usize, usize) = (96, 96);

/// What one look through the data tells of its features.
pub struct Features {
    pub mean: Vec<f64>,
    /// Those that are not the same in all rows, ascending. Images have borders: a twelfth of MNIST's pixels never vary, and
    /// with them goes a sixth of the products.
    pub varying: Vec<usize>,
}

impl Features {
    /// Refuses data that have no mean.
    pub fn of(data: &Matrix) -> Result<Self, ManifoldError> {
        let (rows, cols) = (data.rows(), data.cols());
        if rows < 2 {
            return Err(ManifoldError::TooFewRows {
                what: "PCA",
                need: 2,
                rows,
            });
        }
        if cols == 0 {
            return Err(ManifoldError::NoColumns);
        }
        let (first, arch) = (data.row(0), Arch::new());
        let strips = data.data().par_chunks(rows.div_ceil(STRIPS) * cols);
        let looked: Vec<(Vec<f64>, Vec<u32>)> = strips
            .map(|strip| {
                let (mut sum, mut differing) = (vec![0.0; cols], vec![0_u32; cols]);
                arch.dispatch(|| {
                    for row in strip.chunks_exact(cols) {
                        sum.iter_mut().zip(row).for_each(|(s, v)| *s += f64::from(*v));
                        let bits = differing.iter_mut().zip(row).zip(first);
                        bits.for_each(|((d, v), f)| *d |= v.to_bits() ^ f.to_bits());
                    }
                });
                (sum, differing)
            })
            .collect();
        let of_column = |col: usize| looked.iter().map(|(sum, _)| sum[col]).sum::<f64>() / rows as f64;
        let mean: Vec<f64> = (0..cols).map(of_column).collect();
        // Sums of finite f32 stay finite in f64, so the data need be looked through only to name the place.
        if mean.iter().any(|m| !m.is_finite()) {
            require_finite(data)?;
        }
        let varies = |col: &usize| looked.iter().any(|(_, differing)| differing[*col] != 0);
        Ok(Self {
            mean,
            varying: (0..cols).filter(varies).collect(),
        })
    }
}

/// The lower triangle of the covariance of the varying features; when there are fewer points than features that of
/// XXᵀ/(N - 1), which has the same eigenvalues but zeros.
pub fn matrix(data: &Matrix, features: &Features) -> Mat<f64> {
    if data.rows() < data.cols() {
        inner_products(data, &features.mean)
    } else {
        covariance(data, &features.mean, &features.varying)
    }
}

/// The lower triangle of the covariance (denominator N - 1) of the named features, tile by tile, so that every thread has work and nobody a
/// matrix of its own.
///
/// Products of a block of rows are summed in f32, which is twice as fast, and blocks in f64: within so few rows of centred
/// data the sum rounds no worse than the data were rounded. For the same reason the mean may be rounded to f32: moving
/// the centre by d adds N·d², far below a rounding of the data.
pub fn covariance(data: &Matrix, mean: &[f64], features: &[usize]) -> Mat<f64> {
    let cols = features.len();
    let centre: Vec<f32> = mean.iter().map(|m| *m as f32).collect();
    // Copied run by run: features that vary lie side by side.
    let runs: Vec<Range<usize>> = features
        .chunk_by(|a, b| a + 1 == *b)
        .map(|run| run[0]..run[0] + run.len())
        .collect();
    let arch = Arch::new();
    let mut tiles = Vec::new();
    for row in (0..cols).step_by(TILE.0) {
        let below = cols.min(row + TILE.0);
        tiles.extend((0..below).step_by(TILE.1).map(|col| Tile {
            row,
            col,
            sum: Mat::zeros(below - row, TILE.1.min(below - col)),
            products: Mat::zeros(below - row, TILE.1.min(below - col)),
        }));
    }
    let mut points = vec![0.0_f32; CHUNK.min(data.rows()) * cols];
    for chunk in data.data().chunks(CHUNK * data.cols()) {
        let points = &mut points[..chunk.len() / data.cols() * cols];
        let shares = points
            .par_chunks_mut(SHARE * cols.max(1))
            .zip(chunk.par_chunks(SHARE * data.cols()));
        shares.for_each(|(points, rows)| {
            arch.dispatch(|| {
                for (point, row) in points.chunks_exact_mut(cols).zip(rows.chunks_exact(data.cols())) {
                    let mut rest = point;
                    for run in &runs {
                        let (here, after) = rest.split_at_mut(run.len());
                        let values = row[run.clone()].iter().zip(&centre[run.clone()]);
                        here.iter_mut().zip(values).for_each(|(p, (v, m))| *p = v - m);
                        rest = after;
                    }
                }
            });
        });
        tiles.par_iter_mut().for_each(|tile| tile.add(points, cols));
    }
    let scale = 1.0 / (data.rows() - 1) as f64;
    let mut covariance = Mat::zeros(cols, cols);
    for tile in tiles {
        let (height, width) = tile.sum.shape();
        covariance
            .as_mut()
            .submatrix_mut(tile.row, tile.col, height, width)
            .copy_from(tile.sum * faer::Scale(scale));
    }
    covariance
}

/// A part of the covariance: the features from `row` on with those from `col` on.
struct Tile {
    row: usize,
    col: usize,
    sum: Mat<f64>,
    products: Mat<f32>,
}

impl Tile {
    /// Adds the products of centred points.
    fn add(&mut self, points: &[f32], cols: usize) {
        let ((height, width), arch) = (self.sum.shape(), Arch::new());
        for block in points.chunks(BLOCK * cols) {
            let features = MatRef::from_row_major_slice(block, block.len() / cols, cols).transpose();
            let (left, right) = (features.subrows(self.row, height), features.subrows(self.col, width));
            matmul(
                self.products.as_mut(),
                Accum::Replace,
                left,
                right.transpose(),
                1.0,
                Par::Seq,
            );
            registers::release();
            arch.dispatch(|| {
                for col in 0..width {
                    let (sum, products) = (self.sum.col_as_slice_mut(col), self.products.col_as_slice(col));
                    sum.iter_mut().zip(products).for_each(|(s, p)| *s += f64::from(*p));
                }
            });
        }
    }
}

fn inner_products(data: &Matrix, mean: &[f64]) -> Mat<f64> {
    let mut points = Vec::with_capacity(data.rows() * data.cols());
    for row in (0..data.rows()).map(|i| data.row(i)) {
        points.extend(row.iter().zip(mean).map(|(v, m)| f64::from(*v) - m));
    }
    let points = MatRef::from_row_major_slice(&points, data.rows(), data.cols());
    let mut products = Mat::<f64>::zeros(data.rows(), data.rows());
    triangular::matmul(
        products.as_mut(),
        TriangularLower,
        Accum::Replace,
        points,
        Rectangular,
        points.transpose(),
        Rectangular,
        1.0 / (data.rows() - 1) as f64,
        Par::Seq,
    );
    registers::release();
    products
}
