//! What the samples of a table and of a comparison say: intervals, tests, effect sizes.
//!
//! Nothing here knows experiments; samples are numbers in the order of their seeds. Formulas stand in `docs/tables.md`.

pub(crate) mod bootstrap;
pub(crate) mod effect;
pub(crate) mod holm;
pub(crate) mod permutation;
pub(crate) mod power;
mod split_mix;
pub(crate) mod student;

/// Probability that an interval is meant to cover.
pub(crate) const LEVEL: f64 = 0.95;
/// Level of the tests.
pub(crate) const ALPHA: f64 = 0.05;

/// Values that differ by less, relative to what they were made of, are equal: the same quantity, added in another order.
const EQUAL: f64 = 1e-12;

/// The mean; of values that are all equal exactly that value.
pub(crate) fn mean(values: &[f64]) -> f64 {
    if values.iter().all(|x| *x == values[0]) {
        return values.first().copied().unwrap_or(f64::NAN);
    }
    values.iter().sum::<f64>() / values.len() as f64
}

/// `b` less `a`, without what rounding alone leaves.
pub(crate) fn difference(a: f64, b: f64) -> f64 {
    if (b - a).abs() <= EQUAL * a.abs().max(b.abs()) {
        return 0.0;
    }
    b - a
}

/// Sample variance (n − 1); values that are all equal have exactly none.
pub(crate) fn variance(values: &[f64]) -> f64 {
    if values.iter().all(|x| *x == values[0]) {
        return 0.0;
    }
    let mean = mean(values);
    values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64
}

#[cfg(test)]
#[path = "statistics/fixture_tests.rs"]
mod tests;

#[cfg(test)]
mod equality {
    use super::*;

    #[test]
    fn equal_values_have_themselves_as_mean_and_interval() {
        for n in [2, 3, 5, 7] {
            let same = vec![0.1; n];
            assert_eq!(
                (mean(&same), bootstrap::interval(&same)),
                (0.1, Some((0.1, 0.1))),
                "{n}"
            );
        }
    }

    #[test]
    fn what_rounding_leaves_is_no_difference() {
        assert_eq!(difference(0.3, 0.1 + 0.2), 0.0);
        assert_eq!(difference(0.0, 1e-300), 1e-300);
        assert!((difference(0.3, 0.3001) - 1e-4).abs() < 1e-15);
    }
}
