//! Scores that count pairs of rows.

use super::MetricsError;
use super::contingency::Contingency;

/// The Rand index adjusted for chance (Hubert & Arabie 1985): 1 for equal partitions, 0 expected for unrelated ones.
///
/// Symmetric. Pairs are counted in whole numbers, so nothing is lost at any N. Two partitions for which the adjusted
/// index is undefined (both trivial) are equal and get 1.
///
/// # Errors
/// If the lengths differ or there are no rows.
pub fn ari(left: &[i32], right: &[i32]) -> Result<f64, MetricsError> {
    Ok(ari_of(&Contingency::new(left, right)?))
}

/// [`ari`] of a table that is already counted.
pub fn ari_of(table: &Contingency) -> f64 {
    let pairs = |n: u64| i128::from(n) * (i128::from(n) - 1) / 2;
    let both: i128 = table.cells.iter().map(|&(_, _, n)| pairs(n)).sum();
    let left: i128 = table.left_sums.iter().map(|&n| pairs(n)).sum();
    let right: i128 = table.right_sums.iter().map(|&n| pairs(n)).sum();
    let all = pairs(table.total);
    if left == both && right == both {
        return 1.0;
    }
    // Both sides of (both − e) / ((left + right) / 2 − e), e = left · right / all, times 2 · all.
    let above = 2 * (both * all - left * right);
    let below = (left + right) * all - 2 * left * right;
    above as f64 / below as f64
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{cases, close};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ari_equals_scikit_learn() {
        for case in cases() {
            close(&case.name, ari(&case.classes, &case.clusters).unwrap(), case.ari);
        }
    }

    #[test]
    fn trivial_partitions_are_equal() {
        assert_eq!(ari(&[0, 0, 0], &[7, 7, 7]).unwrap(), 1.0);
        assert_eq!(ari(&[0, 1, 2], &[2, 0, 1]).unwrap(), 1.0);
        assert_eq!(ari(&[3], &[0]).unwrap(), 1.0);
    }

    #[test]
    fn one_trivial_partition_scores_zero() {
        assert_eq!(ari(&[0, 0, 1, 1], &[0; 4]).unwrap(), 0.0);
    }

    #[test]
    fn many_rows_do_not_overflow() {
        let left: Vec<i32> = (0..300_000).map(|i| i % 2).collect();
        assert_eq!(ari(&left, &left).unwrap(), 1.0);
    }

    proptest! {
        #[test]
        fn ari_is_symmetric_and_blind_to_names(
            rows in prop::collection::vec((0_i32..4, 0_i32..5), 1..60), shift in 1_i32..9
        ) {
            let (left, right): (Vec<i32>, Vec<i32>) = rows.into_iter().unzip();
            let renamed: Vec<i32> = right.iter().map(|r| 100 - r * shift).collect();
            let value = ari(&left, &right).unwrap();
            prop_assert_eq!(value, ari(&right, &left).unwrap());
            prop_assert_eq!(value, ari(&left, &renamed).unwrap());
            prop_assert!((-0.5..=1.0).contains(&value));
        }
    }
}
