//! Every random draw comes from here, keyed by (action seed, purpose, epoch, step).
//!
//! A draw therefore never depends on how many draws came before it, so a training run that resumes in the middle of an
//! epoch sees the numbers an uninterrupted one would have seen.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// The source of all draws of one action.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    seed: u64,
}

impl Draws {
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The generator for one purpose ("order", "augment", "posterior", "weights", …) at one position.
    pub fn at(&self, purpose: &str, epoch: u64, step: u64) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.key(purpose, epoch, step))
    }

    /// The same key as a number, for generators that are not ours (libtorch's).
    pub fn seed_at(&self, purpose: &str, epoch: u64, step: u64) -> u64 {
        let key = self.key(purpose, epoch, step);
        u64::from_le_bytes(key[..8].try_into().expect("eight bytes of thirty-two"))
    }

    fn key(&self, purpose: &str, epoch: u64, step: u64) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"moelab-draw/1");
        hash.update(self.seed.to_le_bytes());
        hash.update((purpose.len() as u64).to_le_bytes());
        hash.update(purpose.as_bytes());
        hash.update(epoch.to_le_bytes());
        hash.update(step.to_le_bytes());
        hash.finalize().into()
    }
}

/// `n` draws from N(0, 1) (Box–Muller, both of each pair).
pub fn standard_normal(n: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    use rand::RngExt;
    let mut draws = Vec::with_capacity(n + 1);
    while draws.len() < n {
        // 1 − u lies in (0, 1]: its logarithm is finite.
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * rng.random::<f64>()).sin_cos();
        draws.extend([(radius * cos) as f32, (radius * sin) as f32]);
    }
    draws.truncate(n);
    draws
}

/// A permutation of `0..n` (Fisher–Yates).
pub fn permutation(n: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    use rand::RngExt;
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, rng.random_range(0..=i));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn draws_depend_on_every_part_of_the_key_and_on_nothing_else() {
        let draw = |seed, purpose, epoch, step| Draws::new(seed).at(purpose, epoch, step).random::<u64>();
        let base = draw(1, "order", 2, 3);
        assert_eq!(base, draw(1, "order", 2, 3));
        for other in [
            draw(2, "order", 2, 3),
            draw(1, "noise", 2, 3),
            draw(1, "order", 3, 3),
            draw(1, "order", 2, 4),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn draws_are_pinned() {
        assert_eq!(Draws::new(0).seed_at("order", 0, 0), 4_099_796_848_944_250_549);
    }

    #[test]
    fn normal_draws_have_mean_0_and_variance_1() {
        let draws = standard_normal(99_999, &mut Draws::new(3).at("posterior", 0, 0));
        let mean = draws.iter().map(|&v| f64::from(v)).sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert_eq!(draws.len(), 99_999);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }

    #[test]
    fn a_permutation_holds_every_number_once() {
        let mut order = permutation(100, &mut Draws::new(7).at("order", 0, 0));
        order.sort_unstable();
        assert!(order.iter().enumerate().all(|(i, &v)| i == v));
    }
}
