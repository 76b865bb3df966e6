//! Scores from information theory: NMI, AMI, homogeneity, completeness, V. Natural logarithms throughout.

use super::MetricsError;
use super::contingency::Contingency;

/// How NMI joins the two entropies into the value it divides by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mean {
    /// (H(U) + H(V)) / 2: what we report.
    #[default]
    Arithmetic,
    /// √(H(U) · H(V)): what papers before 2020 mostly report; never below the arithmetic.
    Geometric,
    Min,
    Max,
}

impl Mean {
    fn of(self, u: f64, v: f64) -> f64 {
        match self {
            Self::Arithmetic => 0.5 * (u + v),
            Self::Geometric => (u * v).sqrt(),
            Self::Min => u.min(v),
            Self::Max => u.max(v),
        }
    }
}

/// Mutual information over a mean of the entropies, in [0, 1]. Two trivial partitions get 1, one trivial partition 0.
///
/// # Errors
/// If the lengths differ or there are no rows.
pub fn nmi(left: &[i32], right: &[i32], mean: Mean) -> Result<f64, MetricsError> {
    Ok(nmi_of(&Contingency::new(left, right)?, mean))
}

/// [`nmi`] of a table that is already counted.
pub fn nmi_of(table: &Contingency, mean: Mean) -> f64 {
    if table.left.len() == 1 && table.right.len() == 1 {
        return 1.0;
    }
    let below = mean.of(entropy(&table.left_sums), entropy(&table.right_sums));
    if below <= 0.0 {
        0.0
    } else {
        mutual_information(table) / below
    }
}

/// Mutual information adjusted for chance (Vinh, Epps & Bailey 2010), arithmetic mean: 0 expected for unrelated partitions
/// whatever their number of clusters, so the score to use where K varies.
///
/// # Errors
/// If the lengths differ or there are no rows.
pub fn ami(left: &[i32], right: &[i32]) -> Result<f64, MetricsError> {
    Ok(ami_of(&Contingency::new(left, right)?))
}

/// [`ami`] of a table that is already counted.
pub fn ami_of(table: &Contingency) -> f64 {
    let (rows, left, right) = (table.total as usize, table.left.len(), table.right.len());
    if left == right && (left == 1 || left == rows) {
        return 1.0;
    }
    let expected = expected_information(table);
    let above = mutual_information(table) - expected;
    let below = Mean::Arithmetic.of(entropy(&table.left_sums), entropy(&table.right_sums)) - expected;
    // A partition into single rows leaves nothing to adjust: both sides vanish but for rounding.
    if above.abs() < 1e-14 {
        0.0
    } else {
        above / below.abs().max(f64::EPSILON).copysign(below)
    }
}

/// How far clusters hold rows of one class only: MI / H(classes), 1 where there is one class.
///
/// # Errors
/// If the lengths differ or there are no rows.
pub fn homogeneity(classes: &[i32], clusters: &[i32]) -> Result<f64, MetricsError> {
    Ok(homogeneity_of(&Contingency::new(classes, clusters)?))
}

/// How far the rows of a class sit in one cluster: MI / H(clusters), 1 where there is one cluster.
///
/// # Errors
/// If the lengths differ or there are no rows.
pub fn completeness(classes: &[i32], clusters: &[i32]) -> Result<f64, MetricsError> {
    homogeneity(clusters, classes)
}

/// The harmonic mean of homogeneity and completeness (Rosenberg & Hirschberg 2007).
///
/// # Errors
/// If the lengths differ or there are no rows.
pub fn v_measure(classes: &[i32], clusters: &[i32]) -> Result<f64, MetricsError> {
    let (h, c) = (homogeneity(classes, clusters)?, completeness(classes, clusters)?);
    Ok(harmonic(h, c))
}

pub(super) fn harmonic(h: f64, c: f64) -> f64 {
    if h + c == 0.0 { 0.0 } else { 2.0 * h * c / (h + c) }
}

fn share(information: f64, entropy: f64) -> f64 {
    if entropy <= 0.0 { 1.0 } else { information / entropy }
}

pub(super) fn homogeneity_of(table: &Contingency) -> f64 {
    share(mutual_information(table), entropy(&table.left_sums))
}

pub(super) fn completeness_of(table: &Contingency) -> f64 {
    share(mutual_information(table), entropy(&table.right_sums))
}

/// H of a partition with these group sizes.
fn entropy(sizes: &[u64]) -> f64 {
    if sizes.len() == 1 {
        return 0.0;
    }
    let total = sizes.iter().sum::<u64>() as f64;
    -ascending(sizes.iter().map(|&n| n as f64 / total * (n as f64 / total).ln()))
}

/// The sum of these terms, whatever their order: groups have no numbers.
fn ascending(terms: impl Iterator<Item = f64>) -> f64 {
    let mut terms: Vec<f64> = terms.collect();
    terms.sort_by(f64::total_cmp);
    terms.iter().sum()
}

/// MI, with the tiny negatives of rounding cut to 0; 0 where one side is a single group.
fn mutual_information(table: &Contingency) -> f64 {
    if table.left.len() == 1 || table.right.len() == 1 {
        return 0.0;
    }
    let total = table.total as f64;
    let terms = table.cells.iter().map(|&(i, j, n)| {
        let (n, a, b) = (n as f64, table.left_sums[i] as f64, table.right_sums[j] as f64);
        n / total * ((n / a) * (total / b)).ln()
    });
    ascending(terms).max(0.0)
}

/// The mean MI of two random partitions with these margins (hypergeometric model).
fn expected_information(table: &Contingency) -> f64 {
    // Cells depend on their two margins only, so equal margins are computed once.
    let (left, right) = (sizes(&table.left_sums), sizes(&table.right_sums));
    let mut sum = 0.0;
    for &(a, times_a) in &left {
        for &(b, times_b) in &right {
            sum += times_a * times_b * expected_cell(a, b, table.total);
        }
    }
    sum
}

/// (size, how many groups have it).
fn sizes(sums: &[u64]) -> Vec<(u64, f64)> {
    let mut sorted = sums.to_vec();
    sorted.sort_unstable();
    sorted
        .chunk_by(|x, y| x == y)
        .map(|group| (group[0], group.len() as f64))
        .collect()
}

/// Σ_n P(n) · n/N · ln(N·n / (a·b)) where n is the overlap of random groups of sizes a and b.
///
/// The probabilities come from the ratio of neighbours, outwards from the mode, and are normalised at the end: factorials
/// of N, whose logarithms would cost ten digits at N = 70 000, never occur.
fn expected_cell(a: u64, b: u64, total: u64) -> f64 {
    let (low, high) = ((a + b).saturating_sub(total), a.min(b));
    let mode = (((a + 1) as f64 * (b + 1) as f64 / (total + 2) as f64) as u64).clamp(low, high);
    let (af, bf, nf) = (a as f64, b as f64, total as f64);
    let up = |n: f64| (af - n) * (bf - n) / ((n + 1.0) * (nf - af - bf + n + 1.0));
    let term = |n: f64| {
        if n > 0.0 {
            n / nf * ((nf / af) * (n / bf)).ln()
        } else {
            0.0
        }
    };
    let (mut mass, mut sum) = (1.0, term(mode as f64));
    let mut weight = 1.0;
    for n in mode..high {
        weight *= up(n as f64);
        mass += weight;
        sum += weight * term((n + 1) as f64);
        if weight < NEGLIGIBLE {
            break;
        }
    }
    weight = 1.0;
    for n in (low..mode).rev() {
        weight /= up(n as f64);
        mass += weight;
        sum += weight * term(n as f64);
        if weight < NEGLIGIBLE {
            break;
        }
    }
    sum / mass
}

/// Weights fall off faster than geometrically from the mode on, so what follows one this small is lost in rounding.
const NEGLIGIBLE: f64 = 1e-22;

#[cfg(test)]
mod tests {
    use super::super::fixtures::{cases, close};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nmi_equals_scikit_learn_for_every_mean() {
        for case in cases() {
            for (mean, theirs) in [
                (Mean::Arithmetic, case.nmi_arithmetic),
                (Mean::Geometric, case.nmi_geometric),
                (Mean::Min, case.nmi_min),
                (Mean::Max, case.nmi_max),
            ] {
                close(&case.name, nmi(&case.classes, &case.clusters, mean).unwrap(), theirs);
            }
        }
    }

    #[test]
    fn ami_equals_scikit_learn() {
        for case in cases() {
            close(&case.name, ami(&case.classes, &case.clusters).unwrap(), case.ami);
        }
    }

    #[test]
    fn homogeneity_completeness_and_v_equal_scikit_learn() {
        for case in cases() {
            close(
                &case.name,
                homogeneity(&case.classes, &case.clusters).unwrap(),
                case.homogeneity,
            );
            close(
                &case.name,
                completeness(&case.classes, &case.clusters).unwrap(),
                case.completeness,
            );
            close(
                &case.name,
                v_measure(&case.classes, &case.clusters).unwrap(),
                case.v_measure,
            );
        }
    }

    #[test]
    fn trivial_partitions_follow_the_convention() {
        assert_eq!(nmi(&[0; 4], &[3; 4], Mean::Arithmetic).unwrap(), 1.0);
        assert_eq!(nmi(&[0, 0, 1, 1], &[3; 4], Mean::Arithmetic).unwrap(), 0.0);
        assert_eq!(nmi(&[0, 0, 1, 1], &[3; 4], Mean::Min).unwrap(), 0.0);
        assert_eq!(
            (ami(&[0; 4], &[3; 4]).unwrap(), ami(&[0, 1, 2], &[0, 1, 2]).unwrap()),
            (1.0, 1.0)
        );
    }

    #[test]
    fn one_group_tells_nothing_at_any_sizes_of_the_others() {
        let clusters: Vec<i32> = (0..50).map(|row| i32::from(row >= 15) + i32::from(row >= 23)).collect();
        for mean in [Mean::Arithmetic, Mean::Geometric, Mean::Min, Mean::Max] {
            assert_eq!(nmi(&[0; 50], &clusters, mean).unwrap(), 0.0, "{mean:?}");
        }
        assert_eq!(completeness(&[0; 50], &clusters).unwrap(), 0.0);
    }

    #[test]
    fn two_clusters_of_ten_classes_reach_the_analytic_limit() {
        let classes: Vec<i32> = (0..1000).map(|i| i % 10).collect();
        let halves: Vec<i32> = classes.iter().map(|c| c / 5).collect();
        let limit = 2.0 * 2f64.ln() / (2f64.ln() + 10f64.ln());
        close("halves", nmi(&classes, &halves, Mean::Arithmetic).unwrap(), limit);
    }

    #[test]
    fn expected_cell_is_the_plain_hypergeometric_sum() {
        let choose = |n: u64, k: u64| (0..k).fold(1.0, |c, i| c * (n - i) as f64 / (i + 1) as f64);
        let (a, b, total) = (7_u64, 9_u64, 13_u64);
        let plain: f64 = (3..=7_u64)
            .map(|n| {
                let p = choose(b, n) * choose(total - b, a - n) / choose(total, a);
                p * n as f64 / 13.0 * (13.0 * n as f64 / 63.0).ln()
            })
            .sum();
        close("cell", expected_cell(a, b, total), plain);
    }

    proptest! {
        #[test]
        fn scores_are_symmetric_and_blind_to_names(
            rows in prop::collection::vec((0_i32..4, 0_i32..5), 1..60), shift in 1_i32..9
        ) {
            let (left, right): (Vec<i32>, Vec<i32>) = rows.into_iter().unzip();
            let renamed: Vec<i32> = right.iter().map(|r| 100 - r * shift).collect();
            for score in [ami, v_measure, |l: &[i32], r: &[i32]| nmi(l, r, Mean::Arithmetic)] {
                let value = score(&left, &right).unwrap();
                prop_assert!((value - score(&right, &left).unwrap()).abs() < 1e-11);
                prop_assert_eq!(value, score(&left, &renamed).unwrap());
                prop_assert!(value < 1.0 + 1e-11);
            }
        }
    }
}
