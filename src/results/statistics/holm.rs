//! Several tests at once (Holm, 1979).

/// Adjusted p-values: reject those below a level, and no true null hypothesis is rejected with a greater probability.
pub(crate) fn adjusted(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut greatest = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        greatest = greatest.max(p[index] * (p.len() - rank) as f64).min(1.0);
        adjusted[index] = greatest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_is_multiplied_by_the_number_of_tests_and_order_is_kept() {
        let found = adjusted(&[0.04, 0.01, 0.03, 0.9]);
        let wanted = [0.09, 0.04, 0.09, 0.9];
        assert!(
            found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-12),
            "{found:?}"
        );
    }

    #[test]
    fn no_p_exceeds_one_and_one_test_stays_as_it_is() {
        assert_eq!(adjusted(&[0.6, 0.7]), [1.0, 1.0]);
        assert_eq!(adjusted(&[0.2]), [0.2]);
        assert!(adjusted(&[]).is_empty());
    }
}
