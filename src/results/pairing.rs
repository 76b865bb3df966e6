//! Which values of two samples belong together.

use crate::statistics::difference;
use std::collections::BTreeMap;

/// Two samples, as far as they can be paired.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pairing {
    /// Second less first (see [`difference`]), per shared seed: all else random is the same, so what differs is the setting.
    Paired(Vec<f64>),
    /// No seed is shared.
    Unpaired(Vec<f64>, Vec<f64>),
    /// Neither depends on the seed, so there is nothing to test.
    Fixed(f64),
    /// A side has no value.
    Empty,
}

/// Values with their seeds; a seed is absent where the value does not depend on it, and such a value stands against
/// every seed of the other side.
pub(crate) fn pair(a: &[(Option<u64>, f64)], b: &[(Option<u64>, f64)]) -> Pairing {
    match (a, b) {
        ([], _) | (_, []) => Pairing::Empty,
        ([(None, a)], [(None, b)]) => Pairing::Fixed(difference(*a, *b)),
        ([(None, one)], many) => Pairing::Paired(many.iter().map(|(_, value)| difference(*one, *value)).collect()),
        (many, [(None, one)]) => Pairing::Paired(many.iter().map(|(_, value)| difference(*value, *one)).collect()),
        (a, b) => {
            let of_a: BTreeMap<_, _> = a.iter().copied().collect();
            let pairs: Vec<f64> = b
                .iter()
                .filter_map(|(seed, value)| Some(difference(*of_a.get(seed)?, *value)))
                .collect();
            if pairs.is_empty() {
                let values = |side: &[(_, f64)]| side.iter().map(|(_, value)| *value).collect();
                Pairing::Unpaired(values(a), values(b))
            } else {
                Pairing::Paired(pairs)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_seeds_are_paired_and_the_others_left_out() {
        let (a, b) = ([(Some(0), 1.0), (Some(1), 2.0)], [(Some(1), 5.0), (Some(2), 9.0)]);
        assert_eq!(pair(&a, &b), Pairing::Paired(vec![3.0]));
    }

    #[test]
    fn without_a_shared_seed_samples_stay_whole() {
        assert_eq!(
            pair(&[(Some(0), 1.0)], &[(Some(1), 5.0)]),
            Pairing::Unpaired(vec![1.0], vec![5.0])
        );
    }

    #[test]
    fn a_value_without_a_seed_stands_against_all() {
        let many = [(Some(0), 1.0), (Some(1), 2.0)];
        assert_eq!(pair(&[(None, 0.5)], &many), Pairing::Paired(vec![0.5, 1.5]));
        assert_eq!(pair(&many, &[(None, 0.5)]), Pairing::Paired(vec![-0.5, -1.5]));
        assert_eq!(pair(&[(None, 0.5)], &[(None, 0.75)]), Pairing::Fixed(0.25));
        assert_eq!(pair(&[], &many), Pairing::Empty);
    }
}
