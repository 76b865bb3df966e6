//! Exact k nearest neighbours: by blocked brute force, in few dimensions through a k-d tree.
//!
//! A matrix product gives every pair a cheap bracket [lower, upper] around its distance; only the pairs whose lower end
//! could still be among the k smallest are measured again, in f64 from differences. The answer is therefore the exact
//! one, and does not depend on the number of threads or on the processor's instruction set.

mod bracket;
mod shortlist;
mod tiles;
mod tree;

use super::ManifoldError;
use super::error::require_finite;
use crate::matrix::Matrix;
pub(super) use bracket::squared_distance;
use bracket::{Rank, Space};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
pub use shortlist::{Prepared, Shortlist, exact_by};
use tiles::BLOCK;

/// Up to so many columns a k-d tree is faster than products with all rows: 13 to 18 times on UMAP's embeddings of 70,000
/// rows, level on as many normal rows of 10 columns, its worst case.
const FEW_COLUMNS: usize = 10;

/// How two rows are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// √Σ(x-y)², in the units of the data.
    #[default]
    Euclidean,
    /// 1 - cos(x, y), from 0 to 2. A zero row is at 0 from another zero row and at 1 from any other.
    Cosine,
}

/// The k nearest neighbours of every query, nearest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    /// Neighbours per query.
    pub k: usize,
    /// queries × k row numbers in the reference.
    pub indices: Vec<u32>,
    /// queries × k distances, ascending in each row.
    pub distances: Vec<f32>,
}

impl Neighbours {
    /// Number of queries.
    pub fn rows(&self) -> usize {
        self.indices.len() / self.k
    }

    /// Neighbours and distances of query `i`.
    pub fn row(&self, i: usize) -> (&[u32], &[f32]) {
        let range = i * self.k..(i + 1) * self.k;
        (&self.indices[range.clone()], &self.distances[range])
    }

    /// The first `k` neighbours of every query: what a search for fewer would have found.
    pub fn truncated(&self, k: usize) -> Result<Self, ManifoldError> {
        if k == 0 || k > self.k {
            return Err(ManifoldError::TooManyNeighbours { k, rows: self.k });
        }
        let indices = self
            .indices
            .chunks_exact(self.k)
            .flat_map(|row| &row[..k])
            .copied()
            .collect();
        let distances = self
            .distances
            .chunks_exact(self.k)
            .flat_map(|row| &row[..k])
            .copied()
            .collect();
        Ok(Self { k, indices, distances })
    }
}

/// The k nearest rows of every row of `data`, itself first with distance 0 (also among duplicates), then by distance
/// and, at equal distance, by row number.
pub fn exact(data: &Matrix, k: usize, metric: Metric) -> Result<Neighbours, ManifoldError> {
    search(data, data, k, metric, true)
}

/// The k nearest rows of `reference` for every row of `queries`; at equal distance the lower row number comes first.
pub fn exact_between(
    reference: &Matrix,
    queries: &Matrix,
    k: usize,
    metric: Metric,
) -> Result<Neighbours, ManifoldError> {
    search(reference, queries, k, metric, false)
}

fn search(
    reference: &Matrix,
    queries: &Matrix,
    k: usize,
    metric: Metric,
    itself: bool,
) -> Result<Neighbours, ManifoldError> {
    check(reference, queries, k)?;
    let space = Space::new(reference, queries, metric, itself);
    if metric == Metric::Euclidean && reference.cols() <= FEW_COLUMNS {
        return Ok(tree::search(&space, reference, queries, k));
    }
    let mut indices = vec![0_u32; queries.rows() * k];
    let mut distances = vec![0.0_f32; queries.rows() * k];
    if itself {
        tiles::among(space, k, &mut indices, &mut distances);
    } else {
        let blocks = indices
            .par_chunks_mut(BLOCK * k)
            .zip(distances.par_chunks_mut(BLOCK * k));
        blocks.enumerate().for_each(|(block, (indices, distances))| {
            tiles::between(&space, block * BLOCK, k, indices, distances);
        });
    }
    Ok(Neighbours { k, indices, distances })
}

fn check(reference: &Matrix, queries: &Matrix, k: usize) -> Result<(), ManifoldError> {
    require_finite(reference)?;
    require_finite(queries)?;
    if k == 0 {
        let rule = "a search needs at least one neighbour";
        return Err(ManifoldError::Setting {
            name: "k",
            value: "0".into(),
            rule,
        });
    }
    if k > reference.rows() {
        return Err(ManifoldError::TooManyNeighbours {
            k,
            rows: reference.rows(),
        });
    }
    if reference.cols() != queries.cols() {
        let (left_cols, right_cols) = (reference.cols(), queries.cols());
        return Err(ManifoldError::ColumnMismatch {
            left: "the reference",
            left_cols,
            right: "the queries",
            right_cols,
        });
    }
    Ok(())
}

/// Measures the candidates of a query exactly and keeps the nearest, as many as there are slots.
fn settle(
    space: &Space<'_>,
    query: usize,
    candidates: impl Iterator<Item = u32>,
    indices: &mut [u32],
    distances: &mut [f32],
) {
    let mut exact: Vec<Rank> = candidates.map(|row| space.rank(query, row)).collect();
    // Of many ties most need no place.
    exact.select_nth_unstable_by(indices.len() - 1, Rank::compare);
    exact.truncate(indices.len());
    exact.sort_unstable_by(Rank::compare);
    for ((index, distance), rank) in indices.iter_mut().zip(distances).zip(exact) {
        *index = rank.row;
        *distance = space.distance(rank.measure);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::fixture;
    use super::*;
    use crate::random::Draws;
    use rand::RngExt;

    /// The definition: every distance in f64, sorted.
    pub fn naive(data: &Matrix, k: usize, metric: Metric) -> Neighbours {
        let space = Space::new(data, data, metric, true);
        let (mut indices, mut distances) = (vec![], vec![]);
        for i in 0..data.rows() {
            let mut all: Vec<_> = (0..data.rows())
                .map(|j| (j != i, space.measure(i, j as u32), j as u32))
                .collect();
            all.sort_by(|a, b| a.partial_cmp(b).expect("finite"));
            indices.extend(all[..k].iter().map(|a| a.2));
            distances.extend(all[..k].iter().map(|a| space.distance(a.1)));
        }
        Neighbours { k, indices, distances }
    }

    pub(super) fn random(rows: usize, cols: usize, offset: f32) -> Matrix {
        let mut rng = Draws::new(3).at("test", 0, 0);
        Matrix::new(
            rows,
            cols,
            (0..rows * cols).map(|_| offset + rng.random::<f32>()).collect(),
        )
    }

    #[test]
    fn neighbours_are_those_of_scikit_learn() {
        let f = fixture::load();
        for (metric, wanted) in [(Metric::Euclidean, &f.knn.euclidean), (Metric::Cosine, &f.knn.cosine)] {
            let found = exact(&f.points(), f.knn.k, metric).unwrap();
            for (a, b) in found.distances.iter().zip(wanted.iter().flatten()) {
                assert!((f64::from(*a) - b).abs() < 1e-5, "{metric:?}: {a} against {b}");
            }
        }
    }

    #[test]
    fn blocks_and_brackets_give_what_the_definition_gives() {
        // Three blocks, one, and five of which the last is a single row; a large offset makes the products cancel.
        for (data, k) in [
            (random(1100, 12, 0.0), 7),
            (random(1537, 11, 0.0), 40),
            (random(300, 20, 1000.0), 300),
            (random(200, 1, -5.0), 1),
        ] {
            for metric in [Metric::Euclidean, Metric::Cosine] {
                assert_eq!(exact(&data, k, metric).unwrap(), naive(&data, k, metric));
            }
        }
    }

    #[test]
    fn a_point_comes_first_among_its_duplicates_and_ties_go_by_row() {
        let data = Matrix::new(5, 1, vec![0., 1., 0., -1., 0.]);
        let found = exact(&data, 4, Metric::Euclidean).unwrap();
        assert_eq!(found.row(2).0, [2, 0, 4, 1]);
        assert_eq!(found.row(2).1, [0., 0., 0., 1.]);
    }

    #[test]
    fn ties_go_by_row_also_between_blocks() {
        let mut data = random(1000, 12, 0.0).into_data();
        data.iter_mut().for_each(|v| *v = (*v * 2.0).floor());
        let data = Matrix::new(1000, 12, data);
        assert_eq!(
            exact(&data, 25, Metric::Euclidean).unwrap(),
            naive(&data, 25, Metric::Euclidean)
        );
    }

    #[test]
    fn many_copies_and_one_row_far_from_all_others_are_no_special_cases() {
        // Brackets decide nothing here: exact measures must, before all rows have been kept for all.
        let mut copies = random(1000, 12, 0.0).into_data();
        copies[..6000].fill(0.5);
        let mut outlier = random(1000, 12, 0.0).into_data();
        outlier[7] = 1e10;
        for values in [copies, outlier] {
            let data = Matrix::new(1000, 12, values);
            let found = exact(&data, 5, Metric::Euclidean).unwrap();
            assert_eq!(found, naive(&data, 5, Metric::Euclidean));
        }
    }

    #[test]
    fn all_points_equal_is_no_special_case() {
        let found = exact(&Matrix::new(2000, 4, vec![0.1; 8000]), 3, Metric::Cosine).unwrap();
        assert_eq!(found.row(1500).0, [1500, 0, 1]);
        assert!(found.distances.iter().all(|d| *d == 0.0));
    }

    #[test]
    fn one_thread_gives_the_bytes_of_many() {
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let three = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        for cols in [5, 12] {
            let data = random(1700, cols, 0.0);
            let search = || exact(&data, 9, Metric::Euclidean).unwrap();
            assert_eq!(one.install(search), three.install(search));
        }
    }

    #[test]
    fn enormous_values_do_not_overflow() {
        let data = Matrix::new(3, 2, vec![1e30, 0., -1e30, 0., 3e38, -3e38]);
        let found = exact(&data, 3, Metric::Euclidean).unwrap();
        assert_eq!(found.row(0).0, [0, 1, 2]);
        assert!(found.distances.iter().all(|d| d.is_finite()));
    }

    #[test]
    fn zero_rows_have_cosine_distance_one_from_the_others_and_none_between_them() {
        let data = Matrix::new(4, 2, vec![0., 0., 1., 0., 0., 0., -1., 0.]);
        let found = exact(&data, 4, Metric::Cosine).unwrap();
        assert_eq!(found.row(0), (&[0, 2, 1, 3][..], &[0., 0., 1., 1.][..]));
        assert_eq!(found.row(1).1, [0., 1., 1., 2.]);
    }

    #[test]
    fn queries_need_not_be_in_the_reference() {
        let reference = Matrix::new(3, 1, vec![0., 10., 20.]);
        let found = exact_between(&reference, &Matrix::new(2, 1, vec![9., 21.]), 2, Metric::Euclidean).unwrap();
        assert_eq!(found.indices, [1, 0, 2, 1]);
        assert_eq!(found.distances, [1., 9., 1., 11.]);
    }

    #[test]
    fn a_truncated_search_is_a_search_for_fewer() {
        let data = random(60, 3, 0.0);
        let many = exact(&data, 9, Metric::Euclidean).unwrap();
        assert_eq!(many.truncated(4).unwrap(), exact(&data, 4, Metric::Euclidean).unwrap());
        assert!(many.truncated(10).is_err());
    }

    #[test]
    fn bad_requests_are_errors() {
        let data = random(4, 2, 0.0);
        let other = random(4, 3, 0.0);
        let nan = Matrix::new(2, 1, vec![0., f32::NAN]);
        assert!(matches!(
            exact(&data, 5, Metric::Euclidean),
            Err(ManifoldError::TooManyNeighbours { k: 5, rows: 4 })
        ));
        assert!(matches!(
            exact(&data, 0, Metric::Euclidean),
            Err(ManifoldError::Setting { .. })
        ));
        assert!(matches!(
            exact(&nan, 1, Metric::Euclidean),
            Err(ManifoldError::NotFinite { row: 1, col: 0, .. })
        ));
        let between = exact_between(&data, &other, 1, Metric::Euclidean);
        assert!(matches!(between, Err(ManifoldError::ColumnMismatch { .. })));
    }
}
