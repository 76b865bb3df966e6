//! Uniform manifold approximation and projection (McInnes, Healy & Melville, arXiv 1802.03426).
//!
//! Exact neighbours → fuzzy simplicial set → start layout → stochastic gradient descent. Parameters, their meaning and
//! their defaults are those of umap-learn 0.5.12.

use super::curve::Curve;
use super::error::require_finite;
use super::fuzzy_graph::{fuzzy_simplicial_set, memberships, smooth};
use super::layout::{self, Descent};
use super::{FuzzyGraph, ManifoldError, Metric, Neighbours, knn};
use crate::matrix::Matrix;
use crate::random::Draws;
use serde::{Deserialize, Serialize};

mod start;

pub use start::Init;

/// Above this many points the default number of epochs drops from 500 to 200.
const MANY: usize = 10_000;

/// Everything that decides an embedding besides the data and the seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UmapConfig {
    /// Size of the local neighbourhood, the point itself included; at least 2.
    pub n_neighbors: usize,
    /// Coordinates of the embedding, 1 to 256.
    pub n_components: usize,
    /// How close embedded neighbours may come, in units of `spread`; 0 suits clustering.
    pub min_dist: f64,
    /// Scale of the embedded points.
    pub spread: f64,
    pub metric: Metric,
    /// None: 500 up to 10 000 points, 200 above.
    pub n_epochs: Option<usize>,
    pub init: Init,
    pub learning_rate: f64,
    pub negative_sample_rate: usize,
    pub repulsion_strength: f64,
    /// 1 is the fuzzy union of the two directions of an edge, 0 the intersection.
    pub set_op_mix_ratio: f64,
    /// Neighbours assumed to be connected at full strength.
    pub local_connectivity: f64,
    /// Neighbours at this distance or beyond are not connected; a point without neighbours stays where it starts.
    pub disconnection_distance: Option<f64>,
    /// a and b of the membership curve; None: fitted to `min_dist` and `spread`.
    pub curve: Option<Curve>,
}

impl Default for UmapConfig {
    fn default() -> Self {
        Self {
            n_neighbors: 15,
            n_components: 2,
            min_dist: 0.1,
            spread: 1.0,
            metric: Metric::Euclidean,
            n_epochs: None,
            init: Init::Spectral,
            learning_rate: 1.0,
            negative_sample_rate: 5,
            repulsion_strength: 1.0,
            set_op_mix_ratio: 1.0,
            local_connectivity: 1.0,
            disconnection_distance: None,
            curve: None,
        }
    }
}

impl UmapConfig {
    fn check(&self) -> Result<(), ManifoldError> {
        let rules = [
            (
                "n_neighbors",
                self.n_neighbors as f64,
                self.n_neighbors >= 2,
                "at least 2, the point itself included",
            ),
            (
                "n_components",
                self.n_components as f64,
                (1..=256).contains(&self.n_components),
                "between 1 and 256",
            ),
            (
                "learning_rate",
                self.learning_rate,
                self.learning_rate > 0.0,
                "it must be positive",
            ),
            (
                "repulsion_strength",
                self.repulsion_strength,
                self.repulsion_strength >= 0.0,
                "it must not be negative",
            ),
            (
                "n_epochs",
                self.n_epochs.unwrap_or(0) as f64,
                self.n_epochs.unwrap_or(0) <= layout::MOST_EPOCHS,
                "at most 65534",
            ),
            (
                "disconnection_distance",
                self.disconnection_distance.unwrap_or(1.0),
                self.disconnection_distance.unwrap_or(1.0) > 0.0,
                "it must be positive",
            ),
            (
                "local_connectivity",
                self.local_connectivity,
                self.local_connectivity >= 0.0,
                "it must not be negative",
            ),
            (
                "set_op_mix_ratio",
                self.set_op_mix_ratio,
                (0.0..=1.0).contains(&self.set_op_mix_ratio),
                "between 0 and 1",
            ),
        ];
        for (name, value, holds, rule) in rules {
            if !holds || !value.is_finite() {
                return Err(ManifoldError::Setting {
                    name,
                    value: value.to_string(),
                    rule,
                });
            }
        }
        Ok(())
    }

    fn reach(&self) -> f32 {
        self.disconnection_distance
            .map_or(f32::INFINITY, |distance| distance as f32)
    }

    fn curve(&self) -> Result<Curve, ManifoldError> {
        match self.curve {
            Some(curve) if curve.a > 0.0 && curve.b > 0.0 && curve.a.is_finite() && curve.b.is_finite() => Ok(curve),
            Some(curve) => {
                let rule = "a and b must be positive";
                Err(ManifoldError::Setting {
                    name: "curve",
                    value: format!("{}, {}", curve.a, curve.b),
                    rule,
                })
            }
            None => Curve::fit(self.min_dist, self.spread),
        }
    }

    fn descent(&self, epochs: usize, learning_rate: f64, curve: Curve) -> Descent {
        let (negative_sample_rate, repulsion_strength) = (self.negative_sample_rate, self.repulsion_strength);
        Descent {
            epochs,
            learning_rate,
            negative_sample_rate,
            repulsion_strength,
            curve,
        }
    }
}

/// A fitted embedding.
#[derive(Clone, Debug)]
pub struct Umap {
    pub config: UmapConfig,
    /// N × n_components.
    pub embedding: Matrix,
    /// The fuzzy simplicial set of the data, before pruning.
    pub graph: FuzzyGraph,
}

/// Embeds N × D `data`, N ≥ n_neighbors. One seed, one result, whatever the number of threads.
pub fn fit(data: &Matrix, config: &UmapConfig, draws: &Draws) -> Result<Umap, ManifoldError> {
    config.check()?;
    let neighbours = knn::exact(data, config.n_neighbors, config.metric)?;
    fit_with_neighbours(data, &neighbours, config, draws)
}

/// As [`fit`], with the first n_neighbors of neighbours found before (by [`knn::exact`], n_neighbors or more): one
/// search serves a sweep.
pub fn fit_with_neighbours(
    data: &Matrix,
    neighbours: &Neighbours,
    config: &UmapConfig,
    draws: &Draws,
) -> Result<Umap, ManifoldError> {
    config.check()?;
    require_finite(data)?;
    if neighbours.rows() != data.rows() {
        let (left_rows, right_rows) = (neighbours.rows(), data.rows());
        return Err(ManifoldError::RowMismatch {
            left: "the neighbour list",
            left_rows,
            right: "the data",
            right_rows,
        });
    }
    let fewer = (neighbours.k != config.n_neighbors)
        .then(|| neighbours.truncated(config.n_neighbors))
        .transpose()?;
    let neighbours = fewer.as_ref().unwrap_or(neighbours);
    let (local, mix) = (config.local_connectivity, config.set_op_mix_ratio);
    let graph = fuzzy_simplicial_set(neighbours, local, mix, config.reach())?;
    let curve = config.curve()?;
    let usual = if data.rows() <= MANY { 500 } else { 200 };
    let epochs = config.n_epochs.unwrap_or(usual);
    // A handful of epochs would prune nearly everything; the usual number then decides.
    let pruned = graph.pruned(if epochs > 10 { epochs } else { usual });
    let start = start::positions(data, &pruned, config, draws)?;
    let descent = config.descent(epochs, config.learning_rate, curve);
    let embedding = layout::optimise(pruned, &start, &descent, draws)?;
    Ok(Umap {
        config: config.clone(),
        embedding,
        graph,
    })
}

/// Places the rows of `queries` in the `embedding` of `training` made with `config`; the points of both stay where they are.
///
/// Each new point starts at the mean of its neighbours, weighted by membership strength, and runs a third of the epochs
/// at a quarter of the learning rate.
pub fn transform(
    config: &UmapConfig,
    training: &Matrix,
    embedding: &Matrix,
    queries: &Matrix,
    draws: &Draws,
) -> Result<Matrix, ManifoldError> {
    config.check()?;
    require_finite(embedding)?;
    if embedding.cols() != config.n_components {
        return Err(ManifoldError::ColumnMismatch {
            left: "the embedding",
            left_cols: embedding.cols(),
            right: "n_components",
            right_cols: config.n_components,
        });
    }
    if training.rows() != embedding.rows() {
        let (left_rows, right_rows) = (training.rows(), embedding.rows());
        return Err(ManifoldError::RowMismatch {
            left: "the training data",
            left_rows,
            right: "the embedding",
            right_rows,
        });
    }
    let neighbours = knn::exact_between(training, queries, config.n_neighbors, config.metric)?;
    // The nearest training point is not the query itself, so one connection fewer is certain.
    let smoothing = smooth(&neighbours, (config.local_connectivity - 1.0).max(0.0));
    let strengths = memberships(&neighbours, &smoothing, config.reach());
    let start = start::weighted_means(&neighbours, &strengths, embedding);
    let epochs = config
        .n_epochs
        .map_or(if queries.rows() <= MANY { 100 } else { 30 }, |n| n / 3);
    let graph = bipartite(&neighbours, &strengths).pruned(epochs);
    let descent = config.descent(epochs, config.learning_rate / 4.0, config.curve()?);
    layout::place(&graph, embedding, &start, &descent, draws)
}

fn bipartite(neighbours: &Neighbours, strengths: &[f32]) -> FuzzyGraph {
    let offsets = (0..=neighbours.rows()).map(|i| i * neighbours.k).collect();
    FuzzyGraph {
        offsets,
        columns: neighbours.indices.clone(),
        weights: strengths.to_vec(),
    }
}

#[cfg(test)]
mod tests;
