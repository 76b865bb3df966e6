//! How many seeds it would take.

use super::{ALPHA, student};
use statrs::function::erf::erfc;
use statrs::function::gamma::ln_gamma;

/// Probability with which a true effect should be found.
pub(crate) const POWER: f64 = 0.8;
/// More than anybody runs.
const MOST: u64 = 100_000;
/// Pairs below which no sign-flip test reaches the level.
pub(crate) const LEAST_PAIRS: u64 = 6;
/// Values a side below which no permutation test of two samples does.
pub(crate) const LEAST_EACH: u64 = 4;
/// Intervals of the integration.
const STEPS: u32 = 2000;

/// Pairs with which a paired t-test finds an effect of the observed size with [`POWER`]; none if it takes too many.
pub(crate) fn pairs(d: f64) -> Option<u64> {
    least(LEAST_PAIRS, |n| power(d * n.sqrt(), n - 1.0))
}

/// Values a side, for two samples.
pub(crate) fn each(d: f64) -> Option<u64> {
    least(LEAST_EACH, |n| power(d * (n / 2.0).sqrt(), 2.0 * n - 2.0))
}

fn least(from: u64, power: impl Fn(f64) -> f64) -> Option<u64> {
    let enough = |n: u64| power(n as f64) >= POWER;
    if enough(from) {
        return Some(from);
    }
    let mut high = from;
    while !enough(high) {
        high *= 2;
        if high > 2 * MOST {
            return None;
        }
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low.midpoint(high);
        if enough(middle) { high = middle } else { low = middle }
    }
    (high <= MOST).then_some(high)
}

/// Of a two-sided t-test: the probability that a noncentral t is beyond the critical value.
///
/// Given s, the standard deviation found over the true one, the test statistic is normal; s itself is χ/√degrees, over
/// whose density Simpson's rule integrates.
fn power(noncentrality: f64, degrees: f64) -> f64 {
    let critical = student::quantile(1.0 - ALPHA / 2.0, degrees);
    let beyond = |s: f64| normal(noncentrality - critical * s) + normal(-noncentrality - critical * s);
    let ln_scale = (degrees / 2.0) * (degrees / 2.0).ln() + 2_f64.ln() - ln_gamma(degrees / 2.0);
    let density = |s: f64| (ln_scale + (degrees - 1.0) * s.ln() - degrees * s * s / 2.0).exp();
    let reach = 9.0 / (2.0 * degrees).sqrt();
    let (low, high) = ((1.0 - reach).max(1e-12), 1.0 + reach);
    let width = (high - low) / f64::from(STEPS);
    let sum: f64 = (0..=STEPS)
        .map(|i| {
            let s = low + f64::from(i) * width;
            let weight = match i {
                0 | STEPS => 1.0,
                i if i % 2 == 1 => 4.0,
                _ => 2.0,
            };
            weight * density(s) * beyond(s)
        })
        .sum();
    sum * width / 3.0
}

/// The distribution function of the standard normal.
fn normal(x: f64) -> f64 {
    erfc(-x / std::f64::consts::SQRT_2) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 − nct.cdf(t, df, nc) + nct.cdf(−t, df, nc) with scipy's `nct`, t = t.ppf(0.975, df).
    #[test]
    fn the_power_is_that_of_scipys_noncentral_t() {
        for (noncentrality, degrees, wanted) in POWERS {
            let found = power(noncentrality, degrees);
            assert!(
                (found - wanted).abs() < 1e-9,
                "{noncentrality} {degrees}: {found} is not {wanted}"
            );
        }
    }

    const POWERS: [(f64, f64, f64); 5] = [
        (1.5, 4.0, 0.213_341_813_114_580_7),
        (3.0, 5.0, 0.672_175_881_474_348_7),
        (2.8, 40.0, 0.780_018_292_298_394_4),
        (0.5, 1.0, 0.056_096_256_831_644_38),
        (2.8, 10_000.0, 0.799_481_478_702_460_2),
    ];

    #[test]
    fn a_larger_effect_takes_fewer_seeds() {
        let needed: Vec<_> = [0.1, 0.2, 0.5, 0.8, 1.2].iter().map(|d| pairs(*d).unwrap()).collect();
        assert!(needed.windows(2).all(|pair| pair[0] > pair[1]), "{needed:?}");
        assert_eq!(pairs(0.5), pairs(-0.5));
    }

    /// Cohen (1988), table 2.4.1: two-sided .05, power .80, 64 a group for d = 0.5 and 26 for d = 0.8.
    #[test]
    fn the_numbers_are_those_of_cohens_tables() {
        assert_eq!((each(0.5), each(0.8)), (Some(64), Some(26)));
        assert_eq!(pairs(0.5), Some(34));
    }

    #[test]
    fn however_large_the_effect_the_exact_test_needs_six_pairs() {
        assert_eq!((pairs(50.0), each(50.0)), (Some(6), Some(4)));
    }

    #[test]
    fn an_effect_of_nothing_takes_more_than_anybody_runs() {
        assert_eq!((pairs(0.0), pairs(1e-6)), (None, None));
    }
}
