//! How far several clusterings of the same rows agree: a reason to trust, or not, a number of clusters found without classes.

use rayon::prelude::*;

use super::ClusterError;
use crate::metrics::{ari, noise::NOISE};

/// Agreement of M labelings of N rows.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Stability {
    /// M × M adjusted Rand indices over all rows, every noise row a cluster of its own: noise of one labeling that is
    /// clustered by the other counts as disagreement.
    pub ari_all: Vec<Vec<f64>>,
    /// Of each labeling, the mean of `ari_all` with all others; 1 for a labeling that stands alone.
    pub mean_ari: Vec<f64>,
    /// Clusters in each labeling, noise not counted.
    pub clusters: Vec<usize>,
    /// Share of rows that each labeling puts in a cluster.
    pub labelled: Vec<f64>,
}

/// Compares labelings of the same rows (-1 is noise).
///
/// # Errors
/// If there are no rows or the labelings have different lengths.
pub fn stability(labelings: &[&[i32]]) -> Result<Stability, ClusterError> {
    same_rows(labelings)?;
    let count = labelings.len();
    let singled: Vec<Vec<i32>> = labelings.iter().map(|labels| single_out_noise(labels)).collect();
    let pairs: Vec<(usize, usize)> = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b))).collect();
    let compare =
        |&(a, b): &(usize, usize)| ari(&singled[a], &singled[b]).expect("lengths were compared, there are rows");
    let values: Vec<f64> = pairs.par_iter().map(compare).collect();
    let mut ari_all = vec![vec![1.0; count]; count];
    for ((a, b), value) in pairs.into_iter().zip(values) {
        (ari_all[a][b], ari_all[b][a]) = (value, value);
    }
    let others = (count - 1).max(1) as f64;
    let mean_ari = ari_all
        .iter()
        .map(|row| {
            if count == 1 {
                1.0
            } else {
                (row.iter().sum::<f64>() - 1.0) / others
            }
        })
        .collect();
    Ok(Stability {
        ari_all,
        mean_ari,
        clusters: labelings.iter().map(|labels| clusters(labels)).collect(),
        labelled: labelings.iter().map(|labels| share_labelled(labels)).collect(),
    })
}

/// N, if there are rows and all labelings have as many.
pub(super) fn same_rows(labelings: &[&[i32]]) -> Result<usize, ClusterError> {
    let rows = labelings.first().map_or(0, |labels| labels.len());
    match labelings.iter().find(|labels| labels.len() != rows) {
        _ if rows == 0 => Err(ClusterError::NoRows),
        Some(other) => Err(ClusterError::LengthsDiffer {
            labels: other.len(),
            rows,
        }),
        None => Ok(rows),
    }
}

/// Gives each noise row a number of its own, below -1.
fn single_out_noise(labels: &[i32]) -> Vec<i32> {
    let number = |(row, &label): (usize, &i32)| if label == NOISE { -2 - row as i32 } else { label };
    labels.iter().enumerate().map(number).collect()
}

fn clusters(labels: &[i32]) -> usize {
    let mut names: Vec<i32> = labels.iter().copied().filter(|&label| label != NOISE).collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

fn share_labelled(labels: &[i32]) -> f64 {
    labels.iter().filter(|&&label| label != NOISE).count() as f64 / labels.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renamed_clusters_agree() {
        let found = stability(&[&[0, 0, 1, 1, -1], &[5, 5, 2, 2, -1]]).unwrap();
        assert_eq!(found.ari_all[0][1], 1.0);
        assert_eq!(
            (found.mean_ari, found.clusters, found.labelled),
            (vec![1.0; 2], vec![2; 2], vec![0.8; 2])
        );
    }

    #[test]
    fn noise_disagrees_with_a_cluster() {
        let found = stability(&[&[0, 0, 1, 1], &[0, 0, 1, -1]]).unwrap();
        assert!(found.ari_all[0][1] < 1.0);
    }

    #[test]
    fn shared_noise_is_not_taken_for_a_cluster() {
        let found = stability(&[&[-1, -1, -1, 0, 0], &[-1, -1, -1, 0, 1]]).unwrap();
        assert_eq!(found.ari_all[0][1], 0.0);
    }

    #[test]
    fn the_odd_one_out_has_the_lowest_mean() {
        let found = stability(&[&[0, 0, 0, 1, 1, 1], &[1, 1, 1, 0, 0, 0], &[0, 1, 0, 1, 0, 1]]).unwrap();
        assert!(found.mean_ari[2] < found.mean_ari[0]);
    }

    #[test]
    fn a_single_labeling_agrees_with_itself() {
        let found = stability(&[&[0, 1]]).unwrap();
        assert_eq!((found.ari_all, found.mean_ari), (vec![vec![1.0]], vec![1.0]));
    }

    #[test]
    fn labelings_of_other_rows_are_refused() {
        assert_eq!(
            stability(&[&[0, 1], &[0]]).unwrap_err(),
            ClusterError::LengthsDiffer { labels: 1, rows: 2 }
        );
        assert_eq!(stability(&[]).unwrap_err(), ClusterError::NoRows);
    }
}
