//! Clusterings of embedded rows: HDBSCAN, k-means, Gaussian mixtures; and what can be said of them without classes.
//!
//! Every method gives a [`Partition`], so that one can stand in the place of another.

mod agreement;
pub mod boruvka;
pub mod condensed_tree;
pub mod consensus;
pub mod core_distance;
pub mod dbcv;
pub mod gmm;
pub mod hdbscan;
pub mod kd_tree;
pub mod kmeans;
pub(crate) mod lanes;
pub mod membership;
mod nearest;
pub mod predict;
pub mod prim;
pub mod selection;
pub mod single_linkage;
pub mod spanning_tree;
pub mod stability;
pub mod stable_split;
mod touching;

pub use condensed_tree::{CondensedRow, CondensedTree};
pub use consensus::{Consensus, consensus};
pub use core_distance::MutualReachability;
pub use dbcv::{Dbcv, dbcv};
pub use gmm::{GaussianMixture, GmmConfig, gmm};
pub use hdbscan::{Hdbscan, HdbscanConfig, hdbscan};
pub use kmeans::{KMeans, KMeansConfig, kmeans, one_hot};
pub use predict::Prediction;
pub use selection::{SelectionConfig, SelectionMethod};
pub use single_linkage::{Merge, SingleLinkage};
pub use stability::{Stability, stability};
pub use stable_split::{Split, StableSplit, StableSplitConfig, split_once, stable_split};

use crate::matrix::Matrix;

/// Hard and soft cluster membership of N rows in K clusters.
#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    /// Cluster of each row, 0..K, or -1 for noise.
    pub labels: Vec<i32>,
    /// N × K; rows sum to at most 1, what is missing is noise mass.
    pub memberships: Matrix,
}

impl Partition {
    /// K.
    pub fn clusters(&self) -> usize {
        self.memberships.cols()
    }
}

/// Why rows cannot be clustered as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    #[error("there are no rows to cluster; check that the embedding is not empty")]
    NoRows,
    #[error("the rows have no columns; check the embedding that was passed")]
    NoColumns,
    #[error("row {row}, column {column} is NaN or infinite; look at the stage that made this embedding")]
    NotFinite { row: usize, column: usize },
    #[error("{name} is {value}, but {rule}; correct it in the configuration")]
    Setting {
        name: &'static str,
        value: String,
        rule: &'static str,
    },
    #[error("the new points have {new} columns, those that were clustered {columns}; embed them with the same model")]
    ColumnsDiffer { new: usize, columns: usize },
    #[error("{clusters} clusters were asked of {rows} rows; ask for at most one cluster per row")]
    MoreClustersThanRows { clusters: usize, rows: usize },
    #[error("{labels} labels were given for {rows} rows; pass the labels of these rows, in their order")]
    LengthsDiffer { labels: usize, rows: usize },
    #[error("merge {merge} of the linkage is not that of a tree; run the stage that made it again")]
    NoTree { merge: usize },
    #[error("{found} clusters have two rows or more, and DBCV compares at least two; pick another clustering")]
    TooFewClusters { found: usize },
    #[error(
        "component {component} of the mixture has no positive definite covariance; raise reg_covar above {reg_covar}"
    )]
    Covariance { component: usize, reg_covar: String },
}

impl ClusterError {
    fn setting(name: &'static str, value: impl std::fmt::Display, rule: &'static str) -> Self {
        Self::Setting {
            name,
            value: value.to_string(),
            rule,
        }
    }
}

/// Refuses what no method can cluster.
fn check(points: &Matrix) -> Result<(), ClusterError> {
    if points.rows() == 0 {
        return Err(ClusterError::NoRows);
    }
    if points.cols() == 0 {
        return Err(ClusterError::NoColumns);
    }
    match points.first_not_finite() {
        Some((row, column)) => Err(ClusterError::NotFinite { row, column }),
        None => Ok(()),
    }
}

/// The squared Euclidean distance in f64. The order of the columns is the order of the sum, so d(x, y) = d(y, x) to the bit.
fn squared(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
pub(crate) mod fixtures;
