//! The condensed tree: single linkage without the splits that only shed a few rows (Campello, Moulavi & Sander 2013).

use std::collections::VecDeque;

use super::single_linkage::SingleLinkage;

/// A line of the condensed tree: at density `lambda`, `child` leaves `parent`.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct CondensedRow {
    /// A cluster: N is the root, its descendants follow in breadth-first order.
    pub parent: u32,
    /// A row (below N) or a cluster.
    pub child: u32,
    /// 1 / distance.
    pub lambda: f64,
    /// Rows in the child.
    pub size: u32,
}

/// One cluster of the condensed tree. Clusters are named by their index; the root is 0, and children follow parents.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Cluster {
    pub parent: Option<usize>,
    /// None, two, or more where several splits happen at one λ.
    pub children: Vec<usize>,
    /// λ at which it split from its parent; 0 for the root.
    pub birth: f64,
    /// λ at which the last row leaves it, or it splits.
    pub death: f64,
    /// Rows at birth.
    pub size: usize,
    /// Σ (λ - birth) · size over what leaves it: its excess of mass.
    pub stability: f64,
}

/// The condensed tree of N rows.
///
/// Rows that coincide (distance 0) leave together, at the largest finite λ of the tree: an infinite λ would outweigh
/// everything else, and a split between equal points would be arbitrary. Merges at one distance are one split into all that
/// they join, because their order is that of the rows.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct CondensedTree {
    points: usize,
    rows: Vec<CondensedRow>,
    clusters: Vec<Cluster>,
    /// Which cluster each row leaves last, and at which λ.
    point_cluster: Vec<usize>,
    point_lambda: Vec<f64>,
}

impl CondensedTree {
    pub(super) fn new(linkage: &SingleLinkage, min_cluster_size: usize) -> Self {
        let points = linkage.points();
        let mut tree = Self {
            points,
            rows: Vec::new(),
            clusters: Vec::new(),
            point_cluster: vec![0; points],
            point_lambda: vec![0.0; points],
        };
        tree.found(None, 0.0, points);
        let nearest = linkage
            .merges()
            .iter()
            .map(|merge| merge.distance)
            .find(|&d| d > 0.0)
            .unwrap_or(1.0);
        let root = (2 * points - 2) as u32;
        let mut walk = VecDeque::from([(root, 0)]);
        while let Some((node, cluster)) = walk.pop_front() {
            let Some(merge) = linkage.merge(node) else {
                // A data set of one row: it is in the root, at no density.
                tree.shed(linkage, node, cluster, 0.0);
                continue;
            };
            let lambda = 1.0 / merge.distance.max(nearest);
            let large = |side: &u32| merge.distance > 0.0 && linkage.size(*side) >= min_cluster_size;
            let (large, small): (Vec<u32>, Vec<u32>) = linkage.parts(node).into_iter().partition(large);
            for side in small {
                tree.shed(linkage, side, cluster, lambda);
            }
            if let [side] = large[..] {
                walk.push_back((side, cluster));
            } else {
                for side in large {
                    let child = tree.found(Some(cluster), lambda, linkage.size(side));
                    walk.push_back((side, child));
                }
            }
        }
        tree.weigh();
        tree
    }

    /// Sums the stabilities, λ ascending, so that they do not depend on the order of the rows.
    fn weigh(&mut self) {
        let mut leaving: Vec<(u32, f64, u32)> =
            self.rows.iter().map(|row| (row.parent, row.lambda, row.size)).collect();
        leaving.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        for group in leaving.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let cluster = &mut self.clusters[group[0].0 as usize - self.points];
            let size: f64 = group.iter().map(|(_, _, size)| f64::from(*size)).sum();
            cluster.stability += (group[0].1 - cluster.birth) * size;
        }
    }

    /// Opens a cluster.
    fn found(&mut self, parent: Option<usize>, birth: f64, size: usize) -> usize {
        let index = self.clusters.len();
        self.clusters.push(Cluster {
            parent,
            children: Vec::new(),
            birth,
            death: 0.0,
            size,
            stability: 0.0,
        });
        if let Some(parent) = parent {
            self.clusters[parent].children.push(index);
            self.leave(parent, (self.points + index) as u32, birth, size);
        }
        index
    }

    /// Lets all rows under `node` leave `cluster`.
    fn shed(&mut self, linkage: &SingleLinkage, node: u32, cluster: usize, lambda: f64) {
        let mut below = vec![node];
        while let Some(node) = below.pop() {
            match linkage.merge(node) {
                Some(merge) => below.extend([merge.right, merge.left]),
                None => {
                    self.point_cluster[node as usize] = cluster;
                    self.point_lambda[node as usize] = lambda;
                    self.leave(cluster, node, lambda, 1);
                }
            }
        }
    }

    fn leave(&mut self, cluster: usize, child: u32, lambda: f64, size: usize) {
        self.rows.push(CondensedRow {
            parent: (self.points + cluster) as u32,
            child,
            lambda,
            size: size as u32,
        });
        let from = &mut self.clusters[cluster];
        from.death = from.death.max(lambda);
    }

    /// N.
    pub fn points(&self) -> usize {
        self.points
    }

    pub fn rows(&self) -> &[CondensedRow] {
        &self.rows
    }

    pub fn clusters(&self) -> &[Cluster] {
        &self.clusters
    }

    /// The cluster that each row leaves last.
    pub fn point_clusters(&self) -> &[usize] {
        &self.point_cluster
    }

    /// The λ at which each row leaves it.
    pub fn point_lambdas(&self) -> &[f64] {
        &self.point_lambda
    }

    /// For every cluster, the place in `selected` of the one that is it or holds it. Selected clusters do not nest.
    pub(super) fn owners(&self, selected: &[usize]) -> Vec<Option<usize>> {
        let mut owner: Vec<Option<usize>> = vec![None; self.clusters.len()];
        for (place, &cluster) in selected.iter().enumerate() {
            owner[cluster] = Some(place);
        }
        for index in 1..owner.len() {
            if owner[index].is_none() {
                owner[index] = self.clusters[index].parent.and_then(|parent| owner[parent]);
            }
        }
        owner
    }

    /// GLOSH: how early a row leaves, measured by the densest place below its cluster; in [0, 1], larger is farther out
    /// (Campello et al. 2015).
    pub fn outlier_scores(&self) -> Vec<f64> {
        let densest = self.densest();
        let score = |(&cluster, &lambda): (&usize, &f64)| Self::outlier_score(densest[cluster], lambda);
        self.point_cluster.iter().zip(&self.point_lambda).map(score).collect()
    }

    /// The largest density below each cluster.
    pub(super) fn densest(&self) -> Vec<f64> {
        let mut densest: Vec<f64> = self.clusters.iter().map(|cluster| cluster.death).collect();
        for (index, cluster) in self.clusters.iter().enumerate().rev() {
            if let Some(parent) = cluster.parent {
                densest[parent] = densest[parent].max(densest[index]);
            }
        }
        densest
    }

    /// The score of a row that leaves at `lambda` a cluster whose densest place is `densest`.
    pub(super) fn outlier_score(densest: f64, lambda: f64) -> f64 {
        if densest > 0.0 {
            ((densest - lambda) / densest).max(0.0)
        } else {
            0.0
        }
    }

    /// The exemplars of each selected cluster: of every leaf below it, the rows that stay to the last. Ascending.
    pub fn exemplars(&self, selected: &[usize]) -> Vec<Vec<u32>> {
        let owner = self.owners(selected);
        let mut exemplars = vec![Vec::new(); selected.len()];
        for (row, (&cluster, &lambda)) in self.point_cluster.iter().zip(&self.point_lambda).enumerate() {
            let leaf = &self.clusters[cluster];
            if let Some(place) = owner[cluster]
                && leaf.children.is_empty()
                && lambda == leaf.death
            {
                exemplars[place].push(row as u32);
            }
        }
        exemplars
    }
}

#[cfg(test)]
mod tests {
    use super::super::MutualReachability;
    use super::super::fixtures::blobs;
    use super::*;
    use crate::matrix::Matrix;

    fn condense(points: &Matrix, min_samples: usize, min_cluster_size: usize) -> CondensedTree {
        let linkage = MutualReachability::new(points)
            .unwrap()
            .single_linkage(min_samples, 1.0)
            .unwrap();
        linkage.condense(min_cluster_size).unwrap()
    }

    #[test]
    fn two_groups_split_and_a_straggler_is_shed() {
        let tree = condense(&Matrix::new(7, 1, vec![0., 1., 2., 10., 11., 12., 30.]), 1, 3);
        let row = |parent, child, lambda, size| CondensedRow {
            parent,
            child,
            lambda,
            size,
        };
        assert_eq!(tree.rows()[0], row(7, 6, 1.0 / 18.0, 1));
        assert_eq!(tree.rows()[1..3], [row(7, 8, 0.125, 3), row(7, 9, 0.125, 3)]);
        assert_eq!((tree.rows().len(), tree.clusters().len()), (9, 3));
        let first = &tree.clusters()[1];
        assert_eq!(
            (first.birth, first.death, first.size, first.stability),
            (0.125, 1.0, 3, 2.625)
        );
    }

    #[test]
    fn every_row_leaves_once() {
        let tree = condense(&blobs(400, 3, 5, 2), 4, 10);
        let mut left: Vec<u32> = tree
            .rows()
            .iter()
            .map(|row| row.child)
            .filter(|&child| child < 400)
            .collect();
        left.sort_unstable();
        assert!(left.len() == 400 && left.iter().enumerate().all(|(i, &row)| i == row as usize));
    }

    #[test]
    fn equal_points_are_not_split() {
        let tree = condense(&Matrix::new(50, 2, vec![1.0; 100]), 3, 5);
        assert_eq!(tree.clusters().len(), 1);
        assert!(tree.outlier_scores().iter().all(|&score| score == 0.0));
    }

    #[test]
    fn coinciding_rows_leave_at_the_largest_finite_density() {
        let mut data: Vec<f32> = vec![0.0; 20];
        data.extend((0..20).map(|i| 5.0 + i as f32 * 0.5));
        let tree = condense(&Matrix::new(40, 1, data), 2, 5);
        assert_eq!(tree.point_lambdas()[3], 2.0);
        assert!(tree.rows().iter().all(|row| row.lambda.is_finite()));
    }

    #[test]
    fn one_row_is_a_root_alone() {
        let tree = condense(&Matrix::new(1, 1, vec![4.0]), 1, 2);
        assert_eq!(
            (tree.clusters().len(), tree.rows().len(), tree.outlier_scores()),
            (1, 1, vec![0.0])
        );
    }

    #[test]
    fn outliers_score_higher_than_the_middle() {
        let tree = condense(&Matrix::new(7, 1, vec![0., 1., 2., 10., 11., 12., 30.]), 1, 3);
        let scores = tree.outlier_scores();
        assert!(scores[6] > 0.9 && scores[1] == 0.0);
    }

    #[test]
    fn exemplars_are_the_last_to_leave() {
        let tree = condense(&Matrix::new(7, 1, vec![0., 1., 2.5, 10., 11., 12., 30.]), 1, 3);
        assert_eq!(tree.exemplars(&[1, 2]), [vec![0, 1, 2], vec![3, 4, 5]]);
    }
}
