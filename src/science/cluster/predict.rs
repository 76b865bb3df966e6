//! Labels for new points from a clustering that is left as it is: hdbscan's `approximate_predict`, with
//! `approximate_predict_scores` and `membership_vector`.
//!
//! A new point joins at the density of its shortest mutual reachability distance to a clustered row, and belongs where that
//! row belonged at this density.

use rayon::prelude::*;

use super::condensed_tree::CondensedTree;
use super::hdbscan::Hdbscan;
use super::kd_tree::{KdTree, Search};
use super::lanes::{LANES, LaneRows, Lanes, distances};
use super::membership::predicted_memberships;
use super::{ClusterError, MutualReachability, check};
use crate::matrix::Matrix;

/// What is said of M new points.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Cluster of each point, or -1 for noise.
    pub labels: Vec<i32>,
    /// How firmly each point belongs to its cluster, in [0, 1]; 0 for noise.
    pub probabilities: Vec<f64>,
    /// The clustered row that each point joins.
    pub neighbours: Vec<u32>,
    /// The density λ at which it joins: 1 / mutual reachability distance.
    pub densities: Vec<f64>,
    /// GLOSH, in [0, 1]; larger is farther out. The library's falls below 0 for points that join late; ours stops there.
    pub outlier_scores: Vec<f64>,
}

impl Hdbscan {
    /// Predicts the clusters of `new` points (M × D); `reach` holds the points that were clustered, with `min_samples`.
    ///
    /// As in hdbscan, only the 2 · `min_samples` nearest rows are looked at, `alpha` is not applied, a clustered row's core
    /// distance here counts the row itself, a clustering whose tree never splits predicts noise, and where the root is the one
    /// cluster every point is in it. Rows at equal distance are taken in their order.
    ///
    /// # Errors
    /// If a new value is NaN or infinite, the columns differ from those of the clustered points, or `min_samples` is 0.
    ///
    /// # Panics
    /// If `reach` holds another number of rows: a bug of ours.
    pub fn approximate_predict(
        &self,
        reach: &MutualReachability,
        min_samples: usize,
        new: &Matrix,
    ) -> Result<Prediction, ClusterError> {
        assert_eq!(
            reach.points(),
            self.labels.len(),
            "the points are those that were clustered"
        );
        if new.rows() > 0 {
            check(new)?;
        }
        let tree = reach.tree();
        if new.cols() != tree.points.cols() {
            return Err(ClusterError::ColumnsDiffer {
                new: new.cols(),
                columns: tree.points.cols(),
            });
        }
        // The row itself is one of its `min_samples`.
        let cores = match min_samples {
            1 => vec![0.0; reach.points()],
            _ => reach.core_distances(min_samples.saturating_sub(1))?,
        };
        let owners = self.condensed_tree.owners(&self.selected);
        let densest = self.condensed_tree.densest();
        let predicted: Vec<(i32, f64, u32, f64, f64)> = nearest(tree, new, (2 * min_samples).min(reach.points()))
            .into_par_iter()
            .map(|near| {
                let (neighbour, lambda) = joins(&near, &cores, min_samples);
                let (label, probability) = self.place(neighbour as usize, lambda, &owners);
                let score = self.outlier_score(&near[0], neighbour as usize, lambda, &densest);
                (label, probability, neighbour, lambda, score)
            })
            .collect();
        Ok(Prediction {
            labels: predicted.iter().map(|p| p.0).collect(),
            probabilities: predicted.iter().map(|p| p.1).collect(),
            neighbours: predicted.iter().map(|p| p.2).collect(),
            densities: predicted.iter().map(|p| p.3).collect(),
            outlier_scores: predicted.iter().map(|p| p.4).collect(),
        })
    }

    /// M × K degrees of membership of `new` points in the clusters of `points`: hdbscan's `membership_vector`.
    ///
    /// # Panics
    /// If `prediction` is of other points: a bug of ours.
    pub fn predicted_memberships(&self, points: &Matrix, new: &Matrix, prediction: &Prediction) -> Matrix {
        assert_eq!(prediction.labels.len(), new.rows(), "the prediction is of these points");
        predicted_memberships(points, &self.condensed_tree, &self.selected, new, prediction)
    }

    /// The score of a point that joins `neighbour` at `lambda`; on a clustered row it is this row's.
    fn outlier_score(&self, nearest: &(f64, u32), neighbour: usize, lambda: f64, densest: &[f64]) -> f64 {
        let tree = &self.condensed_tree;
        let lambda = match nearest.0 {
            0.0 => tree.point_lambdas()[neighbour],
            _ => lambda,
        };
        match tree.clusters().len() {
            1 => 1.0,
            _ => CondensedTree::outlier_score(densest[tree.point_clusters()[neighbour]], lambda),
        }
    }

    /// The label and its probability for a point that joins `neighbour` at density `lambda`.
    fn place(&self, neighbour: usize, lambda: f64, owners: &[Option<usize>]) -> (i32, f64) {
        let tree = &self.condensed_tree;
        let clusters = tree.clusters();
        if clusters.len() == 1 {
            return (-1, 0.0);
        }
        let mut cluster = tree.point_clusters()[neighbour];
        if tree.point_lambdas()[neighbour] > lambda {
            while let Some(parent) = clusters[cluster].parent
                && clusters[cluster].birth >= lambda
            {
                cluster = parent;
            }
        }
        let Some(label) = owners[cluster] else {
            return (-1, 0.0);
        };
        let densest = clusters[self.selected[label]].death;
        let probability = if densest > 0.0 {
            lambda.min(densest) / densest
        } else {
            1.0
        };
        (label as i32, probability)
    }
}

/// The row at the least mutual reachability distance, the nearest of several, and the density at which they join.
fn joins(near: &[(f64, u32)], cores: &[f64], min_samples: usize) -> (u32, f64) {
    let own_core = near[min_samples.min(near.len() - 1)].0.sqrt();
    let reach = |&(square, row): &(f64, u32)| square.sqrt().max(cores[row as usize]).max(own_core);
    let mut best = (near[0].1, reach(&near[0]));
    for place in &near[1..] {
        let distance = reach(place);
        if distance < best.1 {
            best = (place.1, distance);
        }
    }
    (best.0, if best.1 > 0.0 { 1.0 / best.1 } else { f64::MAX })
}

/// For every new point the `k` nearest rows of the tree: squared distances, ascending, and rows.
fn nearest(tree: &KdTree, new: &Matrix, k: usize) -> Vec<Vec<(f64, u32)>> {
    let rows = LaneRows::new(new.rows(), new.cols(), |i| new.row(i));
    (0..rows.blocks())
        .into_par_iter()
        .flat_map_iter(|block| {
            let len = LANES.min(new.rows() - block * LANES);
            let mut search = Neighbours {
                tree,
                rows: &rows,
                block,
                k,
                limits: std::array::from_fn(|lane| if lane < len { f64::INFINITY } else { -1.0 }),
                found: vec![Vec::new(); len],
            };
            tree.walk(rows.block(block), &mut search);
            let keep = |found: &mut Vec<(f64, u32)>| first(found, k);
            search.found.iter_mut().for_each(keep);
            search.found
        })
        .collect()
}

/// Sorts and keeps the first `k`.
fn first(found: &mut Vec<(f64, u32)>, k: usize) {
    found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    found.truncate(k);
}

/// The search for the nearest rows of a block of new points.
struct Neighbours<'a> {
    tree: &'a KdTree,
    rows: &'a LaneRows,
    block: usize,
    k: usize,
    /// No row farther than this matters; negative for lanes without a point.
    limits: Lanes,
    found: Vec<Vec<(f64, u32)>>,
}

impl Search for Neighbours<'_> {
    #[inline(always)]
    fn enters(&self, _: usize, distances: &Lanes) -> bool {
        distances
            .iter()
            .zip(&self.limits)
            .fold(false, |any, (distance, limit)| any | (distance <= limit))
    }

    #[inline(always)]
    fn scan(&mut self, leaf: usize, boxes: &Lanes) {
        let start = self.tree.nodes[leaf].start;
        for (lane, found) in self.found.iter_mut().enumerate() {
            if boxes[lane] > self.limits[lane] {
                continue;
            }
            let squares = distances(
                self.rows.row(self.block * LANES + lane),
                self.tree.points.block(start / LANES),
            );
            for (&square, &id) in squares.iter().zip(&self.tree.ids[start..]) {
                if square <= self.limits[lane] {
                    found.push((square, id));
                }
            }
            if found.len() >= 2 * self.k || (self.limits[lane] == f64::INFINITY && found.len() >= self.k) {
                first(found, self.k);
                self.limits[lane] = found[self.k - 1].0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{blobs, hdbscan_cases, points_of};
    use super::super::squared;
    use super::super::{HdbscanConfig, hdbscan};
    use super::*;
    use crate::metrics::ari;

    fn predict(points: &Matrix, config: &HdbscanConfig, new: &Matrix) -> Result<Prediction, ClusterError> {
        let reach = MutualReachability::new(points).unwrap();
        let found = hdbscan(points, config).unwrap();
        found.approximate_predict(&reach, config.samples(), new)
    }

    #[test]
    fn predictions_equal_hdbscan() {
        let mut compared = 0;
        for case in hdbscan_cases() {
            let Some(theirs) = &case.prediction else { continue };
            let (points, new) = (points_of(&case.data), points_of(&theirs.points));
            let ours = predict(&points, &case.config, &new).unwrap();
            // Clusters may be numbered otherwise.
            assert_eq!(ari(&ours.labels, &theirs.labels).unwrap(), 1.0, "{}", case.name);
            for (point, (ours, theirs)) in ours.outlier_scores.iter().zip(&theirs.outlier_scores).enumerate() {
                let Some(theirs) = theirs else { continue };
                assert!(
                    (ours - theirs.max(0.0)).abs() < 1e-8,
                    "{} point {point}: {ours} {theirs}",
                    case.name
                );
            }
            for (point, (&p, &their_p)) in ours.probabilities.iter().zip(&theirs.probabilities).enumerate() {
                assert!((p - their_p).abs() < 1e-8, "{} point {point}: {p} {their_p}", case.name);
            }
            compared += 1;
        }
        assert!(compared >= 5);
    }

    #[test]
    fn memberships_of_new_points_equal_hdbscan() {
        let (mut compared, mut equal) = (0, 0);
        for case in hdbscan_cases() {
            let Some(theirs) = &case.prediction else { continue };
            let (points, new) = (points_of(&case.data), points_of(&theirs.points));
            let found = hdbscan(&points, &case.config).unwrap();
            let prediction = predict(&points, &case.config, &new).unwrap();
            let ours = found.predicted_memberships(&points, &new, &prediction);
            // Their number of each of our clusters.
            let number = |ours: usize| {
                let row = found.labels.iter().position(|&label| label == ours as i32).unwrap();
                case.labels[row] as usize
            };
            for (point, degrees) in theirs.memberships.iter().enumerate() {
                let Some(degrees) = degrees else { continue };
                let row = ours.row(point);
                let (sum, their_sum) = (row.iter().sum::<f32>(), degrees.iter().sum::<f64>() as f32);
                for (cluster, &ours) in row.iter().enumerate() {
                    let theirs = degrees[number(cluster)] as f32;
                    let apart = (ours / sum - theirs / their_sum).abs();
                    assert!(
                        apart < 1e-6,
                        "{} point {point} cluster {cluster}: {ours} {theirs}",
                        case.name
                    );
                }
                // Where a point leaves several clusters at once, the library measures its chance by the first.
                let mut of_another = found
                    .selected
                    .iter()
                    .flat_map(|a| found.selected.iter().map(move |b| (a, b)));
                let death = |cluster: &usize| found.condensed_tree.clusters()[*cluster].death as f32;
                let near = |wanted: f32| (sum / wanted - 1.0).abs() < 2e-6;
                let tied = of_another.any(|(a, b)| near(their_sum * death(a) / death(b)));
                assert!(
                    near(their_sum) || tied,
                    "{} point {point}: {sum} {their_sum}",
                    case.name
                );
                compared += 1;
                equal += usize::from(near(their_sum));
            }
        }
        assert!(compared >= 300 && equal >= compared * 9 / 10, "{equal} of {compared}");
    }

    #[test]
    fn a_clustered_row_keeps_its_outlier_score() {
        let points = blobs(300, 2, 3, 4);
        let found = hdbscan(&points, &HdbscanConfig::default()).unwrap();
        let predicted = predict(&points, &HdbscanConfig::default(), &points).unwrap();
        let scores = found.outlier_scores();
        for (row, &neighbour) in predicted.neighbours.iter().enumerate() {
            assert_eq!(predicted.outlier_scores[row], scores[neighbour as usize]);
        }
    }

    #[test]
    fn the_nearest_rows_are_those_of_a_full_scan() {
        let (rows, new) = (blobs(300, 3, 4, 5), blobs(45, 3, 4, 6));
        let tree = KdTree::new(&rows);
        let wide = |row: &[f32]| row.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
        for k in [1, 7, 300] {
            for (point, found) in nearest(&tree, &new, k).iter().enumerate() {
                let all = (0..300).map(|row| (squared(&wide(new.row(point)), &wide(rows.row(row))), row as u32));
                let mut all: Vec<(f64, u32)> = all.collect();
                first(&mut all, k);
                assert_eq!(found, &all);
            }
        }
    }

    #[test]
    fn points_far_from_everything_are_noise() {
        let far = Matrix::new(2, 2, vec![900.0, 900.0, -900.0, 0.0]);
        let found = predict(&blobs(300, 2, 3, 4), &HdbscanConfig::default(), &far).unwrap();
        assert_eq!((found.labels, found.probabilities.len()), (vec![-1, -1], 2));
    }

    #[test]
    fn a_tree_that_never_splits_predicts_noise() {
        let points = Matrix::new(40, 1, vec![2.0; 40]);
        let config = HdbscanConfig {
            allow_single_cluster: true,
            ..HdbscanConfig::default()
        };
        assert_eq!(predict(&points, &config, &points).unwrap().labels, [-1; 40]);
    }

    #[test]
    fn few_rows_and_no_new_points_do_not_panic() {
        let config = HdbscanConfig::default();
        let found = predict(&blobs(3, 2, 1, 3), &config, &blobs(4, 2, 1, 9)).unwrap();
        assert_eq!(found.labels, [-1; 4]);
        assert!(
            predict(&blobs(3, 2, 1, 3), &config, &Matrix::new(0, 2, vec![]))
                .unwrap()
                .labels
                .is_empty()
        );
    }

    #[test]
    fn new_points_of_another_kind_are_refused() {
        let (points, config) = (blobs(60, 2, 2, 1), HdbscanConfig::default());
        let error = predict(&points, &config, &Matrix::new(1, 3, vec![0.0; 3])).unwrap_err();
        assert_eq!(error, ClusterError::ColumnsDiffer { new: 3, columns: 2 });
        let nan = Matrix::new(1, 2, vec![0.0, f32::NAN]);
        assert_eq!(
            predict(&points, &config, &nan).unwrap_err(),
            ClusterError::NotFinite { row: 0, column: 1 }
        );
    }
}
