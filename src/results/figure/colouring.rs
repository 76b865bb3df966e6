//! What the points of a map are coloured by.
//!
//! Labels are read here to draw what is finished; nothing of them goes back into a stage.

use super::confusion::ConfusionMatrix;
use crate::error::ResultsError;
use crate::stored::Stored;
use crate::tensors;
use moelab_engine::plan::NodeId;
use moelab_stages::artifact;
use moelab_stages::evaluate::{Evaluate, Noise};
use moelab_stages::frame::{list_values, read_parquet, whole};
use polars::prelude::PolarsResult;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Artifact types that colour a map.
const COLOURS_BY: [&str; 4] = [
    artifact::CLUSTERS,
    artifact::ASSIGNMENTS,
    artifact::LABELS,
    artifact::CONFUSION,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Cluster,
    Label,
    /// Whether a row sits outside the cluster that is matched to its class.
    Error,
}

/// A category of every row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Colouring {
    pub(crate) meaning: Meaning,
    /// Which of `names`; none for noise.
    pub(crate) of_row: Vec<Option<usize>>,
    pub(crate) names: Vec<String>,
}

impl Colouring {
    /// By what an action left: clusters, assignments, labels, or a confusion matrix (errors under the Hungarian match).
    pub(crate) fn read(stored: &Stored<'_>, node: NodeId, output: &str) -> Result<Self, ResultsError> {
        let manifest = stored.finished(node)?;
        let path = stored.path(node, output)?;
        match manifest.outputs[output].artifact.as_str() {
            artifact::LABELS => {
                let labels = tensors::labels(&path)?;
                let mut distinct = labels.values.clone();
                distinct.sort_unstable();
                distinct.dedup();
                let index = |label: &i64| distinct.binary_search(label).ok();
                Ok(Self {
                    meaning: Meaning::Label,
                    of_row: labels.values.iter().map(index).collect(),
                    names: distinct.iter().map(|label| labels.name(*label)).collect(),
                })
            }
            artifact::CONFUSION => Self::errors(stored, node, &path),
            _ => {
                let clusters = read(&path, clusters)?;
                let count = clusters.iter().max().map_or(0, |most| most + 1);
                Ok(Self {
                    meaning: Meaning::Cluster,
                    of_row: clusters.iter().map(|cluster| usize::try_from(*cluster).ok()).collect(),
                    names: (0..count).map(|cluster| cluster.to_string()).collect(),
                })
            }
        }
    }

    /// From what `evaluate` compared and how it matched clusters to classes; noise as it treated it.
    fn errors(stored: &Stored<'_>, node: NodeId, confusion: &Path) -> Result<Self, ResultsError> {
        let fed = |port: &str| {
            let source = stored.source(node, port);
            source.ok_or_else(|| ResultsError::NotDrawn(format!("`{}` has no input `{port}`", stored.describe(node))))
        };
        let (scored, labels) = (fed("assignments")?, fed("labels")?);
        let config = &stored.finished(node)?.action.config;
        let noise = Evaluate::deserialize(config).map_or(Noise::Assign, |settings| settings.noise);
        let labels = tensors::labels(&stored.path(labels.node, &labels.output)?)?.values;
        let path = stored.path(scored.node, &scored.output)?;
        let assigned = read(&path, |path| match noise {
            Noise::Assign => assigned(path),
            Noise::Exclude | Noise::Wrong => clusters(path),
        })?;
        let matched = ConfusionMatrix::read(confusion)?.class_of();
        let of_row = errors(&labels, &assigned, &matched, noise);
        Ok(Self {
            meaning: Meaning::Error,
            of_row,
            names: vec!["in the matched cluster".to_owned(), "misassigned".to_owned()],
        })
    }

    /// The output of this action that colours a map, if there is one.
    pub(crate) fn output_of(stored: &Stored<'_>, node: NodeId, wanted: Option<&str>) -> Option<String> {
        let outputs = &stored.manifest(node)?.outputs;
        let fits = |name: &&String| {
            COLOURS_BY.contains(&outputs[*name].artifact.as_str())
                && wanted.is_none_or(|wanted| wanted == name.as_str())
        };
        outputs.keys().find(fits).cloned()
    }

    pub(crate) fn rows(&self) -> usize {
        self.of_row.len()
    }
}

/// 0 for a row whose cluster is matched to its class, 1 for another, none for one that was not scored.
fn errors(labels: &[i64], clusters: &[i32], matched: &BTreeMap<i32, i64>, noise: Noise) -> Vec<Option<usize>> {
    // The confusion matrix numbers the classes from 0.
    let mut distinct = labels.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let class = |label: &i64| distinct.binary_search(label).expect("every label is among them") as i64;
    let of = |(label, cluster): (&i64, &i32)| {
        let scored = *cluster >= 0 || noise != Noise::Exclude;
        scored.then(|| usize::from(matched.get(cluster) != Some(&class(label))))
    };
    labels.iter().zip(clusters).map(of).collect()
}

/// The number of clusters in a clusters or assignments artifact, and how many rows are in one, of how many.
pub(crate) fn count(path: &Path) -> Result<(usize, usize, usize), ResultsError> {
    read(path, |path| {
        let clusters = clusters(path)?;
        let found: std::collections::BTreeSet<i32> = clusters.iter().copied().filter(|cluster| *cluster >= 0).collect();
        let labelled = clusters.iter().filter(|cluster| **cluster >= 0).count();
        Ok((found.len(), labelled, clusters.len()))
    })
}

fn read<T>(path: &Path, how: impl FnOnce(&Path) -> PolarsResult<T>) -> Result<T, ResultsError> {
    how(path).map_err(|source| ResultsError::Unreadable {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

fn clusters(path: &Path) -> PolarsResult<Vec<i32>> {
    Ok(whole(&read_parquet(path)?, "cluster")?
        .i32()?
        .into_no_null_iter()
        .collect())
}

/// Noise rows in the cluster of their greatest membership, the lowest number of several; noise where there is none.
fn assigned(path: &Path) -> PolarsResult<Vec<i32>> {
    let frame = read_parquet(path)?;
    let mut clusters: Vec<i32> = whole(&frame, "cluster")?.i32()?.into_no_null_iter().collect();
    if frame.column("membership").is_err() {
        return Ok(clusters);
    }
    let (values, width) = list_values(&frame, "membership")?;
    for (row, cluster) in clusters.iter_mut().enumerate().filter(|(_, cluster)| **cluster < 0) {
        let mut best = (0.0, *cluster);
        for (k, &value) in values[row * width..(row + 1) * width].iter().enumerate() {
            if value > best.0 {
                best = (value, k as i32);
            }
        }
        *cluster = best.1;
    }
    Ok(clusters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use moelab_stages::frame::list_column;
    use polars::prelude::*;

    #[test]
    fn a_row_outside_the_cluster_of_its_class_is_an_error() {
        // Labels 3 and 8 are the classes 0 and 1; cluster 2 is matched to 3, cluster 0 to 8, cluster 1 to none.
        let matched = [(2, 0), (0, 1)].into();
        let (labels, clusters) = ([3, 3, 8, 8, 3], [2, 0, 0, 1, -1]);
        let of = |noise| errors(&labels, &clusters, &matched, noise);
        assert_eq!(of(Noise::Wrong), [Some(0), Some(1), Some(0), Some(1), Some(1)]);
        assert_eq!(of(Noise::Exclude)[4], None);
    }

    #[test]
    fn noise_goes_to_its_greatest_membership_where_there_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        let memberships = list_column("membership", &[0.9, 0.0, 0.1, 0.3, 0.0, 0.0], 2, 3);
        let mut frame = DataFrame::new(3, vec![Column::new("cluster".into(), [0, -1, -1]), memberships]).unwrap();
        moelab_stages::frame::write_parquet(&mut frame, &path).unwrap();
        assert_eq!(assigned(&path).unwrap(), [0, 1, -1]);
        assert_eq!(clusters(&path).unwrap(), [0, -1, -1]);
        assert_eq!(count(&path).unwrap(), (1, 1, 3));
    }
}
