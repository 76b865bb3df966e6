//! The distance to the k-th nearest other point, for all points of a leaf at once.

use rayon::prelude::*;

use super::kd_tree::{KdTree, LEAF, Search};
use super::lanes::{Lanes, distances};

/// The squared distance from each position to its k-th nearest other point, 1 ≤ k < N.
pub(super) fn kth_others(tree: &KdTree, k: usize) -> Vec<f64> {
    let mut found = vec![0.0; tree.len()];
    found
        .par_chunks_mut(LEAF)
        .enumerate()
        .for_each_init(Vec::new, |space, (leaf, found)| {
            space.resize(LEAF * room(k), 0.0);
            let mut search = Nearest::new(tree, leaf, k, space);
            tree.walk(tree.points.block(leaf), &mut search);
            for (lane, found) in found.iter_mut().enumerate() {
                *found = search.kth(lane);
            }
        });
    found
}

/// Distances kept per point: the k smallest so far, as many again before they are sorted out, and one leaf more.
fn room(k: usize) -> usize {
    k + slack(k) + LEAF
}

/// Distances beyond k that may gather: sorting out costs time, and a limit that is out of date costs visits.
fn slack(k: usize) -> usize {
    k / 4 + 1
}

struct Nearest<'a> {
    tree: &'a KdTree,
    own: usize,
    k: usize,
    /// No distance from this on matters to the point; negative for lanes without one.
    limits: Lanes,
    /// How many distances are kept.
    counts: [usize; LEAF],
    /// [`room`] distances per point.
    kept: &'a mut [f64],
}

impl<'a> Nearest<'a> {
    fn new(tree: &'a KdTree, own: usize, k: usize, kept: &'a mut [f64]) -> Self {
        let points = LEAF.min(tree.len() - own * LEAF);
        Self {
            tree,
            own,
            k,
            limits: std::array::from_fn(|lane| if lane < points { f64::INFINITY } else { -1.0 }),
            counts: [0; LEAF],
            kept,
        }
    }

    /// Keeps the k smallest; gives the largest of them.
    fn kth(&mut self, lane: usize) -> f64 {
        let start = lane * room(self.k);
        let kept = &mut self.kept[start..start + self.counts[lane]];
        self.counts[lane] = self.k;
        *kept.select_nth_unstable_by(self.k - 1, f64::total_cmp).1
    }
}

impl Search for Nearest<'_> {
    #[inline(always)]
    fn enters(&self, _: usize, distances: &Lanes) -> bool {
        distances
            .iter()
            .zip(&self.limits)
            .fold(false, |any, (distance, limit)| any | (distance < limit))
    }

    #[inline(always)]
    fn scan(&mut self, leaf: usize, boxes: &Lanes) {
        let other = self.tree.nodes[leaf].start / LEAF;
        for lane in 0..LEAF {
            let limit = self.limits[lane];
            if boxes[lane] >= limit {
                continue;
            }
            let mut squares = distances(
                self.tree.points.row(self.own * LEAF + lane),
                self.tree.points.block(other),
            );
            if other == self.own {
                squares[lane] = f64::INFINITY;
            }
            let start = lane * room(self.k);
            let kept = &mut self.kept[start..start + room(self.k)];
            let mut count = self.counts[lane];
            // Without a branch: every distance is written, and overwritten by the next one if it is too large.
            for square in squares {
                kept[count] = square;
                count += usize::from(square < limit);
            }
            self.counts[lane] = count;
            if count >= self.k + slack(self.k) || (limit == f64::INFINITY && count >= self.k) {
                self.limits[lane] = self.kth(lane);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::blobs;
    use super::super::squared;
    use super::*;
    use crate::matrix::Matrix;

    #[test]
    fn the_kth_other_is_that_of_a_full_scan() {
        let tree = KdTree::new(&blobs(300, 3, 4, 5));
        let row = |position: usize| tree.points.row(position).collect::<Vec<f64>>();
        for k in [1, 2, 17, 100, 299] {
            let found = kth_others(&tree, k);
            for position in (0..300).step_by(7) {
                let mut all: Vec<f64> = (0..300)
                    .filter(|&other| other != position)
                    .map(|other| squared(&row(position), &row(other)))
                    .collect();
                all.sort_by(f64::total_cmp);
                assert_eq!(found[position], all[k - 1]);
            }
        }
    }

    #[test]
    fn copies_are_neighbours_at_distance_zero() {
        let tree = KdTree::new(&Matrix::new(500, 2, vec![1.5; 1000]));
        assert_eq!(kth_others(&tree, 499), [0.0; 500]);
    }
}
