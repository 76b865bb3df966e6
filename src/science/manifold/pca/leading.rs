//! The leading axes of a covariance, without the others.
//!
//! Lanczos finds the axes in about a hundred and fifty products where a dense solver turns the whole matrix over, but one
//! start vector sees one axis of several that share a variance. A Cholesky factorisation therefore proves that nothing
//! larger was left out (Sylvester's law of inertia); where it was, or where the search does not converge, the dense solver
//! answers.

use crate::manifold::lanczos::{self, Search};
use crate::manifold::{ManifoldError, eigen, registers};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::triangular;
use faer::{Accum, Mat, Par};
use pulp::Arch;
use triangular::BlockStructure::{Rectangular, TriangularLower};

/// Largest residual of an axis, as a share of the trace.
const TOLERANCE: f64 = 1e-15;
/// An axis left out is missed when its variance is larger than the last one's by this share of the trace.
const TIE: f64 = 1e-12;
const RESTARTS: usize = 4;
/// Columns of a product taken together, and rows.
const WIDTH: usize = 4;

/// Eigenvalues in descending order with their eigenvectors.
type Axes = (Vec<f64>, Vec<Vec<f64>>);

/// The `count` largest eigenvalues of a positive semi-definite matrix. Only its lower triangle is read.
pub fn leading(matrix: &Mat<f64>, count: usize) -> Result<Axes, ManifoldError> {
    let subspace = 5 * count / 2 + 20;
    if 3 * subspace <= matrix.nrows()
        && let Some(found) = krylov(matrix, count, subspace)?
    {
        return Ok(found);
    }
    let (values, vectors) = eigen::descending(matrix.as_ref())?;
    let vectors = (0..count).map(|c| vectors.col_as_slice(c).to_vec()).collect();
    Ok((values[..count].to_vec(), vectors))
}

/// None where the search does not converge or misses an axis.
fn krylov(matrix: &Mat<f64>, count: usize, subspace: usize) -> Result<Option<Axes>, ManifoldError> {
    let n = matrix.nrows();
    let trace: f64 = (0..n).map(|j| matrix[(j, j)]).sum();
    if trace <= 0.0 {
        return Ok(None);
    }
    let arch = Arch::new();
    let apply = |v: &[f64], out: &mut [f64]| {
        arch.dispatch(|| multiply(matrix, v, out));
        out.iter_mut().for_each(|v| *v /= trace);
    };
    let search = Search {
        wanted: count,
        subspace,
        tolerance: TOLERANCE,
        restarts: RESTARTS,
    };
    let found = lanczos::leading(apply, &vec![0.0; n], lanczos::start(n), search)?;
    let values: Vec<f64> = found.values.iter().map(|v| v * trace).collect();
    let complete = found.converged && nothing_above(matrix, &values, &found.vectors, TIE * trace);
    Ok(complete.then_some((values, found.vectors)))
}

/// Whether no eigenvalue but those found exceeds the last of them by more than `slack`: only then is that bound, less the
/// matrix without what was found, positive definite.
fn nothing_above(matrix: &Mat<f64>, values: &[f64], vectors: &[Vec<f64>], slack: f64) -> bool {
    let n = matrix.nrows();
    let bound = values.last().copied().unwrap_or(0.0) + slack;
    let mut rest = Mat::zeros(n, n);
    for j in 0..n {
        let column = rest.col_as_slice_mut(j)[j..].iter_mut();
        column.zip(&matrix.col_as_slice(j)[j..]).for_each(|(r, v)| *r = -v);
        rest[(j, j)] += bound;
    }
    let found = Mat::from_fn(n, values.len(), |i, c| vectors[c][i] * values[c].max(0.0).sqrt());
    triangular::matmul(
        rest.as_mut(),
        TriangularLower,
        Accum::Add,
        found.as_ref(),
        Rectangular,
        found.transpose(),
        Rectangular,
        1.0,
        Par::Seq,
    );
    let params = Default::default();
    let mut memory = MemBuffer::new(cholesky_in_place_scratch::<f64>(n, Par::Seq, params));
    let stack = MemStack::new(&mut memory);
    let factor = cholesky_in_place(rest.as_mut(), Default::default(), Par::Seq, stack, params);
    registers::release();
    factor.is_ok()
}

/// Matrix times vector from the lower triangle, each entry read once for both of its places: reading takes the time.
#[inline(always)]
#[allow(
    clippy::needless_range_loop,
    reason = "as iterators these loops do not become vector instructions"
)]
fn multiply(matrix: &Mat<f64>, v: &[f64], out: &mut [f64]) {
    let n = v.len();
    out.fill(0.0);
    for first in (0..n).step_by(WIDTH) {
        let below = n.min(first + WIDTH);
        for j in first..below {
            out[j] += matrix[(j, j)] * v[j];
            for i in j + 1..below {
                out[i] += matrix[(i, j)] * v[j];
                out[j] += matrix[(i, j)] * v[i];
            }
        }
        // The last columns may be fewer; nothing lies below them.
        let column = |c: usize| &matrix.col_as_slice((first + c).min(n - 1))[below..];
        let columns: [&[f64]; WIDTH] = std::array::from_fn(column);
        let factors: [f64; WIDTH] = std::array::from_fn(|c| v[(first + c).min(n - 1)]);
        let (above, out) = out.split_at_mut(below);
        let v = &v[below..];
        let mut sums = [[0.0; WIDTH]; WIDTH];
        let whole = out.len() / WIDTH * WIDTH;
        for at in (0..whole).step_by(WIDTH) {
            for lane in 0..WIDTH {
                let i = at + lane;
                for c in 0..WIDTH {
                    out[i] += columns[c][i] * factors[c];
                    sums[c][lane] += columns[c][i] * v[i];
                }
            }
        }
        for i in whole..out.len() {
            for c in 0..WIDTH {
                out[i] += columns[c][i] * factors[c];
                sums[c][0] += columns[c][i] * v[i];
            }
        }
        for (out, sums) in above[first..].iter_mut().zip(&sums) {
            *out += sums.iter().sum::<f64>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Draws;
    use proptest::prelude::*;
    use rand::RngExt;

    /// A matrix with these eigenvalues along axes drawn from `seed`.
    fn with_spectrum(values: &[f64], seed: u64) -> Mat<f64> {
        let (n, mut rng) = (values.len(), Draws::new(seed).at("spectrum", 0, 0));
        let axes = Mat::from_fn(n, n, |_, _| rng.random::<f64>() - 0.5).qr().compute_Q();
        let scaled = Mat::from_fn(n, n, |i, j| axes[(i, j)] * values[j]);
        scaled * axes.transpose()
    }

    /// Orthonormal, and eigenvectors of the matrix with these values.
    fn check(matrix: &Mat<f64>, (values, vectors): &Axes) {
        let found = Mat::from_fn(matrix.nrows(), values.len(), |i, c| vectors[c][i]);
        let gram = found.transpose() * &found;
        let residual = matrix * &found - Mat::from_fn(found.nrows(), found.ncols(), |i, c| found[(i, c)] * values[c]);
        assert!((gram - Mat::<f64>::identity(values.len(), values.len())).norm_max() < 1e-12);
        assert!(residual.norm_max() < 1e-13 * matrix.norm_l2());
        assert!(values.windows(2).all(|w| w[0] >= w[1]));
    }

    /// Largest difference between the products with a vector of the projections on both sets of axes.
    fn projections_differ(a: &Axes, b: &Axes) -> f64 {
        let n = a.1[0].len();
        let project = |axes: &Axes| {
            let axes = Mat::from_fn(n, axes.1.len(), |i, c| axes.1[c][i]);
            &axes * axes.transpose()
        };
        (project(a) - project(b)).norm_max()
    }

    fn dense(matrix: &Mat<f64>, count: usize) -> Axes {
        let (values, vectors) = eigen::descending(matrix.as_ref()).unwrap();
        let vectors = (0..count).map(|c| vectors.col_as_slice(c).to_vec()).collect();
        (values[..count].to_vec(), vectors)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_leading_axes_span_what_those_of_the_dense_solver_span(
            seed in 0_u64..1000, n in 90_usize..140, count in 1_usize..5, decay in 0.5_f64..0.99, ties in 1_usize..4,
        ) {
            // Equal in groups of `ties`; the last one taken ends a group, so that the span is defined.
            let values: Vec<f64> = (0..n).map(|i| decay.powi((i / ties) as i32)).collect();
            let (matrix, count) = (with_spectrum(&values, seed), count.next_multiple_of(ties));
            let (found, wanted) = (leading(&matrix, count).unwrap(), dense(&matrix, count));
            check(&matrix, &found);
            for (a, b) in found.0.iter().zip(&wanted.0) {
                prop_assert!((a - b).abs() < 1e-13);
            }
            prop_assert!(projections_differ(&found, &wanted) < 1e-11);
        }
    }

    #[test]
    fn a_decaying_spectrum_needs_no_dense_solver() {
        let values: Vec<f64> = (0..120).map(|i| 0.9_f64.powi(i)).collect();
        let matrix = with_spectrum(&values, 3);
        let found = krylov(&matrix, 4, 30).unwrap().expect("the search converges");
        check(&matrix, &found);
        assert!((found.0[3] - values[3]).abs() < 1e-14);
    }

    #[test]
    fn variances_that_are_equal_everywhere_have_axes() {
        let found = leading(&Mat::identity(100, 100), 3).unwrap();
        check(&Mat::identity(100, 100), &found);
        assert!(krylov(&Mat::identity(100, 100), 3, 30).unwrap().is_none());
    }

    #[test]
    fn axes_without_variance_are_orthonormal_too() {
        let values: Vec<f64> = (0..120).map(|i| f64::from(u8::from(i < 2))).collect();
        let matrix = with_spectrum(&values, 5);
        let found = leading(&matrix, 5).unwrap();
        check(&matrix, &found);
        assert!(found.0[2..].iter().all(|v| v.abs() < 1e-14));
        assert!(leading(&Mat::zeros(100, 100), 2).unwrap().0 == [0.0; 2]);
    }

    #[test]
    fn an_axis_left_out_is_noticed() {
        let values: Vec<f64> = (0..20).map(|i| 0.8_f64.powi(i)).collect();
        let matrix = with_spectrum(&values, 7);
        let (mut values, mut vectors) = dense(&matrix, 4);
        assert!(nothing_above(&matrix, &values, &vectors, 1e-12));
        values.remove(1);
        vectors.remove(1);
        assert!(!nothing_above(&matrix, &values, &vectors, 1e-12));
    }

    #[test]
    fn the_lower_triangle_multiplies_as_the_whole() {
        for n in [1, 3, 4, 5, 11, 30] {
            let matrix = with_spectrum(&(1..=n).map(|v| v as f64).collect::<Vec<_>>(), n as u64);
            let lower = Mat::from_fn(n, n, |i, j| if i < j { f64::NAN } else { matrix[(i, j)] });
            let (v, mut out) = (lanczos::start(n), vec![f64::NAN; n]);
            multiply(&lower, &v, &mut out);
            for (i, out) in out.iter().enumerate() {
                let wanted: f64 = (0..n).map(|j| matrix[(i, j)] * v[j]).sum();
                assert!((out - wanted).abs() < 1e-12);
            }
        }
    }
}
