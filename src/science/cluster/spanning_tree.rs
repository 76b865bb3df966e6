//! The minimum spanning tree of mutual reachability distances: the order of edges, and which algorithm builds it.

use std::cmp::Ordering;

use super::boruvka::boruvka;
use super::kd_tree::KdTree;
use super::prim::prim;

/// Boxes of a k-d tree exclude little in more dimensions than this, and Prim's straight scan wins.
const MOST_COLUMNS_FOR_BORUVKA: usize = 20;

/// An edge of the spanning tree between the rows `low` < `high`.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Edge {
    pub low: u32,
    pub high: u32,
    /// The mutual reachability distance.
    pub distance: f64,
}

/// What an edge is compared by. All edges differ, so the minimum spanning tree is unique and parallel searches agree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Key {
    /// d*², what the tree minimises.
    pub reach: f64,
    /// (d / alpha)²: d* often ties where a core distance is the largest of the three, and this rarely does.
    pub raw: f64,
    pub low: u32,
    pub high: u32,
}

impl Key {
    pub const NONE: Self = Self {
        reach: f64::INFINITY,
        raw: f64::INFINITY,
        low: u32::MAX,
        high: u32::MAX,
    };

    pub fn new(reach: f64, raw: f64, a: u32, b: u32) -> Self {
        Self {
            reach,
            raw,
            low: a.min(b),
            high: a.max(b),
        }
    }

    pub fn order(&self, other: &Self) -> Ordering {
        self.reach
            .total_cmp(&other.reach)
            .then(self.raw.total_cmp(&other.raw))
            .then(self.low.cmp(&other.low))
            .then(self.high.cmp(&other.high))
    }

    pub fn before(&self, other: &Self) -> bool {
        self.order(other) == Ordering::Less
    }
}

/// The points with their squared core distances, in the tree's order.
pub(super) struct Reach<'a> {
    pub tree: &'a KdTree,
    pub cores: &'a [f64],
    /// 1 / alpha².
    pub per_alpha: f64,
}

/// The edges of the minimum spanning tree, ascending.
pub(super) fn minimum_spanning_tree(reach: &Reach) -> Vec<Edge> {
    let mut keys = if reach.tree.points.cols() <= MOST_COLUMNS_FOR_BORUVKA {
        boruvka(reach)
    } else {
        prim(reach)
    };
    keys.sort_unstable_by(Key::order);
    keys.iter()
        .map(|key| Edge {
            low: key.low,
            high: key.high,
            distance: key.reach.sqrt(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::blobs;
    use super::super::nearest::kth_others;
    use super::super::squared;
    use super::*;
    use crate::matrix::Matrix;
    use proptest::prelude::*;

    /// Kruskal over all pairs, from the definition.
    fn by_definition(points: &Matrix, min_samples: usize, alpha: f64) -> Vec<Key> {
        let row = |i: usize| points.row(i).iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
        let square = |i: usize, j: usize| squared(&row(i), &row(j));
        let core = |i: usize| {
            let mut others: Vec<f64> = (0..points.rows()).filter(|&j| j != i).map(|j| square(i, j)).collect();
            others.sort_by(f64::total_cmp);
            others[min_samples.min(others.len()) - 1]
        };
        let cores: Vec<f64> = (0..points.rows()).map(core).collect();
        let mut keys = Vec::new();
        for i in 0..points.rows() {
            for j in 0..i {
                let raw = square(i, j) * (1.0 / (alpha * alpha));
                keys.push(Key::new(raw.max(cores[i]).max(cores[j]), raw, i as u32, j as u32));
            }
        }
        keys.sort_by(Key::order);
        let mut group: Vec<usize> = (0..points.rows()).collect();
        keys.retain(|key| {
            let (a, b) = (group[key.low as usize], group[key.high as usize]);
            group.iter_mut().filter(|g| **g == a).for_each(|g| *g = b);
            a != b
        });
        keys
    }

    fn both(points: &Matrix, min_samples: usize, alpha: f64) -> [Vec<Key>; 2] {
        let tree = KdTree::new(points);
        let k = min_samples.min(points.rows() - 1);
        let cores = kth_others(&tree, k);
        let reach = Reach {
            tree: &tree,
            cores: &cores,
            per_alpha: 1.0 / (alpha * alpha),
        };
        let mut trees = [boruvka(&reach), prim(&reach)];
        trees.iter_mut().for_each(|keys| keys.sort_by(Key::order));
        trees
    }

    #[test]
    fn boruvka_and_prim_give_one_tree() {
        for (rows, cols, min_samples) in [(700, 2, 5), (500, 10, 3), (300, 30, 1)] {
            let [a, b] = both(&blobs(rows, cols, 4, 3), min_samples, 1.0);
            assert_eq!((a.len(), &a), (rows - 1, &b));
        }
    }

    #[test]
    fn equal_points_give_a_tree_of_zeros() {
        for keys in both(&Matrix::new(90, 2, vec![3.0; 180]), 4, 1.0) {
            assert_eq!(keys.len(), 89);
            assert!(keys.iter().all(|key| key.reach == 0.0));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// Few distinct coordinates: most distances tie, and rows coincide.
        #[test]
        fn ties_are_broken_as_by_definition(
            cells in prop::collection::vec(0_u8..4, 4..160), min_samples in 1_usize..6, alpha in 0.5_f64..2.0
        ) {
            let data: Vec<f32> = cells[..cells.len() / 2 * 2].iter().map(|&c| f32::from(c)).collect();
            let points = Matrix::new(data.len() / 2, 2, data);
            let expected = by_definition(&points, min_samples, alpha);
            for keys in both(&points, min_samples, alpha) {
                prop_assert_eq!(&keys, &expected);
            }
        }
    }
}
