//! How often each class meets each cluster.

use super::MetricsError;

/// The sparse table of counts n_ij with its margins.
///
/// Sparse, because labelings in which every noise row is its own cluster have as many clusters as rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contingency {
    /// The distinct numbers of the first labeling, ascending.
    pub left: Vec<i32>,
    /// The distinct numbers of the second labeling, ascending.
    pub right: Vec<i32>,
    /// Rows per number of `left` (a_i).
    pub left_sums: Vec<u64>,
    /// Rows per number of `right` (b_j).
    pub right_sums: Vec<u64>,
    /// (index into `left`, index into `right`, count > 0), ordered.
    pub cells: Vec<(usize, usize, u64)>,
    /// Rows counted (N).
    pub total: u64,
}

impl Contingency {
    /// Counts the pairs `(left[i], right[i])`.
    ///
    /// # Errors
    /// If the lengths differ or there are no rows.
    pub fn new(left: &[i32], right: &[i32]) -> Result<Self, MetricsError> {
        if left.len() != right.len() {
            return Err(MetricsError::LengthsDiffer {
                left: left.len(),
                right: right.len(),
            });
        }
        if left.is_empty() {
            return Err(MetricsError::Empty);
        }
        let (left_names, right_names) = (distinct(left), distinct(right));
        let mut pairs: Vec<(usize, usize)> = left
            .iter()
            .zip(right)
            .map(|(l, r)| (index_of(&left_names, *l), index_of(&right_names, *r)))
            .collect();
        pairs.sort_unstable();
        let mut table = Self {
            left_sums: vec![0; left_names.len()],
            right_sums: vec![0; right_names.len()],
            left: left_names,
            right: right_names,
            cells: Vec::new(),
            total: left.len() as u64,
        };
        for (i, j) in pairs {
            table.left_sums[i] += 1;
            table.right_sums[j] += 1;
            match table.cells.last_mut() {
                Some((a, b, count)) if (*a, *b) == (i, j) => *count += 1,
                _ => table.cells.push((i, j, 1)),
            }
        }
        Ok(table)
    }

    /// The full table, classes × clusters.
    pub fn dense(&self) -> Vec<Vec<u64>> {
        let mut counts = vec![vec![0; self.right.len()]; self.left.len()];
        for &(i, j, count) in &self.cells {
            counts[i][j] = count;
        }
        counts
    }
}

fn distinct(labels: &[i32]) -> Vec<i32> {
    let mut names = labels.to_vec();
    names.sort_unstable();
    names.dedup();
    names
}

fn index_of(names: &[i32], name: i32) -> usize {
    names
        .binary_search(&name)
        .expect("the names were collected from these labels")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_margins_agree() {
        let table = Contingency::new(&[5, 5, 7, 7, 7], &[-1, 0, 0, 0, 3]).unwrap();
        assert_eq!((&table.left[..], &table.right[..]), (&[5, 7][..], &[-1, 0, 3][..]));
        assert_eq!(table.cells, [(0, 0, 1), (0, 1, 1), (1, 1, 2), (1, 2, 1)]);
        assert_eq!(
            (table.left_sums.clone(), table.right_sums.clone()),
            (vec![2, 3], vec![1, 3, 1])
        );
        assert_eq!(table.dense(), [[1, 1, 0], [0, 2, 1]]);
    }

    #[test]
    fn different_lengths_are_refused() {
        let error = Contingency::new(&[0], &[0, 1]).unwrap_err();
        assert_eq!(error, MetricsError::LengthsDiffer { left: 1, right: 2 });
    }

    #[test]
    fn no_rows_are_refused() {
        assert_eq!(Contingency::new(&[], &[]).unwrap_err(), MetricsError::Empty);
    }
}
