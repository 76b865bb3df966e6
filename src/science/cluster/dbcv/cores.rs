//! Core distances that take all points of a cluster into account (Moulavi et al. 2014, definition 1).

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::super::lanes::{LANES, LaneRows, Lanes, distances};

/// The all-points core distances: (Σ_j d(i, j)^-D / (n - 1))^(-1/D), rows at distance 0 left out of the sum.
///
/// Distances are measured by the nearest one, because d^-D leaves the range of f64 in the dimensions we meet.
pub(super) fn all_points_cores(rows: &LaneRows) -> Vec<f64> {
    let arch = pulp::Arch::new();
    let core = |squares: &mut Vec<Lanes>, row: usize| arch.dispatch(AllPoints { rows, row, squares });
    (0..rows.len())
        .into_par_iter()
        .with_min_len(16)
        .map_init(Vec::new, core)
        .collect()
}

struct AllPoints<'a> {
    rows: &'a LaneRows,
    row: usize,
    squares: &'a mut Vec<Lanes>,
}

impl NullaryFnOnce for AllPoints<'_> {
    type Output = f64;

    #[inline(always)]
    fn call(self) -> f64 {
        let Self { rows, row, squares } = self;
        squares.clear();
        let mut nearest = [f64::INFINITY; LANES];
        for block in 0..rows.blocks() {
            let found = distances(rows.row(row), rows.block(block));
            for (nearest, &square) in nearest.iter_mut().zip(&found) {
                *nearest = nearest.min(if square > 0.0 { square } else { f64::INFINITY });
            }
            squares.push(found);
        }
        let nearest = nearest.into_iter().fold(f64::INFINITY, f64::min);
        // Only copies of the row: it is as dense as can be.
        if nearest == f64::INFINITY {
            return 0.0;
        }
        let mut sums = [0.0; LANES];
        for squares in squares.iter() {
            let mut shares = [0.0; LANES];
            for (share, &square) in shares.iter_mut().zip(squares) {
                *share = if square > 0.0 { nearest / square } else { 0.0 };
            }
            for (sum, power) in sums.iter_mut().zip(half_power(shares, rows.cols())) {
                *sum += power;
            }
        }
        let mean = sums.iter().sum::<f64>() / (rows.len() - 1) as f64;
        nearest.sqrt() * mean.powf(-1.0 / rows.cols() as f64)
    }
}

/// Every value to the power of `exponent` / 2.
#[inline(always)]
fn half_power(values: Lanes, exponent: usize) -> Lanes {
    let (mut powers, mut squares, mut left) = ([1.0; LANES], values, exponent / 2);
    if exponent % 2 == 1 {
        for (power, value) in powers.iter_mut().zip(&values) {
            *power = value.sqrt();
        }
    }
    while left > 0 {
        if left % 2 == 1 {
            for (power, square) in powers.iter_mut().zip(&squares) {
                *power *= square;
            }
        }
        for square in &mut squares {
            *square *= *square;
        }
        left /= 2;
    }
    powers
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::blobs;
    use super::*;

    #[test]
    fn cores_follow_the_definition() {
        for cols in [1, 2, 5] {
            let data = blobs(50, cols, 2, 3);
            let rows = LaneRows::new(50, cols, |i| data.row(i));
            let found = all_points_cores(&rows);
            for (i, found) in found.iter().enumerate() {
                let power = |j: usize| {
                    let square: f64 = rows.row(i).zip(rows.row(j)).map(|(a, b)| (a - b) * (a - b)).sum();
                    square.sqrt().powi(-(cols as i32))
                };
                let mean = (0..50).filter(|&j| j != i).map(power).sum::<f64>() / 49.0;
                let expected = mean.powf(-1.0 / cols as f64);
                assert!((found / expected - 1.0).abs() < 1e-12, "{found} {expected}");
            }
        }
    }

    #[test]
    fn copies_have_no_core_distance() {
        let row = [2.0_f32, 3.0];
        assert_eq!(all_points_cores(&LaneRows::new(40, 2, |_| &row)), [0.0; 40]);
    }
}
