//! The fuzzy simplicial set of a point cloud (McInnes, Healy & Melville, arXiv 1802.03426, section 3.1 and algorithm 2).
//!
//! Distances to the k neighbours become membership strengths in (0, 1], relative to the nearest neighbour (ρ) and to a
//! bandwidth (σ) chosen so that each point's strengths add up to log₂ k; the two directions of an edge are then joined.

use super::{ManifoldError, Neighbours};
use rayon::prelude::*;

const BISECTIONS: usize = 64;
const TOLERANCE: f64 = 1e-5;
/// σ is at least this share of the mean distance, so that a point among duplicates keeps some reach.
const SIGMA_FLOOR: f64 = 1e-3;

/// A weighted graph in compressed rows: both (i, j) and (j, i) are stored, columns ascend, no weight is zero.
#[derive(Clone, Debug, PartialEq)]
pub struct FuzzyGraph {
    /// Row i holds entries `offsets[i]..offsets[i + 1]`; length vertices + 1.
    pub offsets: Vec<usize>,
    pub columns: Vec<u32>,
    /// Membership strengths in (0, 1].
    pub weights: Vec<f32>,
}

impl FuzzyGraph {
    pub fn vertices(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Neighbours and strengths of vertex `i`.
    pub fn row(&self, i: usize) -> (&[u32], &[f32]) {
        let range = self.offsets[i]..self.offsets[i + 1];
        (&self.columns[range.clone()], &self.weights[range])
    }

    /// Every entry as (row, column, weight), row by row.
    pub fn edges(&self) -> impl Iterator<Item = (u32, u32, f32)> + '_ {
        (0..self.vertices()).flat_map(|i| {
            let (columns, weights) = self.row(i);
            columns.iter().zip(weights).map(move |(j, w)| (i as u32, *j, *w))
        })
    }

    pub fn largest_weight(&self) -> f32 {
        self.weights.iter().copied().fold(0.0, f32::max)
    }

    /// Without the entries too weak to be drawn once in `epochs` epochs (weight below the largest / epochs).
    pub fn pruned(&self, epochs: usize) -> Self {
        let least = self.largest_weight() / epochs.max(1) as f32;
        let rows = (0..self.vertices()).map(|i| {
            let (columns, weights) = self.row(i);
            let entries = columns.iter().copied().zip(weights.iter().copied());
            entries.filter(|(_, w)| *w >= least).collect()
        });
        Self::from_rows(rows, self.weights.len())
    }

    /// From rows with at most so many entries: memory that is reserved and not used is never touched.
    fn from_rows(rows: impl Iterator<Item = Vec<(u32, f32)>>, most: usize) -> Self {
        let (mut offsets, mut columns, mut weights) = (vec![0], Vec::with_capacity(most), Vec::with_capacity(most));
        for row in rows {
            for (column, weight) in row {
                columns.push(column);
                weights.push(weight);
            }
            offsets.push(columns.len());
        }
        columns.shrink_to_fit();
        weights.shrink_to_fit();
        Self {
            offsets,
            columns,
            weights,
        }
    }
}

/// ρ and σ of every query, from its sorted neighbour distances.
#[derive(Clone, Debug, PartialEq)]
pub struct Smoothing {
    /// Distance to the nearest neighbour that is not a duplicate (interpolated for a fractional local connectivity).
    pub rho: Vec<f32>,
    /// Bandwidth, in the units of the distances.
    pub sigma: Vec<f32>,
}

/// Finds ρ and σ: the strengths of all neighbours but the first add up to log₂ k.
pub fn smooth(neighbours: &Neighbours, local_connectivity: f64) -> Smoothing {
    let target = (neighbours.k as f64).log2();
    let all = neighbours.distances.iter().map(|d| f64::from(*d)).sum::<f64>();
    let overall_mean = all / neighbours.distances.len().max(1) as f64;
    let solve = |i: usize| {
        let distances = neighbours.row(i).1;
        let rho = rho(distances, local_connectivity);
        let sigma = bisect(&distances[1..], rho, target);
        let own_mean = distances.iter().map(|d| f64::from(*d)).sum::<f64>() / distances.len() as f64;
        let floor = SIGMA_FLOOR * if rho > 0.0 { own_mean } else { overall_mean };
        (rho as f32, sigma.max(floor) as f32)
    };
    let rows = (0..neighbours.rows()).into_par_iter().with_min_len(64);
    let (rho, sigma) = rows.map(solve).unzip();
    Smoothing { rho, sigma }
}

fn rho(distances: &[f32], local_connectivity: f64) -> f64 {
    let first = distances.partition_point(|d| *d <= 0.0);
    let positive = &distances[first..];
    let at = |i: usize| f64::from(positive[i.min(positive.len() - 1)]);
    if positive.is_empty() {
        return 0.0;
    }
    if (positive.len() as f64) < local_connectivity {
        return at(positive.len() - 1);
    }
    let whole = local_connectivity.floor();
    let (index, fraction) = (whole as usize, local_connectivity - whole);
    match index {
        0 => fraction * at(0),
        _ if fraction > TOLERANCE => at(index - 1) + fraction * (at(index) - at(index - 1)),
        _ => at(index - 1),
    }
}

fn bisect(distances: &[f32], rho: f64, target: f64) -> f64 {
    let (mut low, mut high, mut sigma) = (0.0, f64::INFINITY, 1.0);
    for _ in 0..BISECTIONS {
        let sum: f64 = distances.iter().map(|d| membership(f64::from(*d), rho, sigma)).sum();
        if (sum - target).abs() < TOLERANCE {
            break;
        }
        if sum > target {
            high = sigma;
            sigma = (low + high) / 2.0;
        } else {
            low = sigma;
            sigma = if high.is_infinite() {
                sigma * 2.0
            } else {
                (low + high) / 2.0
            };
        }
    }
    sigma
}

fn membership(distance: f64, rho: f64, sigma: f64) -> f64 {
    if distance <= rho || sigma == 0.0 {
        1.0
    } else {
        (-(distance - rho) / sigma).exp()
    }
}

/// Directed strengths of every query towards its k neighbours, in the order of `neighbours` (queries × k values); none at
/// the distance `reach` or beyond.
pub fn memberships(neighbours: &Neighbours, smoothing: &Smoothing, reach: f32) -> Vec<f32> {
    let mut strengths = vec![0.0; neighbours.distances.len()];
    let rows = strengths.par_chunks_mut(neighbours.k).enumerate().with_min_len(64);
    rows.for_each(|(i, strengths)| {
        let (rho, sigma) = (f64::from(smoothing.rho[i]), f64::from(smoothing.sigma[i]));
        for (strength, d) in strengths.iter_mut().zip(neighbours.row(i).1) {
            *strength = if *d < reach {
                membership(f64::from(*d), rho, sigma) as f32
            } else {
                0.0
            };
        }
    });
    strengths
}

/// The fuzzy simplicial set of points with the given neighbours (each point its own first neighbour).
///
/// `set_op_mix_ratio` r mixes fuzzy union and intersection: r(w + wᵀ - w·wᵀ) + (1 - r)w·wᵀ. Neighbours at the distance
/// `reach` or beyond are not joined.
pub fn fuzzy_simplicial_set(
    neighbours: &Neighbours,
    local_connectivity: f64,
    set_op_mix_ratio: f64,
    reach: f32,
) -> Result<FuzzyGraph, ManifoldError> {
    let n = neighbours.rows();
    let strengths = memberships(neighbours, &smooth(neighbours, local_connectivity), reach);
    let directed = |i: usize| {
        let row = neighbours.row(i).0.iter().zip(&strengths[i * neighbours.k..]);
        row.filter(move |(j, w)| **j as usize != i && **w > 0.0)
            .map(|(j, w)| (*j, *w))
    };
    // The transpose in compressed rows: `filled` runs through each row's place, and the rows come in ascending order.
    let mut filled = vec![0_usize; n + 1];
    for i in 0..n {
        for (j, _) in directed(i) {
            let Some(count) = filled[1..].get_mut(j as usize) else {
                return Err(ManifoldError::TooFewRows {
                    what: "this neighbour list",
                    need: j as usize + 1,
                    rows: n,
                });
            };
            *count += 1;
        }
    }
    (0..n).for_each(|i| filled[i + 1] += filled[i]);
    let offsets = filled.clone();
    let mut into = vec![(0_u32, 0.0_f32); offsets[n]];
    for i in 0..n {
        for (j, w) in directed(i) {
            into[filled[j as usize]] = (i as u32, w);
            filled[j as usize] += 1;
        }
    }
    let mut out = Vec::with_capacity(neighbours.k);
    let rows = (0..n).map(|i| {
        out.clear();
        out.extend(directed(i));
        out.sort_unstable_by_key(|(j, _)| *j);
        join(&out, &into[offsets[i]..offsets[i + 1]], set_op_mix_ratio as f32)
    });
    Ok(FuzzyGraph::from_rows(rows, 2 * into.len()))
}

/// Joins a row with the same row of the transpose, both in ascending columns.
fn join(out: &[(u32, f32)], into: &[(u32, f32)], mix: f32) -> Vec<(u32, f32)> {
    let mut row = Vec::with_capacity(out.len().max(into.len()));
    let (mut a, mut b) = (0, 0);
    while a < out.len() || b < into.len() {
        let column = match (out.get(a), into.get(b)) {
            (Some(x), Some(y)) => x.0.min(y.0),
            (Some(x), None) => x.0,
            (None, Some(y)) => y.0,
            (None, None) => unreachable!("the loop ends when both rows do"),
        };
        let take = |row: &[(u32, f32)], at: &mut usize| match row.get(*at) {
            Some((c, w)) if *c == column => {
                *at += 1;
                *w
            }
            _ => 0.0,
        };
        let (w, back) = (take(out, &mut a), take(into, &mut b));
        let both = w * back;
        let joined = mix * (w + back - both) + (1.0 - mix) * both;
        if joined > 0.0 {
            row.push((column, joined));
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::super::knn::{self, Metric};
    use super::*;
    use crate::matrix::Matrix;

    #[test]
    fn weights_are_those_of_umap_learn() {
        let f = fixture::load();
        for case in &f.graphs {
            let neighbours = knn::exact(&f.points(), case.n_neighbors, Metric::Euclidean).unwrap();
            let graph = fuzzy_simplicial_set(
                &neighbours,
                case.local_connectivity,
                case.set_op_mix_ratio,
                f32::INFINITY,
            )
            .unwrap();
            let edges: Vec<_> = graph.edges().collect();
            assert_eq!(edges.len(), case.edges.len());
            for ((i, j, w), theirs) in edges.into_iter().zip(&case.edges) {
                assert_eq!((i, j), (theirs.0, theirs.1));
                assert!(
                    (f64::from(w) - theirs.2).abs() < 2e-5,
                    "({i}, {j}): {w} against {}",
                    theirs.2
                );
            }
        }
    }

    #[test]
    fn strengths_of_a_point_add_up_to_log2_k() {
        let neighbours = knn::exact(&fixture::load().points(), 8, Metric::Euclidean).unwrap();
        let strengths = memberships(&neighbours, &smooth(&neighbours, 1.0), f32::INFINITY);
        for row in strengths.chunks_exact(8) {
            assert!((row[1..].iter().sum::<f32>() - 3.0).abs() < 1e-4);
        }
    }

    #[test]
    fn the_graph_is_symmetric_and_the_nearest_neighbour_has_strength_one() {
        let f = fixture::load();
        let neighbours = knn::exact(&f.points(), 5, Metric::Euclidean).unwrap();
        let graph = fuzzy_simplicial_set(&neighbours, 1.0, 1.0, f32::INFINITY).unwrap();
        for (i, j, w) in graph.edges() {
            let (columns, weights) = graph.row(j as usize);
            assert_eq!(weights[columns.binary_search(&i).unwrap()], w);
        }
        for i in 0..graph.vertices() {
            let (columns, weights) = graph.row(i);
            assert!(weights[columns.binary_search(&neighbours.row(i).0[1]).unwrap()] > 0.999_999);
        }
    }

    #[test]
    fn local_connectivity_is_interpolated() {
        let distances = [0., 0., 1., 2., 4.];
        let cases = [
            (1.0, 1.0),
            (1.5, 1.5),
            (2.0, 2.0),
            (2.25, 2.5),
            (3.0, 4.0),
            (4.0, 4.0),
            (0.0, 0.0),
            (0.5, 0.5),
        ];
        for (local, wanted) in cases {
            assert_eq!(rho(&distances, local), wanted, "local connectivity {local}");
        }
        assert_eq!(rho(&[0., 0.], 1.0), 0.0);
    }

    #[test]
    fn duplicates_only_give_full_strength_and_no_nan() {
        let neighbours = knn::exact(&Matrix::new(6, 2, vec![1.0; 12]), 3, Metric::Euclidean).unwrap();
        let graph = fuzzy_simplicial_set(&neighbours, 1.0, 1.0, f32::INFINITY).unwrap();
        assert!(graph.edges().all(|(_, _, w)| w == 1.0));
    }

    #[test]
    fn pruning_removes_what_would_never_be_drawn() {
        let graph = FuzzyGraph::from_rows(
            [vec![(1, 1.0), (2, 0.05)], vec![(0, 1.0)], vec![(0, 0.05)]].into_iter(),
            4,
        );
        assert_eq!(graph.pruned(20), graph);
        assert_eq!(graph.pruned(19).edges().collect::<Vec<_>>(), [(0, 1, 1.0), (1, 0, 1.0)]);
    }

    #[test]
    fn a_neighbour_that_does_not_exist_is_an_error() {
        let neighbours = Neighbours {
            k: 2,
            indices: vec![0, 7],
            distances: vec![0., 1.],
        };
        assert!(matches!(
            fuzzy_simplicial_set(&neighbours, 1.0, 1.0, f32::INFINITY),
            Err(ManifoldError::TooFewRows { need: 8, .. })
        ));
    }
}
