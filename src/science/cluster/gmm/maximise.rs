//! The maximisation step: the mixture that given responsibilities make most likely.

use rayon::prelude::*;

use super::{GmmConfig, Mixture, UNIT};
use crate::matrix::Matrix;

/// Weights, means and covariances from responsibilities (N × K).
pub(super) fn maximise(points: &Matrix, responsibilities: &[f64], config: &GmmConfig) -> Mixture {
    let (cols, components, rows) = (points.cols(), config.components, points.rows());
    // First the sums of r and r·x, then, about the means, of r·(x - μ)(x - μ)ᵀ: one pass would cancel digits.
    let first = sum_units(
        responsibilities,
        components,
        components * (1 + cols),
        |row, shares, sums| {
            let (masses, moments) = sums.split_at_mut(components);
            for (component, &share) in shares.iter().enumerate() {
                masses[component] += share;
                let moment = &mut moments[component * cols..(component + 1) * cols];
                moment
                    .iter_mut()
                    .zip(points.row(row))
                    .for_each(|(m, &x)| *m += share * f64::from(x));
            }
        },
    );
    // A component that lost all its rows keeps a trace of mass, so that nothing is divided by 0.
    let masses: Vec<f64> = first[..components]
        .iter()
        .map(|mass| mass + 10.0 * f64::EPSILON)
        .collect();
    let means: Vec<Vec<f64>> = first[components..]
        .chunks(cols)
        .zip(&masses)
        .map(|(moment, mass)| moment.iter().map(|m| m / mass).collect())
        .collect();
    // A component at a time on each core: sums of parts of the rows, D × D each and one per component, would need gigabytes.
    let covariance = |component: usize| {
        let (mean, mass) = (&means[component], masses[component]);
        let mut covariance = vec![0.0; cols * cols];
        let mut centred = vec![0.0; cols];
        for row in 0..rows {
            let share = responsibilities[row * components + component];
            // Below this a row adds nothing to a sum in f64.
            if share < 1e-18 {
                continue;
            }
            for (c, (&x, mean)) in centred.iter_mut().zip(points.row(row).iter().zip(mean)) {
                *c = f64::from(x) - mean;
            }
            for i in 0..cols {
                let left = share * centred[i];
                covariance[i * cols..i * cols + i + 1]
                    .iter_mut()
                    .zip(&centred)
                    .for_each(|(sum, c)| *sum += left * c);
            }
        }
        for i in 0..cols {
            for j in 0..=i {
                let value = covariance[i * cols + j] / mass + if i == j { config.reg_covar } else { 0.0 };
                (covariance[i * cols + j], covariance[j * cols + i]) = (value, value);
            }
        }
        covariance
    };
    let covariances = (0..components).into_par_iter().map(covariance).collect();
    Mixture {
        weights: masses.iter().map(|mass| mass / rows as f64).collect(),
        means,
        covariances,
    }
}

/// Adds up what `add(row, its responsibilities, sums)` contributes, unit by unit in order.
fn sum_units(
    responsibilities: &[f64],
    components: usize,
    width: usize,
    add: impl Fn(usize, &[f64], &mut [f64]) + Sync,
) -> Vec<f64> {
    let units: Vec<Vec<f64>> = responsibilities
        .par_chunks(UNIT * components)
        .enumerate()
        .map(|(unit, chunk)| {
            let mut sums = vec![0.0; width];
            for (offset, shares) in chunk.chunks(components).enumerate() {
                add(unit * UNIT + offset, shares, &mut sums);
            }
            sums
        })
        .collect();
    let mut total = vec![0.0; width];
    for sums in units {
        total.iter_mut().zip(sums).for_each(|(t, s)| *t += s);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_component_is_the_sample_mean_and_covariance() {
        let points = Matrix::new(4, 2, vec![0., 0., 2., 0., 0., 4., 2., 4.]);
        let config = GmmConfig {
            components: 1,
            reg_covar: 0.5,
            ..GmmConfig::default()
        };
        let found = maximise(&points, &[1.0; 4], &config);
        let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(near(&found.weights, &[1.0]) && near(&found.means[0], &[1.0, 2.0]));
        assert!(near(&found.covariances[0], &[1.5, 0.0, 0.0, 4.5]));
    }

    #[test]
    fn a_component_without_rows_divides_by_nothing() {
        let config = GmmConfig {
            components: 2,
            ..GmmConfig::default()
        };
        let found = maximise(&Matrix::new(2, 1, vec![1.0, 3.0]), &[1.0, 0.0, 1.0, 0.0], &config);
        assert!(found.means[1][0].is_finite() && found.covariances[1][0] > 0.0);
    }
}
