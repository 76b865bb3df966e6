//! Test data: what peers gave (scripts/fixtures/cluster.py), and blobs of our own.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::HdbscanConfig;
use crate::matrix::Matrix;
use crate::random::{Draws, permutation};

/// Rows as they stand in the fixtures.
pub type Rows = Vec<Vec<f32>>;

#[derive(Deserialize)]
pub struct HdbscanCase {
    pub name: String,
    pub data: Rows,
    pub config: HdbscanConfig,
    pub labels: Vec<i32>,
    /// Absent where scikit-learn has no such setting or decides a tie otherwise.
    pub sklearn_labels: Option<Vec<i32>>,
    pub probabilities: Vec<f64>,
    pub outlier_scores: Vec<f64>,
    pub mst_weight: f64,
    /// Absent where the peer cannot compute them.
    pub memberships: Option<Vec<Vec<f64>>>,
    /// Of new points; absent where ties decide.
    pub prediction: Option<PredictionCase>,
}

#[derive(Deserialize)]
pub struct PredictionCase {
    pub points: Rows,
    pub labels: Vec<i32>,
    pub probabilities: Vec<f64>,
    /// Absent where the order of rows decides; so below.
    pub outlier_scores: Vec<Option<f64>>,
    pub memberships: Vec<Option<Vec<f64>>>,
}

#[derive(Deserialize)]
pub struct DbcvCase {
    pub name: String,
    pub data: Rows,
    pub labels: Vec<i32>,
    pub index: f64,
    pub per_cluster: Vec<f64>,
}

#[derive(Deserialize)]
pub struct CentreCase {
    pub name: String,
    pub data: Rows,
    pub clusters: usize,
    pub kmeans_inertia: f64,
    pub kmeans_labels: Vec<i32>,
    pub gmm_log_likelihood: f64,
    pub gmm_labels: Vec<i32>,
}

pub fn hdbscan_cases() -> Vec<HdbscanCase> {
    read(include_str!("../../../tests/fixtures/cluster/hdbscan.json"))
}

pub fn dbcv_cases() -> Vec<DbcvCase> {
    read(include_str!("../../../tests/fixtures/cluster/dbcv.json"))
}

pub fn centre_cases() -> Vec<CentreCase> {
    read(include_str!("../../../tests/fixtures/cluster/centres.json"))
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).expect("the fixture is written by our own script")
}

pub fn points_of(rows: &Rows) -> Matrix {
    Matrix::new(rows.len(), rows[0].len(), rows.concat())
}

/// `rows` points around `centres` centres in a cube of side 20, each of its own spread; a tenth is spread over the cube.
pub fn blobs(rows: usize, cols: usize, centres: usize, seed: u64) -> Matrix {
    let mut rng = Draws::new(seed).at("blobs", 0, 0);
    let centre: Vec<f32> = (0..centres * cols).map(|_| rng.random::<f32>() * 20.0).collect();
    let mut data = Vec::with_capacity(rows * cols);
    for row in 0..rows {
        let which = row % centres;
        for col in 0..cols {
            data.push(match row % 10 {
                9 => rng.random::<f32>() * 20.0,
                _ => centre[which * cols + col] + (0.3 + 0.2 * which as f32) * bell(&mut rng),
            });
        }
    }
    Matrix::new(rows, cols, data)
}

/// About normal: the sum of twelve uniforms, less six.
fn bell(rng: &mut ChaCha8Rng) -> f32 {
    (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0
}

/// The rows in another order; place i holds row `order[i]`.
pub fn shuffled(points: &Matrix, seed: u64) -> (Matrix, Vec<usize>) {
    let order = permutation(points.rows(), &mut Draws::new(seed).at("shuffle", 0, 0));
    (points.select(&order), order)
}
