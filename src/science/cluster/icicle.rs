//! The condensed tree as an icicle plot: for every cluster, bars as wide as the rows it still holds at a density.

use super::condensed_tree::CondensedTree;

/// A rectangle: rows across, λ down.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Bar {
    /// The cluster of the condensed tree.
    pub cluster: usize,
    /// The middle, in rows.
    pub centre: f64,
    /// Rows in the cluster from `top` on.
    pub width: f64,
    /// λ where the bar begins and ends.
    pub top: f64,
    pub bottom: f64,
}

/// A line at the λ at which a cluster splits, from its middle to the far side of a child.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Branch {
    pub lambda: f64,
    pub from: f64,
    pub to: f64,
}

/// What is drawn of a condensed tree.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Icicle {
    /// Clusters in their order, bars of one cluster from its birth to its death.
    pub bars: Vec<Bar>,
    pub branches: Vec<Branch>,
}

impl CondensedTree {
    /// The rectangles and lines of the plot, at most `bars` + 1 rectangles per cluster (hdbscan draws 20).
    ///
    /// Leaves stand N rows apart in depth-first order, an inner cluster in the middle of its children.
    pub fn icicle(&self, bars: usize) -> Icicle {
        let clusters = self.clusters();
        let centres = self.centres();
        let mut leaving: Vec<Vec<(f64, u32)>> = vec![Vec::new(); clusters.len()];
        for row in self.rows() {
            leaving[row.parent as usize - self.points()].push((row.lambda, row.size));
        }
        let mut drawn = Vec::new();
        for (cluster, mut leaving) in leaving.into_iter().enumerate() {
            leaving.sort_by(|a, b| a.0.total_cmp(&b.0));
            let death = clusters[cluster].death;
            let size = clusters[cluster].size as f64;
            let to_the_last: u32 = leaving
                .iter()
                .filter(|(lambda, _)| *lambda == death)
                .map(|(_, size)| size)
                .sum();
            let step = (size - f64::from(to_the_last)) / bars.max(1) as f64;
            let (mut top, mut width, mut left) = (clusters[cluster].birth, size, size);
            for group in leaving.chunk_by(|a, b| a.0 == b.0) {
                let lambda = group[0].0;
                left -= group.iter().map(|(_, size)| f64::from(*size)).sum::<f64>();
                if lambda > top && (width - left >= step || lambda == death) {
                    drawn.push(Bar {
                        cluster,
                        centre: centres[cluster],
                        width,
                        top,
                        bottom: lambda,
                    });
                    (top, width) = (lambda, left);
                }
            }
        }
        let branches = (1..clusters.len()).map(|child| {
            let parent = clusters[child].parent.expect("only the root has none");
            let half = clusters[child].size as f64 / 2.0;
            Branch {
                lambda: clusters[child].birth,
                from: centres[parent],
                to: centres[child] + half.copysign(centres[child] - centres[parent]),
            }
        });
        Icicle {
            bars: drawn,
            branches: branches.collect(),
        }
    }

    /// The middle of each cluster.
    fn centres(&self) -> Vec<f64> {
        let clusters = self.clusters();
        let mut centres = vec![0.0; clusters.len()];
        let (mut leaves, mut below) = (0, vec![0]);
        while let Some(cluster) = below.pop() {
            below.extend(clusters[cluster].children.iter().rev());
            if clusters[cluster].children.is_empty() {
                centres[cluster] = (leaves * self.points()) as f64;
                leaves += 1;
            }
        }
        // Children have higher numbers than their parents.
        for cluster in (0..clusters.len()).rev() {
            let children = &clusters[cluster].children;
            if !children.is_empty() {
                let sum: f64 = children.iter().map(|&child| centres[child]).sum();
                centres[cluster] = sum / children.len() as f64;
            }
        }
        centres
    }
}

#[cfg(test)]
mod tests {
    use super::super::MutualReachability;
    use super::super::fixtures::blobs;
    use super::*;
    use crate::matrix::Matrix;

    fn tree(points: &Matrix, min_cluster_size: usize) -> CondensedTree {
        let reach = MutualReachability::new(points).unwrap();
        reach
            .single_linkage(1, 1.0)
            .unwrap()
            .condense(min_cluster_size)
            .unwrap()
    }

    #[test]
    fn a_split_is_drawn_as_bars_and_branches() {
        let plot = tree(&Matrix::new(7, 1, vec![0., 1., 2., 10., 11., 12., 30.]), 3).icicle(20);
        let bar = |cluster, centre, width, top, bottom| Bar {
            cluster,
            centre,
            width,
            top,
            bottom,
        };
        let last = 1.0 / 18.0;
        assert_eq!(
            plot.bars,
            [
                bar(0, 3.5, 7.0, 0.0, last),
                bar(0, 3.5, 6.0, last, 0.125),
                bar(1, 0.0, 3.0, 0.125, 1.0),
                bar(2, 7.0, 3.0, 0.125, 1.0),
            ]
        );
        let branch = |to| Branch {
            lambda: 0.125,
            from: 3.5,
            to,
        };
        assert_eq!(plot.branches, [branch(-1.5), branch(8.5)]);
    }

    #[test]
    fn bars_of_a_cluster_follow_one_another_and_narrow() {
        let tree = tree(&blobs(600, 2, 5, 3), 10);
        for most in [1, 5, 20] {
            let plot = tree.icicle(most);
            for (index, cluster) in tree.clusters().iter().enumerate() {
                let bars: Vec<&Bar> = plot.bars.iter().filter(|bar| bar.cluster == index).collect();
                assert!(bars.len() <= most + 1);
                assert_eq!((bars[0].top, bars[0].width), (cluster.birth, cluster.size as f64));
                assert_eq!(bars[bars.len() - 1].bottom, cluster.death);
                assert!(
                    bars.windows(2)
                        .all(|two| two[0].bottom == two[1].top && two[0].width > two[1].width)
                );
            }
        }
    }

    #[test]
    fn a_tree_without_splits_is_one_stack() {
        let plot = tree(&Matrix::new(20, 1, vec![1.0; 20]), 5).icicle(20);
        assert_eq!((plot.bars.len(), plot.branches.len()), (1, 0));
    }
}
