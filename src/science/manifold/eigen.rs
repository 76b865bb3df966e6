//! Dense symmetric eigenproblems on one thread, so that the bits do not depend on the number of threads.

use super::{ManifoldError, registers};
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::{Mat, MatRef, Par};

/// Eigenvalues in descending order and the matching eigenvectors as columns. Only the lower triangle is read.
pub fn descending(matrix: MatRef<'_, f64>) -> Result<(Vec<f64>, Mat<f64>), ManifoldError> {
    let n = matrix.nrows();
    let mut values = Diag::<f64>::zeros(n);
    let mut vectors = Mat::<f64>::zeros(n, n);
    let params = Default::default();
    let mut memory = MemBuffer::new(self_adjoint_evd_scratch::<f64>(
        n,
        ComputeEigenvectors::Yes,
        Par::Seq,
        params,
    ));
    let stack = MemStack::new(&mut memory);
    self_adjoint_evd(matrix, values.as_mut(), Some(vectors.as_mut()), Par::Seq, stack, params)
        .map_err(|_| ManifoldError::Eigen { size: n })?;
    registers::release();
    let reversed = Mat::from_fn(n, n, |i, j| vectors[(i, n - 1 - j)]);
    Ok(((0..n).rev().map(|i| values[i]).collect(), reversed))
}

/// Eigenvalues alone, in descending order: a third of the work. Only the lower triangle is read.
pub fn values(matrix: MatRef<'_, f64>) -> Result<Vec<f64>, ManifoldError> {
    let n = matrix.nrows();
    let mut values = Diag::<f64>::zeros(n);
    let params = Default::default();
    let mut memory = MemBuffer::new(self_adjoint_evd_scratch::<f64>(
        n,
        ComputeEigenvectors::No,
        Par::Seq,
        params,
    ));
    let stack = MemStack::new(&mut memory);
    self_adjoint_evd(matrix, values.as_mut(), None, Par::Seq, stack, params)
        .map_err(|_| ManifoldError::Eigen { size: n })?;
    registers::release();
    Ok((0..n).rev().map(|i| values[i]).collect())
}

/// -1 or 1: the factor that makes the entry of largest magnitude positive (the first such entry when several tie).
pub fn sign(vector: impl Iterator<Item = f64>) -> f64 {
    let largest = vector.fold(0.0_f64, |best, v| if v.abs() > best.abs() { v } else { best });
    if largest < 0.0 { -1.0 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_descend_and_vectors_match_them() {
        let m = Mat::from_fn(3, 3, |i, j| [[2., 1., 0.], [1., 2., 0.], [0., 0., 5.]][i][j]);
        let (values, vectors) = descending(m.as_ref()).unwrap();
        for (value, wanted) in values.iter().zip([5., 3., 1.]) {
            assert!((value - wanted).abs() < 1e-12);
        }
        for (alone, value) in super::values(m.as_ref()).unwrap().iter().zip(&values) {
            assert!((alone - value).abs() < 1e-12);
        }
        for j in 0..3 {
            for i in 0..3 {
                let product: f64 = (0..3).map(|l| m[(i, l)] * vectors[(l, j)]).sum();
                assert!((product - values[j] * vectors[(i, j)]).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn the_sign_follows_the_entry_of_largest_magnitude() {
        assert_eq!(sign([1.0, -3.0, 2.0].into_iter()), -1.0);
        assert_eq!(sign([1.0, 3.0, -2.0].into_iter()), 1.0);
        assert_eq!(sign([0.0, 0.0].into_iter()), 1.0);
    }
}
