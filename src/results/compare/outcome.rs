//! What two samples say about their difference.

use super::sides::Sample;
use crate::pairing::{Pairing, pair};
use crate::statistics::effect::{self, Effect};
use crate::statistics::permutation::{self, Permutation};
use crate::statistics::student::{self, Estimate};
use crate::statistics::{difference, mean, power};

/// B less A.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) kind: Kind,
    /// Pairs, where there are any.
    pub(super) pairs: Option<usize>,
    pub(super) difference: Option<f64>,
    /// Interval and p of Student's t; none with too few values.
    pub(super) student: Option<Estimate>,
    pub(super) permutation: Option<Permutation>,
    pub(super) effect: Option<Effect>,
    /// Seeds with which the observed effect would be found.
    pub(super) needed: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Paired,
    Unpaired,
    /// Neither side depends on the seed.
    Fixed,
    /// A side has no value.
    Empty,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Paired => "paired",
            Self::Unpaired => "unpaired",
            Self::Fixed => "fixed",
            Self::Empty => "empty",
        }
    }
}

impl Outcome {
    pub(super) fn of(a: &Sample, b: &Sample) -> Self {
        let none = Self {
            kind: Kind::Empty,
            pairs: None,
            difference: None,
            student: None,
            permutation: None,
            effect: None,
            needed: None,
        };
        match pair(&a.values, &b.values) {
            Pairing::Empty => none,
            Pairing::Fixed(difference) => Self {
                kind: Kind::Fixed,
                difference: Some(difference),
                ..none
            },
            Pairing::Paired(differences) => {
                let effect = effect::paired(&differences);
                Self {
                    kind: Kind::Paired,
                    pairs: Some(differences.len()),
                    difference: Some(mean(&differences)),
                    student: student::paired(&differences),
                    permutation: (differences.len() > 1).then(|| permutation::sign_flip(&differences)),
                    effect,
                    needed: effect.and_then(|effect| power::pairs(effect.d)),
                }
            }
            Pairing::Unpaired(a, b) => {
                let effect = effect::two_samples(&a, &b);
                Self {
                    kind: Kind::Unpaired,
                    difference: Some(difference(mean(&a), mean(&b))),
                    student: student::welch(&a, &b),
                    permutation: (a.len().min(b.len()) > 1).then(|| permutation::two_samples(&a, &b)),
                    effect,
                    needed: effect.and_then(|effect| power::each(effect.d)),
                    ..none
                }
            }
        }
    }

    pub(super) fn p(&self) -> Option<f64> {
        self.permutation.map(|test| test.p)
    }
}
