//! Runs `stability`.

use super::{cluster_table, embed, refuse};
use crate::cluster::{self, ClusterError, Stability, dbcv};
use crate::matrix::Matrix;
use moelab_engine::job::{Failure, InputFile, JobContext};
use moelab_stages::frame::{list_column, write_parquet};
use polars::prelude::{Column, DataFrame, NamedFrom, Series};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let labelings = candidates(job)?;
    let found = compare(&labelings)?;
    let mut extra = Vec::new();
    if job.optional("points").is_some() {
        extra.push(Series::new("dbcv".into(), validity(job, &labelings)?).into());
    }
    write_report(job, &found, extra)?;
    let spread = |values: &[usize]| (values.iter().min().copied(), values.iter().max().copied());
    let (least, most) = spread(&found.clusters);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let metrics = json!({
        "candidates": labelings.len(),
        "least_clusters": least,
        "most_clusters": most,
        "plateau": plateau(&found.clusters),
        "agreement": mean(&found.mean_ari),
        "labelled": mean(&found.labelled),
    });
    std::fs::write(job.output("metrics")?, metrics.to_string())?;
    Ok(())
}

/// Labels of every candidate, in key order.
pub fn candidates(job: &JobContext) -> Result<Vec<Vec<i32>>, Failure> {
    job.all("candidates")
        .iter()
        .map(|file| cluster_table::labels(&file.path))
        .collect()
}

pub fn compare(labelings: &[Vec<i32>]) -> Result<Stability, Failure> {
    let labelings: Vec<&[i32]> = labelings.iter().map(Vec::as_slice).collect();
    cluster::stability(&labelings).map_err(refuse)
}

/// The number of clusters that most candidates found; of several, the greatest.
pub fn plateau(clusters: &[usize]) -> usize {
    let times = |k: &usize| clusters.iter().filter(|&other| other == k).count();
    clusters.iter().copied().max_by_key(|k| (times(k), *k)).unwrap_or(0)
}

/// The validity of every candidate on its points; `None` for fewer than two clusters.
pub fn validity(job: &JobContext, labelings: &[Vec<i32>]) -> Result<Vec<Option<f64>>, Failure> {
    let points: Vec<Matrix> = job
        .all("points")
        .iter()
        .map(|file| embed::points(&file.path, &file.artifact))
        .collect::<Result<_, _>>()?;
    let axes: Vec<&Axes> = job.all("points").iter().map(|file| &file.axes).collect();
    let of = |(labels, member): (&Vec<i32>, &InputFile)| {
        let place = points_of(&member.axes, &axes).ok_or_else(|| {
            refuse(
                "a candidate has no points of its own: give `points` singly, or gather them over those axes of `candidates` that they depend on",
            )
        })?;
        match dbcv(&points[place], labels) {
            Ok(validity) => Ok(Some(validity.index)),
            Err(ClusterError::TooFewClusters { .. }) => Ok(None),
            Err(error) => Err(refuse(error)),
        }
    };
    labelings.iter().zip(job.all("candidates")).map(of).collect()
}

type Axes = BTreeMap<String, Value>;

/// The one member that has the candidate's values on all of its axes.
fn points_of(candidate: &Axes, members: &[&Axes]) -> Option<usize> {
    let agrees = |member: &&&Axes| member.iter().all(|(axis, value)| candidate.get(axis) == Some(value));
    let mut fitting = members.iter().enumerate().filter(|(_, member)| agrees(member));
    match (fitting.next(), fitting.next()) {
        (Some((place, _)), None) => Some(place),
        _ => None,
    }
}

/// One row per candidate: its axes, K, the share labelled, agreement with the others, and extra columns.
pub fn write_report(job: &JobContext, found: &Stability, extra: Vec<Column>) -> Result<(), Failure> {
    let members: Vec<&Axes> = job.all("candidates").iter().map(|member| &member.axes).collect();
    let mut columns: Vec<Column> = Vec::new();
    for axis in members.first().map(|axes| axes.keys()).into_iter().flatten() {
        let value = |axes: &&Axes| {
            let value = axes.get(axis);
            value.map_or_else(String::new, |v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
        };
        let values: Vec<String> = members.iter().map(value).collect();
        columns.push(Series::new(axis.as_str().into(), values).into());
    }
    let clusters: Vec<u32> = found.clusters.iter().map(|&k| k as u32).collect();
    columns.push(Series::new("clusters".into(), clusters).into());
    columns.push(Series::new("labelled".into(), &found.labelled).into());
    columns.push(Series::new("mean_ari".into(), &found.mean_ari).into());
    if members.iter().any(|axes| axes.contains_key(SEED)) {
        let same_seed = |a: &Axes, b: &Axes| a.get(SEED) == b.get(SEED);
        let same_settings = |a: &Axes, b: &Axes| without_seed(a).eq(without_seed(b));
        columns.push(Series::new("ari_settings".into(), means(&members, found, same_seed)).into());
        columns.push(Series::new("ari_seeds".into(), means(&members, found, same_settings)).into());
    }
    columns.extend(extra);
    let pairs: Vec<f32> = found.ari_all.iter().flatten().map(|&ari| ari as f32).collect();
    columns.push(list_column("ari", &pairs, members.len(), members.len()));
    let mut frame = DataFrame::new(members.len(), columns).map_err(refuse)?;
    write_parquet(&mut frame, &job.output("report")?).map_err(refuse)
}

/// The axis of seeds.
const SEED: &str = "seed";

fn without_seed(axes: &Axes) -> impl Iterator<Item = (&String, &Value)> {
    axes.iter().filter(|(axis, _)| *axis != SEED)
}

/// For every candidate, its mean agreement with the others that are `like` it; missing where there are none.
fn means(members: &[&Axes], found: &Stability, like: impl Fn(&Axes, &Axes) -> bool) -> Vec<Option<f64>> {
    let mean = |a: usize| {
        let others = (0..members.len()).filter(|&b| b != a && like(members[a], members[b]));
        let values: Vec<f64> = others.map(|b| found.ari_all[a][b]).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    (0..members.len()).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plateau_is_the_commonest_count_and_the_greater_of_two() {
        assert_eq!(plateau(&[9, 10, 10, 44]), 10);
        assert_eq!(plateau(&[9, 9, 10, 10]), 10);
        assert_eq!(plateau(&[]), 0);
    }

    fn axes(seed: u64, size: u64) -> Axes {
        [("seed".to_owned(), json!(seed)), ("size".to_owned(), json!(size))].into()
    }

    #[test]
    fn agreement_is_told_between_settings_and_between_seeds() {
        let all = [axes(0, 5), axes(0, 9), axes(1, 5)];
        let members: Vec<&Axes> = all.iter().collect();
        let (a, b, c): (&[i32], &[i32], &[i32]) = (&[0, 0, 1, 1], &[0, 1, 0, 1], &[1, 1, 0, 0]);
        let found = cluster::stability(&[a, b, c]).unwrap();
        let seeds = means(&members, &found, |a, b| without_seed(a).eq(without_seed(b)));
        assert_eq!(seeds, [Some(1.0), None, Some(1.0)]);
        let settings = means(&members, &found, |a, b| a.get(SEED) == b.get(SEED));
        assert_eq!(settings, [Some(-0.5), Some(-0.5), None]);
    }

    #[test]
    fn points_are_those_that_agree_on_all_of_their_axes() {
        let (none, per_seed) = (
            Axes::new(),
            [axes(0, 5), axes(1, 5)].map(|mut axes| {
                axes.remove("size");
                axes
            }),
        );
        assert_eq!(points_of(&axes(1, 9), &[&none]), Some(0));
        assert_eq!(points_of(&axes(1, 9), &[&per_seed[0], &per_seed[1]]), Some(1));
        assert_eq!(points_of(&axes(7, 9), &[&per_seed[0], &per_seed[1]]), None);
        assert_eq!(points_of(&axes(1, 9), &[&none, &none]), None);
    }
}
