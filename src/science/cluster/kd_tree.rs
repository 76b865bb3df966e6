//! A k-d tree over the rows of a matrix, in f64.

use super::squared;
use crate::matrix::Matrix;

/// Points per leaf: a leaf is scanned in a straight line, which beats descending for about this many.
const LEAF: usize = 24;

/// A node covers the positions `start..end`; its children, if any, split them in two.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub start: usize,
    pub end: usize,
    /// Index of the first child; the second follows the first one's subtree. `None` for a leaf.
    pub children: Option<(usize, usize)>,
}

/// Rows sorted into boxes. *Position* is a place in the tree's order, *id* the row in the matrix.
#[derive(Clone, Debug)]
pub(super) struct KdTree {
    pub cols: usize,
    /// The id of each position.
    pub ids: Vec<u32>,
    /// Coordinates in order of position, row-major.
    pub points: Vec<f64>,
    /// Parents before their children; node 0 is the root.
    pub nodes: Vec<Node>,
    /// Lower then upper corner of each node's box.
    boxes: Vec<f64>,
}

impl KdTree {
    /// Splits at the median of the widest side. Equal coordinates are ordered by id, so the tree is a function of the rows.
    pub fn new(rows: &Matrix) -> Self {
        let cols = rows.cols();
        let mut tree = Self {
            cols,
            ids: Vec::new(),
            points: Vec::new(),
            nodes: Vec::new(),
            boxes: Vec::new(),
        };
        let mut ids: Vec<u32> = (0..rows.rows() as u32).collect();
        tree.build(rows, &mut ids, 0);
        tree.points = ids
            .iter()
            .flat_map(|&id| rows.row(id as usize).iter().map(|&v| f64::from(v)))
            .collect();
        tree.ids = ids;
        tree
    }

    fn build(&mut self, rows: &Matrix, ids: &mut [u32], start: usize) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node {
            start,
            end: start + ids.len(),
            children: None,
        });
        let (mut lower, mut upper) = (vec![f64::INFINITY; self.cols], vec![f64::NEG_INFINITY; self.cols]);
        for &id in ids.iter() {
            for ((low, high), &value) in lower.iter_mut().zip(&mut upper).zip(rows.row(id as usize)) {
                *low = low.min(f64::from(value));
                *high = high.max(f64::from(value));
            }
        }
        let side = |c: &usize| upper[*c] - lower[*c];
        let widest = (0..self.cols)
            .rev()
            .max_by(|a, b| side(a).total_cmp(&side(b)))
            .unwrap_or(0);
        let splits = ids.len() > LEAF && side(&widest) > 0.0;
        self.boxes.extend(lower);
        self.boxes.extend(upper);
        if splits {
            let middle = ids.len() / 2;
            ids.select_nth_unstable_by(middle, |&a, &b| {
                let at = |id: u32| rows.row(id as usize)[widest];
                at(a).total_cmp(&at(b)).then(a.cmp(&b))
            });
            let (left, right) = ids.split_at_mut(middle);
            let first = self.build(rows, left, start);
            let second = self.build(rows, right, start + middle);
            self.nodes[index].children = Some((first, second));
        }
        index
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn point(&self, position: usize) -> &[f64] {
        &self.points[position * self.cols..(position + 1) * self.cols]
    }

    /// The squared distance from `point` to the box of `node`: no point of the node is nearer.
    pub fn box_distance(&self, node: usize, point: &[f64]) -> f64 {
        let corners = &self.boxes[node * 2 * self.cols..(node + 1) * 2 * self.cols];
        let (lower, upper) = corners.split_at(self.cols);
        let outside = |((low, high), x): ((&f64, &f64), &f64)| (low - x).max(x - high).max(0.0);
        lower.iter().zip(upper).zip(point).map(outside).map(|d| d * d).sum()
    }

    /// The squared distance from the point at `position` to its k-th nearest other point, 1 ≤ k < N.
    ///
    /// `nearest` is working space that keeps its capacity between calls.
    pub fn kth_other(&self, position: usize, k: usize, nearest: &mut Vec<f64>) -> f64 {
        nearest.clear();
        self.visit(0, position, k, nearest);
        nearest[k - 1]
    }

    fn visit(&self, node: usize, position: usize, k: usize, nearest: &mut Vec<f64>) {
        let point = self.point(position);
        let Node { start, end, children } = self.nodes[node];
        let Some((left, right)) = children else {
            for other in start..end {
                if other != position {
                    insert(nearest, squared(point, self.point(other)), k);
                }
            }
            return;
        };
        let (to_left, to_right) = (self.box_distance(left, point), self.box_distance(right, point));
        let near_first = if to_left <= to_right {
            [(left, to_left), (right, to_right)]
        } else {
            [(right, to_right), (left, to_left)]
        };
        for (child, distance) in near_first {
            if nearest.len() < k || distance < nearest[k - 1] {
                self.visit(child, position, k, nearest);
            }
        }
    }
}

/// Keeps the `k` smallest values in ascending order.
fn insert(nearest: &mut Vec<f64>, value: f64, k: usize) {
    if nearest.len() == k {
        if value >= nearest[k - 1] {
            return;
        }
        nearest.pop();
    }
    let place = nearest.partition_point(|&kept| kept <= value);
    nearest.insert(place, value);
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::blobs;
    use super::*;

    #[test]
    fn kth_other_is_the_brute_force_distance() {
        let rows = blobs(300, 3, 4, 5);
        let tree = KdTree::new(&rows);
        let mut space = Vec::new();
        for position in (0..300).step_by(7) {
            let mut all: Vec<f64> = (0..300)
                .filter(|&other| other != position)
                .map(|other| squared(tree.point(position), tree.point(other)))
                .collect();
            all.sort_by(f64::total_cmp);
            for k in [1, 2, 17, 299] {
                assert_eq!(tree.kth_other(position, k, &mut space), all[k - 1]);
            }
        }
    }

    #[test]
    fn equal_points_share_one_leaf() {
        let tree = KdTree::new(&Matrix::new(500, 2, vec![1.5; 1000]));
        assert_eq!(tree.nodes.len(), 1);
        assert_eq!(tree.kth_other(3, 499, &mut Vec::new()), 0.0);
    }

    #[test]
    fn every_row_has_one_position() {
        let tree = KdTree::new(&blobs(100, 2, 3, 1));
        let mut ids = tree.ids.clone();
        ids.sort_unstable();
        assert!(ids.iter().enumerate().all(|(i, &id)| i == id as usize));
    }

    #[test]
    fn a_box_is_never_farther_than_its_points() {
        let tree = KdTree::new(&blobs(200, 3, 2, 9));
        for (index, node) in tree.nodes.iter().enumerate() {
            for position in node.start..node.end {
                assert!(tree.box_distance(index, tree.point(0)) <= squared(tree.point(0), tree.point(position)));
            }
        }
    }
}
