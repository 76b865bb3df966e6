//! The same search through a k-d tree: in few dimensions it passes most rows by.

use super::bracket::Space;
use super::{Neighbours, settle};
use crate::cluster::kd_tree::{KdTree, LEAF, Search};
use crate::cluster::lanes::{Lanes, distances};
use crate::matrix::Matrix;
use rayon::prelude::*;

/// The tree's sums and those that decide in the end may round differently.
const SLACK: f64 = 1.0 + 1e-12;

/// The k nearest rows of `reference` for every row of `queries`.
pub(super) fn search(space: &Space<'_>, reference: &Matrix, queries: &Matrix, k: usize) -> Neighbours {
    let tree = KdTree::new(reference);
    // Queries that lie close together look at the same leaves.
    let sorted = (!space.itself()).then(|| KdTree::new(queries));
    let sorted = sorted.as_ref().unwrap_or(&tree);
    let of_leaf = |kept: &mut Vec<Vec<(f64, u32)>>, leaf: usize| {
        let ids = &sorted.ids[leaf * LEAF..sorted.len().min((leaf + 1) * LEAF)];
        kept.resize(LEAF, Vec::new());
        kept.iter_mut().for_each(Vec::clear);
        let rows = sorted.points.block(leaf);
        let mut nearest = Nearest {
            tree: &tree,
            rows,
            k,
            limits: std::array::from_fn(|lane| if lane < ids.len() { f64::INFINITY } else { -1.0 }),
            ripe: [k; LEAF],
            kept,
        };
        tree.walk(rows, &mut nearest);
        let (mut indices, mut found) = (vec![0_u32; ids.len() * k], vec![0.0_f32; ids.len() * k]);
        let slots = indices.chunks_mut(k).zip(found.chunks_mut(k));
        for ((lane, &id), (indices, distances)) in ids.iter().enumerate().zip(slots) {
            nearest.sort_out(lane);
            let kept = &mut nearest.kept[lane];
            // Among many copies of it the query itself may not have been one of the lowest rows.
            if space.itself() && !kept.iter().any(|(_, row)| *row == id) {
                kept.push((0.0, id));
            }
            let candidates = kept.iter().map(|(_, row)| *row);
            settle(space, id as usize, candidates, indices, distances);
        }
        (indices, found)
    };
    let leaves: Vec<_> = (0..sorted.points.blocks())
        .into_par_iter()
        .map_init(Vec::new, of_leaf)
        .collect();
    let mut all = Neighbours {
        k,
        indices: vec![0; queries.rows() * k],
        distances: vec![0.0; queries.rows() * k],
    };
    for (ids, (indices, distances)) in sorted.ids.chunks(LEAF).zip(&leaves) {
        for (lane, &id) in ids.iter().enumerate() {
            let (to, from) = (id as usize * k, lane * k);
            all.indices[to..to + k].copy_from_slice(&indices[from..from + k]);
            all.distances[to..to + k].copy_from_slice(&distances[from..from + k]);
        }
    }
    all
}

/// The rows that may be among the k nearest of each query of a block.
struct Nearest<'a> {
    tree: &'a KdTree,
    rows: &'a [Lanes],
    k: usize,
    /// No squared distance above this matters to the query; negative for lanes without one.
    limits: Lanes,
    /// Rows kept for a query before they are sorted out: sorting out costs time, and a limit that is out of date costs
    /// visits.
    ripe: [usize; LEAF],
    /// Squared distance and row number.
    kept: &'a mut Vec<Vec<(f64, u32)>>,
}

impl Nearest<'_> {
    /// Keeps the k smallest and what ties with the largest of them; of copies of the query the lowest rows.
    fn sort_out(&mut self, lane: usize) {
        let kept = &mut self.kept[lane];
        let (_, kth, _) = kept.select_nth_unstable_by(self.k - 1, |a, b| a.0.total_cmp(&b.0));
        let limit = kth.0 * SLACK;
        kept.retain(|(square, _)| *square <= limit);
        if limit == 0.0 && kept.len() > self.k {
            kept.select_nth_unstable_by_key(self.k - 1, |(_, row)| *row);
            kept.truncate(self.k);
        }
        self.limits[lane] = limit;
        // Where many tie, each of them is looked at a few times and not once for every leaf.
        self.ripe[lane] = (self.k + self.k / 4 + 8).max(2 * kept.len());
    }
}

impl Search for Nearest<'_> {
    #[inline(always)]
    fn enters(&self, _: usize, distances: &Lanes) -> bool {
        distances
            .iter()
            .zip(&self.limits)
            .fold(false, |any, (distance, limit)| any | (distance <= limit))
    }

    #[inline(always)]
    fn scan(&mut self, leaf: usize, boxes: &Lanes) {
        let first = self.tree.nodes[leaf].start;
        let ids = &self.tree.ids[first..self.tree.nodes[leaf].end];
        for lane in 0..LEAF {
            let limit = self.limits[lane];
            if boxes[lane] > limit {
                continue;
            }
            let row = self.rows.iter().map(|column| column[lane]);
            let squares = distances(row, self.tree.points.block(first / LEAF));
            let near = squares.iter().zip(ids).filter(|(square, _)| **square <= limit);
            self.kept[lane].extend(near.map(|(square, id)| (*square, *id)));
            if self.kept[lane].len() >= self.ripe[lane] {
                self.sort_out(lane);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{naive, random};
    use super::super::{Metric, exact_between};
    use super::*;

    fn through_the_tree(reference: &Matrix, queries: &Matrix, k: usize, itself: bool) -> Neighbours {
        let space = Space::new(reference, queries, Metric::Euclidean, itself);
        search(&space, reference, queries, k)
    }

    #[test]
    fn the_tree_gives_what_the_definition_gives() {
        for (rows, cols, k) in [(1000, 2, 7), (500, 3, 500), (300, 8, 40), (5, 1, 1)] {
            let data = random(rows, cols, 0.0);
            assert_eq!(
                through_the_tree(&data, &data, k, true),
                naive(&data, k, Metric::Euclidean)
            );
        }
    }

    #[test]
    fn ties_go_by_row_and_a_point_comes_first_among_its_duplicates() {
        // A small grid, every point three times.
        let values = (0..600).flat_map(|i| [(i % 20) as f32, (i / 20 % 10) as f32]);
        let data = Matrix::new(600, 2, values.collect());
        assert_eq!(
            through_the_tree(&data, &data, 11, true),
            naive(&data, 11, Metric::Euclidean)
        );
    }

    #[test]
    fn of_very_many_copies_the_lowest_rows_come_first() {
        // Every second row is the same, and some of the others are.
        let values = (0..3000).flat_map(|i| {
            if i % 2 == 0 {
                [0.5, 0.5]
            } else {
                [(i % 7) as f32, i as f32]
            }
        });
        let data = Matrix::new(3000, 2, values.collect());
        assert_eq!(
            through_the_tree(&data, &data, 6, true),
            naive(&data, 6, Metric::Euclidean)
        );
    }

    #[test]
    fn queries_need_not_be_in_the_tree() {
        let (reference, queries) = (random(400, 2, 0.0), random(77, 2, 0.5));
        let products = exact_between(&reference, &queries, 9, Metric::Euclidean).unwrap();
        assert_eq!(through_the_tree(&reference, &queries, 9, false), products);
    }
}
