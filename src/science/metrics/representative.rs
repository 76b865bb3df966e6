//! Accuracy by representatives: the rule of the adversarial autoencoder (Makhzani et al. 2015, §5) and of the GMVAE.

use super::MetricsError;
use crate::matrix::Matrix;

/// The share of rows whose class is that of their cluster's representative, the row with the greatest soft membership in it
/// (the first of equals). `memberships` is N × K; a label outside 0 … K − 1 is wrong.
///
/// This is *not* the clustering accuracy: many clusters may have one class, so that with more clusters than classes it is
/// greater, like purity; and one row decides on a cluster, so that it can also be less. Never put both in one column.
///
/// # Errors
/// If the lengths differ or there are no rows.
pub fn representative_accuracy(classes: &[i32], clusters: &[i32], memberships: &Matrix) -> Result<f64, MetricsError> {
    if classes.len() != clusters.len() {
        return Err(MetricsError::LengthsDiffer {
            left: classes.len(),
            right: clusters.len(),
        });
    }
    if clusters.len() != memberships.rows() {
        return Err(MetricsError::MembershipRows {
            rows: clusters.len(),
            memberships: memberships.rows(),
        });
    }
    if classes.is_empty() {
        return Err(MetricsError::Empty);
    }
    let mut representatives = vec![0; memberships.cols()];
    for row in 1..memberships.rows() {
        for (k, best) in representatives.iter_mut().enumerate() {
            if memberships.row(row)[k] > memberships.row(*best)[k] {
                *best = row;
            }
        }
    }
    let class_of = |cluster: i32| Some(classes[*representatives.get(usize::try_from(cluster).ok()?)?]);
    let right = |(class, cluster): &(&i32, &i32)| class_of(**cluster) == Some(**class);
    Ok(classes.iter().zip(clusters).filter(right).count() as f64 / classes.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::super::{NOISE, accuracy};
    use super::*;

    fn memberships(rows: &[[f32; 3]]) -> Matrix {
        Matrix::new(rows.len(), 3, rows.as_flattened().to_vec())
    }

    #[test]
    fn clusters_may_share_a_class() {
        let classes = [0, 0, 0, 1];
        let clusters = [0, 1, 1, 2];
        let p = memberships(&[[0.9, 0.1, 0.], [0.4, 0.6, 0.], [0., 1., 0.], [0., 0., 1.]]);
        assert_eq!(representative_accuracy(&classes, &clusters, &p), Ok(1.0));
        assert_eq!(accuracy(&classes, &clusters), Ok(0.75), "one cluster for each class");
    }

    #[test]
    fn one_confident_row_decides_on_its_cluster() {
        let p = memberships(&[[0.6, 0.4, 0.], [0.6, 0.4, 0.], [0.9, 0.1, 0.]]);
        assert_eq!(representative_accuracy(&[0, 0, 1], &[0, 0, 0], &p), Ok(1.0 / 3.0));
        assert_eq!(accuracy(&[0, 0, 1], &[0, 0, 0]), Ok(2.0 / 3.0), "the majority decides");
    }

    #[test]
    fn the_first_of_equals_represents() {
        let p = memberships(&[[1., 0., 0.], [1., 0., 0.]]);
        assert_eq!(representative_accuracy(&[4, 5], &[0, 0], &p), Ok(0.5));
    }

    #[test]
    fn noise_is_wrong() {
        let p = memberships(&[[1., 0., 0.], [0.8, 0., 0.]]);
        assert_eq!(representative_accuracy(&[0, 0], &[0, NOISE], &p), Ok(0.5));
    }

    #[test]
    fn rows_that_do_not_match_are_refused() {
        let p = memberships(&[[1., 0., 0.]]);
        assert!(representative_accuracy(&[0, 0], &[0], &p).is_err());
        assert!(representative_accuracy(&[0, 0], &[0, 0], &p).is_err());
        assert_eq!(
            representative_accuracy(&[], &[], &Matrix::new(0, 3, vec![])),
            Err(MetricsError::Empty)
        );
    }
}
