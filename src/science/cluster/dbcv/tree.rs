//! The spanning tree of one cluster, with the ends of tied edges as the hdbscan library chooses them.

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::super::lanes::{LANES, LaneRows, Lanes, distances};

/// Distances that differ by less than this share tie (the hdbscan library's rule for the ends of an edge).
const TIE: (f64, f64) = (1e-5, 1e-8);

/// Prim's tree from row 0; of several rows at one distance from the tree the lowest joins first, and it is tied to the
/// lowest row of the tree at that distance.
pub(super) fn spanning_tree(rows: &LaneRows, cores: &[f64]) -> Vec<(usize, usize, f64)> {
    let arch = pulp::Arch::new();
    let mut blocks: Vec<Block> = cores
        .chunks(LANES)
        .enumerate()
        .map(|(i, cores)| Block::new(i, cores))
        .collect();
    let per_task = match rows.len() * rows.cols() < WORTH_THREADS {
        true => blocks.len(),
        false => blocks.len().div_ceil(rayon::current_num_threads()).max(1),
    };
    let mut edges: Vec<(usize, usize, f64)> = Vec::with_capacity(rows.len() - 1);
    let mut added = 0;
    while edges.len() + 1 < rows.len() {
        blocks[added / LANES].nearest[added % LANES] = INSIDE;
        let offer = |blocks: &mut [Block]| {
            arch.dispatch(Offer {
                rows,
                blocks,
                added,
                core: cores[added],
            })
        };
        // Of two parts the first comes first, so equal distances go to the lower row.
        let (length, next) = blocks
            .par_chunks_mut(per_task)
            .map(offer)
            .reduce(|| (f64::INFINITY, usize::MAX), |a, b| if b.0 < a.0 { b } else { a });
        let end = match edges.is_empty() {
            true => 0,
            false => arch.dispatch(FirstTied {
                rows,
                blocks: &blocks,
                of: next,
                core: cores[next],
                length,
            }),
        };
        edges.push((end, next, length));
        added = next;
    }
    edges
}

/// Stands for the distance of a row that is in the tree.
const INSIDE: f64 = -1.0;

/// Values per step below which splitting a step over threads costs more than it saves.
const WORTH_THREADS: usize = 60_000;

/// What is known of a block of rows while the tree grows.
struct Block {
    index: usize,
    cores: Lanes,
    /// The distance of each row to the tree, or [`INSIDE`].
    nearest: Lanes,
}

impl Block {
    fn new(index: usize, cores: &[f64]) -> Self {
        let mut block = Self {
            index,
            cores: [0.0; LANES],
            // Lanes without a row take part in nothing.
            nearest: [INSIDE; LANES],
        };
        block.cores[..cores.len()].copy_from_slice(cores);
        block.nearest[..cores.len()].fill(f64::INFINITY);
        block
    }

    /// The mutual reachability distances to a row.
    #[inline(always)]
    fn distances(&self, rows: &LaneRows, row: usize, core: f64) -> Lanes {
        let mut lengths = distances(rows.row(row), rows.block(self.index));
        for (length, own) in lengths.iter_mut().zip(&self.cores) {
            *length = length.sqrt().max(*own).max(core);
        }
        lengths
    }
}

/// Offers the rows of some blocks an edge to the row that joined last; gives the nearest row, the lowest of several.
struct Offer<'a> {
    rows: &'a LaneRows,
    blocks: &'a mut [Block],
    added: usize,
    core: f64,
}

impl NullaryFnOnce for Offer<'_> {
    type Output = (f64, usize);

    #[inline(always)]
    fn call(self) -> (f64, usize) {
        let (mut least, mut lowest) = (f64::INFINITY, usize::MAX);
        for block in self.blocks {
            let offered = block.distances(self.rows, self.added, self.core);
            let mut smallest = f64::INFINITY;
            for (nearest, offered) in block.nearest.iter_mut().zip(&offered) {
                *nearest = nearest.min(*offered);
                smallest = smallest.min(if *nearest < 0.0 { f64::INFINITY } else { *nearest });
            }
            if smallest < least {
                let lane = block.nearest.iter().position(|&nearest| nearest == smallest);
                (least, lowest) = (smallest, block.index * LANES + lane.unwrap_or(0));
            }
        }
        (least, lowest)
    }
}

/// The lowest row of the tree that is as far from a row as the tree is.
struct FirstTied<'a> {
    rows: &'a LaneRows,
    blocks: &'a [Block],
    of: usize,
    core: f64,
    length: f64,
}

impl NullaryFnOnce for FirstTied<'_> {
    type Output = usize;

    #[inline(always)]
    fn call(self) -> usize {
        let near = TIE.1 + TIE.0 * self.length;
        for block in self.blocks {
            let lengths = block.distances(self.rows, self.of, self.core);
            let rows = self.rows.len() - block.index * LANES;
            for (lane, (length, nearest)) in lengths.iter().zip(&block.nearest).enumerate().take(rows) {
                if *nearest < 0.0 && (length - self.length).abs() <= near {
                    return block.index * LANES + lane;
                }
            }
        }
        unreachable!("the row that is nearest to the tree is as far from some row of it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tied_edge_ends_at_the_lowest_row() {
        // Row 3 is as far from row 0 as from row 2, and joins from row 2.
        let data: Vec<f32> = vec![0.0, 0.0, 1.0, 0.0, 2.0, 0.0, 1.0, 5.0];
        let rows = LaneRows::new(4, 2, |i| &data[2 * i..2 * i + 2]);
        let edges = spanning_tree(&rows, &[5.5; 4]);
        assert_eq!(edges, [(0, 1, 5.5), (0, 2, 5.5), (0, 3, 5.5)]);
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let data = super::super::super::fixtures::blobs(6100, 10, 3, 8);
        let rows = LaneRows::new(6100, 10, |i| data.row(i));
        let tree = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| spanning_tree(&rows, &vec![0.1; 6100]))
        };
        assert_eq!(tree(1), tree(3));
    }
}
