//! k-means: Lloyd's iteration with Hamerly's bounds (Hamerly 2010), started by k-means++ (Arthur & Vassilvitskii 2007).

mod distance;
mod seed;

use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use self::distance::{ToOwn, TwoNearest};
use super::lanes::{LANES, LaneRows};
use super::{ClusterError, Partition, check, squared};
use crate::matrix::Matrix;
use crate::random::Draws;

/// Rows per unit of parallel work. Sums are added in the order of these units, so results do not depend on the threads.
const UNIT: usize = 1024;

/// Centres up to which it costs less to look at all of them than first at the one that holds a row.
const WORTH_BOUNDS: usize = 16;

/// The settings of k-means.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KMeansConfig {
    pub clusters: usize,
    /// Restarts; the one with the smallest inertia is kept, the first of several.
    pub n_init: usize,
    pub max_iter: usize,
    /// Stops when the centres together move less than this share of the mean variance of the columns.
    pub tol: f64,
}

impl Default for KMeansConfig {
    fn default() -> Self {
        Self {
            clusters: 10,
            n_init: 10,
            max_iter: 300,
            tol: 1e-4,
        }
    }
}

/// What k-means found.
#[derive(Clone, Debug)]
pub struct KMeans {
    /// Labels, and memberships that are 1 in the row's cluster and 0 elsewhere.
    pub partition: Partition,
    /// K × D.
    pub centres: Vec<Vec<f64>>,
    /// Sum of squared distances to the own centre.
    pub inertia: f64,
    /// Iterations of the restart that was kept.
    pub iterations: usize,
}

/// Clusters the rows of `points` (N × D) around K centres. Restart r draws from ("kmeans", r, 0).
///
/// # Errors
/// If there are no rows or columns, a value is NaN or infinite, there are more clusters than rows, or a setting is 0.
pub fn kmeans(points: &Matrix, config: &KMeansConfig, draws: &Draws) -> Result<KMeans, ClusterError> {
    check(points)?;
    for (name, value) in [
        ("clusters", config.clusters),
        ("n_init", config.n_init),
        ("max_iter", config.max_iter),
    ] {
        if value == 0 {
            return Err(ClusterError::setting(name, value, "it is at least 1"));
        }
    }
    if config.clusters > points.rows() {
        return Err(ClusterError::MoreClustersThanRows {
            clusters: config.clusters,
            rows: points.rows(),
        });
    }
    let data = Data::new(points);
    let mut best: Option<Fit> = None;
    for restart in 0..config.n_init {
        let fit = data.fit(config, &mut draws.at("kmeans", restart as u64, 0));
        if best.as_ref().is_none_or(|best| fit.inertia < best.inertia) {
            best = Some(fit);
        }
    }
    let Fit {
        labels,
        centres,
        inertia,
        iterations,
    } = best.expect("n_init is at least 1");
    let memberships = one_hot(&labels, config.clusters);
    Ok(KMeans {
        partition: Partition { labels, memberships },
        centres,
        inertia,
        iterations,
    })
}

/// N × K, 1 in the column of the label; a row of noise is all 0.
pub fn one_hot(labels: &[i32], clusters: usize) -> Matrix {
    let mut data = vec![0.0; labels.len() * clusters];
    for (row, &label) in labels.iter().enumerate() {
        if label >= 0 {
            data[row * clusters + label as usize] = 1.0;
        }
    }
    Matrix::new(labels.len(), clusters, data)
}

struct Fit {
    labels: Vec<i32>,
    centres: Vec<Vec<f64>>,
    inertia: f64,
    iterations: usize,
}

/// A row's cluster with an upper bound on its distance to the centre, and a lower bound on that to any other centre.
#[derive(Clone, Copy)]
struct Held {
    cluster: usize,
    upper: f64,
    lower: f64,
}

/// The rows in f64, block by block, and how to compute with them on this processor.
struct Data {
    rows: LaneRows,
    arch: pulp::Arch,
}

impl Data {
    fn new(points: &Matrix) -> Self {
        Self {
            rows: LaneRows::new(points.rows(), points.cols(), |i| points.row(i)),
            arch: pulp::Arch::new(),
        }
    }

    fn row(&self, index: usize) -> Vec<f64> {
        self.rows.row(index).collect()
    }

    /// The squared distance from a row to a centre, with the bits that blocks give.
    fn square(&self, row: usize, centre: &[f64]) -> f64 {
        let parts = self.rows.row(row).zip(centre).map(|(x, c)| (c - x) * (c - x));
        parts.fold(0.0, |sum, part| sum + part)
    }

    fn fit(&self, config: &KMeansConfig, rng: &mut ChaCha8Rng) -> Fit {
        let mut centres = self.seed(config.clusters, rng);
        let still = config.tol * self.mean_variance();
        let mut held: Vec<Held> = vec![
            Held {
                cluster: 0,
                upper: f64::INFINITY,
                lower: 0.0
            };
            self.rows.len()
        ];
        let mut iterations = 0;
        while iterations < config.max_iter {
            iterations += 1;
            let changed = self.assign(&centres, &mut held);
            let moved = self.move_centres(&mut centres, &mut held);
            let shift: f64 = moved.iter().map(|m| m * m).sum();
            if !changed || shift <= still {
                break;
            }
            let farthest = moved.iter().copied().fold(0.0, f64::max);
            for held in &mut held {
                held.upper += moved[held.cluster];
                held.lower -= farthest;
            }
        }
        // The centres moved after the last assignment; labels and inertia are those of the centres we give back.
        held.iter_mut().for_each(|held| {
            *held = Held {
                upper: f64::INFINITY,
                lower: 0.0,
                ..*held
            }
        });
        self.assign(&centres, &mut held);
        let squares: Vec<f64> = held
            .par_iter()
            .enumerate()
            .map(|(i, held)| self.square(i, &centres[held.cluster]))
            .collect();
        let labels = held.iter().map(|held| held.cluster as i32).collect();
        Fit {
            labels,
            centres,
            inertia: squares.iter().sum(),
            iterations,
        }
    }

    /// Moves every row to its nearest centre; says whether any moved. Rows whose bounds show that nothing changed are passed.
    fn assign(&self, centres: &[Vec<f64>], held: &mut [Held]) -> bool {
        let half_gap: Vec<f64> = (0..centres.len())
            .map(|a| {
                let others = (0..centres.len()).filter(|&b| b != a);
                others
                    .map(|b| squared(&centres[a], &centres[b]))
                    .fold(f64::INFINITY, f64::min)
                    .sqrt()
                    / 2.0
            })
            .collect();
        let visit = |(block, held): (usize, &mut [Held])| {
            let safe = |held: &Held| held.upper < half_gap[held.cluster].max(held.lower);
            if held.iter().all(safe) {
                return false;
            }
            if centres.len() > WORTH_BOUNDS {
                let own = self.arch.dispatch(ToOwn {
                    block: self.rows.block(block),
                    centres,
                    held,
                });
                for (held, square) in held.iter_mut().zip(own) {
                    held.upper = square.sqrt();
                }
                if held.iter().all(safe) {
                    return false;
                }
            }
            let nearest = self.arch.dispatch(TwoNearest {
                block: self.rows.block(block),
                centres,
            });
            let mut changed = false;
            for (lane, held) in held.iter_mut().enumerate() {
                let cluster = nearest.cluster[lane];
                changed |= cluster != held.cluster;
                *held = Held {
                    cluster,
                    upper: nearest.first[lane].sqrt(),
                    lower: nearest.second[lane].sqrt(),
                };
            }
            changed
        };
        // `any` would stop early and leave rows unvisited.
        held.par_chunks_mut(LANES)
            .enumerate()
            .with_min_len(UNIT / LANES)
            .map(visit)
            .reduce(|| false, |a, b| a || b)
    }

    /// Moves each centre to the mean of its rows, and an empty one onto the row with the greatest bound on the distance to its
    /// centre (the distance itself, where the last assignment looked at the row); gives how far each moved.
    fn move_centres(&self, centres: &mut [Vec<f64>], held: &mut [Held]) -> Vec<f64> {
        let cols = self.rows.cols();
        let sums: Vec<(Vec<f64>, Vec<usize>)> = held
            .par_chunks(UNIT)
            .enumerate()
            .map(|(unit, held)| {
                let (mut sums, mut counts) = (vec![0.0; centres.len() * cols], vec![0; centres.len()]);
                held.iter().for_each(|held| counts[held.cluster] += 1);
                for (block, held) in held.chunks(LANES).enumerate() {
                    for (col, column) in self.rows.block(unit * UNIT / LANES + block).iter().enumerate() {
                        for (held, value) in held.iter().zip(column) {
                            sums[held.cluster * cols + col] += value;
                        }
                    }
                }
                (sums, counts)
            })
            .collect();
        let (mut total, mut counts) = (vec![0.0; centres.len() * cols], vec![0_usize; centres.len()]);
        for (sum, count) in sums {
            total.iter_mut().zip(sum).for_each(|(t, s)| *t += s);
            counts.iter_mut().zip(count).for_each(|(t, c)| *t += c);
        }
        let mut taken = Vec::new();
        let mut moved = Vec::with_capacity(centres.len());
        for (cluster, centre) in centres.iter_mut().enumerate() {
            let next: Vec<f64> = if counts[cluster] > 0 {
                let sum = &total[cluster * cols..(cluster + 1) * cols];
                sum.iter().map(|s| s / counts[cluster] as f64).collect()
            } else {
                let far = self.farthest(held, &taken);
                taken.push(far);
                self.row(far)
            };
            moved.push(squared(centre, &next).sqrt());
            *centre = next;
        }
        moved
    }

    /// The row with the largest upper bound that is not yet taken.
    fn farthest(&self, held: &[Held], taken: &[usize]) -> usize {
        let free = (0..held.len()).rev().filter(|row| !taken.contains(row));
        free.max_by(|&a, &b| held[a].upper.total_cmp(&held[b].upper))
            .expect("there are as many rows as clusters")
    }

    fn mean_variance(&self) -> f64 {
        let (rows, cols) = (self.rows.len() as f64, self.rows.cols());
        let variance = |col: usize| {
            let column = || (0..self.rows.len()).map(|row| self.rows.block(row / LANES)[col][row % LANES]);
            let mean = column().sum::<f64>() / rows;
            column().map(|v| (v - mean) * (v - mean)).sum::<f64>() / rows
        };
        (0..cols).map(variance).sum::<f64>() / cols as f64
    }
}

#[cfg(test)]
mod tests;
