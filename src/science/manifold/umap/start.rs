//! Where the points are before the descent.

use super::UmapConfig;
use crate::manifold::{FuzzyGraph, ManifoldError, Neighbours, Pca, spectral};
use crate::matrix::Matrix;
use crate::random::Draws;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Largest coordinate of a start layout, and the noise that separates points which fall together.
const EXTENT: f32 = 10.0;
const NOISE: f64 = 1e-4;

/// The start layout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Laplacian eigenmap of the fuzzy graph.
    #[default]
    Spectral,
    /// Leading principal components of the data.
    Pca,
    /// Uniform in [-10, 10].
    Random,
    /// N × n_components positions.
    #[serde(skip)]
    Given(Matrix),
}

/// N × n_components positions, every coordinate stretched to [0, 10].
pub fn positions(
    data: &Matrix,
    graph: &FuzzyGraph,
    config: &UmapConfig,
    draws: &Draws,
) -> Result<Matrix, ManifoldError> {
    let (n, d) = (data.rows(), config.n_components);
    let mut rng = draws.at("umap/start", 0, 0);
    let positions = match &config.init {
        Init::Spectral => noisy(spectral::embed(graph, data, d, draws)?, &mut rng),
        Init::Pca => noisy(Pca::fit(data, d)?.transform(data)?, &mut rng),
        Init::Random => Matrix::new(
            n,
            d,
            (0..n * d).map(|_| (2.0 * rng.random::<f32>() - 1.0) * EXTENT).collect(),
        ),
        Init::Given(m) if m.cols() != d => {
            let (left, right) = ("the given start layout", "the embedding");
            return Err(ManifoldError::ColumnMismatch {
                left,
                left_cols: m.cols(),
                right,
                right_cols: d,
            });
        }
        Init::Given(m) if m.rows() != n => {
            let (left, right) = ("the given start layout", "the data");
            return Err(ManifoldError::RowMismatch {
                left,
                left_rows: m.rows(),
                right,
                right_rows: n,
            });
        }
        Init::Given(m) => {
            crate::manifold::error::require_finite(m)?;
            noisy(m.clone(), &mut rng)
        }
    };
    Ok(stretched(positions))
}

/// Scaled to a largest coordinate of 10, with normal noise of standard deviation 1e-4.
fn noisy(mut m: Matrix, rng: &mut ChaCha8Rng) -> Matrix {
    let largest = m.data().iter().fold(0.0_f32, |a, v| a.max(v.abs()));
    let scale = if largest > 0.0 { EXTENT / largest } else { 0.0 };
    for i in 0..m.rows() {
        m.row_mut(i)
            .iter_mut()
            .for_each(|v| *v = *v * scale + (NOISE * normal(rng)) as f32);
    }
    m
}

/// Box–Muller; 1 - u is never 0.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

fn stretched(mut m: Matrix) -> Matrix {
    for d in 0..m.cols() {
        let column = (0..m.rows()).map(|i| m.row(i)[d]);
        let (low, high) = column.fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let scale = if high > low { EXTENT / (high - low) } else { 0.0 };
        for i in 0..m.rows() {
            let value = &mut m.row_mut(i)[d];
            *value = (*value - low) * scale;
        }
    }
    m
}

/// Each query at the mean of its neighbours' positions, weighted by its membership strengths; at its nearest neighbour if
/// it is a member of nothing.
pub fn weighted_means(neighbours: &Neighbours, strengths: &[f32], embedding: &Matrix) -> Matrix {
    let mut out = Matrix::new(
        neighbours.rows(),
        embedding.cols(),
        vec![0.0; neighbours.rows() * embedding.cols()],
    );
    for (i, weights) in strengths.chunks_exact(neighbours.k).enumerate() {
        let total: f32 = weights.iter().sum();
        if total == 0.0 {
            out.row_mut(i)
                .copy_from_slice(embedding.row(neighbours.row(i).0[0] as usize));
            continue;
        }
        for (j, w) in neighbours.row(i).0.iter().zip(weights) {
            let from = embedding.row(*j as usize);
            out.row_mut(i)
                .iter_mut()
                .zip(from)
                .for_each(|(to, v)| *to += w / total * v);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> (Matrix, FuzzyGraph) {
        let columns = (0..20_u32).flat_map(|i| [(i + 1) % 20, (i + 19) % 20]).collect();
        let graph = FuzzyGraph {
            offsets: (0..=20).map(|i| 2 * i).collect(),
            columns,
            weights: vec![1.0; 40],
        };
        (
            Matrix::new(20, 3, (0..60).map(|i| ((i * i) % 23) as f32).collect()),
            graph,
        )
    }

    fn of(init: Init) -> Result<Matrix, ManifoldError> {
        let (data, graph) = line();
        positions(
            &data,
            &graph,
            &UmapConfig {
                init,
                ..UmapConfig::default()
            },
            &Draws::new(0),
        )
    }

    #[test]
    fn every_start_fills_0_to_10_in_each_coordinate() {
        let given = Init::Given(Matrix::new(20, 2, (0..40).map(|i| i as f32).collect()));
        for init in [Init::Spectral, Init::Pca, Init::Random, given] {
            let m = of(init.clone()).unwrap();
            for d in 0..2 {
                let column: Vec<f32> = (0..20).map(|i| m.row(i)[d]).collect();
                let (low, high) = column
                    .iter()
                    .fold((f32::MAX, f32::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
                assert!(
                    low.abs() < 1e-5 && (high - 10.0).abs() < 1e-5,
                    "{init:?}: {low} to {high}"
                );
            }
        }
    }

    #[test]
    fn a_given_start_must_fit() {
        let wide = Init::Given(Matrix::new(20, 3, vec![0.; 60]));
        let short = Init::Given(Matrix::new(2, 2, vec![0.; 4]));
        assert!(matches!(of(wide), Err(ManifoldError::ColumnMismatch { .. })));
        assert!(matches!(of(short), Err(ManifoldError::RowMismatch { .. })));
        assert!(matches!(
            of(Init::Given(Matrix::new(20, 2, vec![f32::NAN; 40]))),
            Err(ManifoldError::NotFinite { .. })
        ));
    }

    #[test]
    fn points_that_fall_together_are_separated_by_noise() {
        let m = of(Init::Given(Matrix::new(20, 2, vec![3.0; 40]))).unwrap();
        assert!((1..20).all(|i| m.row(i) != m.row(0)));
    }

    #[test]
    fn new_points_start_at_the_weighted_mean_of_their_neighbours() {
        let neighbours = Neighbours {
            k: 2,
            indices: vec![0, 1],
            distances: vec![1., 2.],
        };
        let embedding = Matrix::new(2, 2, vec![0., 0., 4., 8.]);
        assert_eq!(weighted_means(&neighbours, &[0.75, 0.25], &embedding).data(), [1., 2.]);
        assert_eq!(weighted_means(&neighbours, &[0.0, 0.0], &embedding).data(), [0., 0.]);
    }
}
