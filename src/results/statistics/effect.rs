//! Standardised differences of means.

use super::{difference, mean, variance};
use statrs::function::gamma::ln_gamma;

/// Cohen's d and, without its bias in small samples, Hedges' g.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Effect {
    pub(crate) d: f64,
    pub(crate) g: f64,
}

/// Of paired differences: their mean in units of their standard deviation (d_z; Lakens, 2013). None without spread.
pub(crate) fn paired(differences: &[f64]) -> Option<Effect> {
    (differences.len() >= 2)
        .then(|| effect(mean(differences), variance(differences), (differences.len() - 1) as f64))
        .flatten()
}

/// Of two samples, in units of the pooled standard deviation. None without spread.
pub(crate) fn two_samples(a: &[f64], b: &[f64]) -> Option<Effect> {
    if a.len().min(b.len()) < 2 {
        return None;
    }
    let (na, nb) = ((a.len() - 1) as f64, (b.len() - 1) as f64);
    let pooled = (na * variance(a) + nb * variance(b)) / (na + nb);
    effect(difference(mean(a), mean(b)), pooled, na + nb)
}

fn effect(difference: f64, variance: f64, degrees: f64) -> Option<Effect> {
    let d = difference / variance.sqrt();
    d.is_finite().then(|| Effect {
        d,
        g: d * correction(degrees),
    })
}

/// Γ(m/2) / (√(m/2) Γ((m−1)/2)) (Hedges, 1981, eq. 6e); at one degree of freedom nothing is left.
fn correction(degrees: f64) -> f64 {
    if degrees <= 1.0 {
        return 0.0;
    }
    (ln_gamma(degrees / 2.0) - ln_gamma((degrees - 1.0) / 2.0)).exp() / (degrees / 2.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effect_is_the_mean_over_the_standard_deviation() {
        // Mean 2, variance 1 of 1, 2, 3.
        let found = paired(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!(found.d, 2.0);
        // Γ(1) / (1 · Γ(1/2)) = 1/√π.
        assert!((found.g - 2.0 / std::f64::consts::PI.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn the_correction_vanishes_in_large_samples() {
        assert!((correction(4.0) - 0.797_884_560_802_865_3).abs() < 1e-12);
        assert!((correction(1000.0) - (1.0 - 3.0 / 3999.0)).abs() < 1e-6);
    }

    #[test]
    fn two_samples_share_their_spread() {
        let found = two_samples(&[1.0, 2.0, 3.0], &[2.0, 3.0, 4.0]).unwrap();
        assert_eq!(found.d, 1.0);
    }

    #[test]
    fn without_spread_there_is_no_effect_size() {
        assert!(paired(&[0.5, 0.5]).is_none() && paired(&[0.5]).is_none());
        assert!(two_samples(&[1.0, 1.0], &[2.0, 2.0]).is_none());
    }
}
