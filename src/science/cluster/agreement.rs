//! How far clusterings agree on the pieces of their consensus, and what is left where they agree on some borders only.

use crate::metrics::contingency::Contingency;
use crate::metrics::noise::NOISE;
use crate::metrics::pairs::ari_of;
use std::collections::BTreeMap;

/// Clusterings beside their consensus. Rows that all of them treat alike are counted as one, so that many borders can be
/// tried.
pub(super) struct Agreement {
    /// Labels in each clustering and piece of the consensus, with the number of rows that have them.
    alike: Vec<(Vec<i32>, i32, u64)>,
    rows: u64,
    /// Clusters of each clustering.
    clusters: Vec<usize>,
}

impl Agreement {
    /// -1 is noise in `labelings`, and no piece in `consensus`. At least two labelings, all of as many rows.
    pub(super) fn of(labelings: &[&[i32]], consensus: &[i32]) -> Self {
        let mut alike: BTreeMap<(Vec<i32>, i32), u64> = BTreeMap::new();
        for (row, &piece) in consensus.iter().enumerate() {
            let labels = labelings.iter().map(|labels| labels[row]).collect();
            *alike.entry((labels, piece)).or_default() += 1;
        }
        let clusters = |labels: &&[i32]| labels.iter().max().map_or(0, |most| (most + 1) as usize);
        Self {
            alike: alike
                .into_iter()
                .map(|((labels, piece), n)| (labels, piece, n))
                .collect(),
            rows: consensus.len() as u64,
            clusters: labelings.iter().map(clusters).collect(),
        }
    }

    /// Mean adjusted Rand index between the clusterings, noise rows each on its own, where piece p is called `names[p]` and
    /// every cluster becomes the piece that most of its rows are in; and the mean share of rows in clusters.
    pub(super) fn index(&self, names: &[i32]) -> (f64, f64) {
        let reduced: Vec<Vec<i32>> = (0..self.clusters.len())
            .map(|which| self.reduced(which, names))
            .collect();
        let (count, mut indices, mut labelled) = (reduced.len(), 0.0, 0);
        for a in 0..count {
            labelled += self.table(&reduced, (a, a)).left_sums.iter().sum::<u64>();
            for b in 0..a {
                indices += ari_of(&self.table(&reduced, (a, b)));
            }
        }
        let pairs = count * (count - 1) / 2;
        (
            indices / pairs as f64,
            labelled as f64 / (count as u64 * self.rows) as f64,
        )
    }

    /// `names` with the two pieces of three or more called alike between which the border is in doubt: those whose joining
    /// makes the clusterings agree best; and how far they do then.
    pub(super) fn coarser(&self, names: &[i32]) -> (Vec<i32>, f64) {
        let pieces = pieces(names);
        let mut best: Option<(Vec<i32>, f64)> = None;
        for (a, b) in (0..pieces).flat_map(|b| (0..b).map(move |a| (a, b))) {
            let joined: Vec<i32> = names
                .iter()
                .map(|&name| match name {
                    _ if name == b => a,
                    _ if name > b => name - 1,
                    _ => name,
                })
                .collect();
            let (index, _) = self.index(&joined);
            if best.as_ref().is_none_or(|(_, best)| index > *best) {
                best = Some((joined, index));
            }
        }
        best.expect("three pieces make three pairs")
    }

    /// The piece that each cluster of a clustering becomes; -1 for one that holds none.
    fn reduced(&self, which: usize, names: &[i32]) -> Vec<i32> {
        let mut shared = vec![vec![0_u64; pieces(names) as usize]; self.clusters[which]];
        for (labels, piece, n) in &self.alike {
            if labels[which] >= 0 && *piece >= 0 {
                shared[labels[which] as usize][names[*piece as usize] as usize] += n;
            }
        }
        let of = |counts: &Vec<u64>| {
            let most = counts.iter().copied().max().filter(|&most| most > 0);
            let first = most.and_then(|most| counts.iter().position(|&count| count == most));
            first.map_or(NOISE, |piece| piece as i32)
        };
        shared.iter().map(of).collect()
    }

    /// Two clusterings, reduced. Noise is in no cell and no sum: rows on their own make no pairs.
    fn table(&self, reduced: &[Vec<i32>], (a, b): (usize, usize)) -> Contingency {
        let pieces = reduced.iter().flatten().max().map_or(0, |most| (most + 1) as usize);
        let piece = |which: usize, label: i32| {
            let cluster = usize::try_from(label).ok()?;
            usize::try_from(reduced[which][cluster]).ok()
        };
        let (mut left, mut right, mut cells) = (vec![0; pieces], vec![0; pieces], vec![0; pieces * pieces]);
        for (labels, _, n) in &self.alike {
            let (l, r) = (piece(a, labels[a]), piece(b, labels[b]));
            l.into_iter().for_each(|l| left[l] += n);
            r.into_iter().for_each(|r| right[r] += n);
            if let (Some(l), Some(r)) = (l, r) {
                cells[l * pieces + r] += n;
            }
        }
        let cells = cells.into_iter().enumerate().filter(|(_, n)| *n > 0);
        Contingency {
            left: (0..pieces as i32).collect(),
            right: (0..pieces as i32).collect(),
            left_sums: left,
            right_sums: right,
            cells: cells.map(|(place, n)| (place / pieces, place % pieces, n)).collect(),
            total: self.rows,
        }
    }
}

/// How many pieces go by these names, which are 0, 1, ….
pub(super) fn pieces(names: &[i32]) -> i32 {
    names.iter().max().map_or(0, |most| most + 1)
}

#[cfg(test)]
mod tests {
    use super::super::stability::stability;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_border_in_doubt_is_given_up_and_the_sure_one_stays() {
        // The first four rows are always apart from the rest, which is cut elsewhere each time.
        let cut = |at: i32| -> Vec<i32> { (0..12).map(|row| i32::from(row >= 4) + i32::from(row >= at)).collect() };
        let all = [cut(6), cut(8), cut(10)];
        let all: Vec<&[i32]> = all.iter().map(Vec::as_slice).collect();
        let agreement = Agreement::of(&all, &cut(8));
        assert!(agreement.index(&[0, 1, 2]).0 < 0.9);
        assert_eq!(agreement.coarser(&[0, 1, 2]), (vec![0, 1, 1], 1.0));
    }

    #[test]
    fn a_cluster_becomes_the_piece_that_most_of_its_rows_are_in() {
        let agreement = Agreement::of(&[&[0, 0, 0, 1, 1, -1], &[0; 6]], &[1, 1, 0, 0, -1, 0]);
        assert_eq!(agreement.reduced(0, &[0, 1]), [1, 0]);
        assert_eq!(agreement.reduced(0, &[0, 0]), [0, 0]);
        let no_piece = Agreement::of(&[&[0, 0], &[0, 0]], &[-1, -1]);
        assert_eq!(no_piece.reduced(0, &[0]), [NOISE]);
    }

    #[test]
    fn noise_disagrees_with_a_cluster_and_is_not_labelled() {
        let agreement = Agreement::of(&[&[0, 0, 1, 1], &[0, 0, 1, -1]], &[0, 0, 1, 1]);
        let (index, labelled) = agreement.index(&[0, 1]);
        assert!(index < 1.0);
        assert_eq!(labelled, 7.0 / 8.0);
    }

    proptest! {
        /// Clusterings that are their own pieces are compared as everywhere else.
        #[test]
        fn the_index_is_that_of_the_rows(
            rows in prop::collection::vec(prop::collection::vec(-1..4_i32, 3), 2..60),
        ) {
            let labelings: Vec<Vec<i32>> = (0..3).map(|which| rows.iter().map(|row| row[which]).collect()).collect();
            let labelings: Vec<&[i32]> = labelings.iter().map(Vec::as_slice).collect();
            let agreement = Agreement::of(&labelings, labelings[0]);
            let names = [0, 1, 2, 3];
            let reduced: Vec<Vec<i32>> = (0..3).map(|which| {
                let pieces = agreement.reduced(which, &names);
                let of = |label: &i32| usize::try_from(*label).map_or(NOISE, |cluster| pieces[cluster]);
                labelings[which].iter().map(of).collect()
            }).collect();
            let reduced: Vec<&[i32]> = reduced.iter().map(Vec::as_slice).collect();
            let expected = stability(&reduced).unwrap();
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            let (index, labelled) = agreement.index(&names);
            prop_assert!((index - mean(&expected.mean_ari)).abs() < 1e-12);
            prop_assert!((labelled - mean(&expected.labelled)).abs() < 1e-12);
        }
    }
}
