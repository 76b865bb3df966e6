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

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
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
