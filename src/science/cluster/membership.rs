//! Soft clustering: to what degree each row, clustered or new, belongs to each cluster.
//!
//! The degree joins three views, as the hdbscan library defines them: nearness to a cluster's exemplars, the density at
//! which the row's branch of the condensed tree meets the cluster's, and how far the row is inside any cluster at all. The
//! library weighs the first two otherwise for new points than for those of the fit; so does this.

use rayon::prelude::*;
use std::cmp::Ordering;

use super::condensed_tree::CondensedTree;
use super::predict::Prediction;
use super::squared;
use crate::matrix::Matrix;

/// The library's guard against λ = 0 in the score of the tree view.
const GUARD: f64 = 1e-8;

/// N × K degrees of membership in the `selected` clusters. Rows sum to at most 1; the rest is noise mass.
///
/// A row for which the formula gives nothing (it vanishes or is not a number) is wholly in its hard cluster, or in none.
/// O(N · E · D) for E exemplars.
pub fn soft_memberships(points: &Matrix, tree: &CondensedTree, selected: &[usize], labels: &[i32]) -> Matrix {
    let exemplars = exemplars(points, tree, selected);
    let heights = MergeHeights::new(tree, selected);
    degrees(points, selected.len(), labels, |index, point| {
        let (cluster, lambda) = (tree.point_clusters()[index], tree.point_lambdas()[index]);
        let height = heights.of(cluster, lambda);
        let death = tree.clusters()[cluster].death + GUARD;
        // Scores lie in (0, 1/e], so their exponentials need no shift; the common factor cancels below.
        let weights: Vec<f64> = nearness(point, &exemplars)
            .iter()
            .zip(&height)
            .map(|(near, height)| near * (-(death / height)).exp().exp())
            .collect();
        let highest = highest(&height, &weights);
        let within = height[highest] / tree.clusters()[selected[highest]].death.max(lambda);
        scaled(weights, within)
    })
}

/// M × K degrees of membership of `new` rows that join clustered `points` where `prediction` says.
///
/// Rows sum to at most 1; one for which the formula gives nothing is wholly in the cluster that is predicted, or in none.
pub fn predicted_memberships(
    points: &Matrix,
    tree: &CondensedTree,
    selected: &[usize],
    new: &Matrix,
    prediction: &Prediction,
) -> Matrix {
    let exemplars = exemplars(points, tree, selected);
    let heights = MergeHeights::new(tree, selected);
    degrees(new, selected.len(), &prediction.labels, |index, point| {
        let neighbour = prediction.neighbours[index] as usize;
        let cluster = tree.point_clusters()[neighbour];
        // The library holds this density in f32.
        let lambda = f64::from(tree.point_lambdas()[neighbour].min(prediction.densities[index]) as f32);
        let height = heights.of(cluster, lambda);
        let death = tree.clusters()[cluster].death;
        let scores: Vec<f64> = height
            .iter()
            .map(|height| match death - height {
                below if below > 0.0 => death / below,
                _ => death / GUARD,
            })
            .collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = nearness(point, &exemplars)
            .iter()
            .zip(&scores)
            .map(|(near, score)| near.sqrt() * (2.0 * (score - most)).exp())
            .collect();
        let highest = highest(&height, &weights);
        let within = height[highest] / (tree.clusters()[selected[highest]].death.max(lambda) + GUARD);
        scaled(weights, within)
    })
}

/// The rows of `degrees` for every row of `points`, in parallel; where they are nothing, all of the row is in its label.
fn degrees(points: &Matrix, clusters: usize, labels: &[i32], of: impl Fn(usize, &[f64]) -> Vec<f64> + Sync) -> Matrix {
    let mut data = vec![0.0_f32; points.rows() * clusters];
    if clusters > 0 {
        let rows = data.par_chunks_mut(clusters).enumerate().with_min_len(64);
        rows.for_each(|(index, out)| {
            let degrees = of(index, &wide(points, index));
            if degrees.iter().all(|degree| degree.is_finite()) && degrees.iter().any(|&degree| degree > 0.0) {
                for (out, degree) in out.iter_mut().zip(degrees) {
                    *out = degree as f32;
                }
            } else if labels[index] >= 0 {
                out[labels[index] as usize] = 1.0;
            }
        });
    }
    Matrix::new(points.rows(), clusters, data)
}

fn wide(points: &Matrix, row: usize) -> Vec<f64> {
    points.row(row).iter().map(|&v| f64::from(v)).collect()
}

/// The exemplars of each cluster, row after row, each but once: where rows coincide, all of them are exemplars.
fn exemplars(points: &Matrix, tree: &CondensedTree, selected: &[usize]) -> Vec<Vec<f64>> {
    let of_cluster = |rows: &Vec<u32>| {
        let mut rows: Vec<Vec<f64>> = rows.iter().map(|&row| wide(points, row as usize)).collect();
        let by_value = |a: &Vec<f64>, b: &Vec<f64>| {
            let values = a.iter().zip(b).map(|(x, y)| x.total_cmp(y));
            values.fold(Ordering::Equal, Ordering::then)
        };
        rows.sort_unstable_by(by_value);
        rows.dedup();
        rows.concat()
    };
    tree.exemplars(selected).iter().map(of_cluster).collect()
}

/// 1 / distance to the nearest exemplar of each cluster, normalised. On an exemplar, its clusters share everything.
fn nearness(point: &[f64], exemplars: &[Vec<f64>]) -> Vec<f64> {
    let nearest = |rows: &Vec<f64>| {
        rows.chunks_exact(point.len())
            .map(|exemplar| squared(point, exemplar))
            .fold(f64::INFINITY, f64::min)
            .sqrt()
    };
    let distances: Vec<f64> = exemplars.iter().map(nearest).collect();
    // Scaled by the smallest, so that neither tiny nor huge distances leave the range of f64.
    let smallest = distances.iter().copied().fold(f64::INFINITY, f64::min);
    let parts: Vec<f64> = distances
        .iter()
        .map(|&distance| match distance == smallest {
            true => 1.0,
            false => smallest / distance,
        })
        .collect();
    let sum: f64 = parts.iter().sum();
    parts.into_iter().map(|part| part / sum).collect()
}

/// The cluster whose branch the row leaves last. A row outside all clusters is often equally high with several; the library
/// takes the first, which depends on the order of rows, and we the one with the largest weight.
fn highest(height: &[f64], weights: &[f64]) -> usize {
    let mut highest = 0;
    for place in 1..height.len() {
        let tied = height[place] == height[highest] && weights[place] > weights[highest];
        if height[place] > height[highest] || tied {
            highest = place;
        }
    }
    highest
}

/// Weights that sum to the chance of being `within` some cluster.
fn scaled(weights: Vec<f64>, within: f64) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum * within).collect()
}

/// For each condensed cluster and each selected one, the λ at which their branches part; `None` on one branch.
struct MergeHeights {
    clusters: usize,
    table: Vec<Option<f64>>,
}

impl MergeHeights {
    fn new(tree: &CondensedTree, selected: &[usize]) -> Self {
        let part = |from: usize, to: usize| {
            let (mut a, mut b) = (from, to);
            let (mut climbed_a, mut climbed_b, mut last) = (false, false, 0);
            // Children have higher numbers than parents, so the higher of the two is never an ancestor of the other.
            while a != b {
                let (higher, climbed) = if a > b {
                    (&mut a, &mut climbed_a)
                } else {
                    (&mut b, &mut climbed_b)
                };
                *climbed = true;
                last = *higher;
                *higher = tree.clusters()[*higher]
                    .parent
                    .expect("the higher number is not the root");
            }
            (climbed_a && climbed_b).then(|| tree.clusters()[last].birth)
        };
        let table = (0..tree.clusters().len())
            .flat_map(|from| selected.iter().map(move |&to| part(from, to)))
            .collect();
        Self {
            clusters: selected.len(),
            table,
        }
    }

    /// The heights with every selected cluster of a row of `cluster` that leaves at `lambda`: this λ where it is on the
    /// selected one's branch.
    fn of(&self, cluster: usize, lambda: f64) -> Vec<f64> {
        let start = cluster * self.clusters;
        self.table[start..start + self.clusters]
            .iter()
            .map(|height| height.unwrap_or(lambda))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::blobs;
    use super::super::hdbscan::{HdbscanConfig, hdbscan};
    use super::*;

    fn config(min_cluster_size: usize) -> HdbscanConfig {
        HdbscanConfig {
            min_cluster_size,
            ..HdbscanConfig::default()
        }
    }

    #[test]
    fn rows_sum_to_at_most_one() {
        let points = blobs(500, 3, 4, 8);
        let found = hdbscan(&points, &config(15)).unwrap();
        assert!(found.clusters() >= 2);
        let memberships = found.memberships(&points);
        for row in 0..500 {
            let degrees = memberships.row(row);
            assert!(degrees.iter().all(|&d| d >= 0.0) && degrees.iter().sum::<f32>() <= 1.0 + 1e-6);
        }
    }

    #[test]
    fn an_exemplar_is_wholly_in_its_cluster() {
        let points = blobs(300, 2, 3, 4);
        let found = hdbscan(&points, &config(10)).unwrap();
        let memberships = found.memberships(&points);
        for (cluster, rows) in found.exemplars().iter().enumerate() {
            for &row in rows {
                let degrees = memberships.row(row as usize);
                assert!(degrees.iter().enumerate().all(|(k, &d)| (k == cluster) == (d > 0.0)));
            }
        }
    }

    #[test]
    fn no_cluster_gives_no_columns() {
        let points = blobs(30, 2, 1, 4);
        let memberships = hdbscan(&points, &config(20)).unwrap().memberships(&points);
        assert_eq!((memberships.rows(), memberships.cols()), (30, 0));
    }

    #[test]
    fn tiny_and_huge_coordinates_stay_finite() {
        for scale in [1e-30_f32, 1e30] {
            let mut points = blobs(200, 2, 3, 6);
            for row in 0..200 {
                points.row_mut(row).iter_mut().for_each(|v| *v *= scale);
            }
            let found = hdbscan(&points, &config(10)).unwrap();
            assert_eq!(found.memberships(&points).first_not_finite(), None);
        }
    }

    #[test]
    fn clusters_that_share_an_exemplar_place_share_the_row() {
        assert_eq!(
            nearness(&[0.0], &[vec![0.0], vec![0.0, 1.0], vec![2.0]]),
            [0.5, 0.5, 0.0]
        );
        assert_eq!(nearness(&[0.0], &[vec![1.0], vec![3.0]]), [0.75, 0.25]);
    }
}
