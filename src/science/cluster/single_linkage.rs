//! The single-linkage tree of the mutual reachability distances.

use super::ClusterError;
use super::condensed_tree::CondensedTree;
use super::spanning_tree::Edge;

/// One merge. Nodes below N are rows, node N + i is what merge i made.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Merge {
    pub left: u32,
    pub right: u32,
    /// Mutual reachability distance at which the two join.
    pub distance: f64,
    /// Rows below.
    pub size: u32,
}

/// N - 1 merges, distances ascending; the last one is the root.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct SingleLinkage {
    points: usize,
    merges: Vec<Merge>,
}

impl SingleLinkage {
    /// Joins the ends of the edges of a spanning tree over `points` rows, in the order given (ascending).
    pub(super) fn new(points: usize, edges: &[Edge]) -> Self {
        let mut parent: Vec<u32> = (0..(2 * points) as u32).collect();
        let mut size = vec![1_u32; 2 * points];
        let mut merges = Vec::with_capacity(edges.len());
        for (index, edge) in edges.iter().enumerate() {
            let made = points + index;
            let (left, right) = (root(&mut parent, edge.low), root(&mut parent, edge.high));
            (parent[left as usize], parent[right as usize]) = (made as u32, made as u32);
            size[made] = size[left as usize] + size[right as usize];
            merges.push(Merge {
                left,
                right,
                distance: edge.distance,
                size: size[made],
            });
        }
        Self { points, merges }
    }

    /// A tree that was written down.
    ///
    /// # Errors
    /// If the merges are not those of a tree, distances ascending.
    pub fn from_merges(merges: Vec<Merge>) -> Result<Self, ClusterError> {
        let tree = Self {
            points: merges.len() + 1,
            merges,
        };
        let mut joined = vec![false; 2 * tree.points];
        let mut before = 0.0;
        for (index, merge) in tree.merges.iter().enumerate() {
            let made = tree.points + index;
            let known = [merge.left, merge.right].iter().all(|&side| (side as usize) < made);
            // Both conditions must hold before sizes can be looked up; a side that joined already is in two places.
            let sides = known && merge.left != merge.right && {
                let first = |side: u32, joined: &mut Vec<bool>| !std::mem::replace(&mut joined[side as usize], true);
                first(merge.left, &mut joined) && first(merge.right, &mut joined)
            };
            let fits = sides
                && merge.size as usize == tree.size(merge.left) + tree.size(merge.right)
                && merge.distance >= before
                && merge.distance.is_finite();
            if !fits {
                return Err(ClusterError::NoTree { merge: index });
            }
            before = merge.distance;
        }
        Ok(tree)
    }

    /// N.
    pub fn points(&self) -> usize {
        self.points
    }

    pub fn merges(&self) -> &[Merge] {
        &self.merges
    }

    /// Rows below a node.
    pub fn size(&self, node: u32) -> usize {
        self.merge(node).map_or(1, |merge| merge.size as usize)
    }

    /// The merge that made a node; `None` for a row.
    pub fn merge(&self, node: u32) -> Option<&Merge> {
        (node as usize)
            .checked_sub(self.points)
            .map(|index| &self.merges[index])
    }

    /// What the merges at the distance of `node`'s join: rows, and nodes made at smaller distances. Left to right.
    pub(super) fn parts(&self, node: u32) -> Vec<u32> {
        let distance = |node: u32| self.merge(node).map(|merge| merge.distance);
        let (mut parts, mut below) = (Vec::with_capacity(2), vec![node]);
        while let Some(next) = below.pop() {
            match self.merge(next) {
                Some(merge) if Some(merge.distance) == distance(node) => below.extend([merge.right, merge.left]),
                _ => parts.push(next),
            }
        }
        parts
    }

    /// The total weight of the spanning tree.
    pub fn weight(&self) -> f64 {
        self.merges.iter().map(|merge| merge.distance).sum()
    }

    /// Keeps only the splits into two sides of at least `min_cluster_size` rows.
    ///
    /// # Errors
    /// If `min_cluster_size` is below 2.
    pub fn condense(&self, min_cluster_size: usize) -> Result<CondensedTree, ClusterError> {
        if min_cluster_size < 2 {
            return Err(ClusterError::setting(
                "min_cluster_size",
                min_cluster_size,
                "a cluster has at least two rows",
            ));
        }
        Ok(CondensedTree::new(self, min_cluster_size))
    }
}

fn root(parent: &mut [u32], mut of: u32) -> u32 {
    while parent[of as usize] != of {
        parent[of as usize] = parent[parent[of as usize] as usize];
        of = parent[of as usize];
    }
    of
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> SingleLinkage {
        let edge = |low, high, distance| Edge { low, high, distance };
        SingleLinkage::new(4, &[edge(0, 1, 1.0), edge(2, 3, 2.0), edge(1, 2, 5.0)])
    }

    #[test]
    fn merges_name_rows_and_earlier_merges() {
        let merge = |left, right, distance, size| Merge {
            left,
            right,
            distance,
            size,
        };
        assert_eq!(
            chain().merges(),
            [merge(0, 1, 1.0, 2), merge(2, 3, 2.0, 2), merge(4, 5, 5.0, 4)]
        );
        assert_eq!((chain().weight(), chain().size(4), chain().size(1)), (8.0, 2, 1));
    }

    #[test]
    fn merges_at_one_distance_have_common_parts() {
        let edge = |low, high, distance| Edge { low, high, distance };
        let tree = SingleLinkage::new(4, &[edge(0, 1, 1.0), edge(2, 3, 2.0), edge(1, 2, 2.0)]);
        assert_eq!(
            (tree.parts(6), tree.parts(4), tree.parts(3)),
            (vec![4, 2, 3], vec![0, 1], vec![3])
        );
    }

    #[test]
    fn merges_that_make_no_tree_are_refused() {
        assert_eq!(SingleLinkage::from_merges(chain().merges).unwrap(), chain());
        assert_eq!(SingleLinkage::from_merges(Vec::new()).unwrap().points(), 1);
        let broken = |merge: usize, change: fn(&mut Merge)| {
            let mut merges = chain().merges;
            change(&mut merges[merge]);
            assert_eq!(
                SingleLinkage::from_merges(merges).unwrap_err(),
                ClusterError::NoTree { merge }
            );
        };
        broken(0, |merge| merge.left = 4);
        broken(0, |merge| merge.right = 0);
        broken(1, |merge| merge.left = 1);
        broken(1, |merge| merge.distance = 0.5);
        broken(1, |merge| merge.distance = f64::NAN);
        broken(2, |merge| merge.size = 3);
        broken(2, |merge| merge.right = 900);
    }

    #[test]
    fn clusters_of_one_row_are_refused() {
        assert!(
            chain()
                .condense(1)
                .unwrap_err()
                .to_string()
                .starts_with("min_cluster_size is 1")
        );
    }
}
