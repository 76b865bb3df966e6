//! A k-d tree over the rows of a matrix, in f64, searched for a block of rows at once. All leaves but the last are full.

use pulp::NullaryFnOnce;

use super::lanes::{LANES, LaneRows, Lanes};
use crate::matrix::Matrix;

/// Points per leaf.
pub(crate) const LEAF: usize = LANES;

/// A node covers the positions `start..end`; its children, if any, split them in two.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub start: usize,
    pub end: usize,
    /// Indices of the children; `None` for a leaf.
    pub children: Option<(usize, usize)>,
}

/// Rows sorted into boxes. *Position* is a place in the tree's order, *id* the row in the matrix; leaf l holds the positions
/// from l · [`LEAF`].
#[derive(Clone, Debug)]
pub(crate) struct KdTree {
    /// The id of each position.
    pub ids: Vec<u32>,
    /// Parents before their children; node 0 is the root.
    pub nodes: Vec<Node>,
    /// The points in order of position, so that block l is leaf l.
    pub points: LaneRows,
    /// Lower and upper side of each node's box, column by column.
    boxes: Vec<(f64, f64)>,
    arch: pulp::Arch,
}

/// What a walk looks for on behalf of a block of rows.
pub(crate) trait Search {
    /// Whether some row may find something in `node`, given the squared distance of each to the node's box.
    fn enters(&self, node: usize, distances: &Lanes) -> bool;

    /// Looks at the points of `leaf`, the node of a leaf, for every row that may find something there.
    fn scan(&mut self, leaf: usize, distances: &Lanes);
}

impl KdTree {
    /// Splits at the middle of the widest side. Equal coordinates are ordered by id, so the tree is a function of the rows.
    pub fn new(rows: &Matrix) -> Self {
        let mut ids: Vec<u32> = (0..rows.rows() as u32).collect();
        let (mut nodes, mut boxes) = (Vec::new(), Vec::new());
        build(rows, &mut ids, 0, &mut nodes, &mut boxes);
        let points = LaneRows::new(ids.len(), rows.cols(), |position| rows.row(ids[position] as usize));
        Self {
            ids,
            nodes,
            points,
            boxes,
            arch: pulp::Arch::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// The least of one value per position in each node.
    pub fn least<T: Copy + PartialOrd>(&self, values: &[T]) -> Vec<T> {
        let mut least = vec![values[0]; self.nodes.len()];
        let lesser = |a: T, b: T| if b < a { b } else { a };
        for (index, node) in self.nodes.iter().enumerate().rev() {
            least[index] = match node.children {
                Some((a, b)) => lesser(least[a], least[b]),
                None => values[node.start..node.end]
                    .iter()
                    .copied()
                    .fold(values[node.start], lesser),
            };
        }
        least
    }

    /// Lets `search` see all leaves that it enters, near ones first, on behalf of a block of rows.
    pub fn walk(&self, rows: &[Lanes], search: &mut impl Search) {
        self.arch.dispatch(Walk {
            tree: self,
            rows,
            search,
        });
    }

    /// The squared distances from a block of rows to the box of `node`: no point of the node is nearer.
    #[inline(always)]
    fn box_distances(&self, rows: &[Lanes], node: usize) -> Lanes {
        let mut sums = [0.0; LEAF];
        let sides = &self.boxes[node * rows.len()..][..rows.len()];
        for (column, &(low, high)) in rows.iter().zip(sides) {
            for (sum, x) in sums.iter_mut().zip(column) {
                let outside = (low - x).max(x - high).max(0.0);
                *sum += outside * outside;
            }
        }
        sums
    }
}

/// Adds the node of `ids` and all below it; gives its index.
fn build(rows: &Matrix, ids: &mut [u32], start: usize, nodes: &mut Vec<Node>, boxes: &mut Vec<(f64, f64)>) -> usize {
    let index = nodes.len();
    nodes.push(Node {
        start,
        end: start + ids.len(),
        children: None,
    });
    let mut sides = vec![(f32::INFINITY, f32::NEG_INFINITY); rows.cols()];
    for &id in ids.iter() {
        for ((low, high), &value) in sides.iter_mut().zip(rows.row(id as usize)) {
            *low = low.min(value);
            *high = high.max(value);
        }
    }
    let length = |col: usize| f64::from(sides[col].1) - f64::from(sides[col].0);
    let widest = (0..rows.cols())
        .rev()
        .max_by(|&a, &b| length(a).total_cmp(&length(b)))
        .unwrap_or(0);
    boxes.extend(sides.iter().map(|&(low, high)| (f64::from(low), f64::from(high))));
    if ids.len() > LEAF {
        // Whole leaves to the left, so that all but the last are full.
        let middle = ids.len().div_ceil(LEAF) / 2 * LEAF;
        ids.select_nth_unstable_by(middle, |&a, &b| {
            let at = |id: u32| rows.row(id as usize)[widest];
            at(a).total_cmp(&at(b)).then(a.cmp(&b))
        });
        let (left, right) = ids.split_at_mut(middle);
        let first = build(rows, left, start, nodes, boxes);
        let second = build(rows, right, start + middle, nodes, boxes);
        nodes[index].children = Some((first, second));
    }
    index
}

/// A walk down the tree, in one function without recursion so that all of it compiles for the processor at hand.
struct Walk<'a, S> {
    tree: &'a KdTree,
    rows: &'a [Lanes],
    search: &'a mut S,
}

impl<S: Search> NullaryFnOnce for Walk<'_, S> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { tree, rows, search } = self;
        let mut ahead = vec![(0, [0.0; LEAF])];
        while let Some((node, distances)) = ahead.pop() {
            if !search.enters(node, &distances) {
                continue;
            }
            let Some((left, right)) = tree.nodes[node].children else {
                search.scan(node, &distances);
                continue;
            };
            let (to_left, to_right) = (tree.box_distances(rows, left), tree.box_distances(rows, right));
            let left_first = to_left.iter().zip(&to_right).filter(|(a, b)| a <= b).count() > LEAF / 2;
            if left_first {
                ahead.extend([(right, to_right), (left, to_left)]);
            } else {
                ahead.extend([(left, to_left), (right, to_right)]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::blobs;
    use super::super::squared;
    use super::*;

    fn point(tree: &KdTree, position: usize) -> Vec<f64> {
        tree.points.row(position).collect()
    }

    #[test]
    fn every_row_has_one_position() {
        let rows = blobs(100, 2, 3, 1);
        let tree = KdTree::new(&rows);
        let mut ids = tree.ids.clone();
        ids.sort_unstable();
        assert!(ids.iter().enumerate().all(|(i, &id)| i == id as usize));
        for (position, &id) in tree.ids.iter().enumerate() {
            let row: Vec<f64> = rows.row(id as usize).iter().map(|&v| f64::from(v)).collect();
            assert_eq!(point(&tree, position), row);
        }
    }

    #[test]
    fn all_leaves_but_the_last_are_full() {
        for rows in [1, LEAF, LEAF + 1, 1000] {
            let tree = KdTree::new(&blobs(rows, 2, 3, 1));
            let mut leaves: Vec<&Node> = tree.nodes.iter().filter(|node| node.children.is_none()).collect();
            leaves.sort_by_key(|node| node.start);
            assert_eq!(leaves.len(), tree.points.blocks());
            for (leaf, node) in leaves.iter().enumerate() {
                assert_eq!((node.start, node.end), (leaf * LEAF, rows.min((leaf + 1) * LEAF)));
            }
        }
    }

    #[test]
    fn a_box_is_never_farther_than_its_points() {
        let tree = KdTree::new(&blobs(200, 3, 2, 9));
        for (index, node) in tree.nodes.iter().enumerate() {
            let bounds = tree.box_distances(tree.points.block(0), index);
            for position in node.start..node.end {
                for (lane, bound) in bounds.iter().enumerate() {
                    assert!(*bound <= squared(&point(&tree, lane), &point(&tree, position)));
                }
            }
        }
    }

    /// Sees everything, and notes in which order.
    struct All(Vec<usize>);

    impl Search for All {
        fn enters(&self, _: usize, _: &Lanes) -> bool {
            true
        }

        fn scan(&mut self, leaf: usize, _: &Lanes) {
            self.0.push(leaf);
        }
    }

    #[test]
    fn a_walk_starts_at_its_own_leaf_and_sees_every_other_once() {
        let tree = KdTree::new(&blobs(500, 2, 3, 4));
        let mut all = All(Vec::new());
        tree.walk(tree.points.block(7), &mut all);
        assert_eq!(tree.nodes[all.0[0]].start, 7 * LEAF);
        all.0.sort_unstable();
        all.0.dedup();
        assert_eq!(all.0.len(), tree.points.blocks());
    }
}
