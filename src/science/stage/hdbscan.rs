//! Runs `hdbscan`.

use super::cluster_table::Clusters;
use super::{embed, refuse, single_linkage};
use crate::cluster::{self, HdbscanConfig, SelectionMethod, SingleLinkage};
use crate::matrix::Matrix;
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::frame::write_parquet;
use moelab_stages::hdbscan::{self, Hdbscan};
use polars::prelude::{DataFrame, NamedFrom, Series};
use std::sync::Arc;

/// Above this many clusters, or with none, nothing later makes sense.
const MOST_CLUSTERS: usize = 200;
/// Below this share of rows in clusters, the user should know.
const FEW_LABELLED: f64 = 0.3;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: Hdbscan = job.settings()?;
    let input = job.input("points")?;
    let points = embed::points(&input.path, &input.artifact)?;
    let config = config(&settings, points.rows());
    let found = match job.optional("linkage") {
        Some(linkage) => shared(single_linkage::read(&linkage.path)?, &points, &config)?,
        None => cluster::hdbscan(&points, &config).map_err(refuse)?,
    };
    let (k, labelled) = (found.clusters(), found.labelled());
    tracing::info!("{config:?} found K = {k}, {:.1} % labelled", 100.0 * labelled);
    if k == 0 || labelled == 0.0 || k > MOST_CLUSTERS {
        return Err(Failure::stage(format!(
            "HDBSCAN found {k} clusters in {} points with min_cluster_size {}: {}",
            points.rows(),
            config.min_cluster_size,
            if k <= MOST_CLUSTERS {
                "all is noise or one cluster; lower `min_cluster_size`, or look at the embedding"
            } else {
                "the embedding is shattered; raise `min_cluster_size` (or give `min_cluster_fraction`)"
            }
        )));
    }
    if labelled < FEW_LABELLED {
        job.note(format!("only {:.0} % of the points are in a cluster", 100.0 * labelled));
    }
    write_tree(job, &found)?;
    let clusters = Clusters {
        probabilities: to_f32(&found.probabilities),
        outlier_scores: to_f32(&found.outlier_scores()),
        memberships: found.memberships(&points),
        labels: found.labels,
    };
    clusters.write(&job.output("clusters")?)
}

/// The settings for so many rows.
pub fn config(settings: &Hdbscan, rows: usize) -> HdbscanConfig {
    HdbscanConfig {
        min_cluster_size: settings.min_cluster_size_for(rows),
        min_samples: settings.min_samples.map(|n| n as usize),
        cluster_selection_method: match settings.cluster_selection_method {
            hdbscan::SelectionMethod::Eom => SelectionMethod::Eom,
            hdbscan::SelectionMethod::Leaf => SelectionMethod::Leaf,
        },
        cluster_selection_epsilon: settings.cluster_selection_epsilon,
        max_cluster_size: settings.max_cluster_size.map(|n| n as usize),
        allow_single_cluster: settings.allow_single_cluster,
        alpha: settings.alpha,
    }
}

pub fn to_f32(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

/// The clustering that a tree of these points gives.
fn shared(linkage: SingleLinkage, points: &Matrix, config: &HdbscanConfig) -> Result<cluster::Hdbscan, Failure> {
    if linkage.points() != points.rows() {
        return Err(refuse(format!(
            "the linkage is of {} points, but there are {}; connect `linkage` to a `single_linkage` of the same points",
            linkage.points(),
            points.rows()
        )));
    }
    Arc::new(linkage).cluster(config).map_err(refuse)
}

/// `selected` marks the rows whose child is a chosen cluster.
fn write_tree(job: &JobContext, found: &cluster::Hdbscan) -> Result<(), Failure> {
    let rows = found.condensed_tree.rows();
    let points = found.condensed_tree.points();
    let chosen: std::collections::BTreeSet<u32> = found.selected.iter().map(|&c| (points + c) as u32).collect();
    let columns = vec![
        Series::new("parent".into(), rows.iter().map(|r| r.parent).collect::<Vec<_>>()).into(),
        Series::new("child".into(), rows.iter().map(|r| r.child).collect::<Vec<_>>()).into(),
        Series::new("lambda".into(), rows.iter().map(|r| r.lambda).collect::<Vec<_>>()).into(),
        Series::new("size".into(), rows.iter().map(|r| r.size).collect::<Vec<_>>()).into(),
        Series::new(
            "selected".into(),
            rows.iter().map(|r| chosen.contains(&r.child)).collect::<Vec<_>>(),
        )
        .into(),
    ];
    let mut frame = DataFrame::new(rows.len(), columns).map_err(refuse)?;
    write_parquet(&mut frame, &job.output("tree")?).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, Bench};
    use super::*;
    use crate::cluster::MutualReachability;
    use moelab_stages::artifact;
    use serde_json::{Value, json};

    /// The stage run on points on a line.
    fn on_a_line(values: Vec<f32>, settings: Value) -> (Bench, Result<(), Failure>) {
        let points = Matrix::new(values.len(), 1, values);
        let bench = Bench::new("hdbscan", settings);
        let bench = bench.given("points", artifact::POINTS, None, testing::points(&points));
        let done = run(&bench.job(&["clusters", "tree"]));
        (bench, done)
    }

    #[test]
    fn points_without_a_cluster_are_a_failure_that_says_so() {
        // Farther and farther from each other: they leave the whole one by one.
        let apart = (0..30_u8).map(|i| f32::from(i).powi(2)).collect();
        let (bench, done) = on_a_line(apart, json!({"min_cluster_size": 12}));
        let said = done.unwrap_err().message;
        assert!(
            said.starts_with(
                "HDBSCAN found 0 clusters in 30 points with min_cluster_size 12: all is noise or one cluster"
            ),
            "{said}"
        );
        assert!(!bench.output("clusters").exists());
    }

    #[test]
    fn more_clusters_than_anything_can_use_are_a_failure_that_says_so() {
        // Pairs, farther and farther from each other.
        let pairs = |n: u16| -> Vec<f32> {
            let place = |i: u16| f32::from(i) * (10.0 + f32::from(i) / 100.0);
            (0..n).flat_map(|i| [place(i), place(i) + 0.01]).collect()
        };
        let settings = json!({"min_cluster_size": 2, "min_samples": 1, "cluster_selection_method": "leaf"});
        let said = on_a_line(pairs(201), settings.clone()).1.unwrap_err().message;
        assert!(
            said.starts_with("HDBSCAN found 201 clusters in 402 points") && said.contains("the embedding is shattered"),
            "{said}"
        );
        on_a_line(pairs(200), settings).1.unwrap();
    }

    #[test]
    fn few_points_in_clusters_are_told_and_more_are_not() {
        // Two groups of ten, and points that no other is near.
        let group = |start: f32| (0..10_u8).map(move |i| start + f32::from(i) / 100.0);
        let line = |scattered: u8| -> Vec<f32> {
            let far = (0..scattered).map(|i| 100.0 * f32::from(i + 1).powi(2));
            group(0.0).chain(group(10.0)).chain(far).collect()
        };
        let settings = json!({"min_cluster_size": 8, "min_samples": 3});
        let (bench, done) = on_a_line(line(80), settings.clone());
        done.unwrap();
        assert!(
            bench.events().contains("only 20 % of the points are in a cluster"),
            "{}",
            bench.events()
        );
        let (bench, done) = on_a_line(line(40), settings);
        done.unwrap();
        assert!(!bench.events().contains("in a cluster"), "{}", bench.events());
    }

    fn points() -> Matrix {
        let group = |start: f32| (0..10).map(move |i| start + (i as f32).powf(1.1));
        Matrix::new(20, 1, group(0.0).chain(group(60.0)).collect())
    }

    #[test]
    fn a_shared_linkage_gives_the_clustering_of_the_points() {
        let config = HdbscanConfig::default();
        let linkage = MutualReachability::new(&points())
            .unwrap()
            .single_linkage(5, 1.0)
            .unwrap();
        let found = shared(linkage, &points(), &config).unwrap();
        assert_eq!(found.labels, cluster::hdbscan(&points(), &config).unwrap().labels);
        assert_eq!(found.clusters(), 2);
    }

    #[test]
    fn a_linkage_of_other_points_is_refused() {
        let other = Matrix::new(3, 1, vec![1.0, 2.0, 3.0]);
        let linkage = MutualReachability::new(&other).unwrap().single_linkage(1, 1.0).unwrap();
        let failure = shared(linkage, &points(), &HdbscanConfig::default()).unwrap_err();
        assert!(
            failure.message.contains("3 points, but there are 20"),
            "{}",
            failure.message
        );
    }
}
