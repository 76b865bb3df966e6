//! What several clusterings of the same rows have in common, by evidence accumulation (Fred & Jain, IEEE TPAMI 27(6), 2005).
//!
//! Two rows are as similar as the share of the clusterings that put them in one cluster. Average linkage joins rows while
//! the mean similarity is above a bound, so that pieces come apart only where most clusterings keep them apart.

use super::ClusterError;
use super::stability::same_rows;
use std::collections::BTreeMap;

/// Rows that every clustering treats alike are joined as one; groups below this share of the rows only take part afterwards,
/// which bounds the work.
const SMALL: f64 = 0.001;

/// Pieces of N rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Consensus {
    /// Piece of each row, the largest piece first; -1 where no clustering puts the row with a piece.
    pub labels: Vec<i32>,
    /// Each has a row.
    pub pieces: usize,
}

/// Joins `labelings` (-1 is noise, and like nothing). Pieces come apart where fewer than a share of `together` of the
/// clusterings join their rows; those with fewer than `least` rows are shared out among the others.
///
/// # Errors
/// If there are no rows or the labelings have different lengths.
pub fn consensus(labelings: &[&[i32]], together: f64, least: usize) -> Result<Consensus, ClusterError> {
    let rows = same_rows(labelings)?;
    let of_row = |row: usize| -> Vec<i32> { labelings.iter().map(|labels| labels[row]).collect() };
    let mut alike: BTreeMap<Vec<i32>, usize> = BTreeMap::new();
    for row in 0..rows {
        *alike.entry(of_row(row)).or_default() += 1;
    }
    let smallest = (SMALL * rows as f64).ceil() as usize;
    let atoms: Vec<(&Vec<i32>, usize)> = alike.iter().map(|(labels, &count)| (labels, count)).collect();
    let noise = |labels: &[i32]| labels.iter().all(|&label| label < 0);
    let large = |atom: &(&Vec<i32>, usize)| atom.1 >= smallest && !noise(atom.0);
    let kept: Vec<(&Vec<i32>, usize)> = atoms.iter().copied().filter(large).collect();
    let mut pieces: Vec<Profile> = average_linkage(&kept, together)
        .iter()
        .map(|members| Profile::of(members.iter().map(|&atom| kept[atom])))
        .filter(|piece| piece.rows >= least)
        .collect();
    pieces.sort_by_key(|piece| std::cmp::Reverse(piece.rows));
    let nearest: BTreeMap<&Vec<i32>, i32> = atoms
        .iter()
        .map(|(labels, _)| (*labels, nearest(&pieces, labels)))
        .collect();
    // Rows may all be as much like another piece as like their own.
    let mut taken: Vec<i32> = nearest.values().copied().filter(|&piece| piece >= 0).collect();
    taken.sort_unstable();
    taken.dedup();
    let name = |piece: i32| taken.binary_search(&piece).map_or(-1, |place| place as i32);
    Ok(Consensus {
        labels: (0..rows).map(|row| name(nearest[&of_row(row)])).collect(),
        pieces: taken.len(),
    })
}

/// How a piece's rows are labelled by each clustering.
struct Profile {
    rows: usize,
    shares: Vec<BTreeMap<i32, f64>>,
}

impl Profile {
    fn of<'a>(members: impl Iterator<Item = (&'a Vec<i32>, usize)>) -> Self {
        let (mut rows, mut shares) = (0, Vec::new());
        for (labels, count) in members {
            rows += count;
            shares.resize(labels.len(), BTreeMap::new());
            for (shares, &label) in shares.iter_mut().zip(labels) {
                *shares.entry(label).or_insert(0.0) += count as f64;
            }
        }
        for shares in &mut shares {
            shares.values_mut().for_each(|share| *share /= rows as f64);
        }
        Self { rows, shares }
    }

    /// The mean similarity of a row to the rows of the piece.
    fn similarity(&self, labels: &[i32]) -> f64 {
        let of = |(shares, &label): (&BTreeMap<i32, f64>, &i32)| match label {
            0.. => shares.get(&label).copied().unwrap_or(0.0),
            _ => 0.0,
        };
        self.shares.iter().zip(labels).map(of).sum::<f64>() / labels.len() as f64
    }
}

/// The piece most like a row, the first of several; -1 where none is like it at all.
fn nearest(pieces: &[Profile], labels: &[i32]) -> i32 {
    let mut best = (-1, 0.0);
    for (piece, profile) in pieces.iter().enumerate() {
        let similarity = profile.similarity(labels);
        if similarity > best.1 {
            best = (piece as i32, similarity);
        }
    }
    best.0
}

/// Groups of atoms, joined two by two, the most similar first, while their mean similarity is at least `together`.
fn average_linkage(atoms: &[(&Vec<i32>, usize)], together: f64) -> Vec<Vec<usize>> {
    let count = atoms.len();
    let mut sizes: Vec<f64> = atoms.iter().map(|atom| atom.1 as f64).collect();
    let mut groups: Vec<Vec<usize>> = (0..count).map(|atom| vec![atom]).collect();
    let mut similarity: Vec<Vec<f64>> = atoms
        .iter()
        .map(|(a, _)| atoms.iter().map(|(b, _)| share_together(a, b)).collect())
        .collect();
    (0..count).for_each(|atom| similarity[atom][atom] = f64::NEG_INFINITY);
    // The nearest other group of each: looked for again only where it was one of the two joined.
    let nearest_of = |row: &[f64]| (0..count).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
    let mut near: Vec<usize> = similarity.iter().map(|row| nearest_of(row)).collect();
    loop {
        let best = (0..count)
            .rev()
            .max_by(|&a, &b| similarity[a][near[a]].total_cmp(&similarity[b][near[b]]));
        let Some(a) = best.filter(|&a| similarity[a][near[a]] >= together) else {
            break;
        };
        let (a, b) = (a.min(near[a]), a.max(near[a]));
        let joined = std::mem::take(&mut groups[b]);
        groups[a].extend(joined);
        let both = sizes[a] + sizes[b];
        // What was joined before stays at minus infinity.
        let mean = |(to_a, to_b): (&f64, &f64)| (sizes[a] * to_a + sizes[b] * to_b) / both;
        let joined: Vec<f64> = similarity[a].iter().zip(&similarity[b]).map(mean).collect();
        for (row, mean) in similarity.iter_mut().zip(&joined) {
            (row[a], row[b]) = (*mean, f64::NEG_INFINITY);
        }
        (similarity[a], similarity[b]) = (joined, vec![f64::NEG_INFINITY; count]);
        similarity[a][b] = f64::NEG_INFINITY;
        similarity[a][a] = f64::NEG_INFINITY;
        sizes[a] = both;
        for other in 0..count {
            if other == a || near[other] == a || near[other] == b {
                near[other] = nearest_of(&similarity[other]);
            } else if similarity[other][a] > similarity[other][near[other]] {
                near[other] = a;
            }
        }
    }
    groups.retain(|group| !group.is_empty());
    groups
}

fn share_together(a: &[i32], b: &[i32]) -> f64 {
    let together = a.iter().zip(b).filter(|(a, b)| a == b && **a >= 0).count();
    together as f64 / a.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pieces_that_most_keep_apart_come_apart() {
        let (two, three): (&[i32], &[i32]) = (&[0, 0, 0, 0, 1, 1], &[0, 0, 1, 1, 2, 2]);
        // Rows 0, 1 and 2, 3 are together in one of three: enough for a bound of 0.3, too little for one of 0.5.
        let few = consensus(&[two, three, three], 0.3, 1).unwrap();
        assert_eq!((few.labels, few.pieces), (vec![0, 0, 0, 0, 1, 1], 2));
        let many = consensus(&[two, three, three], 0.5, 1).unwrap();
        assert_eq!(many.pieces, 3);
    }

    #[test]
    fn numbers_of_clusters_and_noise_do_not_matter() {
        let found = consensus(&[&[5, 5, 5, 1, 1, -1], &[0, 0, -1, 7, 7, -1]], 0.5, 1).unwrap();
        assert_eq!((found.labels, found.pieces), (vec![0, 0, 0, 1, 1, -1], 2));
    }

    #[test]
    fn noise_is_no_piece_however_much_of_it_there_is() {
        let found = consensus(&[&[0, 0, 0, -1, -1, -1], &[3, 3, 3, -1, -1, -1]], 0.5, 2).unwrap();
        assert_eq!((found.labels, found.pieces), (vec![0, 0, 0, -1, -1, -1], 1));
    }

    #[test]
    fn a_piece_whose_rows_are_as_much_like_another_is_none() {
        // The last row is together with the others in one of three, and with nothing in the rest.
        let found = consensus(&[&[0, 0, 0], &[0, 0, -1], &[0, 0, -1]], 0.5, 1).unwrap();
        assert_eq!((found.labels, found.pieces), (vec![0, 0, 0], 1));
    }

    #[test]
    fn small_pieces_join_what_they_are_most_like() {
        let found = consensus(&[&[0, 0, 0, 0, 1, 1, 1, 1, 1], &[0, 0, 0, 0, 2, 1, 1, 1, 1]], 0.6, 2).unwrap();
        assert_eq!(found.labels, [0, 0, 0, 0, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn the_order_of_clusterings_and_their_names_do_not_matter() {
        let (a, b, c): (&[i32], &[i32], &[i32]) = (
            &[0, 0, 0, 1, 1, 1, 1, 2],
            &[0, 0, 1, 1, 1, 1, 1, 2],
            &[3, 3, 3, 3, 0, 0, 0, 0],
        );
        let found = consensus(&[a, b, c], 0.5, 1).unwrap();
        assert_eq!(found.labels, [1, 1, 1, 0, 0, 0, 0, 2]);
        for turned in [[c, a, b], [b, c, a], [b, a, c]] {
            assert_eq!(consensus(&turned, 0.5, 1).unwrap(), found);
        }
        let renamed: Vec<i32> = a.iter().map(|label| 7 - label).collect();
        assert_eq!(consensus(&[&renamed, b, c], 0.5, 1).unwrap(), found);
    }

    #[test]
    fn labelings_of_unequal_length_are_refused() {
        assert!(consensus(&[&[0, 1], &[0]], 0.5, 1).is_err());
        assert!(consensus(&[], 0.5, 1).is_err());
    }

    proptest! {
        #[test]
        fn one_clustering_is_its_own_consensus(labels in prop::collection::vec(0..5_i32, 1..60)) {
            let found = consensus(&[&labels, &labels, &labels], 0.5, 1).unwrap();
            for a in 0..labels.len() {
                for b in 0..a {
                    prop_assert_eq!(labels[a] == labels[b], found.labels[a] == found.labels[b]);
                }
            }
        }
    }
}
