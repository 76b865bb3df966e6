//! Runs `stability`.

use super::cluster_table;
use super::refuse;
use crate::cluster::{self, Stability};
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::frame::write_parquet;
use polars::prelude::{DataFrame, NamedFrom, Series};
use serde_json::json;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let labelings = candidates(job)?;
    let found = compare(&labelings)?;
    write_report(job, &found, &[])?;
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

/// One row per candidate: its axes, K, the share labelled, agreement with the others, and extra columns.
pub fn write_report(job: &JobContext, found: &Stability, extra: &[(&str, Vec<f64>)]) -> Result<(), Failure> {
    let members = job.all("candidates");
    let mut columns = Vec::new();
    for axis in members.first().map(|m| m.axes.keys()).into_iter().flatten() {
        let values: Vec<String> = members
            .iter()
            .map(|m| {
                m.axes
                    .get(axis)
                    .map_or_else(String::new, |v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
            })
            .collect();
        columns.push(Series::new(axis.as_str().into(), values).into());
    }
    let clusters: Vec<u32> = found.clusters.iter().map(|&k| k as u32).collect();
    columns.push(Series::new("clusters".into(), clusters).into());
    columns.push(Series::new("labelled".into(), &found.labelled).into());
    columns.push(Series::new("mean_ari".into(), &found.mean_ari).into());
    for (name, values) in extra {
        columns.push(Series::new((*name).into(), values).into());
    }
    let mut frame = DataFrame::new(members.len(), columns).map_err(refuse)?;
    write_parquet(&mut frame, &job.output("report")?).map_err(refuse)
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
}
