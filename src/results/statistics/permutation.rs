//! Permutation tests of a difference of means: no assumption on the distribution of the values.

use super::split_mix::SplitMix;
use super::{EQUAL, difference, mean};

/// Pairs up to which all 2^n sign patterns are counted; half of them at a time.
const MOST_PAIRS: usize = 30;
/// Arrangements of two samples up to which all are counted.
const MOST_ARRANGEMENTS: f64 = 200_000.0;
/// Random arrangements where there are more.
const DRAWS: usize = 99_999;

/// A two-sided p-value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Permutation {
    pub(crate) p: f64,
    /// The smallest that so many values can give.
    pub(crate) least: f64,
    /// Whether all arrangements were counted.
    pub(crate) exact: bool,
}

/// Sign-flip test of paired differences (Fisher, 1935): without an effect each could as well have the other sign.
pub(crate) fn sign_flip(differences: &[f64]) -> Permutation {
    let n = differences.len();
    let bound = differences.iter().sum::<f64>().abs() - EQUAL * differences.iter().map(|d| d.abs()).sum::<f64>();
    if n > MOST_PAIRS {
        let mut draws = SplitMix::default();
        let signed = |draws: &mut SplitMix| -> f64 {
            let mut word = 0;
            let flipped = differences.iter().enumerate().map(|(i, d)| {
                word = if i % 64 == 0 { draws.next() } else { word >> 1 };
                if word & 1 == 0 { *d } else { -d }
            });
            flipped.sum()
        };
        return sampled(|| signed(&mut draws).abs() >= bound);
    }
    // Every sum is one of the first half plus one of the second; those that reach the bound are found by bisection.
    let (first, second) = differences.split_at(n / 2);
    let mut sums = signed_sums(second);
    sums.sort_by(f64::total_cmp);
    let reach = |a: &f64| {
        let low = sums.partition_point(|b| a + b <= -bound);
        let high = sums.len() - sums.partition_point(|b| a + b < bound);
        // With a bound of zero or less the two overlap.
        (low + high).min(sums.len())
    };
    let count: usize = signed_sums(first).iter().map(reach).sum();
    Permutation {
        p: count as f64 / 2_f64.powi(n as i32),
        least: 2_f64.powi(1 - n as i32).min(1.0),
        exact: true,
    }
}

/// Sums with every pattern of signs.
fn signed_sums(values: &[f64]) -> Vec<f64> {
    values.iter().fold(vec![0.0], |sums, value| {
        sums.iter().flat_map(|sum| [sum + value, sum - value]).collect()
    })
}

/// Test of two samples: without an effect every division of their values into two of the same sizes is as likely.
pub(crate) fn two_samples(a: &[f64], b: &[f64]) -> Permutation {
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    let (total, n) = (all.iter().sum::<f64>(), all.len());
    let (na, nb) = (a.len() as f64, b.len() as f64);
    let size: f64 = all.iter().map(|x| x.abs()).sum::<f64>() * (1.0 / na + 1.0 / nb);
    let bound = difference(mean(a), mean(b)).abs() - EQUAL * size;
    let reaches = |of_a: f64| ((total - of_a) / nb - of_a / na).abs() >= bound;
    let arrangements = (0..a.len())
        .fold(1.0, |c, i| c * (n - i) as f64 / (i + 1) as f64)
        .round();
    if arrangements > MOST_ARRANGEMENTS {
        let (mut draws, mut shuffled) = (SplitMix::default(), all);
        return sampled(|| {
            for i in 0..a.len() {
                shuffled.swap(i, i + draws.below(n - i));
            }
            reaches(shuffled[..a.len()].iter().sum())
        });
    }
    let count = divisions(&all, a.len(), 0.0, &reaches);
    // Of two equal sizes every division has a mirror image.
    let mirrored = if a.len() == b.len() { 2.0 } else { 1.0 };
    Permutation {
        p: count as f64 / arrangements,
        least: mirrored / arrangements,
        exact: true,
    }
}

/// How many choices of `wanted` values reach the bound, with `sum` chosen before.
fn divisions(values: &[f64], wanted: usize, sum: f64, reaches: &impl Fn(f64) -> bool) -> usize {
    match values {
        _ if wanted == 0 => usize::from(reaches(sum)),
        [] => 0,
        _ if values.len() < wanted => 0,
        [first, rest @ ..] => divisions(rest, wanted - 1, sum + first, reaches) + divisions(rest, wanted, sum, reaches),
    }
}

/// The arrangement at hand counts as one of those drawn (Phipson & Smyth, 2010).
fn sampled(mut reaches: impl FnMut() -> bool) -> Permutation {
    let count = (0..DRAWS).filter(|_| reaches()).count();
    let all = (DRAWS + 1) as f64;
    Permutation {
        p: (count + 1) as f64 / all,
        least: 1.0 / all,
        exact: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All patterns, one by one.
    fn by_force(differences: &[f64]) -> f64 {
        let observed = differences.iter().sum::<f64>().abs() - 1e-12;
        let patterns = 1_u32 << differences.len();
        let sum = |pattern: u32| -> f64 {
            let signed = differences.iter().enumerate();
            signed.map(|(i, d)| if pattern >> i & 1 == 0 { *d } else { -d }).sum()
        };
        (0..patterns).filter(|pattern| sum(*pattern).abs() >= observed).count() as f64 / f64::from(patterns)
    }

    #[test]
    fn sign_patterns_are_counted_like_one_by_one() {
        let mut draws = SplitMix::default();
        for n in 1..=11 {
            // Few different values, so that sums are often equal.
            let differences: Vec<f64> = (0..n).map(|_| (draws.below(7) as f64 - 2.0) * 0.1).collect();
            assert_eq!(sign_flip(&differences).p, by_force(&differences), "{differences:?}");
        }
    }

    #[test]
    fn five_pairs_cannot_reach_one_in_twenty_and_six_can() {
        let five = sign_flip(&[0.1, 0.2, 0.3, 0.4, 0.5]);
        assert_eq!((five.p, five.least), (0.0625, 0.0625));
        assert_eq!(sign_flip(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]).p, 0.03125);
    }

    #[test]
    fn no_difference_is_no_evidence() {
        assert_eq!(sign_flip(&[0.0; 5]).p, 1.0);
        assert_eq!(sign_flip(&[0.1, -0.1]).p, 1.0);
        assert_eq!(two_samples(&[1.0, 2.0], &[2.0, 1.0]).p, 1.0);
    }

    #[test]
    fn many_pairs_are_sampled_and_agree_with_the_count() {
        let few: Vec<f64> = (0..30).map(|i| f64::from(i % 7) * 0.1 - 0.2).collect();
        let mut many = few.clone();
        many.push(0.0);
        let (counted, sampled) = (sign_flip(&few), sign_flip(&many));
        assert!(counted.exact && !sampled.exact);
        assert!((counted.p - sampled.p).abs() < 0.006, "{counted:?} {sampled:?}");
        assert_eq!(sign_flip(&many), sampled);
    }

    #[test]
    fn two_samples_that_do_not_overlap_have_the_least_p() {
        let apart = two_samples(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]);
        assert_eq!((apart.p, apart.least, apart.exact), (0.1, 0.1, true));
        let uneven = two_samples(&[1.0, 2.0], &[4.0, 5.0, 6.0]);
        assert_eq!((uneven.p, uneven.least), (0.1, 0.1));
    }

    #[test]
    fn large_samples_are_drawn_at_random() {
        let a: Vec<f64> = (0..20).map(f64::from).collect();
        let b: Vec<f64> = a.iter().map(|x| x + 0.5).collect();
        let found = two_samples(&a, &b);
        assert!(!found.exact && found.p > 0.5, "{found:?}");
    }
}
