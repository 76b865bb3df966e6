//! Trustworthiness of an embedding (Venna & Kaski, 2001), in the definition of scikit-learn.

use super::error::require_finite;
use super::{ManifoldError, Metric, knn};
use crate::matrix::Matrix;
use crate::random::{Draws, permutation};
use rayon::prelude::*;

/// 1 when every embedded k-neighbourhood holds original neighbours only, lower the farther the intruders came from.
///
/// T = 1 - 2/(nk(2n-3k-1)) · Σᵢ Σ over j among i's k embedded neighbours of max(0, r(i,j) - k), with r the rank of j among
/// i's original neighbours (1 = nearest). Euclidean in both spaces; n² in time, so above `max_points` rows a seeded
/// sample of that size stands for all. Needs k < n/2.
pub fn trustworthiness(
    original: &Matrix,
    embedded: &Matrix,
    k: usize,
    max_points: usize,
    draws: &Draws,
) -> Result<f64, ManifoldError> {
    let (left_rows, right_rows) = (original.rows(), embedded.rows());
    if left_rows != right_rows {
        let (left, right) = ("the data", "the embedding");
        return Err(ManifoldError::RowMismatch {
            left,
            left_rows,
            right,
            right_rows,
        });
    }
    require_finite(original)?;
    if left_rows > max_points {
        let mut chosen = permutation(left_rows, &mut draws.at("trustworthiness", 0, 0));
        chosen.truncate(max_points);
        chosen.sort_unstable();
        return of_all(&original.select(&chosen), &embedded.select(&chosen), k);
    }
    of_all(original, embedded, k)
}

fn of_all(original: &Matrix, embedded: &Matrix, k: usize) -> Result<f64, ManifoldError> {
    let n = original.rows();
    if k == 0 {
        let rule = "trustworthiness compares at least one neighbour";
        return Err(ManifoldError::Setting {
            name: "k",
            value: "0".into(),
            rule,
        });
    }
    if n <= 2 * k {
        return Err(ManifoldError::TooFewRows {
            what: "trustworthiness",
            need: 2 * k + 1,
            rows: n,
        });
    }
    let neighbours = knn::exact(embedded, k + 1, Metric::Euclidean)?;
    let penalty = |i: usize| -> u64 {
        let distances: Vec<f64> = (0..n)
            .map(|j| knn::squared_distance(original.row(i), original.row(j)))
            .collect();
        let rank = |j: usize| {
            let nearer = |l: &usize| distances[*l] < distances[j] || (distances[*l] == distances[j] && *l < j);
            (0..n).filter(|l| *l != i && nearer(l)).count() as u64 + 1
        };
        neighbours.row(i).0[1..]
            .iter()
            .map(|j| rank(*j as usize).saturating_sub(k as u64))
            .sum()
    };
    // Integers: the sum does not depend on who adds first.
    let total: u64 = (0..n).into_par_iter().map(penalty).sum();
    let (n, k) = (n as f64, k as f64);
    Ok(1.0 - 2.0 / (n * k * (2.0 * n - 3.0 * k - 1.0)) * total as f64)
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn the_value_is_that_of_scikit_learn() {
        let f = fixture::load();
        for (k, wanted) in &f.trustworthiness {
            let value = trustworthiness(&f.scores(4), &f.scores(2), *k, 10_000, &Draws::new(0)).unwrap();
            assert!((value - wanted).abs() < 1e-9, "k {k}: {value} against {wanted}");
        }
    }

    #[test]
    fn the_data_itself_is_trusted_fully() {
        let points = fixture::load().points();
        assert_eq!(trustworthiness(&points, &points, 5, 10_000, &Draws::new(0)), Ok(1.0));
    }

    #[test]
    fn a_sample_is_seeded_and_near_the_whole() {
        let f = fixture::load();
        let of = |max, seed| trustworthiness(&f.scores(4), &f.scores(2), 3, max, &Draws::new(seed)).unwrap();
        assert_eq!(of(40, 1), of(40, 1));
        assert!((of(40, 1) - of(1000, 1)).abs() < 0.1);
    }

    #[test]
    fn impossible_requests_are_errors() {
        let m = |rows| Matrix::new(rows, 1, (0..rows).map(|i| i as f32).collect());
        let of = |a, b, k| trustworthiness(&m(a), &m(b), k, 100, &Draws::new(0));
        assert!(matches!(of(4, 5, 1), Err(ManifoldError::RowMismatch { .. })));
        assert!(matches!(of(4, 4, 2), Err(ManifoldError::TooFewRows { need: 5, .. })));
        assert!(matches!(of(4, 4, 0), Err(ManifoldError::Setting { .. })));
    }
}
