//! Principal component analysis: centred, never rescaled, accumulated in f64.
//!
//! The covariance has denominator N - 1. When there are fewer points than features the same eigenvalues are taken from
//! the N × N matrix of inner products instead.

use super::error::require_finite;
use super::{ManifoldError, eigen, registers};
use crate::matrix::Matrix;
use faer::linalg::matmul::{matmul, triangular};
use faer::traits::ComplexField;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;
use triangular::BlockStructure::{Rectangular, TriangularLower};

/// Fixed shares of the sums over rows: enough to fill the threads, and always added in the same order.
const STRIPS: usize = 8;
const BLOCK: usize = 512;
/// Rows projected at a time: few enough to stay in the cache.
const PROJECTED: usize = 128;
/// Rows centred at a time.
const CHUNK: usize = 8 * BLOCK;
/// Features of a tile of the covariance, down and across. Products with AVX-512 take 96 rows at a time.
const TILE: (usize, usize) = (96, 192);

/// A fitted projection on the leading principal components.
#[derive(Clone, Debug)]
pub struct Pca {
    /// Mean of every feature, length D.
    pub mean: Vec<f64>,
    /// n_components × D, orthonormal rows, largest variance first; the loading of largest magnitude is positive.
    pub components: Vec<Vec<f64>>,
    /// Variance along each component (denominator N - 1), in squared units of the data.
    pub explained_variance: Vec<f64>,
    /// Sum of the variances of all features.
    pub total_variance: f64,
}

impl Pca {
    /// Fits `n_components` ≤ min(N, D) components on N ≥ 2 points.
    pub fn fit(data: &Matrix, n_components: usize) -> Result<Self, ManifoldError> {
        let features = Features::of(data)?;
        let (rows, cols) = (data.rows(), data.cols());
        let most = rows.min(cols);
        if n_components == 0 || n_components > most {
            return Err(ManifoldError::TooManyComponents {
                asked: n_components,
                rows,
                cols,
                most,
            });
        }
        let (variances, vectors) = decompose(data, &features)?;
        let mean = features.mean;
        let total_variance: f64 = variances.iter().sum();
        let scale = ((rows - 1) as f64).sqrt();
        let components = (0..n_components)
            .map(|c| {
                let raw: Vec<f64> = if rows < cols {
                    // v = Xᵀu / √(λ(N-1)); a direction without variance has no such vector and stays zero.
                    let length = variances[c].sqrt() * scale;
                    let inverse = if length > 1e-12 * (total_variance.sqrt() * scale) {
                        1.0 / length
                    } else {
                        0.0
                    };
                    project_back(data, &mean, |i| vectors[(i, c)] * inverse)
                } else {
                    (0..cols).map(|j| vectors[(j, c)]).collect()
                };
                let sign = eigen::sign(raw.iter().copied());
                raw.into_iter().map(|v| v * sign).collect()
            })
            .collect();
        Ok(Self {
            mean,
            components,
            explained_variance: variances[..n_components].to_vec(),
            total_variance,
        })
    }

    /// Each component's share of the total variance; all zero for constant data.
    pub fn explained_variance_ratio(&self) -> Vec<f64> {
        self.explained_variance
            .iter()
            .map(|v| share(*v, self.total_variance))
            .collect()
    }

    /// Scores of N × D `data`: N × n_components.
    pub fn transform(&self, data: &Matrix) -> Result<Matrix, ManifoldError> {
        if data.cols() != self.mean.len() {
            let (left_cols, right_cols) = (data.cols(), self.mean.len());
            return Err(ManifoldError::ColumnMismatch {
                left: "the data",
                left_cols,
                right: "the PCA",
                right_cols,
            });
        }
        let (k, cols) = (self.components.len(), data.cols());
        let mut scores = vec![0.0_f32; data.rows() * k];
        let components = Mat::from_fn(k, cols, |c, j| self.components[c][j]);
        let blocks = scores
            .par_chunks_mut(PROJECTED * k)
            .zip(data.data().par_chunks(PROJECTED * cols));
        // The buffer serves block after block: fresh memory would take as long as the product.
        blocks.for_each_init(Vec::new, |centred, (out, rows)| {
            centred.clear();
            for row in rows.chunks_exact(cols) {
                centred.extend(row.iter().zip(&self.mean).map(|(v, m)| f64::from(*v) - m));
            }
            let count = out.len() / k;
            let mut product = Mat::<f64>::zeros(k, count);
            let points = MatRef::from_row_major_slice(centred, count, cols);
            matmul(
                product.as_mut(),
                Accum::Replace,
                components.as_ref(),
                points.transpose(),
                1.0,
                Par::Seq,
            );
            registers::release();
            for (i, row) in out.chunks_exact_mut(k).enumerate() {
                row.iter_mut()
                    .enumerate()
                    .for_each(|(c, v)| *v = product[(c, i)] as f32);
            }
        });
        if scores.iter().any(|score| !score.is_finite()) {
            require_finite(data)?;
        }
        Ok(Matrix::new(data.rows(), k, scores))
    }
}

/// All min(N, D) variances, largest first, each as a share of the total (all zero for constant data).
pub fn spectrum(data: &Matrix) -> Result<Vec<f64>, ManifoldError> {
    let (variances, _) = decompose(data, &Features::of(data)?)?;
    let total: f64 = variances.iter().sum();
    Ok(variances.into_iter().map(|v| share(v, total)).collect())
}

/// The smallest number of leading components whose `ratio` adds up to `variance` (the tau of the latent finder).
///
/// At least 1. All of them when rounding keeps the sum below a `variance` of 1.
pub fn dimension_for(ratio: &[f64], variance: f64) -> usize {
    let mut sum = 0.0;
    for (i, share) in ratio.iter().enumerate() {
        sum += share;
        if sum >= variance - 1e-12 {
            return i + 1;
        }
    }
    ratio.len().max(1)
}

fn share(part: f64, total: f64) -> f64 {
    if total > 0.0 { part / total } else { 0.0 }
}

/// What one look through the data tells of its features.
struct Features {
    mean: Vec<f64>,
    /// Those that are not the same in all rows, ascending. Images have borders: a twelfth of MNIST's pixels never vary, and
    /// with them goes a sixth of the products.
    varying: Vec<usize>,
}

impl Features {
    /// Refuses data that have no mean.
    fn of(data: &Matrix) -> Result<Self, ManifoldError> {
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
        let first = data.row(0);
        let strips = data.data().par_chunks(rows.div_ceil(STRIPS) * cols);
        let looked: Vec<(Vec<f64>, Vec<u32>)> = strips
            .map(|strip| {
                let (mut sum, mut differing) = (vec![0.0; cols], vec![0_u32; cols]);
                for row in strip.chunks_exact(cols) {
                    sum.iter_mut().zip(row).for_each(|(s, v)| *s += f64::from(*v));
                    let bits = differing.iter_mut().zip(row).zip(first);
                    bits.for_each(|((d, v), f)| *d |= v.to_bits() ^ f.to_bits());
                }
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

/// The rows from `first` on less their mean, row by row.
fn centred<T>(data: &Matrix, mean: &[f64], first: usize, count: usize, round: impl Fn(f64) -> T) -> Vec<T> {
    let mut all = Vec::with_capacity(count * mean.len());
    for row in (first..first + count).map(|i| data.row(i)) {
        all.extend(row.iter().zip(mean).map(|(v, m)| round(f64::from(*v) - m)));
    }
    all
}

/// Variances (descending, never negative) with eigenvectors of the covariance, or of XXᵀ/(N-1) when N < D.
fn decompose(data: &Matrix, features: &Features) -> Result<(Vec<f64>, Mat<f64>), ManifoldError> {
    let axes = |mut gram: Mat<f64>| {
        let scale = 1.0 / (data.rows() - 1) as f64;
        gram.col_iter_mut()
            .for_each(|col| col.iter_mut().for_each(|v| *v *= scale));
        let (values, vectors) = eigen::descending(gram.as_ref())?;
        Ok((values.into_iter().map(|v| v.max(0.0)).collect::<Vec<f64>>(), vectors))
    };
    let cols = data.cols();
    if data.rows() < cols {
        return axes(inner_products(data, &features.mean));
    }
    let varying = &features.varying;
    let (mut variances, among) = axes(covariance_sum(data, &features.mean, varying))?;
    let mut vectors = Mat::zeros(cols, cols);
    for (c, among) in among.col_iter().enumerate() {
        for (feature, value) in varying.iter().zip(among.iter()) {
            vectors[(*feature, c)] = *value;
        }
    }
    // The constant features are axes without variance.
    let constant = (0..cols).filter(|feature| varying.binary_search(feature).is_err());
    for (c, feature) in (varying.len()..).zip(constant) {
        vectors[(feature, c)] = 1.0;
    }
    variances.resize(cols, 0.0);
    Ok((variances, vectors))
}

/// The lower triangle of Σ(x-m)(x-m)ᵀ over the named features, tile by tile, so that every thread has work and nobody a
/// matrix of its own.
///
/// Products of a block of rows are summed in f32, which is twice as fast, and blocks in f64: within so few rows of centred
/// data the sum rounds no worse than the data were rounded. For the same reason the mean may be rounded to f32: moving
/// the centre by d adds N·d², far below a rounding of the data.
fn covariance_sum(data: &Matrix, mean: &[f64], features: &[usize]) -> Mat<f64> {
    let cols = features.len();
    let centre: Vec<f32> = features.iter().map(|&feature| mean[feature] as f32).collect();
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
        let rows = chunk.par_chunks_exact(data.cols());
        let points = &mut points[..rows.len() * cols];
        let rows = points.par_chunks_exact_mut(cols.max(1)).zip(rows);
        rows.with_min_len(64).for_each(|(point, row)| {
            for ((point, feature), centre) in point.iter_mut().zip(features).zip(&centre) {
                *point = row[*feature] - centre;
            }
        });
        tiles.par_iter_mut().for_each(|tile| tile.add(points, cols));
    }
    let mut sum = Mat::zeros(cols, cols);
    for tile in tiles {
        let (height, width) = tile.sum.shape();
        sum.as_mut()
            .submatrix_mut(tile.row, tile.col, height, width)
            .copy_from(&tile.sum);
    }
    sum
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
        let (height, width) = self.sum.shape();
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
            for (sum, products) in self.sum.col_iter_mut().zip(self.products.col_iter()) {
                sum.iter_mut()
                    .zip(products.iter())
                    .for_each(|(s, p)| *s += f64::from(*p));
            }
        }
    }
}

fn inner_products(data: &Matrix, mean: &[f64]) -> Mat<f64> {
    let all = centred(data, mean, 0, data.rows(), |v| v);
    let mut sum = Mat::<f64>::zeros(data.rows(), data.rows());
    lower_products(
        sum.as_mut(),
        MatRef::from_row_major_slice(&all, data.rows(), data.cols()),
    );
    sum
}

/// The lower triangle of A·Aᵀ.
fn lower_products<T: ComplexField>(target: MatMut<'_, T>, a: MatRef<'_, T>) {
    triangular::matmul(
        target,
        TriangularLower,
        Accum::Replace,
        a,
        Rectangular,
        a.transpose(),
        Rectangular,
        T::one_impl(),
        Par::Seq,
    );
    registers::release();
}

fn project_back(data: &Matrix, mean: &[f64], weight: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut sum = vec![0.0; data.cols()];
    for i in 0..data.rows() {
        let w = weight(i);
        sum.iter_mut()
            .zip(data.row(i))
            .zip(mean)
            .for_each(|((s, v), m)| *s += w * (f64::from(*v) - m));
    }
    sum
}

#[cfg(test)]
mod tests;
