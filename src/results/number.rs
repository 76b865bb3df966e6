//! How many digits of a number are shown.

/// The digits of one column: enough to compare its rows, and the same number in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Digits {
    /// All values are integers (numbers of clusters, latent sizes): none where they agree, one where there is a spread.
    Integers,
    /// So many decimals.
    Decimals(usize),
    /// One digit before the point, two after it, and a power of ten.
    Scientific,
}

impl Digits {
    /// From all the values behind a column. The greatest decides: below 10 there are three decimals, as for any score in
    /// [0, 1], one less for each power of ten above, and one more for each below 0.1.
    pub(crate) fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let greatest = values.clone().fold(0.0_f64, |greatest, x| greatest.max(x.abs()));
        if values.clone().all(|x| x.fract() == 0.0) && greatest < 1e15 {
            return Self::Integers;
        }
        match greatest {
            x if !(1e-4..1e7).contains(&x) => Self::Scientific,
            x if x >= 1e3 => Self::Decimals(0),
            x if x >= 1e2 => Self::Decimals(1),
            x if x >= 1e1 => Self::Decimals(2),
            x if x >= 1e-1 => Self::Decimals(3),
            x if x >= 1e-2 => Self::Decimals(4),
            x if x >= 1e-3 => Self::Decimals(5),
            _ => Self::Decimals(6),
        }
    }

    /// `0.953 ± 0.012`, or without the spread where there is none.
    pub(crate) fn with_spread(self, mean: f64, std: Option<f64>) -> String {
        let exact = std.is_none_or(|std| std == 0.0) && mean.fract() == 0.0;
        let digits = match self {
            Self::Integers if exact => Self::Decimals(0),
            Self::Integers => Self::Decimals(1),
            other => other,
        };
        match std {
            Some(std) => format!("{} ± {}", digits.plain(mean), digits.spread(std)),
            None => digits.plain(mean),
        }
    }

    /// `+0.030`: a difference.
    pub(crate) fn signed(self, x: f64) -> String {
        let digits = if self == Self::Integers {
            Self::Decimals(1)
        } else {
            self
        };
        let text = digits.plain(x);
        if x > 0.0 {
            format!("+{text}")
        } else {
            text.replace('-', "−")
        }
    }

    /// `0.953 [0.941, 0.962]`: a number with what it lies between.
    pub(crate) fn with_bounds(self, number: f64, bounds: Option<(f64, f64)>) -> String {
        let digits = match self {
            Self::Integers
                if number.fract() != 0.0 || bounds.is_some_and(|(a, b)| a.fract() != 0.0 || b.fract() != 0.0) =>
            {
                Self::Decimals(1)
            }
            other => other,
        };
        match bounds {
            Some((low, high)) => format!(
                "{} [{}, {}]",
                digits.plain(number),
                digits.plain(low),
                digits.plain(high)
            ),
            None => digits.plain(number),
        }
    }

    /// A number by itself. One that would be shown as zero without being it gets its power of ten.
    fn plain(self, x: f64) -> String {
        match self {
            Self::Decimals(decimals) => {
                let shown = format!("{x:.decimals$}");
                let zero = shown.chars().all(|c| matches!(c, '0' | '.' | '-'));
                if zero && x != 0.0 { format!("{x:.1e}") } else { shown }
            }
            Self::Integers => format!("{x}"),
            Self::Scientific if x == 0.0 => "0".to_owned(),
            Self::Scientific => format!("{x:.2e}"),
        }
    }

    /// A spread stays in the digits of its mean: below them it is nothing.
    fn spread(self, std: f64) -> String {
        match self {
            Self::Decimals(decimals) => format!("{std:.decimals$}"),
            other => other.plain(std),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(values: &[f64], mean: f64, std: Option<f64>) -> String {
        Digits::of(values.iter().copied()).with_spread(mean, std)
    }

    #[test]
    fn scores_have_three_decimals() {
        assert_eq!(shown(&[0.95, 1.0], 0.953_21, Some(0.012_34)), "0.953 ± 0.012");
        assert_eq!(shown(&[0.95], 0.95, None), "0.950");
    }

    #[test]
    fn bounds_have_the_digits_of_their_number() {
        assert_eq!(
            Digits::Decimals(3).with_bounds(0.95, Some((0.9, 1.0))),
            "0.950 [0.900, 1.000]"
        );
        assert_eq!(Digits::Integers.with_bounds(10.0, Some((9.0, 11.0))), "10 [9, 11]");
        assert_eq!(Digits::Integers.with_bounds(9.5, Some((9.0, 10.0))), "9.5 [9.0, 10.0]");
        assert_eq!(Digits::Decimals(3).with_bounds(0.95, None), "0.950");
    }

    #[test]
    fn integers_that_agree_stay_integers() {
        assert_eq!(shown(&[10.0, 10.0], 10.0, Some(0.0)), "10 ± 0");
        assert_eq!(shown(&[10.0], 10.0, None), "10");
    }

    #[test]
    fn integers_with_a_spread_have_one_decimal() {
        assert_eq!(shown(&[10.0, 9.0], 9.5, Some(0.707)), "9.5 ± 0.7");
        assert_eq!(shown(&[10.0, 10.0, 11.0, 9.0], 10.0, Some(0.816)), "10.0 ± 0.8");
    }

    #[test]
    fn great_numbers_have_fewer_decimals_and_small_ones_more() {
        for (value, wanted) in [
            (12.345, "12.35"),
            (123.456, "123.5"),
            (1234.5, "1234"),
            (0.012_345, "0.0123"),
            (0.001_234_5, "0.00123"),
            (0.000_123_45, "0.000123"),
            (0.000_012_345, "1.23e-5"),
            (12_345_678.9, "1.23e7"),
        ] {
            assert_eq!(shown(&[value], value, None), wanted);
        }
    }

    #[test]
    fn a_small_number_among_great_ones_is_not_shown_as_zero() {
        assert_eq!(shown(&[0.9, 0.000_04], 0.000_04, Some(0.000_01)), "4.0e-5 ± 0.000");
        assert_eq!(shown(&[0.9, 0.0], 0.0, None), "0.000");
    }

    #[test]
    fn negative_numbers_are_measured_by_their_size() {
        assert_eq!(shown(&[-123.456, 0.5], -123.456, None), "-123.5");
    }
}
