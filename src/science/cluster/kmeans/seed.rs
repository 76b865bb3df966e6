//! The start of k-means: k-means++ (Arthur & Vassilvitskii 2007), greedy as in scikit-learn.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::super::lanes::LANES;
use super::distance::ToBlock;
use super::{Data, UNIT};

impl Data {
    /// k-means++ that tries 2 + ln K candidates for each centre and keeps the one that lowers the inertia most.
    pub(super) fn seed(&self, clusters: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
        let trials = 2 + (clusters as f64).ln() as usize;
        let first = rng.random_range(0..self.rows.len());
        let mut centres = vec![self.row(first)];
        let mut nearest = self.nearer(&vec![f64::INFINITY; self.rows.len()], first);
        while centres.len() < clusters {
            let total: f64 = nearest.iter().sum();
            let mut best: Option<(f64, usize, Vec<f64>)> = None;
            for _ in 0..trials {
                let candidate = draw(&nearest, rng.random::<f64>() * total);
                let squares = self.nearer(&nearest, candidate);
                let inertia: f64 = squares.iter().sum();
                if best.as_ref().is_none_or(|(least, ..)| inertia < *least) {
                    best = Some((inertia, candidate, squares));
                }
            }
            let (_, candidate, squares) = best.expect("there are at least two trials");
            centres.push(self.row(candidate));
            nearest = squares;
        }
        centres
    }

    /// Squared distances to the nearest centre if row `candidate` were one more.
    fn nearer(&self, nearest: &[f64], candidate: usize) -> Vec<f64> {
        let centre = self.row(candidate);
        let mut nearer = nearest.to_vec();
        nearer
            .par_chunks_mut(LANES)
            .enumerate()
            .with_min_len(UNIT / LANES)
            .for_each(|(block, nearer)| {
                let squares = self.arch.dispatch(ToBlock {
                    block: self.rows.block(block),
                    centre: &centre,
                });
                for (known, square) in nearer.iter_mut().zip(squares) {
                    *known = known.min(square);
                }
            });
        nearer
    }
}

/// The row at which the running sum of `weights` passes `target`. With all weights 0 (equal points) any row will do.
fn draw(weights: &[f64], target: f64) -> usize {
    let mut sum = 0.0;
    for (row, weight) in weights.iter().enumerate() {
        sum += weight;
        if sum > target {
            return row;
        }
    }
    weights.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use crate::random::Draws;

    #[test]
    fn draws_fall_by_weight() {
        let weights = [0.0, 2.0, 0.0, 1.0];
        assert_eq!([0.0, 1.9, 2.0, 2.9].map(|target| draw(&weights, target)), [1, 1, 3, 3]);
        assert_eq!(draw(&[0.0, 0.0], 0.0), 1);
    }

    #[test]
    fn far_groups_get_one_start_each() {
        let data: Vec<f32> = (0..90)
            .map(|i| (i / 30) as f32 * 1000.0 + (i % 30) as f32 * 0.01)
            .collect();
        let data = Data::new(&Matrix::new(90, 1, data));
        for seed in 0..20 {
            let centres = data.seed(3, &mut Draws::new(seed).at("kmeans", 0, 0));
            let mut groups: Vec<i64> = centres.iter().map(|c| (c[0] / 1000.0).round() as i64).collect();
            groups.sort_unstable();
            assert_eq!(groups, [0, 1, 2]);
        }
    }
}
