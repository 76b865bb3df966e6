//! What becomes of the rows that a density-based clustering leaves as noise.
//!
//! Three figures are reported together, because each alone can mislead:
//! * *all rows*: a noise row goes to the cluster with its largest soft membership (the headline);
//! * *labelled rows only*, with the share of rows that is (coverage);
//! * *noise counted wrong*: accuracy over all rows in which a noise row is never right.

use super::MetricsError;
use super::accuracy::confusion;
use super::contingency::Contingency;
use super::information::{Mean, ami_of, completeness_of, harmonic, homogeneity_of, nmi_of};
use super::pairs::ari_of;
use crate::matrix::Matrix;

/// The label of a row that belongs to no cluster.
pub const NOISE: i32 = -1;

/// Every score of one clustering against the classes.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Scores {
    pub acc: f64,
    /// Arithmetic mean.
    pub nmi: f64,
    pub nmi_geometric: f64,
    pub ami: f64,
    pub ari: f64,
    pub homogeneity: f64,
    pub completeness: f64,
    pub v_measure: f64,
    /// Clusters found, noise not counted.
    pub clusters: usize,
    /// Rows scored.
    pub rows: usize,
}

/// Scores under the three treatments of noise.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct NoiseReport {
    /// All rows, noise assigned by its largest soft membership: the headline.
    pub all: Scores,
    /// The labelled rows alone; `None` where every row is noise.
    pub labelled: Option<Scores>,
    /// Share of rows that are labelled.
    pub coverage: f64,
    /// ACC over all rows with every noise row wrong.
    pub acc_noise_wrong: f64,
    /// Noise rows with no membership in any cluster: they stay noise in `all`, wrong in its ACC, one group elsewhere.
    pub unassigned: usize,
}

/// Scores `clusters` against `classes`. Noise left in `clusters` is wrong in ACC and one more group in all other scores.
///
/// # Errors
/// If the lengths differ, there are no rows, or a class is negative.
pub fn score(classes: &[i32], clusters: &[i32]) -> Result<Scores, MetricsError> {
    let confusion = confusion(classes, clusters)?;
    let table = Contingency::new(classes, clusters)?;
    let (homogeneity, completeness) = (homogeneity_of(&table), completeness_of(&table));
    Ok(Scores {
        acc: confusion.accuracy(),
        nmi: nmi_of(&table, Mean::Arithmetic),
        nmi_geometric: nmi_of(&table, Mean::Geometric),
        ami: ami_of(&table),
        ari: ari_of(&table),
        homogeneity,
        completeness,
        v_measure: harmonic(homogeneity, completeness),
        clusters: confusion.clusters.len(),
        rows: classes.len(),
    })
}

/// `clusters` with each noise row in the cluster of its largest soft membership, the lowest number where several are equal.
/// Column k of `memberships` (N × K) belongs to cluster k. A row whose memberships are all zero stays noise.
///
/// # Errors
/// If the memberships have other rows, or a label is not a column.
pub fn assign_noise(clusters: &[i32], memberships: &Matrix) -> Result<Vec<i32>, MetricsError> {
    if clusters.len() != memberships.rows() {
        return Err(MetricsError::MembershipRows {
            rows: clusters.len(),
            memberships: memberships.rows(),
        });
    }
    let known = memberships.cols();
    if let Some(row) = clusters
        .iter()
        .position(|&label| label < NOISE || label >= known as i32)
    {
        return Err(MetricsError::NotACluster {
            row,
            label: clusters[row],
            clusters: known,
        });
    }
    let assign = |(row, &label): (usize, &i32)| {
        if label == NOISE {
            largest(memberships.row(row))
        } else {
            label
        }
    };
    Ok(clusters.iter().enumerate().map(assign).collect())
}

fn largest(memberships: &[f32]) -> i32 {
    let (mut best, mut most) = (NOISE, 0.0);
    for (cluster, &value) in memberships.iter().enumerate() {
        if value > most {
            (best, most) = (cluster as i32, value);
        }
    }
    best
}

impl NoiseReport {
    /// Scores a clustering with its soft memberships (N × K, column k for cluster k).
    ///
    /// # Errors
    /// If lengths or shapes differ, there are no rows, a class is negative, or a label is not a column.
    pub fn new(classes: &[i32], clusters: &[i32], memberships: &Matrix) -> Result<Self, MetricsError> {
        let assigned = assign_noise(clusters, memberships)?;
        let all = score(classes, &assigned)?;
        let (kept_classes, kept_clusters): (Vec<i32>, Vec<i32>) = classes
            .iter()
            .zip(clusters)
            .filter(|(_, label)| **label != NOISE)
            .map(|(c, l)| (*c, *l))
            .unzip();
        let labelled = if kept_classes.is_empty() {
            None
        } else {
            Some(score(&kept_classes, &kept_clusters)?)
        };
        Ok(Self {
            all,
            labelled,
            coverage: kept_classes.len() as f64 / classes.len() as f64,
            acc_noise_wrong: confusion(classes, clusters)?.accuracy(),
            unassigned: assigned.iter().filter(|label| **label == NOISE).count(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memberships() -> Matrix {
        Matrix::new(5, 2, vec![0.9, 0.1, 0.8, 0.1, 0.1, 0.9, 0.2, 0.3, 0.0, 0.0])
    }

    #[test]
    fn noise_goes_to_its_largest_membership() {
        assert_eq!(
            assign_noise(&[0, 0, 1, -1, -1], &memberships()).unwrap(),
            [0, 0, 1, 1, -1]
        );
    }

    #[test]
    fn labels_are_kept_whatever_the_memberships_say() {
        assert_eq!(assign_noise(&[1, 1, 0, 0, 0], &memberships()).unwrap(), [1, 1, 0, 0, 0]);
    }

    #[test]
    fn the_three_figures_differ_as_they_should() {
        let report = NoiseReport::new(&[0, 0, 1, 1, 1], &[0, 0, 1, -1, -1], &memberships()).unwrap();
        assert_eq!(
            (
                report.all.acc,
                report.coverage,
                report.acc_noise_wrong,
                report.unassigned
            ),
            (0.8, 0.6, 0.6, 1)
        );
        let labelled = report.labelled.unwrap();
        assert_eq!(
            (labelled.acc, labelled.ari, labelled.rows, labelled.clusters),
            (1.0, 1.0, 3, 2)
        );
    }

    #[test]
    fn all_noise_scores_without_panic() {
        let report = NoiseReport::new(&[0, 1], &[-1, -1], &Matrix::new(2, 0, vec![])).unwrap();
        assert_eq!((report.all.acc, report.coverage, report.labelled), (0.0, 0.0, None));
    }

    #[test]
    fn a_label_without_column_is_refused() {
        let error = assign_noise(&[0, 2, 0, 0, 0], &memberships()).unwrap_err();
        assert_eq!(
            error,
            MetricsError::NotACluster {
                row: 1,
                label: 2,
                clusters: 2
            }
        );
        assert!(error.to_string().contains("row 1"));
    }

    #[test]
    fn memberships_of_other_rows_are_refused() {
        let error = assign_noise(&[0], &memberships()).unwrap_err();
        assert_eq!(
            error,
            MetricsError::MembershipRows {
                rows: 1,
                memberships: 5
            }
        );
    }
}
