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
    let embedding = layout::optimise(&pruned, &start, &descent, draws)?;
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
mod tests {
    use super::super::{fixture, trustworthiness};
    use super::*;

    fn quick() -> UmapConfig {
        UmapConfig {
            n_neighbors: 8,
            n_epochs: Some(100),
            ..UmapConfig::default()
        }
    }

    #[test]
    fn digits_keep_their_neighbourhoods() {
        let points = fixture::load().points();
        let fitted = fit(&points, &quick(), &Draws::new(1)).unwrap();
        let trust = trustworthiness(&points, &fitted.embedding, 5, 5000, &Draws::new(0)).unwrap();
        assert!(trust > 0.85, "{trust}");
    }

    #[test]
    fn a_seed_gives_the_same_bytes_with_any_number_of_threads() {
        let points = fixture::load().points();
        let run = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&points, &quick(), &Draws::new(seed)).unwrap().embedding)
        };
        assert_eq!(run(1, 3), run(4, 3));
        assert_ne!(run(1, 3), run(1, 4));
    }

    #[test]
    fn neighbours_found_before_serve_a_smaller_neighbourhood() {
        let points = fixture::load().points();
        let many = knn::exact(&points, 20, Metric::Euclidean).unwrap();
        let again = fit_with_neighbours(&points, &many, &quick(), &Draws::new(0)).unwrap();
        assert_eq!(
            again.embedding,
            fit(&points, &quick(), &Draws::new(0)).unwrap().embedding
        );
    }

    #[test]
    fn training_points_are_placed_near_themselves() {
        let points = fixture::load().points();
        let fitted = fit(&points, &quick(), &Draws::new(0)).unwrap();
        let placed = transform(&quick(), &points, &fitted.embedding, &points, &Draws::new(0)).unwrap();
        let distance = |i: usize| knn::squared_distance(placed.row(i), fitted.embedding.row(i)).sqrt();
        let mean = (0..points.rows()).map(distance).sum::<f64>() / points.rows() as f64;
        assert!(mean < 1.0, "{mean}");
    }

    #[test]
    fn an_embedding_of_other_points_takes_no_new_ones() {
        let points = fixture::load().points();
        let place = |embedding: Matrix| transform(&quick(), &points, &embedding, &points, &Draws::new(0));
        let n = points.rows();
        let narrow = place(Matrix::new(n, 1, vec![0.0; n]));
        assert!(matches!(narrow, Err(ManifoldError::ColumnMismatch { .. })));
        let short = place(Matrix::new(1, 2, vec![0.0; 2]));
        assert!(matches!(short, Err(ManifoldError::RowMismatch { .. })));
    }

    #[test]
    fn points_beyond_the_disconnection_distance_are_not_connected() {
        // Two clouds, and one point far from both.
        let place = |i: u32| if i == 60 { 50.0 } else { (i / 30) as f32 * 5.0 };
        let data = Matrix::new(
            61,
            2,
            (0..61).flat_map(|i| [place(i), (i % 30) as f32 / 30.0]).collect(),
        );
        let graph = |disconnection_distance| {
            let config = UmapConfig {
                n_neighbors: 40,
                disconnection_distance,
                ..quick()
            };
            let fitted = fit(&data, &config, &Draws::new(0)).unwrap();
            assert!(fitted.embedding.data().iter().all(|v| v.is_finite()));
            fitted.graph
        };
        let across = |graph: &FuzzyGraph| graph.edges().any(|(i, j, _)| i < 30 && j >= 30);
        assert!(across(&graph(None)));
        let cut = graph(Some(3.0));
        assert!(!across(&cut) && cut.row(60).0.is_empty() && !cut.row(0).0.is_empty());
    }

    #[test]
    fn duplicates_and_separate_clouds_are_embedded_without_nan() {
        let clouds: Vec<f32> = (0..90).flat_map(|i| [(i / 30) as f32 * 1e6, (i % 5) as f32]).collect();
        for config in [
            quick(),
            UmapConfig {
                n_components: 3,
                min_dist: 0.0,
                ..quick()
            },
        ] {
            let fitted = fit(&Matrix::new(90, 2, clouds.clone()), &config, &Draws::new(0)).unwrap();
            assert!(fitted.embedding.data().iter().all(|v| v.is_finite()));
        }
        let equal = fit(&Matrix::new(30, 2, vec![1.0; 60]), &quick(), &Draws::new(0)).unwrap();
        assert!(equal.embedding.data().iter().all(|v| v.is_finite()));
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let points = fixture::load().points();
        let named = |config: UmapConfig| match fit(&points, &config, &Draws::new(0)) {
            Err(ManifoldError::Setting { name, .. }) => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            named(UmapConfig {
                n_neighbors: 1,
                ..quick()
            }),
            "n_neighbors"
        );
        assert_eq!(
            named(UmapConfig {
                n_components: 0,
                ..quick()
            }),
            "n_components"
        );
        assert_eq!(
            named(UmapConfig {
                min_dist: 2.0,
                ..quick()
            }),
            "min_dist"
        );
        assert_eq!(
            named(UmapConfig {
                learning_rate: f64::NAN,
                ..quick()
            }),
            "learning_rate"
        );
        assert_eq!(
            named(UmapConfig {
                n_epochs: Some(65_535),
                ..quick()
            }),
            "n_epochs"
        );
        assert_eq!(
            named(UmapConfig {
                disconnection_distance: Some(0.0),
                ..quick()
            }),
            "disconnection_distance"
        );
        assert_eq!(
            named(UmapConfig {
                set_op_mix_ratio: 1.1,
                ..quick()
            }),
            "set_op_mix_ratio"
        );
        assert_eq!(
            named(UmapConfig {
                curve: Some(Curve { a: -1.0, b: 1.0 }),
                ..quick()
            }),
            "curve"
        );
        let few = points.select(&[0, 1, 2]);
        assert!(matches!(
            fit(&few, &quick(), &Draws::new(0)),
            Err(ManifoldError::TooManyNeighbours { .. })
        ));
    }

    #[test]
    fn a_configuration_reads_from_json_with_the_defaults_of_umap_learn() {
        let config: UmapConfig =
            serde_json::from_str(r#"{"min_dist": 0.0, "init": "pca", "metric": "cosine"}"#).unwrap();
        assert_eq!(
            config,
            UmapConfig {
                min_dist: 0.0,
                init: Init::Pca,
                metric: Metric::Cosine,
                ..UmapConfig::default()
            }
        );
        assert!(serde_json::from_str::<UmapConfig>(r#"{"neighbours": 3}"#).is_err());
    }
}
