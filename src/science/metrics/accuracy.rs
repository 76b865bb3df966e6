//! Unsupervised clustering accuracy (ACC) and the confusion matrix it comes from.

use super::contingency::Contingency;
use super::hungarian::match_largest;
use super::{MetricsError, NOISE};

/// Counts of classes × clusters with the matching that ACC uses.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Confusion {
    /// The classes, ascending: the rows.
    pub classes: Vec<i32>,
    /// The clusters, ascending and without noise: the columns.
    pub clusters: Vec<i32>,
    /// `counts[class][cluster]`.
    pub counts: Vec<Vec<u64>>,
    /// Rows of each class that are noise: wrong in every matching.
    pub noise: Vec<u64>,
    /// The column matched to each class; `None` where there are fewer clusters than classes.
    pub matched: Vec<Option<usize>>,
    /// All rows, noise included.
    pub total: u64,
}

impl Confusion {
    /// Rows in the cluster that is matched to their class.
    pub fn correct(&self) -> u64 {
        self.matched
            .iter()
            .zip(&self.counts)
            .filter_map(|(col, row)| col.map(|c| row[c]))
            .sum()
    }

    /// ACC over all rows, noise counted wrong.
    pub fn accuracy(&self) -> f64 {
        self.correct() as f64 / self.total as f64
    }

    /// Columns in the order that puts the matched cluster of class i in place i; surplus clusters follow, ascending.
    /// A class without a cluster has no place, so the order is shorter than the classes only when clusters are fewer.
    pub fn hungarian_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = self.matched.iter().flatten().copied().collect();
        let surplus: Vec<usize> = (0..self.clusters.len()).filter(|c| !order.contains(c)).collect();
        order.extend(surplus);
        order
    }
}

/// The confusion matrix of `classes` (rows) and `clusters` (columns; [`NOISE`] is set apart), with the one-to-one matching
/// of clusters to classes that has the largest sum. Surplus clusters match nothing, so their rows are wrong.
///
/// # Errors
/// If the lengths differ, there are no rows, or a class is negative.
pub fn confusion(classes: &[i32], clusters: &[i32]) -> Result<Confusion, MetricsError> {
    if let Some(row) = classes.iter().position(|&class| class < 0) {
        return Err(MetricsError::NotAClass {
            row,
            class: classes[row],
        });
    }
    let table = Contingency::new(classes, clusters)?;
    let mut counts = table.dense();
    let mut names = table.right;
    let mut noise = vec![0; counts.len()];
    if names[0] == NOISE {
        names.remove(0);
        for (row, noise) in counts.iter_mut().zip(&mut noise) {
            *noise = row.remove(0);
        }
    }
    let matched = match_largest(&counts);
    Ok(Confusion {
        classes: table.left,
        clusters: names,
        counts,
        noise,
        matched,
        total: table.total,
    })
}

/// ACC: the largest share of rows that a one-to-one matching of clusters to classes explains; noise rows are wrong.
///
/// # Errors
/// As [`confusion`].
pub fn accuracy(classes: &[i32], clusters: &[i32]) -> Result<f64, MetricsError> {
    Ok(confusion(classes, clusters)?.accuracy())
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{cases, close};
    use super::*;

    #[test]
    fn acc_equals_scipy() {
        for case in cases() {
            close(&case.name, accuracy(&case.classes, &case.clusters).unwrap(), case.acc);
        }
    }

    #[test]
    fn surplus_clusters_are_wrong() {
        assert_eq!(accuracy(&[0, 0, 0, 0], &[0, 0, 0, 1]).unwrap(), 0.75);
    }

    #[test]
    fn fewer_clusters_than_classes_leave_a_class_without() {
        let table = confusion(&[0, 0, 1, 1, 1], &[4; 5]).unwrap();
        assert_eq!(table.matched, [None, Some(0)]);
        assert_eq!(table.accuracy(), 0.6);
    }

    #[test]
    fn noise_is_wrong_and_never_matched() {
        let table = confusion(&[0, 0, 0, 1], &[-1, -1, 5, 6]).unwrap();
        assert_eq!(
            (table.clusters.as_slice(), table.noise.as_slice()),
            (&[5, 6][..], &[2, 0][..])
        );
        assert_eq!(table.accuracy(), 0.5);
        assert_eq!(accuracy(&[0, 1], &[-1, -1]).unwrap(), 0.0);
    }

    #[test]
    fn hungarian_order_puts_matches_on_the_diagonal() {
        let table = confusion(&[0, 0, 1, 1, 1], &[2, 2, 0, 0, 1]).unwrap();
        assert_eq!(table.hungarian_order(), [2, 0, 1]);
    }

    #[test]
    fn a_row_without_class_is_named() {
        assert_eq!(
            accuracy(&[0, -1], &[0, 0]).unwrap_err(),
            MetricsError::NotAClass { row: 1, class: -1 }
        );
    }
}
