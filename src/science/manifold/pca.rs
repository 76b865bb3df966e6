//! Principal component analysis: centred, never rescaled. Sums over points are in f64, products within them in f32.
//!
//! The covariance has denominator N - 1. When there are fewer points than features the same eigenvalues are taken from
//! the N × N matrix of inner products instead.

use super::error::require_finite;
use super::{ManifoldError, eigen, registers};
use crate::matrix::Matrix;
use covariance::Features;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use leading::leading;
use pulp::Arch;
use rayon::prelude::*;

mod covariance;
mod leading;

/// Rows projected at a time: few enough to stay in the cache.
const PROJECTED: usize = 256;

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
        let matrix = covariance::matrix(data, &features);
        let Features { mean, varying } = features;
        let total_variance = (0..matrix.nrows()).map(|j| matrix[(j, j)]).sum();
        let (mut variances, vectors) = leading(&matrix, n_components.min(matrix.nrows()))?;
        variances.iter_mut().for_each(|v| *v = v.max(0.0));
        let mut components = if rows < cols {
            project_back(data, &mean, &vectors, &variances, total_variance)
        } else {
            in_all_features(&vectors, &varying, cols)
        };
        variances.resize(n_components, 0.0);
        components.truncate(n_components);
        for component in &mut components {
            let sign = eigen::sign(component.iter().copied());
            component.iter_mut().for_each(|v| *v *= sign);
        }
        Ok(Self {
            mean,
            components,
            explained_variance: variances,
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
        let components = Mat::from_fn(k, cols, |c, j| self.components[c][j] as f32);
        let arch = Arch::new();
        let blocks = scores
            .par_chunks_mut(PROJECTED * k)
            .zip(data.data().par_chunks(PROJECTED * cols));
        // The buffers serve block after block: fresh memory would take as long as the product.
        let buffers = || (vec![0.0_f32; PROJECTED * cols], Mat::zeros(k, PROJECTED));
        blocks.for_each_init(buffers, |(centred, product), (out, rows)| {
            let count = out.len() / k;
            let centred = &mut centred[..rows.len()];
            arch.dispatch(|| {
                for (centred, row) in centred.chunks_exact_mut(cols).zip(rows.chunks_exact(cols)) {
                    let both = row.iter().zip(&self.mean);
                    centred
                        .iter_mut()
                        .zip(both)
                        .for_each(|(c, (v, m))| *c = (f64::from(*v) - m) as f32);
                }
            });
            let points = MatRef::from_row_major_slice(centred, count, cols);
            matmul(
                product.as_mut().subcols_mut(0, count),
                Accum::Replace,
                components.as_ref(),
                points.transpose(),
                1.0,
                Par::Seq,
            );
            registers::release();
            for (i, row) in out.chunks_exact_mut(k).enumerate() {
                row.copy_from_slice(product.col_as_slice(i));
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
    let matrix = covariance::matrix(data, &Features::of(data)?);
    let mut variances = eigen::values(matrix.as_ref())?;
    variances.iter_mut().for_each(|v| *v = v.max(0.0));
    variances.resize(data.rows().min(data.cols()), 0.0);
    let total: f64 = variances.iter().sum();
    Ok(variances.into_iter().map(|v| share(v, total)).collect())
}

/// The smallest number of leading components whose `ratio` adds up to `variance` (the tau of the latent finder).
///
/// At least 1, and 1 of data that do not vary. All of them when rounding keeps the sum below a `variance` of 1.
pub fn dimension_for(ratio: &[f64], variance: f64) -> usize {
    if ratio.iter().all(|share| *share == 0.0) {
        return 1;
    }
    let mut sum = 0.0;
    for (i, share) in ratio.iter().enumerate() {
        sum += share;
        if sum >= variance - 1e-12 {
            return i + 1;
        }
    }
    ratio.len()
}

fn share(part: f64, total: f64) -> f64 {
    if total > 0.0 { part / total } else { 0.0 }
}

/// Axes among the varying features as axes among all; the constant features are axes without variance and follow.
fn in_all_features(vectors: &[Vec<f64>], varying: &[usize], cols: usize) -> Vec<Vec<f64>> {
    let spread = |vector: &[f64], features: &[usize]| {
        let mut component = vec![0.0; cols];
        features.iter().zip(vector).for_each(|(&j, v)| component[j] = *v);
        component
    };
    let constant = (0..cols).filter(|feature| varying.binary_search(feature).is_err());
    let alone = constant.map(|feature| spread(&[1.0], &[feature]));
    vectors.iter().map(|v| spread(v, varying)).chain(alone).collect()
}

/// Axes among the points as axes among the features: v = Xᵀu / √(λ(N-1)). Without variance there is none, and it stays
/// zero.
fn project_back(data: &Matrix, mean: &[f64], vectors: &[Vec<f64>], variances: &[f64], total: f64) -> Vec<Vec<f64>> {
    let scale = ((data.rows() - 1) as f64).sqrt();
    let back = |(vector, variance): (&Vec<f64>, &f64)| {
        let mut component = vec![0.0; data.cols()];
        let length = variance.sqrt() * scale;
        if length > 1e-12 * (total.sqrt() * scale) {
            for (i, u) in vector.iter().enumerate() {
                let point = data.row(i).iter().zip(mean);
                let sum = component.iter_mut().zip(point);
                sum.for_each(|(s, (v, m))| *s += u / length * (f64::from(*v) - m));
            }
        }
        component
    };
    vectors.par_iter().zip(variances).map(back).collect()
}

#[cfg(test)]
mod tests;
