//! The low-dimensional membership curve 1 / (1 + a·d²ᵇ) and the fit of its a and b.

use super::ManifoldError;
use serde::{Deserialize, Serialize};

/// Points of [0, 3·spread] the curve is fitted on.
const SAMPLES: usize = 300;
const ITERATIONS: usize = 500;

/// Parameters of the membership strength of two embedded points at distance d: 1 / (1 + a·d²ᵇ).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    pub a: f64,
    pub b: f64,
}

impl Curve {
    /// Least squares against 1 below `min_dist` and exp(-(d - min_dist)/spread) beyond (Levenberg–Marquardt from 1, 1).
    pub fn fit(min_dist: f64, spread: f64) -> Result<Self, ManifoldError> {
        if !(spread.is_finite() && spread > 0.0) {
            let rule = "the spread of the embedding must be positive";
            return Err(ManifoldError::Setting {
                name: "spread",
                value: spread.to_string(),
                rule,
            });
        }
        if !(min_dist >= 0.0 && min_dist <= spread) {
            let rule = "it must lie between 0 and spread";
            return Err(ManifoldError::Setting {
                name: "min_dist",
                value: min_dist.to_string(),
                rule,
            });
        }
        let target = |x: f64| {
            if x < min_dist {
                1.0
            } else {
                (-(x - min_dist) / spread).exp()
            }
        };
        let samples: Vec<(f64, f64)> = (0..SAMPLES)
            .map(|i| 3.0 * spread * i as f64 / (SAMPLES - 1) as f64)
            .map(|x| (x, target(x)))
            .collect();
        let mut best = Self { a: 1.0, b: 1.0 };
        let mut error = best.error(&samples);
        let mut damping = 1e-3;
        for _ in 0..ITERATIONS {
            let next = best.step(&samples, damping);
            let next_error = if next.a > 0.0 && next.b > 0.0 {
                next.error(&samples)
            } else {
                f64::INFINITY
            };
            if next_error < error {
                let settled = error - next_error < 1e-15 * error;
                (best, error, damping) = (next, next_error, damping / 10.0);
                if settled {
                    break;
                }
            } else {
                damping *= 10.0;
                if damping > 1e12 {
                    break;
                }
            }
        }
        Ok(best)
    }

    /// Membership strength at distance `d`.
    pub fn at(&self, d: f64) -> f64 {
        1.0 / (1.0 + self.a * d.powf(2.0 * self.b))
    }

    fn error(&self, samples: &[(f64, f64)]) -> f64 {
        samples.iter().map(|(x, y)| (self.at(*x) - y).powi(2)).sum()
    }

    /// One damped Gauss–Newton step.
    fn step(&self, samples: &[(f64, f64)], damping: f64) -> Self {
        let (mut aa, mut ab, mut bb, mut ra, mut rb) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (x, y) in samples {
            let value = self.at(*x);
            let power = x.powf(2.0 * self.b);
            let by_a = -power * value * value;
            let by_b = if *x > 0.0 { 2.0 * self.a * x.ln() * by_a } else { 0.0 };
            let residual = y - value;
            aa += by_a * by_a;
            ab += by_a * by_b;
            bb += by_b * by_b;
            ra += by_a * residual;
            rb += by_b * residual;
        }
        let (aa, bb) = (aa * (1.0 + damping), bb * (1.0 + damping));
        let determinant = aa * bb - ab * ab;
        Self {
            a: self.a + (ra * bb - rb * ab) / determinant,
            b: self.b + (rb * aa - ra * ab) / determinant,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_and_b_are_those_of_umap_learn() {
        let table = [
            (0.0, 1.93281, 0.79049),
            (0.05, 1.75022, 0.84206),
            (0.1, 1.57694, 0.89506),
            (0.25, 1.12144, 1.05750),
            (0.5, 0.58303, 1.33417),
        ];
        for (min_dist, a, b) in table {
            let curve = Curve::fit(min_dist, 1.0).unwrap();
            assert!(
                (curve.a - a).abs() < 2e-5 && (curve.b - b).abs() < 2e-5,
                "{min_dist}: {curve:?}"
            );
        }
    }

    #[test]
    fn other_spreads_are_those_of_umap_learn() {
        for case in &super::super::fixture::load().curves {
            let curve = Curve::fit(case.0, case.1).unwrap();
            assert!((curve.a - case.2).abs() < 1e-4 * case.2, "{case:?}: {curve:?}");
            assert!((curve.b - case.3).abs() < 1e-4 * case.3, "{case:?}: {curve:?}");
        }
    }

    #[test]
    fn impossible_distances_are_errors() {
        for (min_dist, spread) in [
            (-0.1, 1.0),
            (1.5, 1.0),
            (0.1, 0.0),
            (f64::NAN, 1.0),
            (0.1, f64::INFINITY),
        ] {
            assert!(matches!(
                Curve::fit(min_dist, spread),
                Err(ManifoldError::Setting { .. })
            ));
        }
    }
}
