//! Clusters and assignments as tables.

use super::refuse;
use crate::matrix::Matrix;
use moelab_engine::job::Failure;
use moelab_stages::frame::{list_column, list_values, read_parquet, whole, write_parquet};
use moelab_stages::manager_fit::SoftLabels;
use polars::prelude::{Column, DataFrame, NamedFrom, Series};
use std::path::Path;

/// A clusters artifact.
pub struct Clusters {
    /// −1 is noise.
    pub labels: Vec<i32>,
    pub probabilities: Vec<f32>,
    pub outlier_scores: Vec<f32>,
    /// N × K
    pub memberships: Matrix,
}

impl Clusters {
    /// K.
    pub fn count(&self) -> usize {
        self.memberships.cols()
    }

    /// Refuses clusters of other images than the ones beside them.
    pub fn check_rows(&self, images: usize) -> Result<(), Failure> {
        match self.labels.len() {
            n if n == images => Ok(()),
            n => Err(Failure::bad_input(format!(
                "`clusters` has {n} rows, the images are {images}: both must come from the same `load`"
            ))),
        }
    }

    /// What a network may learn of them: rows that sum to 1, N × K. A row without any membership falls back to its label, a
    /// noise row without any to the uniform.
    pub fn soft_targets(&self, kind: SoftLabels) -> Matrix {
        let k = self.count();
        let mut targets = Matrix::new(self.labels.len(), k, vec![0.0; self.labels.len() * k]);
        for (row, &label) in self.labels.iter().enumerate() {
            let own = usize::try_from(label).ok();
            let membership = self.memberships.row(row);
            let sum: f32 = membership.iter().sum();
            let target = targets.row_mut(row);
            match (kind, own) {
                (SoftLabels::Hard, Some(own)) => target[own] = 1.0,
                (SoftLabels::Probability, Some(own)) => {
                    let p = self.probabilities[row];
                    target.fill((1.0 - p) / k as f32);
                    target[own] += p;
                }
                _ if sum > 0.0 && sum.is_finite() => {
                    target.iter_mut().zip(membership).for_each(|(t, m)| *t = m / sum);
                }
                (_, Some(own)) => target[own] = 1.0,
                (_, None) => target.fill(1.0 / k as f32),
            }
        }
        targets
    }

    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let n = self.labels.len();
        let columns = vec![
            row_numbers(n),
            Series::new("cluster".into(), &self.labels).into(),
            Series::new("probability".into(), &self.probabilities).into(),
            Series::new("outlier_score".into(), &self.outlier_scores).into(),
            list_column("membership", self.memberships.data(), self.memberships.cols(), n),
        ];
        let mut frame = DataFrame::new(n, columns).map_err(refuse)?;
        write_parquet(&mut frame, path).map_err(refuse)
    }

    pub fn read(path: &Path) -> Result<Self, Failure> {
        let frame = read_parquet(path).map_err(refuse)?;
        let f32s = |name: &str| -> Result<Vec<f32>, Failure> {
            Ok(whole(&frame, name)
                .and_then(|c| c.f32().cloned())
                .map_err(refuse)?
                .into_no_null_iter()
                .collect())
        };
        let labels = label_column(&frame)?;
        let (memberships, k) = list_values(&frame, "membership").map_err(refuse)?;
        Ok(Self {
            memberships: Matrix::new(labels.len(), k, memberships),
            labels,
            probabilities: f32s("probability")?,
            outlier_scores: f32s("outlier_score")?,
        })
    }
}

/// An assignments artifact: what a manager or a mixture says of every row.
pub struct Assignments {
    /// N × K
    pub manager_p: Matrix,
    /// N × K: each expert's cost of each row; one column where all clusters share an autoencoder, none for a manager alone.
    pub reconstruction: Matrix,
}

impl Assignments {
    /// argmax of the manager.
    pub fn labels(&self) -> Vec<i32> {
        (0..self.manager_p.rows())
            .map(|i| greatest(self.manager_p.row(i)))
            .collect()
    }

    /// Share of the rows in each cluster.
    pub fn shares(&self) -> Vec<f64> {
        let labels = self.labels();
        let share = |k: usize| labels.iter().filter(|&&label| label == k as i32).count() as f64 / labels.len() as f64;
        (0..self.manager_p.cols()).map(share).collect()
    }

    /// Mean over rows of the entropy of p, in nats.
    pub fn entropy(&self) -> f64 {
        let p = self.manager_p.data().iter().copied().filter(|&p| p > 0.0);
        let sum: f64 = p.map(|p| -f64::from(p) * f64::from(p).ln()).sum();
        sum / self.manager_p.rows() as f64
    }

    /// # Errors
    /// If a number is not finite: the last step of a training may have spoilt the weights.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let n = self.manager_p.rows();
        for (what, values) in [("share", &self.manager_p), ("cost", &self.reconstruction)] {
            if let Some(at) = values.data().iter().position(|value| !value.is_finite()) {
                return Err(Failure::stage(format!(
                    "training diverged in its last steps: a {what} of row {} is {}; lower `learning_rate`",
                    at / values.cols(),
                    values.data()[at]
                )));
            }
        }
        let columns = vec![
            row_numbers(n),
            Series::new("cluster".into(), self.labels()).into(),
            list_column("manager_p", self.manager_p.data(), self.manager_p.cols(), n),
            list_column(
                "reconstruction",
                self.reconstruction.data(),
                self.reconstruction.cols(),
                n,
            ),
        ];
        let mut frame = DataFrame::new(n, columns).map_err(refuse)?;
        write_parquet(&mut frame, path).map_err(refuse)
    }

    pub fn read(path: &Path) -> Result<Self, Failure> {
        let frame = read_parquet(path).map_err(refuse)?;
        let matrix = |name: &str| -> Result<Matrix, Failure> {
            let (values, width) = list_values(&frame, name).map_err(refuse)?;
            Ok(Matrix::new(frame.height(), width, values))
        };
        Ok(Self {
            manager_p: matrix("manager_p")?,
            reconstruction: matrix("reconstruction")?,
        })
    }
}

/// The `cluster` column of either table, and K, of which the last clusters may have no row.
pub fn labels_and_count(path: &Path) -> Result<(Vec<i32>, usize), Failure> {
    let frame = read_parquet(path).map_err(refuse)?;
    let wide = ["membership", "manager_p"]
        .into_iter()
        .find(|name| frame.column(name).is_ok());
    let wide = wide.ok_or_else(|| refuse("neither clusters nor assignments"))?;
    let (_, k) = list_values(&frame, wide).map_err(refuse)?;
    Ok((label_column(&frame)?, k))
}

/// The `cluster` column of either table.
pub fn labels(path: &Path) -> Result<Vec<i32>, Failure> {
    label_column(&read_parquet(path).map_err(refuse)?)
}

fn label_column(frame: &DataFrame) -> Result<Vec<i32>, Failure> {
    Ok(whole(frame, "cluster")
        .and_then(|c| c.i32().cloned())
        .map_err(refuse)?
        .into_no_null_iter()
        .collect())
}

fn row_numbers(n: usize) -> Column {
    Series::new("row".into(), (0..n as u32).collect::<Vec<_>>()).into()
}

/// Index of the greatest value, the first of several; 0 for an empty row.
pub fn greatest(values: &[f32]) -> i32 {
    let mut best = 0;
    for (i, &value) in values.iter().enumerate() {
        if value > values[best] {
            best = i;
        }
    }
    best as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two labelled rows, a noise row without memberships and one with some.
    fn some() -> Clusters {
        Clusters {
            labels: vec![0, 1, -1, -1],
            probabilities: vec![0.5, 1.0, 0.0, 0.0],
            outlier_scores: vec![0.0; 4],
            memberships: Matrix::new(4, 2, vec![0.6, 0.2, 0.0, 0.0, 0.1, 0.3, 0.0, 0.0]),
        }
    }

    #[test]
    fn memberships_are_renormalised_and_empty_rows_fall_back() {
        let targets = some().soft_targets(SoftLabels::Membership);
        assert_eq!(targets.data(), [0.75, 0.25, 0.0, 1.0, 0.25, 0.75, 0.5, 0.5]);
    }

    #[test]
    fn probability_mixes_one_hot_with_uniform() {
        assert_eq!(some().soft_targets(SoftLabels::Probability).row(0), [0.75, 0.25]);
    }

    #[test]
    fn hard_is_one_hot() {
        assert_eq!(some().soft_targets(SoftLabels::Hard).row(0), [1.0, 0.0]);
    }

    #[test]
    fn clusters_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clusters");
        let clusters = Clusters {
            labels: vec![1, -1],
            probabilities: vec![0.5, 0.0],
            outlier_scores: vec![0.25, 1.0],
            memberships: Matrix::new(2, 3, vec![0.1, 0.8, 0.1, 0.2, 0.2, 0.2]),
        };
        clusters.write(&path).unwrap();
        assert_eq!(
            labels_and_count(&path).unwrap(),
            (vec![1, -1], 3),
            "the last has no row"
        );
        let read = Clusters::read(&path).unwrap();
        assert_eq!((read.labels, read.memberships), (clusters.labels, clusters.memberships));
        assert_eq!(
            (read.probabilities, read.outlier_scores),
            (clusters.probabilities, clusters.outlier_scores)
        );
    }

    #[test]
    fn assignments_that_are_no_numbers_are_refused() {
        let path = tempfile::tempdir().unwrap().path().join("assignments");
        let broken = Assignments {
            manager_p: Matrix::new(2, 2, vec![0.9, 0.1, f32::NAN, 0.6]),
            reconstruction: Matrix::new(2, 0, vec![]),
        };
        assert!(
            broken
                .write(&path)
                .unwrap_err()
                .message
                .contains("a share of row 1 is NaN")
        );
    }

    #[test]
    fn assignments_without_experts_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("assignments");
        let p = Matrix::new(2, 2, vec![0.9, 0.1, 0.4, 0.6]);
        Assignments {
            manager_p: p.clone(),
            reconstruction: Matrix::new(2, 0, vec![]),
        }
        .write(&path)
        .unwrap();
        let read = Assignments::read(&path).unwrap();
        assert_eq!((read.manager_p, read.reconstruction.cols()), (p, 0));
        assert_eq!(labels(&path).unwrap(), [0, 1]);
        assert_eq!(labels_and_count(&path).unwrap(), (vec![0, 1], 2));
    }
}
