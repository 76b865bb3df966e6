//! Student's t: tests and intervals of a difference of means.

use super::{LEVEL, difference, mean, variance};
use statrs::distribution::{Continuous, ContinuousCDF, StudentsT};
use statrs::function::beta::beta_reg;

/// A difference of means with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) difference: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Two-sided.
    pub(crate) p: f64,
}

/// Of paired differences, by their mean: none below two.
pub(crate) fn paired(differences: &[f64]) -> Option<Estimate> {
    let n = differences.len() as f64;
    (n >= 2.0).then(|| estimate(mean(differences), (variance(differences) / n).sqrt(), n - 1.0))
}

/// Mean of `b` less mean of `a`, with unequal variances (Welch, 1947): none below two values on a side.
pub(crate) fn welch(a: &[f64], b: &[f64]) -> Option<Estimate> {
    if a.len().min(b.len()) < 2 {
        return None;
    }
    let squares = [a, b].map(|side| (variance(side) / side.len() as f64, side.len() as f64));
    let error: f64 = squares.iter().map(|(square, _)| square).sum();
    let parts: f64 = squares.iter().map(|(square, n)| square.powi(2) / (n - 1.0)).sum();
    // Without any spread the degrees of freedom do not matter.
    let degrees = if parts > 0.0 { error.powi(2) / parts } else { 1.0 };
    Some(estimate(difference(mean(a), mean(b)), error.sqrt(), degrees))
}

fn estimate(difference: f64, error: f64, degrees: f64) -> Estimate {
    let half = if error > 0.0 {
        quantile(0.5 + LEVEL / 2.0, degrees) * error
    } else {
        0.0
    };
    let p = match (error > 0.0, difference == 0.0) {
        (true, _) => two_sided(difference / error, degrees),
        (false, true) => 1.0,
        (false, false) => 0.0,
    };
    Estimate {
        difference,
        low: difference - half,
        high: difference + half,
        p,
    }
}

/// Probability of a value at least as far from zero.
fn two_sided(t: f64, degrees: f64) -> f64 {
    beta_reg(degrees / 2.0, 0.5, degrees / (degrees + t * t))
}

/// The quantile of Student's t. The library's is good to 1e-9 or so; two steps of Newton do the rest.
pub(super) fn quantile(q: f64, degrees: f64) -> f64 {
    let t = StudentsT::new(0.0, 1.0, degrees).expect("degrees of freedom are positive");
    (0..2).fold(t.inverse_cdf(q), |x, _| {
        // For q above one half: the upper tail has all its digits.
        x - (1.0 - q - two_sided(x, degrees) / 2.0) / -t.pdf(x)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12 * b.abs().max(1.0), "{a} is not {b}");
    }

    /// scipy.stats.t.ppf(0.975, df).
    #[test]
    fn quantiles_are_those_of_scipy() {
        for (degrees, wanted) in QUANTILES {
            near(quantile(0.975, degrees), wanted);
        }
    }

    const QUANTILES: [(f64, f64); 6] = [
        (1.0, 12.706_204_736_174_694),
        (2.0, 4.302_652_729_749_462),
        (4.0, 2.776_445_105_197_793_4),
        (7.3, 2.345_066_736_547_703),
        (30.0, 2.042_272_456_301_237_8),
        (100.0, 1.983_971_518_523_551_6),
    ];

    #[test]
    fn values_without_spread_differ_surely_or_not_at_all() {
        let same = paired(&[0.0, 0.0, 0.0]).unwrap();
        assert_eq!((same.p, same.low, same.high), (1.0, 0.0, 0.0));
        assert_eq!(paired(&[0.1, 0.1]).unwrap().p, 0.0);
        assert_eq!(welch(&[1.0, 1.0], &[1.0, 1.0]).unwrap().p, 1.0);
    }

    #[test]
    fn one_value_gives_no_estimate() {
        assert!(paired(&[0.1]).is_none() && welch(&[0.1], &[0.1, 0.2]).is_none());
    }

    #[test]
    fn the_interval_holds_zero_just_where_p_is_at_least_the_level() {
        for shift in 0..40 {
            let differences: Vec<f64> = [-0.2, 0.1, 0.15, 0.3]
                .iter()
                .map(|x| x + f64::from(shift) * 0.02)
                .collect();
            let found = paired(&differences).unwrap();
            assert_eq!(found.low <= 0.0 && found.high >= 0.0, found.p >= super::super::ALPHA);
        }
    }
}
