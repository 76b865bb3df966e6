//! Clusters as their rows' neighbours see them: which touch, and where rows outside all of them belong.

use crate::manifold::Neighbours;
use crate::matrix::Matrix;
use crate::metrics::noise::NOISE;
use std::collections::BTreeMap;

/// Clusters whose rows have a smaller share of their neighbours in one another do not touch, and are not joined.
const TOUCHING: f64 = 0.02;

/// The rows of each label, without empty ones.
pub(super) fn members(labels: &[i32]) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); labels.iter().max().map_or(0, |most| *most as usize + 1)];
    labels
        .iter()
        .enumerate()
        .for_each(|(row, label)| members[*label as usize].push(row));
    members.retain(|rows| !rows.is_empty());
    members
}

pub(super) fn labels_of(members: &[Vec<usize>], rows: usize) -> Vec<i32> {
    let mut labels = vec![NOISE; rows];
    for (cluster, rows) in members.iter().enumerate() {
        rows.iter().for_each(|&row| labels[row] = cluster as i32);
    }
    labels
}

/// The two clusters, not among the `kept`, that share the largest part of their neighbours; none where all share too few.
pub(super) fn closest(labels: &[i32], neighbours: &Neighbours, kept: &[(i32, i32)]) -> Option<(i32, i32)> {
    let mut shared: BTreeMap<(i32, i32), usize> = BTreeMap::new();
    let mut sizes: BTreeMap<i32, usize> = BTreeMap::new();
    for (row, &label) in labels.iter().enumerate() {
        *sizes.entry(label).or_default() += 1;
        for &near in neighbours.row(row).0 {
            let other = labels[near as usize];
            if other != label {
                *shared.entry((label.min(other), label.max(other))).or_default() += 1;
            }
        }
    }
    let share = |pair: &(i32, i32), count: usize| {
        let smaller = sizes[&pair.0].min(sizes[&pair.1]);
        count as f64 / (smaller * neighbours.k) as f64
    };
    let open = shared.iter().filter(|(pair, _)| !kept.contains(pair));
    let open = open
        .map(|(pair, &count)| (*pair, share(pair, count)))
        .filter(|(_, share)| *share >= TOUCHING);
    open.rev().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(pair, _)| pair)
}

/// Gives rows outside all pieces the piece that most of their neighbours have, from the edges of the pieces outwards; the
/// first piece where no path of neighbours leads to one.
pub(super) fn completed(mut labels: Vec<i32>, neighbours: &Neighbours) -> Vec<i32> {
    loop {
        let vote = |row: usize| {
            let near = neighbours.row(row).0.iter().map(|&near| labels[near as usize]);
            let mut pieces: Vec<i32> = near.filter(|&piece| piece != NOISE).collect();
            pieces.sort_unstable();
            let groups = pieces.chunk_by(|a, b| a == b);
            groups.rev().max_by_key(|group| group.len()).map(|group| group[0])
        };
        let outside = (0..labels.len()).filter(|&row| labels[row] == NOISE);
        let votes: Vec<(usize, i32)> = outside.filter_map(|row| vote(row).map(|piece| (row, piece))).collect();
        if votes.is_empty() {
            break;
        }
        votes.into_iter().for_each(|(row, piece)| labels[row] = piece);
    }
    labels
        .iter_mut()
        .filter(|label| **label == NOISE)
        .for_each(|label| *label = 0);
    labels
}

/// N × K shares of each row's neighbours.
pub(super) fn shares(neighbours: &Neighbours, labels: &[i32], clusters: usize) -> Matrix {
    let mut shares = Matrix::new(labels.len(), clusters, vec![0.0; labels.len() * clusters]);
    for row in 0..labels.len() {
        let near = neighbours.row(row).0;
        let target = shares.row_mut(row);
        let share = 1.0 / near.len() as f32;
        let clusters = near
            .iter()
            .filter_map(|&near| usize::try_from(labels[near as usize]).ok());
        clusters.for_each(|cluster| target[cluster] += share);
    }
    shares
}

/// Takes the clusters with less than `share` of the median cluster's rows out of `leaves`, which come largest first, and
/// gives each to the cluster it touches most, if it touches one. The number of clusters taken out.
pub(super) fn minor_joined(leaves: &mut Vec<Vec<usize>>, share: f64, neighbours: &Neighbours) -> usize {
    // The median; of two the smaller.
    let least = share * leaves[leaves.len() / 2].len() as f64;
    let minor = leaves.split_off(leaves.partition_point(|rows| rows.len() as f64 >= least));
    let labels = labels_of(leaves, neighbours.rows());
    let shares = shares(neighbours, &labels, leaves.len());
    for rows in &minor {
        let touched = |cluster: usize| rows.iter().map(|&row| f64::from(shares.row(row)[cluster])).sum::<f64>();
        let touched: Vec<f64> = (0..leaves.len()).map(touched).collect();
        let most = (0..touched.len())
            .rev()
            .max_by(|&a, &b| touched[a].total_cmp(&touched[b]));
        if let Some(most) = most.filter(|&most| touched[most] >= TOUCHING * rows.len() as f64) {
            leaves[most].extend(rows);
        }
    }
    minor.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifold::{Metric, knn};

    /// Neighbours, each row its own first, of rows on a line.
    fn on_a_line(line: &[i32], k: usize) -> Neighbours {
        let points = Matrix::new(line.len(), 1, line.iter().map(|&at| at as f32).collect());
        knn::exact(&points, k, Metric::Euclidean).unwrap()
    }

    #[test]
    fn a_minor_cluster_joins_the_one_it_touches_most() {
        // Three times ten rows side by side, and two rows that stand alone between them.
        let line: Vec<i32> = (0..10).chain(30..40).chain(60..70).chain([12, 26]).collect();
        let neighbours = on_a_line(&line, 4);
        let mut leaves: Vec<Vec<usize>> = vec![
            (0..10).collect(),
            (10..20).collect(),
            (20..30).collect(),
            vec![30],
            vec![31],
        ];
        assert_eq!(minor_joined(&mut leaves, 0.5, &neighbours), 2);
        assert_eq!(leaves.len(), 3);
        assert_eq!((leaves[0][10], leaves[1][10]), (30, 31));
    }

    #[test]
    fn the_closest_clusters_share_most_neighbours_and_what_is_kept_is_passed_over() {
        // Cluster 1 lies beside 0, 2 has no nearer neighbours than 1, and 3 is far from all.
        let neighbours = on_a_line(&[0, 1, 2, 3, 4, 10, 11, 50, 51, 52], 3);
        let labels = [0, 0, 0, 1, 1, 2, 2, 3, 3, 3];
        assert_eq!(closest(&labels, &neighbours, &[]), Some((0, 1)));
        assert_eq!(closest(&labels, &neighbours, &[(0, 1)]), Some((1, 2)));
        assert_eq!(closest(&labels, &neighbours, &[(0, 1), (1, 2)]), None);
    }

    #[test]
    fn rows_outside_are_reached_from_the_edges_and_the_unreachable_go_to_the_first() {
        let neighbours = on_a_line(&[0, 10, 21, 33, 40, 90, 91], 2);
        let found = completed(vec![1, NOISE, NOISE, 0, 0, NOISE, NOISE], &neighbours);
        assert_eq!(found, [1, 1, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn shares_are_those_of_the_neighbours_and_noise_has_none() {
        let neighbours = on_a_line(&[0, 1, 9, 10], 2);
        let shares = shares(&neighbours, &[0, NOISE, 1, 1], 2);
        assert_eq!(shares.data(), [0.5, 0.0, 0.5, 0.0, 0.0, 1.0, 0.0, 1.0]);
    }
}
