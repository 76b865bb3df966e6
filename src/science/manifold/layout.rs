//! Stochastic gradient descent on the fuzzy cross entropy (arXiv 1802.03426, section 3.2), deterministic and parallel.
//!
//! An entry of weight w is drawn every w_max/w epochs; a drawn entry pulls its two ends together and pushes its head from
//! a few vertices picked at random. Each vertex gathers its own moves: of both entries (i, j) and (j, i) it does the half
//! that moves i, so nothing is written by two threads. Vertices are dealt into interleaved blocks; within a block all
//! see the positions the block began with, and the next block sees the result. That order is fixed, so the bytes do not
//! depend on the number of threads, and only one neighbour in [`BLOCKS`] is seen one block late.

mod moves;
mod power;
mod step;

use super::curve::Curve;
use super::{FuzzyGraph, ManifoldError};
use crate::matrix::Matrix;
use crate::random::Draws;
pub use moves::MOST_EPOCHS;
use moves::{Calendar, Drawing, Moves, Rate, Stream};
use rayon::prelude::*;
use step::{Forces, step};

const BLOCKS: usize = 32;
/// Fewest and most vertices of one task: enough to keep the lanes of a step filled, few enough for the caches.
const TASK: std::ops::RangeInclusive<usize> = 64..=512;
/// Most coordinates an embedding can have.
pub const MOST_COMPONENTS: usize = 256;

/// How the descent runs.
#[derive(Clone, Copy, Debug)]
pub struct Descent {
    pub epochs: usize,
    /// Step size of the first epoch; it falls to 0 linearly.
    pub learning_rate: f64,
    /// Random vertices pushed from for each pull.
    pub negative_sample_rate: usize,
    pub repulsion_strength: f64,
    pub curve: Curve,
}

/// Lays out the vertices of `graph` (symmetric, pruned) from N × d start positions. Takes the graph, which goes once its
/// entries are dealt out.
pub fn optimise(graph: FuzzyGraph, start: &Matrix, descent: &Descent, draws: &Draws) -> Result<Matrix, ManifoldError> {
    if graph.vertices() != start.rows() {
        return Err(ManifoldError::RowMismatch {
            left: "the graph",
            left_rows: graph.vertices(),
            right: "the start layout",
            right_rows: start.rows(),
        });
    }
    padded(start, |d| match d {
        Width::W2 => all::<2>(graph, start, descent, draws),
        Width::W4 => all::<4>(graph, start, descent, draws),
        Width::W8 => all::<8>(graph, start, descent, draws),
        Width::W12 => all::<12>(graph, start, descent, draws),
        Width::W16 => all::<16>(graph, start, descent, draws),
        Width::W32 => all::<32>(graph, start, descent, draws),
        Width::W64 => all::<64>(graph, start, descent, draws),
        Width::W256 => all::<MOST_COMPONENTS>(graph, start, descent, draws),
    })
}

/// Lays out new points among fixed `anchors`: row i of `graph` holds the strengths of new point i towards anchors.
pub fn place(
    graph: &FuzzyGraph,
    anchors: &Matrix,
    start: &Matrix,
    descent: &Descent,
    draws: &Draws,
) -> Result<Matrix, ManifoldError> {
    padded(start, |d| match d {
        Width::W2 => among::<2>(graph, anchors, start, descent, draws),
        Width::W4 => among::<4>(graph, anchors, start, descent, draws),
        Width::W8 => among::<8>(graph, anchors, start, descent, draws),
        Width::W12 => among::<12>(graph, anchors, start, descent, draws),
        Width::W16 => among::<16>(graph, anchors, start, descent, draws),
        Width::W32 => among::<32>(graph, anchors, start, descent, draws),
        Width::W64 => among::<64>(graph, anchors, start, descent, draws),
        Width::W256 => among::<MOST_COMPONENTS>(graph, anchors, start, descent, draws),
    })
}

/// Lengths positions are padded to with zeros, which no force ever changes: each has its own unrolled arithmetic.
enum Width {
    W2,
    W4,
    W8,
    W12,
    W16,
    W32,
    W64,
    W256,
}

fn padded(start: &Matrix, run: impl FnOnce(Width) -> Matrix) -> Result<Matrix, ManifoldError> {
    Ok(run(match start.cols() {
        1 | 2 => Width::W2,
        3 | 4 => Width::W4,
        5..=8 => Width::W8,
        9..=12 => Width::W12,
        13..=16 => Width::W16,
        17..=32 => Width::W32,
        33..=64 => Width::W64,
        65..=MOST_COMPONENTS => Width::W256,
        other => {
            let rule = "an embedding has between 1 and 256 components";
            return Err(ManifoldError::Setting {
                name: "n_components",
                value: other.to_string(),
                rule,
            });
        }
    }))
}

fn pad<const P: usize>(m: &Matrix, order: impl Iterator<Item = usize>) -> Vec<[f32; P]> {
    let one = |i: usize| {
        let mut row = [0.0; P];
        row[..m.cols()].copy_from_slice(m.row(i));
        row
    };
    order.map(one).collect()
}

fn rates(graph: &FuzzyGraph) -> Vec<Rate> {
    let largest = graph.largest_weight();
    graph.weights.iter().map(|w| Rate::new(w / largest)).collect()
}

fn all<const P: usize>(graph: FuzzyGraph, start: &Matrix, descent: &Descent, draws: &Draws) -> Matrix {
    let n = graph.vertices();
    let blocks = BLOCKS.min(n);
    // Internally vertices are numbered block by block, so that a block is one slice.
    let order: Vec<usize> = (0..blocks).flat_map(|b| (b..n).step_by(blocks)).collect();
    let mut number = vec![0_u32; n];
    order
        .iter()
        .enumerate()
        .for_each(|(new, old)| number[*old] = new as u32);
    let mut dealt = FuzzyGraph {
        offsets: vec![0],
        columns: Vec::with_capacity(graph.columns.len()),
        weights: Vec::with_capacity(graph.weights.len()),
    };
    for old in &order {
        let (columns, weights) = graph.row(*old);
        dealt.columns.extend(columns.iter().map(|j| number[*j as usize]));
        dealt.weights.extend_from_slice(weights);
        dealt.offsets.push(dealt.columns.len());
    }
    drop(graph);
    let rates = rates(&dealt);
    let mut due: Vec<u16> = rates.iter().map(|rate| rate.first()).collect();
    let mut positions = pad::<P>(start, order.iter().copied());
    let mut moved: Vec<[f32; P]> = Vec::new();
    // How vertices are shared among tasks changes nothing but the time.
    let task = (n / blocks / (3 * rayon::current_num_threads())).clamp(*TASK.start(), *TASK.end());
    for epoch in 1..descent.epochs {
        let forces = Forces::new(descent, epoch);
        let key = draws.seed_at("umap/negatives", epoch as u64, 0);
        let drawing = Drawing {
            epoch,
            as_tail: true,
            negative_sample_rate: descent.negative_sample_rate,
            pushers: n - 1,
        };
        let mut first = 0;
        for b in 0..blocks {
            let count = (n - b).div_ceil(blocks);
            moved.clear();
            moved.extend_from_slice(&positions[first..first + count]);
            let calendars = split(&dealt, &rates, &mut due, first, count, task);
            let tasks = moved.par_chunks_mut(task).zip(calendars).enumerate();
            tasks.for_each_init(Moves::default, |moves, (number, (moving, mut calendar))| {
                let start = first + number * task;
                moves.clear();
                for vertex in start..start + moving.len() {
                    let range =
                        dealt.offsets[vertex] - dealt.offsets[start]..dealt.offsets[vertex + 1] - dealt.offsets[start];
                    moves.add(
                        &mut calendar,
                        range,
                        &drawing,
                        Stream::new(key, vertex as u64),
                        Some(vertex as u32),
                    );
                }
                step(moving, &positions, moves, &forces);
            });
            positions[first..first + count].copy_from_slice(&moved);
            first += count;
        }
    }
    let mut out = Matrix::new(n, start.cols(), vec![0.0; n * start.cols()]);
    order
        .iter()
        .zip(&positions)
        .for_each(|(old, p)| out.row_mut(*old).copy_from_slice(&p[..start.cols()]));
    out
}

/// The entries of `count` vertices from `first` on, `task` vertices at a time.
fn split<'a>(
    graph: &'a FuzzyGraph,
    rates: &'a [Rate],
    due: &'a mut [u16],
    first: usize,
    count: usize,
    task: usize,
) -> Vec<Calendar<'a>> {
    let mut rest = &mut due[graph.offsets[first]..graph.offsets[first + count]];
    let starts = (first..first + count).step_by(task);
    let one = |start: usize| {
        let range = graph.offsets[start]..graph.offsets[(start + task).min(first + count)];
        let (due, after) = std::mem::take(&mut rest).split_at_mut(range.len());
        rest = after;
        Calendar {
            columns: &graph.columns[range.clone()],
            rates: &rates[range],
            due,
        }
    };
    starts.map(one).collect()
}

fn among<const P: usize>(
    graph: &FuzzyGraph,
    anchors: &Matrix,
    start: &Matrix,
    descent: &Descent,
    draws: &Draws,
) -> Matrix {
    let rates = rates(graph);
    let fixed = pad::<P>(anchors, 0..anchors.rows());
    let mut positions = pad::<P>(start, 0..start.rows());
    let keys: Vec<u64> = (0..descent.epochs)
        .map(|e| draws.seed_at("umap/transform", e as u64, 0))
        .collect();
    let mut due: Vec<u16> = rates.iter().map(|rate| rate.first()).collect();
    let task = (start.rows() / (3 * rayon::current_num_threads())).clamp(*TASK.start(), *TASK.end());
    let calendars = split(graph, &rates, &mut due, 0, start.rows(), task);
    // New points do not see each other: each task runs through all its epochs alone.
    let tasks = positions.par_chunks_mut(task).zip(calendars).enumerate();
    tasks.for_each_init(Moves::default, |moves, (number, (moving, mut calendar))| {
        let start = number * task;
        for (epoch, key) in keys.iter().enumerate().skip(1) {
            let drawing = Drawing {
                epoch,
                as_tail: false,
                negative_sample_rate: descent.negative_sample_rate,
                pushers: fixed.len(),
            };
            moves.clear();
            for vertex in start..start + moving.len() {
                let range =
                    graph.offsets[vertex] - graph.offsets[start]..graph.offsets[vertex + 1] - graph.offsets[start];
                moves.add(&mut calendar, range, &drawing, Stream::new(*key, vertex as u64), None);
            }
            step(moving, &fixed, moves, &Forces::new(descent, epoch));
        }
    });
    let data = positions.iter().flat_map(|p| &p[..start.cols()]).copied().collect();
    Matrix::new(start.rows(), start.cols(), data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descent(epochs: usize, negative_sample_rate: usize) -> Descent {
        let curve = Curve::fit(0.1, 1.0).unwrap();
        Descent {
            epochs,
            learning_rate: 1.0,
            negative_sample_rate,
            repulsion_strength: 1.0,
            curve,
        }
    }

    fn pair() -> FuzzyGraph {
        FuzzyGraph {
            offsets: vec![0, 1, 2],
            columns: vec![1, 0],
            weights: vec![1.0, 1.0],
        }
    }

    fn ring(n: usize) -> FuzzyGraph {
        let columns = (0..n)
            .flat_map(|i| [(i + 1) % n, (i + n - 1) % n])
            .map(|j| j as u32)
            .collect();
        FuzzyGraph {
            offsets: (0..=n).map(|i| 2 * i).collect(),
            columns,
            weights: vec![1.0; 2 * n],
        }
    }

    fn start(n: usize, d: usize) -> Matrix {
        Matrix::new(n, d, (0..n * d).map(|i| ((i * 37) % 101) as f32 / 10.0).collect())
    }

    #[test]
    fn an_edge_pulls_its_ends_together() {
        let far = Matrix::new(2, 1, vec![0.0, 8.0]);
        let near = optimise(pair(), &far, &descent(200, 0), &Draws::new(0)).unwrap();
        assert!((near.row(0)[0] - near.row(1)[0]).abs() < 1.0, "{near:?}");
    }

    #[test]
    fn without_epochs_or_with_one_nothing_moves() {
        for epochs in [0, 1] {
            assert_eq!(
                optimise(ring(40), &start(40, 3), &descent(epochs, 5), &Draws::new(0)).unwrap(),
                start(40, 3)
            );
        }
    }

    #[test]
    fn vertices_without_entries_stay_where_they_are() {
        let graph = FuzzyGraph {
            offsets: vec![0; 6],
            columns: vec![],
            weights: vec![],
        };
        assert_eq!(
            optimise(graph, &start(5, 2), &descent(20, 5), &Draws::new(0)).unwrap(),
            start(5, 2)
        );
    }

    #[test]
    fn the_bytes_depend_on_the_seed_and_not_on_the_threads() {
        let run = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| optimise(ring(1500), &start(1500, 2), &descent(30, 5), &Draws::new(seed)).unwrap())
        };
        assert_eq!(run(1, 7), run(4, 7));
        assert_ne!(run(1, 7), run(1, 8));
    }

    #[test]
    fn every_width_keeps_its_padding_out_of_the_result() {
        for d in [1, 2, 3, 4, 7, 10, 16, 20, 50, 100] {
            let out = optimise(ring(50), &start(50, d), &descent(10, 5), &Draws::new(0)).unwrap();
            assert_eq!((out.rows(), out.cols()), (50, d));
            assert!(out.data().iter().all(|v| v.is_finite()));
        }
    }

    #[test]
    fn padding_does_not_change_the_result() {
        let flat = start(50, 2);
        let wide = Matrix::new(
            50,
            3,
            (0..50).flat_map(|i| [flat.row(i)[0], flat.row(i)[1], 0.0]).collect(),
        );
        let a = optimise(ring(50), &flat, &descent(2, 5), &Draws::new(0)).unwrap();
        let b = optimise(ring(50), &wide, &descent(2, 5), &Draws::new(0)).unwrap();
        for i in 0..50 {
            assert!((a.row(i)[0] - b.row(i)[0]).abs() < 1e-4 && b.row(i)[2] == 0.0);
        }
    }

    #[test]
    fn a_new_point_moves_to_its_anchor_and_anchors_do_not_move() {
        let anchors = Matrix::new(2, 2, vec![0., 0., 9., 9.]);
        let graph = FuzzyGraph {
            offsets: vec![0, 1],
            columns: vec![1],
            weights: vec![0.5],
        };
        let from = Matrix::new(1, 2, vec![4., 4.]);
        let placed = place(&graph, &anchors, &from, &descent(300, 0), &Draws::new(0)).unwrap();
        assert!(placed.row(0).iter().all(|v| (v - 9.0).abs() < 1.0), "{placed:?}");
    }

    #[test]
    fn too_many_components_and_foreign_starts_are_errors() {
        let run = |n, d| optimise(ring(5), &start(n, d), &descent(2, 1), &Draws::new(0));
        assert!(matches!(run(5, 257), Err(ManifoldError::Setting { .. })));
        assert!(matches!(run(4, 2), Err(ManifoldError::RowMismatch { .. })));
    }
}
