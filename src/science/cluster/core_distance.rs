//! Core distances and mutual reachability (Campello, Moulavi & Sander 2013).

use super::kd_tree::KdTree;
use super::nearest::kth_others;
use super::single_linkage::SingleLinkage;
use super::spanning_tree::{Edge, Reach, minimum_spanning_tree};
use super::{ClusterError, check};
use crate::matrix::Matrix;

/// N points, sorted once for any number of clusterings: a sweep over `min_samples` shares the search tree, one over
/// `min_cluster_size` shares the [`SingleLinkage`] too.
#[derive(Clone, Debug)]
pub struct MutualReachability {
    tree: KdTree,
}

impl MutualReachability {
    /// Sorts the rows of `points` (N × D).
    ///
    /// # Errors
    /// If there are no rows or columns, or a value is NaN or infinite.
    pub fn new(points: &Matrix) -> Result<Self, ClusterError> {
        check(points)?;
        Ok(Self {
            tree: KdTree::new(points),
        })
    }

    pub(super) fn tree(&self) -> &KdTree {
        &self.tree
    }

    /// N.
    pub fn points(&self) -> usize {
        self.tree.len()
    }

    /// The distance of each row to its `min_samples`-th other row (the row itself is not counted, as in hdbscan;
    /// scikit-learn counts it). With fewer other rows than that, the farthest counts.
    ///
    /// # Errors
    /// If `min_samples` is 0.
    pub fn core_distances(&self, min_samples: usize) -> Result<Vec<f64>, ClusterError> {
        let squares = self.squared_cores(min_samples)?;
        let mut cores = vec![0.0; squares.len()];
        for (&id, square) in self.tree.ids.iter().zip(squares) {
            cores[id as usize] = square.sqrt();
        }
        Ok(cores)
    }

    /// Squared core distances in the tree's order.
    fn squared_cores(&self, min_samples: usize) -> Result<Vec<f64>, ClusterError> {
        if min_samples == 0 {
            return Err(ClusterError::setting(
                "min_samples",
                0,
                "a neighbourhood has at least one other row",
            ));
        }
        let k = min_samples.min(self.points() - 1);
        if k == 0 {
            return Ok(vec![0.0; self.points()]);
        }
        Ok(kth_others(&self.tree, k))
    }

    /// The exact minimum spanning tree of d*(i, j) = max(core_i, core_j, d(i, j) / alpha), edges ascending.
    ///
    /// d* ties often (a core distance hides many distances), so edges are ordered by (d*, d, lower row, higher row): the
    /// tree is unique, and independent of the order of the rows where no two distances are equal.
    ///
    /// # Errors
    /// If `min_samples` is 0 or `alpha` is not a positive number.
    pub fn spanning_tree(&self, min_samples: usize, alpha: f64) -> Result<Vec<Edge>, ClusterError> {
        if !(alpha > 0.0 && alpha.is_finite()) {
            return Err(ClusterError::setting(
                "alpha",
                alpha,
                "distances are divided by a positive number",
            ));
        }
        let cores = self.squared_cores(min_samples)?;
        Ok(minimum_spanning_tree(&Reach {
            tree: &self.tree,
            cores: &cores,
            per_alpha: 1.0 / (alpha * alpha),
        }))
    }

    /// The single-linkage tree of the mutual reachability distances: all that a choice of `min_samples` decides.
    ///
    /// # Errors
    /// As [`Self::spanning_tree`].
    pub fn single_linkage(&self, min_samples: usize, alpha: f64) -> Result<SingleLinkage, ClusterError> {
        Ok(SingleLinkage::new(
            self.points(),
            &self.spanning_tree(min_samples, alpha)?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> MutualReachability {
        MutualReachability::new(&Matrix::new(4, 1, vec![0.0, 1.0, 3.0, 7.0])).unwrap()
    }

    #[test]
    fn the_row_itself_is_not_its_neighbour() {
        assert_eq!(line().core_distances(1).unwrap(), [1.0, 1.0, 2.0, 4.0]);
        assert_eq!(line().core_distances(2).unwrap(), [3.0, 2.0, 3.0, 6.0]);
    }

    #[test]
    fn too_many_samples_mean_the_farthest_row() {
        assert_eq!(line().core_distances(99).unwrap(), [7.0, 6.0, 4.0, 7.0]);
    }

    #[test]
    fn a_single_row_is_its_own_core() {
        let one = MutualReachability::new(&Matrix::new(1, 2, vec![1.0, 2.0])).unwrap();
        assert_eq!(one.core_distances(5).unwrap(), [0.0]);
        assert!(one.spanning_tree(5, 1.0).unwrap().is_empty());
    }

    #[test]
    fn zero_samples_are_refused() {
        assert!(
            line()
                .core_distances(0)
                .unwrap_err()
                .to_string()
                .starts_with("min_samples is 0")
        );
    }

    #[test]
    fn alpha_must_be_positive() {
        for alpha in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(line().spanning_tree(1, alpha).is_err());
        }
    }

    #[test]
    fn a_nan_is_named_by_row_and_column() {
        let error = MutualReachability::new(&Matrix::new(2, 2, vec![0.0, 1.0, 2.0, f32::NAN])).unwrap_err();
        assert_eq!(error, ClusterError::NotFinite { row: 1, column: 1 });
    }
}
