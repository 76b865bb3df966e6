//! What one Gaussian needs of linear algebra, and mixtures of logarithms.

/// Turns log-densities into shares of 1; returns the logarithm of their sum.
pub(super) fn normalise(logs: &mut [f64]) -> f64 {
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total = top + logs.iter().map(|log| (log - top).exp()).sum::<f64>().ln();
    logs.iter_mut().for_each(|log| *log = (*log - total).exp());
    total
}

/// (x - μ)ᵀ Σ⁻¹ (x - μ) by forward substitution with the Cholesky factor of Σ.
pub(super) fn whitened(point: &[f32], mean: &[f64], factor: &[f64], solved: &mut [f64]) -> f64 {
    let cols = mean.len();
    let mut sum = 0.0;
    for i in 0..cols {
        let row = &factor[i * cols..i * cols + i + 1];
        let known: f64 = row[..i].iter().zip(&solved[..i]).map(|(l, y)| l * y).sum();
        solved[i] = (f64::from(point[i]) - mean[i] - known) / row[i];
        sum += solved[i] * solved[i];
    }
    sum
}

/// The lower triangular L with L·Lᵀ = `matrix` (D × D, row-major); `None` if it is not positive definite.
pub(super) fn cholesky(matrix: &[f64], cols: usize) -> Option<Vec<f64>> {
    let mut factor = vec![0.0; cols * cols];
    for i in 0..cols {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| factor[i * cols + k] * factor[j * cols + k]).sum();
            let rest = matrix[i * cols + j] - dot;
            factor[i * cols + j] = if i > j {
                rest / factor[j * cols + j]
            } else if rest > 0.0 && rest.is_finite() {
                rest.sqrt()
            } else {
                return None;
            };
        }
    }
    Some(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalise_survives_what_would_underflow() {
        let mut logs = [-2000.0, -2000.0 + 3f64.ln()];
        let total = normalise(&mut logs);
        assert!((total - (4f64.ln() - 2000.0)).abs() < 1e-9);
        assert!((logs[0] - 0.25).abs() < 1e-12 && (logs[1] - 0.75).abs() < 1e-12);
    }

    #[test]
    fn whitened_is_the_squared_mahalanobis_distance() {
        let factor = cholesky(&[4.0, 0.0, 0.0, 9.0], 2).unwrap();
        assert_eq!(whitened(&[3.0, 7.0], &[1.0, 1.0], &factor, &mut [0.0; 2]), 5.0);
    }

    #[test]
    fn cholesky_refuses_what_is_not_positive_definite() {
        assert_eq!(cholesky(&[4.0, 2.0, 2.0, 5.0], 2).unwrap(), [2.0, 0.0, 1.0, 2.0]);
        assert_eq!(cholesky(&[1.0, 2.0, 2.0, 1.0], 2), None);
    }
}
