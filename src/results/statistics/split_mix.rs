//! Random numbers that any language gives in three lines, so that resampled intervals can be recomputed elsewhere.

/// SplitMix64 (Steele, Lea & Flood, 2014), started at zero: a table has no seed of its own.
#[derive(Default)]
pub(super) struct SplitMix(u64);

impl SplitMix {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`: the high word of the product.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        let mut draws = SplitMix::default();
        assert_eq!(
            [draws.next(), draws.next()],
            [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]
        );
    }

    #[test]
    fn numbers_below_n_are_below_n_and_all_of_them_come() {
        let mut draws = SplitMix::default();
        let seen: std::collections::BTreeSet<_> = (0..200).map(|_| draws.below(7)).collect();
        assert_eq!(seen, (0..7).collect());
    }
}
