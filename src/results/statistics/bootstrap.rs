//! The confidence interval of a mean, by resampling (Efron, 1979: percentile method).

use super::split_mix::SplitMix;
use super::{LEVEL, variance};

/// Samples drawn with replacement.
pub(crate) const RESAMPLES: usize = 5000;

/// The interval of the mean; none below two values. Samples of equal size are resampled alike.
///
/// With few values it is too narrow: it cannot reach beyond the values there are.
pub(crate) fn interval(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < 2 {
        return None;
    }
    // Sums of equal values need not divide into that value.
    if variance(values) == 0.0 {
        return Some((values[0], values[0]));
    }
    let mut draws = SplitMix::default();
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..values.len()).map(|_| values[draws.below(values.len())]);
            drawn.sum::<f64>() / values.len() as f64
        })
        .collect();
    let tail = (1.0 - LEVEL) / 2.0;
    Some((quantile(&mut means, tail), quantile(&mut means, 1.0 - tail)))
}

/// Linear between the order statistics around (n − 1) q, as in NumPy.
fn quantile(values: &mut [f64], q: f64) -> f64 {
    let at = (values.len() - 1) as f64 * q;
    let (_, &mut low, above) = values.select_nth_unstable_by(at.floor() as usize, f64::total_cmp);
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    low + (high - low) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_linear_between_order_statistics() {
        let mut values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(quantile(&mut values, 0.5), 2.5);
        assert_eq!((quantile(&mut values, 0.0), quantile(&mut values, 1.0)), (1.0, 4.0));
    }

    #[test]
    fn the_interval_lies_around_the_mean_and_within_the_values() {
        let (low, high) = interval(&[0.5, 0.6, 0.7, 0.8, 0.9]).unwrap();
        assert!((0.5..0.7).contains(&low) && (0.7..0.9).contains(&high), "{low} {high}");
    }

    #[test]
    fn equal_values_have_an_interval_of_no_width_and_one_value_has_none() {
        assert_eq!(interval(&[0.5, 0.5, 0.5]), Some((0.5, 0.5)));
        assert_eq!(interval(&[0.5]), None);
    }

    #[test]
    fn the_interval_moves_and_stretches_with_its_values() {
        let (low, high) = interval(&[1.0, 2.0, 4.0]).unwrap();
        let (l, h) = interval(&[12.0, 14.0, 18.0]).unwrap();
        assert!((l - (10.0 + 2.0 * low)).abs() < 1e-12 && (h - (10.0 + 2.0 * high)).abs() < 1e-12);
    }
}
