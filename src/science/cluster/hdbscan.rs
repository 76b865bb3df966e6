//! HDBSCAN: density-based clustering that finds the number of clusters and leaves noise out.
//!
//! Campello, Moulavi & Sander 2013; Campello, Moulavi, Zimek & Sander 2015; in the conventions of the hdbscan library.

use std::sync::Arc;

use super::condensed_tree::CondensedTree;
use super::membership::soft_memberships;
use super::selection::{SelectionConfig, SelectionMethod};
use super::single_linkage::SingleLinkage;
use super::{ClusterError, MutualReachability};
use crate::matrix::Matrix;

/// The settings of HDBSCAN.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HdbscanConfig {
    /// The smallest group that is a cluster rather than a few rows falling off; ≥ 2.
    pub min_cluster_size: usize,
    /// Core distance = distance to the `min_samples`-th *other* row (scikit-learn's `min_samples` is one more).
    /// `None`: as `min_cluster_size`.
    pub min_samples: Option<usize>,
    pub cluster_selection_method: SelectionMethod,
    /// Distance below which clusters are not split; 0 is off.
    pub cluster_selection_epsilon: f64,
    /// Rows above which a cluster gives way to its children (excess of mass only).
    pub max_cluster_size: Option<usize>,
    pub allow_single_cluster: bool,
    /// Distances are divided by this before they are compared with core distances.
    pub alpha: f64,
}

impl Default for HdbscanConfig {
    fn default() -> Self {
        Self {
            min_cluster_size: 5,
            min_samples: None,
            cluster_selection_method: SelectionMethod::Eom,
            cluster_selection_epsilon: 0.0,
            max_cluster_size: None,
            allow_single_cluster: false,
            alpha: 1.0,
        }
    }
}

impl HdbscanConfig {
    /// `min_samples`, or what stands for it.
    pub fn samples(&self) -> usize {
        self.min_samples.unwrap_or(self.min_cluster_size)
    }

    fn selection(&self) -> Result<SelectionConfig, ClusterError> {
        let epsilon = self.cluster_selection_epsilon;
        if !(epsilon >= 0.0 && epsilon.is_finite()) {
            return Err(ClusterError::setting(
                "cluster_selection_epsilon",
                epsilon,
                "a distance is 0 or a positive number",
            ));
        }
        Ok(SelectionConfig {
            method: self.cluster_selection_method,
            epsilon,
            max_cluster_size: self.max_cluster_size,
            allow_single_cluster: self.allow_single_cluster,
        })
    }
}

/// What HDBSCAN found in N rows. What a user may do without is computed when asked for.
#[derive(Clone, Debug)]
pub struct Hdbscan {
    /// Cluster of each row, 0..K, or -1 for noise.
    pub labels: Vec<i32>,
    /// How firmly each row belongs to its own cluster, in [0, 1]; 0 for noise.
    pub probabilities: Vec<f64>,
    /// The cluster of the condensed tree behind each label.
    pub selected: Vec<usize>,
    pub condensed_tree: CondensedTree,
    pub single_linkage: Arc<SingleLinkage>,
}

impl Hdbscan {
    /// K.
    pub fn clusters(&self) -> usize {
        self.selected.len()
    }

    /// Share of rows that are in a cluster.
    pub fn labelled(&self) -> f64 {
        let labelled = self.labels.iter().filter(|&&label| label >= 0).count();
        labelled as f64 / self.labels.len() as f64
    }

    /// GLOSH, in [0, 1]; larger is farther out.
    pub fn outlier_scores(&self) -> Vec<f64> {
        self.condensed_tree.outlier_scores()
    }

    /// The rows at the heart of each cluster, ascending.
    pub fn exemplars(&self) -> Vec<Vec<u32>> {
        self.condensed_tree.exemplars(&self.selected)
    }

    /// N × K degrees of membership of `points`, the rows that were clustered: hdbscan's
    /// `all_points_membership_vectors`. O(N · E · D) for E exemplars.
    ///
    /// Rows sum to at most 1; the rest is noise mass.
    ///
    /// # Panics
    /// If `points` has another number of rows: a bug of ours.
    pub fn memberships(&self, points: &Matrix) -> Matrix {
        assert_eq!(
            points.rows(),
            self.labels.len(),
            "the points are those that were clustered"
        );
        soft_memberships(points, &self.condensed_tree, &self.selected, &self.labels)
    }
}

/// Clusters the rows of `points` (N × D, Euclidean).
///
/// # Errors
/// If there are no rows or columns, a value is NaN or infinite, or a setting is out of its range.
pub fn hdbscan(points: &Matrix, config: &HdbscanConfig) -> Result<Hdbscan, ClusterError> {
    let linkage = MutualReachability::new(points)?.single_linkage(config.samples(), config.alpha)?;
    Arc::new(linkage).cluster(config)
}

impl SingleLinkage {
    /// The clustering that this tree gives: for a sweep, in which all settings but `min_samples` and `alpha` share it.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn cluster(self: &Arc<Self>, config: &HdbscanConfig) -> Result<Hdbscan, ClusterError> {
        let selection = config.selection()?;
        let tree = self.condense(config.min_cluster_size)?;
        let selected = tree.select(&selection);
        let (labels, probabilities) = tree.label(&selected, &selection);
        Ok(Hdbscan {
            labels,
            probabilities,
            selected,
            condensed_tree: tree,
            single_linkage: Arc::clone(self),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{blobs, hdbscan_cases, points_of, shuffled};
    use super::*;
    use crate::metrics::ari;
    use proptest::prelude::*;

    #[test]
    fn labels_equal_hdbscan_and_scikit_learn() {
        for case in hdbscan_cases() {
            let found = hdbscan(&points_of(&case.data), &case.config).unwrap();
            assert_eq!(ari(&found.labels, &case.labels).unwrap(), 1.0, "{}: hdbscan", case.name);
            if let Some(labels) = &case.sklearn_labels {
                assert_eq!(ari(&found.labels, labels).unwrap(), 1.0, "{}: scikit-learn", case.name);
            }
        }
    }

    #[test]
    fn spanning_tree_weights_equal_hdbscan() {
        for case in hdbscan_cases() {
            let found = hdbscan(&points_of(&case.data), &case.config).unwrap();
            let weight = found.single_linkage.weight();
            assert!(
                (weight / case.mst_weight - 1.0).abs() < 1e-9,
                "{}: {weight} {}",
                case.name,
                case.mst_weight
            );
        }
    }

    #[test]
    fn probabilities_and_outlier_scores_equal_hdbscan() {
        for case in hdbscan_cases() {
            let found = hdbscan(&points_of(&case.data), &case.config).unwrap();
            let scores = found.outlier_scores();
            for (row, (&p, &g)) in found.probabilities.iter().zip(&scores).enumerate() {
                assert!(
                    (p - case.probabilities[row]).abs() < 1e-8,
                    "{} row {row}: {p}",
                    case.name
                );
                assert!(
                    (g - case.outlier_scores[row]).abs() < 1e-8,
                    "{} row {row}: {g}",
                    case.name
                );
            }
        }
    }

    #[test]
    fn soft_memberships_equal_hdbscan() {
        for case in hdbscan_cases() {
            let Some(theirs) = &case.memberships else { continue };
            let points = points_of(&case.data);
            let found = hdbscan(&points, &case.config).unwrap();
            let ours = found.memberships(&points);
            assert_eq!(ours.cols(), theirs[0].len(), "{}", case.name);
            // Clusters may be numbered otherwise: the first row of each label says which is which.
            let column = |label: usize| {
                let row = case
                    .labels
                    .iter()
                    .position(|&l| l == label as i32)
                    .expect("every cluster has rows");
                found.labels[row] as usize
            };
            let columns: Vec<usize> = (0..ours.cols()).map(column).collect();
            for (row, theirs) in theirs.iter().enumerate() {
                let degrees = ours.row(row);
                let (sum, their_sum) = (f64::from(degrees.iter().sum::<f32>()), theirs.iter().sum::<f64>());
                // Noise rows may tie in what their sum is measured by, so of them the shares are compared.
                let factor = if case.labels[row] < 0 { their_sum / sum } else { 1.0 };
                for (label, degree) in theirs.iter().enumerate() {
                    let ours = f64::from(degrees[columns[label]]) * factor;
                    assert!((ours - degree).abs() < 1e-6, "{} row {row}: {ours} {degree}", case.name);
                }
            }
        }
    }

    #[test]
    fn small_inputs_are_noise() {
        for rows in 1..5 {
            let found = hdbscan(&blobs(rows, 2, 1, 3), &HdbscanConfig::default()).unwrap();
            assert_eq!(found.labels, vec![-1; rows]);
            assert_eq!(found.labelled(), 0.0);
        }
    }

    #[test]
    fn equal_points_are_one_cluster_only_where_allowed() {
        let points = Matrix::new(40, 3, vec![2.0; 120]);
        let mut config = HdbscanConfig::default();
        assert_eq!(hdbscan(&points, &config).unwrap().labels, [-1; 40]);
        config.allow_single_cluster = true;
        let found = hdbscan(&points, &config).unwrap();
        assert_eq!((&found.labels, &found.probabilities), (&vec![0; 40], &vec![1.0; 40]));
        assert!(found.memberships(&points).data().iter().all(|&degree| degree == 1.0));
    }

    #[test]
    fn half_equal_points_are_finite() {
        let mut points = blobs(200, 2, 2, 5);
        for row in 0..100 {
            points.row_mut(row).fill(50.0);
        }
        let found = hdbscan(&points, &HdbscanConfig::default()).unwrap();
        let first = found.labels[0];
        assert!(first >= 0 && found.labels[..100].iter().all(|&label| label == first));
        assert_eq!(found.memberships(&points).first_not_finite(), None);
        assert!(
            found
                .probabilities
                .iter()
                .chain(&found.outlier_scores())
                .all(|v| (0.0..=1.0).contains(v))
        );
    }

    #[test]
    fn a_sweep_shares_the_linkage() {
        let points = blobs(400, 2, 4, 7);
        let linkage = MutualReachability::new(&points)
            .unwrap()
            .single_linkage(5, 1.0)
            .unwrap();
        let linkage = Arc::new(linkage);
        for min_cluster_size in [5, 10, 20] {
            let config = HdbscanConfig {
                min_cluster_size,
                min_samples: Some(5),
                ..HdbscanConfig::default()
            };
            let (shared, alone) = (linkage.cluster(&config).unwrap(), hdbscan(&points, &config).unwrap());
            assert_eq!(
                (shared.labels, shared.probabilities),
                (alone.labels, alone.probabilities)
            );
        }
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let points = blobs(20, 2, 2, 1);
        let config = HdbscanConfig {
            cluster_selection_epsilon: -1.0,
            ..HdbscanConfig::default()
        };
        let error = hdbscan(&points, &config).unwrap_err().to_string();
        assert!(error.starts_with("cluster_selection_epsilon is -1"), "{error}");
        assert!(
            hdbscan(
                &points,
                &HdbscanConfig {
                    min_cluster_size: 1,
                    ..HdbscanConfig::default()
                }
            )
            .is_err()
        );
        assert!(hdbscan(&Matrix::new(0, 2, vec![]), &config).is_err());
        assert!(hdbscan(&Matrix::new(2, 0, vec![]), &config).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// Few distinct coordinates: nearly all distances tie, and rows coincide.
        #[test]
        fn the_order_of_rows_changes_no_cluster_where_distances_tie(
            cells in prop::collection::vec(0_u8..12, 60..300), min_cluster_size in 3_usize..8, leaf in any::<bool>(), seed in 0_u64..99
        ) {
            let data: Vec<f32> = cells[..cells.len() / 2 * 2].iter().map(|&c| f32::from(c)).collect();
            let points = Matrix::new(data.len() / 2, 2, data);
            let (moved, order) = shuffled(&points, seed);
            let config = HdbscanConfig {
                min_cluster_size,
                cluster_selection_method: if leaf { SelectionMethod::Leaf } else { SelectionMethod::Eom },
                ..HdbscanConfig::default()
            };
            let (a, b) = (hdbscan(&points, &config).unwrap(), hdbscan(&moved, &config).unwrap());
            let back: Vec<i32> = order.iter().map(|&row| a.labels[row]).collect();
            prop_assert_eq!(ari(&back, &b.labels).unwrap(), 1.0);
            let weights = |found: &Hdbscan| found.single_linkage.merges().iter().map(|m| m.distance).collect::<Vec<_>>();
            prop_assert_eq!(weights(&a), weights(&b));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_order_of_rows_changes_no_cluster(
            seed in 0_u64..10_000, rows in 30_usize..250, cols in 1_usize..5, min_samples in 1_usize..8
        ) {
            let points = blobs(rows, cols, 4, seed);
            let (moved, order) = shuffled(&points, seed);
            let config = HdbscanConfig { min_samples: Some(min_samples), ..HdbscanConfig::default() };
            let (a, b) = (hdbscan(&points, &config).unwrap(), hdbscan(&moved, &config).unwrap());
            let back: Vec<i32> = order.iter().map(|&row| a.labels[row]).collect();
            prop_assert_eq!(ari(&back, &b.labels).unwrap(), 1.0);
            let scores = [a.outlier_scores(), b.outlier_scores()];
            let degrees = [a.memberships(&points), b.memberships(&moved)];
            for (place, &row) in order.iter().enumerate() {
                prop_assert!((a.probabilities[row] - b.probabilities[place]).abs() < 1e-12);
                prop_assert!((scores[0][row] - scores[1][place]).abs() < 1e-12);
                let sum = |which: usize, row| degrees[which].row(row).iter().sum::<f32>();
                prop_assert!((sum(0, row) - sum(1, place)).abs() < 1e-5);
            }
        }
    }
}
