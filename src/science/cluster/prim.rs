//! Prim's algorithm on the complete graph: O(N²) distances, O(N·D) memory, no index to degrade in many dimensions.

use rayon::prelude::*;

use super::spanning_tree::{Key, Reach};

/// Candidates per block: one column of a block fills a few cache lines and the compiler's vectors.
const BLOCK: usize = 128;

/// Multiplications per step below which splitting a step over threads costs more than it saves.
const WORTH_THREADS: usize = 60_000;

/// Up to [`BLOCK`] points outside the tree, with their best edge into it. Coordinates are column-major.
struct Block {
    len: usize,
    columns: Vec<[f64; BLOCK]>,
    cores: [f64; BLOCK],
    reach: [f64; BLOCK],
    raw: [f64; BLOCK],
    source: [u32; BLOCK],
    ids: [u32; BLOCK],
}

impl Block {
    fn new(reach: &Reach, start: usize) -> Self {
        let len = BLOCK.min(reach.tree.len() - start);
        let mut block = Self {
            len,
            columns: vec![[0.0; BLOCK]; reach.tree.points.cols()],
            cores: [0.0; BLOCK],
            reach: [f64::INFINITY; BLOCK],
            raw: [f64::INFINITY; BLOCK],
            source: [u32::MAX; BLOCK],
            ids: [u32::MAX; BLOCK],
        };
        for lane in 0..len {
            for (column, value) in block.columns.iter_mut().zip(reach.tree.points.row(start + lane)) {
                column[lane] = value;
            }
            block.cores[lane] = reach.cores[start + lane];
            block.ids[lane] = reach.tree.ids[start + lane];
        }
        block
    }

    fn key(&self, lane: usize) -> Key {
        Key::new(self.reach[lane], self.raw[lane], self.source[lane], self.ids[lane])
    }

    /// Offers every candidate the edge to the new point; gives the lane of the best edge into the tree.
    fn offer(&mut self, added: &Added, per_alpha: f64) -> Option<usize> {
        let mut distance = [0.0; BLOCK];
        for (column, &value) in self.columns.iter().zip(&added.point) {
            for (sum, &x) in distance.iter_mut().zip(column) {
                *sum += (x - value) * (x - value);
            }
        }
        let mut offered = [0.0; BLOCK];
        for lane in 0..BLOCK {
            distance[lane] *= per_alpha;
            offered[lane] = distance[lane].max(self.cores[lane]).max(added.core);
        }
        let mut best: Option<usize> = None;
        for lane in 0..self.len {
            if offered[lane] <= self.reach[lane] {
                let key = Key::new(offered[lane], distance[lane], added.id, self.ids[lane]);
                if key.before(&self.key(lane)) {
                    (self.reach[lane], self.raw[lane]) = (key.reach, key.raw);
                    self.source[lane] = added.id;
                }
            }
            let better = |best: usize| self.reach[lane] <= self.reach[best] && self.key(lane).before(&self.key(best));
            if best.is_none_or(better) {
                best = Some(lane);
            }
        }
        best
    }

    /// Takes a candidate out by moving the last one into its place.
    fn take(&mut self, lane: usize) -> Added {
        let added = Added {
            point: self.columns.iter().map(|column| column[lane]).collect(),
            core: self.cores[lane],
            id: self.ids[lane],
        };
        let last = self.len - 1;
        for column in &mut self.columns {
            column[lane] = column[last];
        }
        self.cores[lane] = self.cores[last];
        self.reach[lane] = self.reach[last];
        self.raw[lane] = self.raw[last];
        self.source[lane] = self.source[last];
        self.ids[lane] = self.ids[last];
        self.len = last;
        added
    }
}

/// The point that joined the tree last.
struct Added {
    point: Vec<f64>,
    core: f64,
    id: u32,
}

/// The edges of the minimum spanning tree, in the order in which they were found.
pub(super) fn prim(reach: &Reach) -> Vec<Key> {
    let rows = reach.tree.len();
    let mut blocks: Vec<Block> = (0..rows).step_by(BLOCK).map(|start| Block::new(reach, start)).collect();
    let mut keys = Vec::with_capacity(rows.saturating_sub(1));
    let mut added = blocks[0].take(0);
    while keys.len() + 1 < rows {
        blocks.retain(|block| block.len > 0);
        let offer = |(index, block): (usize, &mut Block)| {
            block
                .offer(&added, reach.per_alpha)
                .map(|lane| (block.key(lane), index, lane))
        };
        let earlier = |a: (Key, usize, usize), b: (Key, usize, usize)| if b.0.before(&a.0) { b } else { a };
        let work = (rows - keys.len()) * reach.tree.points.cols();
        let best = if work < WORTH_THREADS {
            blocks.iter_mut().enumerate().filter_map(offer).reduce(earlier)
        } else {
            let per_task = blocks.len().div_ceil(rayon::current_num_threads()).max(1);
            blocks
                .par_iter_mut()
                .enumerate()
                .with_min_len(per_task)
                .filter_map(offer)
                .reduce_with(earlier)
        };
        let (key, index, lane) = best.expect("points are left outside the tree");
        keys.push(key);
        added = blocks[index].take(lane);
    }
    keys
}
