//! Many vertices moved side by side: each lane works off the moves of one vertex, one after the other, and then takes the
//! next vertex. What a vertex does is the same in any lane, so the number of lanes changes the speed alone.

use super::Descent;
use super::moves::{Moves, PULL};
use super::power::power;

/// No coordinate moves by more than this times the learning rate.
const CLIP: f32 = 4.0;
/// Vertices moved side by side: the arithmetic of one move takes long to finish, and this many hide the wait.
const LANES: usize = 32;
/// Keeps the push between vertices that nearly coincide finite.
const CLOSE: f32 = 0.001;

/// The forces of one epoch.
pub struct Forces {
    alpha: f32,
    a: f32,
    b: f32,
    /// -2ab of the pull.
    pull: f32,
    /// 2γb of the push.
    push: f32,
}

impl Forces {
    pub fn new(descent: &Descent, epoch: usize) -> Self {
        let spent = (epoch - 1) as f64 / descent.epochs as f64;
        let curve = descent.curve;
        Self {
            alpha: (descent.learning_rate * (1.0 - spent)) as f32,
            a: curve.a as f32,
            b: curve.b as f32,
            pull: (-2.0 * curve.a * curve.b) as f32,
            push: (2.0 * descent.repulsion_strength * curve.b) as f32,
        }
    }

    /// What the difference to the other vertex is multiplied with, given its square: s^b·pull / (s(1 + a·s^b)) or
    /// push / ((CLOSE + s)(1 + a·s^b)). Written without a branch, for many lanes at once.
    #[inline(always)]
    fn gradient(&self, squared: f32, pulls: bool) -> f32 {
        let raised = power(squared, self.b);
        let above = if pulls { self.pull * raised } else { self.push };
        let below = if pulls { squared } else { CLOSE + squared };
        let gradient = above / (below * (1.0 + self.a * raised));
        if squared > 0.0 { gradient } else { 0.0 }
    }
}

/// Applies the moves of every vertex of `moving`, one after the other, with the others where they are in `others`.
pub fn step<const P: usize>(moving: &mut [[f32; P]], others: &[[f32; P]], moves: &Moves, forces: &Forces) {
    let (mut taken, mut done) = (0, 0);
    // Lane l makes the moves next[l]..ends[l] of vertices[l]; a lane without a vertex repeats others' moves for nothing.
    let mut vertices = [usize::MAX; LANES];
    let (mut next, mut ends) = ([0; LANES], [0; LANES]);
    let mut positions = [[0.0; P]; LANES];
    let (mut kinds, mut ahead) = ([0; LANES], [[0.0; P]; LANES]);
    let (mut squares, mut gradients) = ([0.0; LANES], [0.0; LANES]);
    loop {
        for l in 0..LANES {
            while next[l] == ends[l] {
                if let Some(vertex) = moving.get_mut(vertices[l]) {
                    *vertex = positions[l];
                    done += 1;
                }
                if taken < moving.len() {
                    next[l] = if taken == 0 { 0 } else { moves.ends[taken - 1] };
                    (vertices[l], ends[l], positions[l]) = (taken, moves.ends[taken], moving[taken]);
                    taken += 1;
                } else {
                    (vertices[l], next[l], ends[l]) = (usize::MAX, 0, usize::MAX);
                }
            }
            let other = moves.others.get(next[l]).copied().unwrap_or(PULL);
            next[l] += 1;
            kinds[l] = other;
            ahead[l] = others[(other & !PULL) as usize];
        }
        if done == moving.len() {
            return;
        }
        for l in 0..LANES {
            squares[l] = squared_distance(&positions[l], &ahead[l]);
        }
        for l in 0..LANES {
            gradients[l] = forces.gradient(squares[l], kinds[l] & PULL != 0);
        }
        for l in 0..LANES {
            shift(&mut positions[l], &ahead[l], gradients[l], forces.alpha);
        }
    }
}

#[inline(always)]
fn squared_distance<const P: usize>(x: &[f32; P], y: &[f32; P]) -> f32 {
    if P == 2 {
        let (a, b) = (x[0] - y[0], x[1] - y[1]);
        return a * a + b * b;
    }
    // Four running sums: one vector register, in an order the compiler need not guess.
    let mut sums = [0.0_f32; 4];
    for (x, y) in x.chunks_exact(4).zip(y.chunks_exact(4)) {
        for s in 0..4 {
            let d = x[s] - y[s];
            sums[s] += d * d;
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

#[inline(always)]
fn shift<const P: usize>(position: &mut [f32; P], other: &[f32; P], gradient: f32, alpha: f32) {
    for (x, y) in position.iter_mut().zip(other) {
        *x += alpha * (gradient * (*x - y)).clamp(-CLIP, CLIP);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::curve::Curve;
    use super::*;

    const CURVE: Curve = Curve { a: 1.5, b: 0.9 };

    const DESCENT: Descent = Descent {
        epochs: 100,
        learning_rate: 1.0,
        negative_sample_rate: 5,
        repulsion_strength: 1.0,
        curve: CURVE,
    };

    fn forces(epoch: usize) -> Forces {
        Forces::new(&DESCENT, epoch)
    }

    fn moves(of: &[Vec<u32>]) -> Moves {
        let mut moves = Moves::default();
        for one in of {
            moves.others.extend(one);
            moves.ends.push(moves.others.len());
        }
        moves
    }

    #[test]
    fn forces_are_the_gradients_of_the_cross_entropy() {
        let (f, d) = (forces(1), 0.7_f64);
        let ln_of = |d: f64| CURVE.at(d).ln();
        let slope = (ln_of(d + 1e-6) - ln_of(d - 1e-6)) / 2e-6;
        assert!((f64::from(f.gradient((d * d) as f32, true)) * d - slope).abs() < 1e-4);
        let ln_not = |d: f64| (1.0 - CURVE.at(d)).ln();
        let slope = (ln_not(d + 1e-6) - ln_not(d - 1e-6)) / 2e-6;
        // The 0.001 that keeps the push finite is the only difference.
        assert!((f64::from(f.gradient((d * d) as f32, false)) * d * (1.0 + 0.001 / (d * d)) - slope).abs() < 1e-4);
    }

    #[test]
    fn steps_shrink_linearly_from_the_learning_rate_to_nearly_nothing() {
        let descent = Descent {
            learning_rate: 2.0,
            ..DESCENT
        };
        // The descent runs epochs 1 to 99 of 100.
        for (epoch, expected) in [(1, 2.0), (26, 1.5), (51, 1.0), (99, 0.04)] {
            let alpha = Forces::new(&descent, epoch).alpha;
            assert!((alpha - expected).abs() < 1e-6, "epoch {epoch}: {alpha}");
        }
        let moved = |epoch| {
            let mut moving = [[0.0_f32, 0.0]];
            step(
                &mut moving,
                &[[0.0, 0.0], [1.0, 0.0]],
                &moves(&[vec![1 | PULL]]),
                &Forces::new(&descent, epoch),
            );
            moving[0][0]
        };
        assert!((moved(51) / moved(1) - 0.5).abs() < 1e-6, "{} {}", moved(1), moved(51));
    }

    #[test]
    fn repulsion_strength_scales_the_push_and_leaves_the_pull() {
        let of = |repulsion_strength, pulls| {
            let descent = Descent {
                repulsion_strength,
                ..DESCENT
            };
            Forces::new(&descent, 1).gradient(0.5, pulls)
        };
        assert!(of(1.0, false) > 0.0 && of(1.0, true) < 0.0);
        assert!((of(3.0, false) / of(1.0, false) - 3.0).abs() < 1e-5);
        assert_eq!(of(0.0, false), 0.0);
        assert_eq!(of(3.0, true), of(1.0, true));
    }

    #[test]
    fn every_vertex_makes_its_own_moves_in_whatever_lane() {
        let others: Vec<[f32; 4]> = (0..100_u16)
            .map(|i| [1, 3, 7, 11].map(|m| f32::from((i * m) % 23) / 4.0))
            .collect();
        // Some vertices have no move, some many; there are more vertices than lanes.
        let of: Vec<Vec<u32>> = (0..100_u32)
            .map(|v| {
                (0..(v * v) % 9)
                    .map(|m| ((v * 13 + m * 29) % 100) | if m % 3 == 0 { PULL } else { 0 })
                    .collect()
            })
            .collect();
        let mut together = others.clone();
        step(&mut together, &others, &moves(&of), &forces(30));
        for v in 0..100 {
            let mut alone = [others[v]];
            of[v]
                .iter()
                .for_each(|one| step(&mut alone, &others, &moves(&[vec![*one]]), &forces(30)));
            assert_eq!(together[v], alone[0], "vertex {v}");
        }
        assert_ne!(together, others);
    }

    #[test]
    fn coinciding_vertices_do_not_move_each_other() {
        let here = [[1.0_f32, 2.0]; 3];
        let mut moving = here;
        step(
            &mut moving,
            &here,
            &moves(&[vec![1 | PULL, 2], vec![0], vec![1 | PULL]]),
            &forces(50),
        );
        assert_eq!(moving, here);
    }

    #[test]
    fn a_step_is_clipped() {
        let mut position = [0.0_f32, 0.0];
        shift(&mut position, &[-1e-3, 100.0], 1e4, 0.5);
        assert_eq!(position, [2.0, -2.0]);
    }
}
