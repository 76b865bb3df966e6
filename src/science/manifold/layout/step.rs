//! What one vertex does in one epoch.

use super::Descent;
use super::power::power;

/// No coordinate moves by more than this times the learning rate.
const CLIP: f32 = 4.0;

/// The forces of one epoch.
pub struct Forces {
    epoch: f32,
    alpha: f32,
    a: f32,
    b: f32,
    /// 2γb of the push.
    push: f32,
    negatives: f32,
    /// Times a drawn entry pulls its head: 2 where the opposite entry's pull on it is done here too, 1 among anchors.
    pulls: usize,
}

impl Forces {
    pub fn new(descent: &Descent, epoch: usize, pulls: usize) -> Self {
        let spent = (epoch - 1) as f64 / descent.epochs as f64;
        Self {
            epoch: epoch as f32,
            alpha: (descent.learning_rate * (1.0 - spent)) as f32,
            a: descent.curve.a as f32,
            b: descent.curve.b as f32,
            push: (2.0 * descent.repulsion_strength * descent.curve.b) as f32,
            negatives: descent.negative_sample_rate as f32,
            pulls,
        }
    }

    /// How often an entry of this rate (draws per epoch) has been drawn when `epoch` ends.
    fn drawn(rate: f32, epoch: f32) -> u32 {
        whole(epoch * rate)
    }

    /// Negatives owed to a drawn entry: ⌊epoch·rate·negatives⌋ less what its earlier draws received.
    fn owed(&self, rate: f32) -> u32 {
        let until = |epoch: f32| whole(epoch * rate * self.negatives).saturating_sub(1);
        let earlier = Self::drawn(rate, self.epoch - 1.0);
        let spent = if earlier == 0 {
            0
        } else {
            until((earlier as f32 / rate).ceil())
        };
        until(self.epoch).saturating_sub(spent)
    }

    fn attraction(&self, squared: f32) -> f32 {
        if squared > 0.0 {
            let raised = power(squared, self.b);
            -2.0 * self.a * self.b * raised / (squared * (1.0 + self.a * raised))
        } else {
            0.0
        }
    }

    fn repulsion(&self, squared: f32) -> f32 {
        self.push / ((0.001 + squared) * (1.0 + self.a * power(squared, self.b)))
    }
}

/// ⌊v⌋ of a small number that is not negative; a signed conversion is one instruction, an unsigned one is several.
#[inline]
fn whole(v: f32) -> u32 {
    v as i32 as u32
}

/// Uniform vertex numbers: SplitMix64 (Steele, Lea & Flood, 2014), keyed by (seed, epoch) and the vertex.
pub struct Stream(u64);

impl Stream {
    pub fn new(key: u64, vertex: u64) -> Self {
        Self(mix(key ^ vertex.wrapping_mul(0xd134_2543_de82_ef95)))
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (((mix(self.0) >> 32) * n as u64) >> 32) as usize
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The position of a vertex after this epoch's pulls and pushes, applied one after the other.
///
/// `itself` is the vertex's number among `others`, if it is one of them; it never pushes itself.
pub fn gather<const P: usize>(
    mut position: [f32; P],
    itself: Option<usize>,
    columns: &[u32],
    rates: &[f32],
    others: &[[f32; P]],
    forces: &Forces,
    mut stream: Stream,
) -> [f32; P] {
    let before = forces.epoch - 1.0;
    for (column, rate) in columns.iter().zip(rates) {
        if Forces::drawn(*rate, forces.epoch) == Forces::drawn(*rate, before) {
            continue;
        }
        let tail = &others[*column as usize];
        for _ in 0..forces.pulls {
            let g = forces.attraction(squared_distance(&position, tail));
            shift(&mut position, tail, g, forces.alpha);
        }
        for _ in 0..forces.owed(*rate) {
            let m = stream.below(others.len());
            if Some(m) != itself {
                let g = forces.repulsion(squared_distance(&position, &others[m]));
                shift(&mut position, &others[m], g, forces.alpha);
            }
        }
    }
    position
}

#[inline]
fn squared_distance<const P: usize>(x: &[f32; P], y: &[f32; P]) -> f32 {
    if P == 2 {
        let (a, b) = (x[0] - y[0], x[1] - y[1]);
        return a * a + b * b;
    }
    // Four running sums: one vector register, in an order the compiler need not guess.
    let mut lanes = [0.0_f32; 4];
    for (x, y) in x.chunks_exact(4).zip(y.chunks_exact(4)) {
        for l in 0..4 {
            let d = x[l] - y[l];
            lanes[l] += d * d;
        }
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
}

#[inline]
fn shift<const P: usize>(position: &mut [f32; P], other: &[f32; P], gradient: f32, alpha: f32) {
    for (x, y) in position.iter_mut().zip(other) {
        *x += alpha * (gradient * (*x - y)).clamp(-CLIP, CLIP);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::curve::Curve;
    use super::*;

    fn forces(epoch: usize) -> Forces {
        let curve = Curve { a: 1.5, b: 0.9 };
        let descent = Descent {
            epochs: 100,
            learning_rate: 1.0,
            negative_sample_rate: 5,
            repulsion_strength: 1.0,
            curve,
        };
        Forces::new(&descent, epoch, 1)
    }

    #[test]
    fn an_entry_is_drawn_once_per_period() {
        for (rate, wanted) in [(1.0, 99), (0.5, 49), (0.25, 24), (0.01, 0)] {
            let draws = (1..100).filter(|e| Forces::drawn(rate, *e as f32) > Forces::drawn(rate, *e as f32 - 1.0));
            assert_eq!(draws.count(), wanted, "rate {rate}");
        }
    }

    #[test]
    fn five_negatives_go_with_every_draw_but_four_with_the_first() {
        for rate in [1.0, 0.5, 0.125] {
            let drawn = (1..100).filter(|e| Forces::drawn(rate, *e as f32) > Forces::drawn(rate, *e as f32 - 1.0));
            let owed: Vec<u32> = drawn.map(|e| forces(e).owed(rate)).collect();
            assert_eq!(owed[0], 4);
            assert!(owed[1..].iter().all(|n| *n == 5), "rate {rate}: {owed:?}");
        }
    }

    #[test]
    fn forces_are_the_gradients_of_the_cross_entropy() {
        let f = forces(1);
        let d = 0.7_f64;
        let ln_of = |d: f64| Curve { a: 1.5, b: 0.9 }.at(d).ln();
        let slope = (ln_of(d + 1e-6) - ln_of(d - 1e-6)) / 2e-6;
        assert!((f64::from(f.attraction((d * d) as f32)) * d - slope).abs() < 1e-4);
        let ln_not = |d: f64| (1.0 - Curve { a: 1.5, b: 0.9 }.at(d)).ln();
        let slope = (ln_not(d + 1e-6) - ln_not(d - 1e-6)) / 2e-6;
        // The 0.001 that keeps the push finite is the only difference.
        assert!((f64::from(f.repulsion((d * d) as f32)) * d * (1.0 + 0.001 / (d * d)) - slope).abs() < 1e-4);
    }

    #[test]
    fn coinciding_vertices_do_not_move_each_other() {
        let here = [[1.0_f32, 2.0]; 3];
        assert_eq!(
            gather(
                here[0],
                Some(0),
                &[1, 2],
                &[1.0, 1.0],
                &here,
                &forces(50),
                Stream::new(1, 0)
            ),
            here[0]
        );
    }

    #[test]
    fn a_step_is_clipped() {
        let mut position = [0.0_f32, 0.0];
        shift(&mut position, &[-1e-3, 100.0], 1e4, 0.5);
        assert_eq!(position, [2.0, -2.0]);
    }

    #[test]
    fn the_stream_is_uniform_and_pinned() {
        let mut counts = [0_u32; 10];
        let mut stream = Stream::new(3, 5);
        (0..10_000).for_each(|_| counts[stream.below(10)] += 1);
        assert!(counts.iter().all(|c| (850..1150).contains(c)), "{counts:?}");
        let mut again = Stream::new(3, 5);
        let mut other = Stream::new(3, 6);
        let five = |s: &mut Stream| (0..5).map(|_| s.below(1000)).collect::<Vec<_>>();
        assert_ne!(five(&mut again), five(&mut other));
    }
}
