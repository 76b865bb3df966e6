//! Leading eigenvectors of a large symmetric operator: thick-restart Lanczos (Wu & Simon, SIAM J. Matrix Anal. 2000).

use super::{ManifoldError, eigen};
use faer::Mat;
use pulp::Arch;
use rayon::prelude::*;

/// Share of a vector one task works on.
const CHUNK: usize = 4096;

/// What to look for and how hard.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// Eigenpairs wanted.
    pub wanted: usize,
    /// Basis vectors kept at most; larger converges in fewer restarts and costs memory (8·n bytes each).
    pub subspace: usize,
    /// Largest residual norm accepted for every wanted pair.
    pub tolerance: f64,
    pub restarts: usize,
}

/// Eigenpairs of largest eigenvalue, orthogonal to the unit vector `known`.
#[derive(Clone, Debug)]
pub struct Leading {
    pub values: Vec<f64>,
    pub vectors: Vec<Vec<f64>>,
    /// False when the restarts ran out first; the vectors are then the best found. False too when the start vector leads
    /// to fewer directions than wanted; the others are then zero.
    pub converged: bool,
}

/// A start vector that is in no likely direction and depends on nothing but its length.
pub fn start(length: usize) -> Vec<f64> {
    (0..length)
        .map(|i| ((i as f64 + 1.0) * 0.754_877_666_246_693).fract() - 0.5)
        .collect()
}

/// Searches from the given start vector; `apply` writes the product with its first argument into its second.
pub fn leading(
    apply: impl Fn(&[f64], &mut [f64]),
    known: &[f64],
    start: Vec<f64>,
    search: Search,
) -> Result<Leading, ManifoldError> {
    let n = start.len();
    let size = search.subspace.max(search.wanted + 2).min(n - 1);
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(size + 1);
    let mut projected = Mat::<f64>::zeros(size, size);
    let mut kept = 0;
    let mut directions = size;
    let mut residual = start;
    orthogonalise(&mut residual, known, &basis);
    normalise(&mut residual);
    let mut product = vec![0.0; n];
    for restart in 0.. {
        let mut beta = 0.0;
        basis.push(std::mem::take(&mut residual));
        for j in kept..size {
            apply(&basis[j], &mut product);
            let alpha = dot(&product, &basis[j]);
            projected[(j, j)] = alpha;
            // The nearest two vectors carry nearly all of what must go; the full pass after them removes rounding.
            subtract(&mut product, &basis[j], alpha);
            if j > kept {
                subtract(&mut product, &basis[j - 1], projected[(j, j - 1)]);
            }
            orthogonalise(&mut product, known, &basis);
            if j == kept {
                orthogonalise(&mut product, known, &basis);
            }
            let mut next = product.clone();
            beta = normalise(&mut next);
            if beta == 0.0 {
                directions = directions.min(j + 1);
            }
            if j + 1 < size {
                projected[(j + 1, j)] = beta;
                basis.push(next);
            } else {
                residual = next;
            }
        }
        let (values, ritz) = eigen::descending(projected.as_ref())?;
        let worst = (0..search.wanted.min(size))
            .map(|c| (beta * ritz[(size - 1, c)]).abs())
            .fold(0.0, f64::max);
        let settled = worst <= search.tolerance;
        let done = settled || restart + 1 >= search.restarts;
        kept = if done {
            search.wanted.min(size)
        } else {
            (search.wanted + size / 3).min(size - 1)
        };
        basis = combine(&basis, &ritz, kept);
        if done {
            return Ok(Leading {
                values: values[..kept].to_vec(),
                vectors: basis,
                converged: settled && directions >= search.wanted,
            });
        }
        projected = Mat::zeros(size, size);
        for c in 0..kept {
            projected[(c, c)] = values[c];
            projected[(kept, c)] = beta * ritz[(size - 1, c)];
        }
    }
    unreachable!("the loop returns when it converges or when the restarts are used up")
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Fixed chunks added in order: the same bits for any number of threads.
    let parts: Vec<f64> = a
        .par_chunks(CHUNK)
        .zip(b.par_chunks(CHUNK))
        .map(|(a, b)| short_dot(a, b))
        .collect();
    parts.iter().sum()
}

#[inline(always)]
fn short_dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (xs, ys) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f64 = xs.remainder().iter().zip(ys.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in xs.zip(ys) {
        (0..8).for_each(|l| lanes[l] += x[l] * y[l]);
    }
    lanes.iter().sum::<f64>() + tail
}

fn subtract(v: &mut [f64], direction: &[f64], amount: f64) {
    let chunks = v.par_chunks_mut(CHUNK).zip(direction.par_chunks(CHUNK));
    chunks.for_each(|(v, d)| v.iter_mut().zip(d).for_each(|(v, d)| *v -= amount * d));
}

/// Removes the parts of `v` along `known` and the basis (one classical Gram–Schmidt pass).
fn orthogonalise(v: &mut [f64], known: &[f64], basis: &[Vec<f64>]) {
    let arch = Arch::new();
    let against: Vec<&[f64]> = std::iter::once(known).chain(basis.iter().map(Vec::as_slice)).collect();
    let parts: Vec<Vec<f64>> = v
        .par_chunks(CHUNK)
        .enumerate()
        .map(|(c, v)| {
            let part = |b: &&[f64]| short_dot(v, &b[c * CHUNK..c * CHUNK + v.len()]);
            arch.dispatch(|| against.iter().map(part).collect())
        })
        .collect();
    let amounts: Vec<f64> = (0..against.len()).map(|b| parts.iter().map(|p| p[b]).sum()).collect();
    v.par_chunks_mut(CHUNK).enumerate().for_each(|(c, v)| {
        arch.dispatch(|| {
            for (b, amount) in against.iter().zip(&amounts) {
                v.iter_mut().zip(&b[c * CHUNK..]).for_each(|(v, b)| *v -= amount * b);
            }
        });
    });
}

/// Scales to length 1 and returns the length; a zero vector (an invariant subspace was found) stays zero.
fn normalise(v: &mut [f64]) -> f64 {
    let length = dot(v, v).sqrt();
    if length < 1e-14 {
        v.fill(0.0);
        return 0.0;
    }
    v.par_chunks_mut(CHUNK)
        .for_each(|v| v.iter_mut().for_each(|v| *v /= length));
    length
}

/// The first `count` columns of basis · ritz.
fn combine(basis: &[Vec<f64>], ritz: &Mat<f64>, count: usize) -> Vec<Vec<f64>> {
    let column = |c: usize| {
        let mut out = vec![0.0; basis[0].len()];
        for (b, vector) in basis.iter().enumerate() {
            let factor = ritz[(b, c)];
            out.iter_mut().zip(vector).for_each(|(o, v)| *o += factor * v);
        }
        out
    };
    (0..count).into_par_iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The path graph's adjacency has the eigenvalues 2·cos(πj/(n+1)), j = 1..n.
    fn path(v: &[f64], out: &mut [f64]) {
        for i in 0..v.len() {
            out[i] = if i > 0 { v[i - 1] } else { 0.0 } + v.get(i + 1).copied().unwrap_or(0.0);
        }
    }

    fn search(n: usize, known: &[f64], restarts: usize) -> Leading {
        let start = (0..n).map(|i| 1.0 + ((i * 7) % 13) as f64).collect();
        leading(
            path,
            known,
            start,
            Search {
                wanted: 3,
                subspace: 24,
                tolerance: 1e-9,
                restarts,
            },
        )
        .unwrap()
    }

    #[test]
    fn eigenvalues_of_a_path_are_found() {
        let found = search(200, &[0.0; 200], 500);
        assert!(found.converged);
        for (j, value) in found.values.iter().enumerate() {
            let wanted = 2.0 * (std::f64::consts::PI * (j + 1) as f64 / 201.0).cos();
            assert!((value - wanted).abs() < 1e-9, "{value} against {wanted}");
        }
        for vector in &found.vectors {
            let mut product = vec![0.0; 200];
            path(vector, &mut product);
            assert!((dot(vector, vector) - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_known_vector_is_left_out() {
        let first = search(100, &[0.0; 100], 500);
        let rest = search(100, &first.vectors[0], 500);
        assert!((rest.values[0] - first.values[1]).abs() < 1e-9);
    }

    #[test]
    fn running_out_of_restarts_is_reported() {
        let found = search(400, &[0.0; 400], 1);
        assert!(!found.converged);
        assert_eq!(found.vectors.len(), 3);
    }

    #[test]
    fn an_operator_of_low_rank_gives_no_nan() {
        let start = (0..30).map(|i| f64::from(i) + 1.0).collect();
        let halve_first = |v: &[f64], out: &mut [f64]| {
            out.fill(0.0);
            out[0] = v[0] / 2.0;
        };
        let search = Search {
            wanted: 2,
            subspace: 10,
            tolerance: 1e-9,
            restarts: 5,
        };
        let found = leading(halve_first, &[0.0; 30], start, search).unwrap();
        assert!((found.values[0] - 0.5).abs() < 1e-9);
        assert!(found.vectors.iter().flatten().all(|v| v.is_finite()));
        assert!(found.converged, "the start leads to two directions");
        let more = Search { wanted: 3, ..search };
        assert!(
            !leading(halve_first, &[0.0; 30], super::start(30), more)
                .unwrap()
                .converged
        );
    }
}
