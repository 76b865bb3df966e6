//! Runs `stable_split`.

use super::cluster_table::{Clusters, labels};
use super::{embed, refuse};
use crate::cluster::{Split, StableSplitConfig, stable_split};
use crate::random::Draws;
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::frame::write_parquet;
use moelab_stages::stable_split::StableSplit;
use polars::prelude::{DataFrame, NamedFrom, Series};
use serde_json::json;

/// A report row is a question: a part, or two clusters that touch.
pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: StableSplit = job.settings()?;
    let input = job.input("points")?;
    let points = embed::points(&input.path, &input.artifact)?;
    let start = job.optional("clusters").map(|file| labels(&file.path)).transpose()?;
    if let Some(start) = start.as_ref().filter(|start| start.len() != points.rows()) {
        return Err(Failure::bad_input(format!(
            "`clusters` has {} rows, the points are {}: both must come from the same `load`",
            start.len(),
            points.rows()
        )));
    }
    let config = StableSplitConfig {
        repeats: settings.repeats as usize,
        n_neighbors: settings.n_neighbors as usize,
        n_components: settings.n_components as usize,
        piece_fraction: settings.piece_fraction,
        min_samples: settings.min_samples as usize,
        together: settings.together,
        agreement: settings.agreement,
        minor: settings.minor_share,
        least: (settings.min_cluster_fraction * points.rows() as f64).round() as usize,
    };
    let found = stable_split(&points, start.as_deref(), &config, &Draws::new(job.seed())).map_err(refuse)?;
    let partition = found.partition;
    let k = partition.clusters();
    tracing::info!("K = {k} after {} questions", found.splits.len());
    report(job, &found.splits)?;
    let metrics = json!({
        "clusters": k,
        "minor_clusters": found.minor,
        "questions": found.splits.len(),
        "closest_call": closest_call(&found.splits),
    });
    std::fs::write(job.output("metrics")?, metrics.to_string())?;
    let probabilities: Vec<f32> = (partition.labels.iter().enumerate())
        .map(|(row, &label)| usize::try_from(label).map_or(0.0, |own| partition.memberships.row(row)[own]))
        .collect();
    let clusters = Clusters {
        outlier_scores: probabilities.iter().map(|p| 1.0 - p).collect(),
        probabilities,
        memberships: partition.memberships,
        labels: partition.labels,
    };
    clusters.write(&job.output("clusters")?)
}

/// How near an agreement that decided came to the bound: a small distance means that another seed may decide otherwise.
fn closest_call(splits: &[Split]) -> Option<f64> {
    splits.iter().filter_map(|split| split.nearest).min_by(f64::total_cmp)
}

fn report(job: &JobContext, splits: &[Split]) -> Result<(), Failure> {
    let whole = |of: fn(&Split) -> usize| splits.iter().map(|split| of(split) as u32).collect::<Vec<u32>>();
    let share = |of: fn(&Split) -> f64| splits.iter().map(of).collect::<Vec<f64>>();
    let columns = vec![
        Series::new("rows".into(), whole(|split| split.rows)).into(),
        Series::new("other_rows".into(), whole(|split| split.other_rows)).into(),
        Series::new("pieces".into(), whole(|split| split.pieces)).into(),
        Series::new("agreement".into(), share(|split| split.agreement)).into(),
        Series::new(
            "nearest".into(),
            splits.iter().map(|split| split.nearest).collect::<Vec<Option<f64>>>(),
        )
        .into(),
        Series::new("labelled".into(), share(|split| split.labelled)).into(),
        Series::new(
            "apart".into(),
            splits.iter().map(|split| split.apart).collect::<Vec<bool>>(),
        )
        .into(),
    ];
    let mut frame = DataFrame::new(splits.len(), columns).map_err(refuse)?;
    write_parquet(&mut frame, &job.output("report")?).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_call_is_among_questions_that_an_agreement_decided() {
        let split = |agreement: f64, nearest: Option<f64>| Split {
            rows: 10,
            other_rows: 0,
            pieces: 2,
            agreement,
            nearest,
            labelled: 1.0,
            apart: false,
        };
        // The first was split anyway.
        let all = [split(0.9, None), split(0.7, Some(0.2)), split(0.99, Some(0.09))];
        assert_eq!(closest_call(&all), Some(0.09));
        assert_eq!(closest_call(&all[..1]), None);
    }
}
