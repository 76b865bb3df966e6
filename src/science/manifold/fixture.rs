//! Values computed by scikit-learn and umap-learn (`scripts/fixtures/manifold.py`), for the tests of this module.

use crate::matrix::Matrix;
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Fixture {
    points: Vec<Vec<f32>>,
    pub pca: PcaCase,
    pub knn: KnnCase,
    pub graphs: Vec<GraphCase>,
    /// (min_dist, spread, a, b).
    pub curves: Vec<(f64, f64, f64, f64)>,
    scores: Vec<Vec<f32>>,
    /// (k, value) with four scores per point as the data and the first two as the embedding.
    pub trustworthiness: Vec<(usize, f64)>,
}

#[derive(Deserialize)]
pub struct PcaCase {
    pub explained_variance: Vec<f64>,
    pub ratio: Vec<f64>,
    pub components: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
pub struct KnnCase {
    pub k: usize,
    pub euclidean: Vec<Vec<f64>>,
    pub cosine: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
pub struct GraphCase {
    pub n_neighbors: usize,
    pub local_connectivity: f64,
    pub set_op_mix_ratio: f64,
    pub edges: Vec<(u32, u32, f64)>,
}

pub fn load() -> Fixture {
    let text = include_str!("../../../tests/fixtures/manifold/reference.json");
    serde_json::from_str(text).expect("the fixture is written by our own script")
}

impl Fixture {
    pub fn points(&self) -> Matrix {
        matrix(&self.points)
    }

    /// The first `n` ≤ 4 principal scores of every point.
    pub fn scores(&self, n: usize) -> Matrix {
        matrix(&self.scores.iter().map(|row| row[..n].to_vec()).collect::<Vec<_>>())
    }
}

fn matrix(rows: &[Vec<f32>]) -> Matrix {
    Matrix::new(rows.len(), rows[0].len(), rows.concat())
}
