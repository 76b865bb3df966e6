//! Runs `select`.

use super::{refuse, stability};
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::select::{Score, Select};
use polars::prelude::{NamedFrom, Series};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: Select = job.settings()?;
    let labelings = stability::candidates(job)?;
    let found = stability::compare(&labelings)?;
    let scores: Vec<f64> = match settings.by {
        Score::Agreement => found.mean_ari.clone(),
        Score::Plateau => {
            let k = stability::plateau(&found.clusters);
            let on_plateau = |(&clusters, &ari): (&usize, &f64)| if clusters == k { 2.0 + ari } else { ari };
            found.clusters.iter().zip(&found.mean_ari).map(on_plateau).collect()
        }
        // A clustering with fewer than two clusters has no validity and cannot win.
        Score::Dbcv => stability::validity(job, &labelings)?
            .into_iter()
            .map(|index| index.unwrap_or(-1.0))
            .collect(),
    };
    let best = best(&scores, &found.labelled).ok_or_else(|| refuse("there are no candidates to select from"))?;
    let chosen = &job.all("candidates")[best];
    job.note(format!(
        "chose {}: K = {}, score {:.4}",
        describe(&chosen.axes),
        found.clusters[best],
        scores[best]
    ));
    let selected: Vec<f64> = (0..scores.len()).map(|i| f64::from(u8::from(i == best))).collect();
    stability::write_report(
        job,
        &found,
        vec![
            Series::new("score".into(), scores).into(),
            Series::new("selected".into(), selected).into(),
        ],
    )?;
    take(&chosen.path, &job.output("clusters")?)
}

/// The values that tell a candidate from the others.
pub(super) fn describe(axes: &BTreeMap<String, Value>) -> String {
    let axes: Vec<String> = axes.iter().map(|(axis, value)| format!("{axis}={value}")).collect();
    axes.join(", ")
}

/// Passes a candidate on. A copy of a store object inherits its read-only mode; the worker still has to sync it.
pub(super) fn take(from: &Path, to: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::copy(from, to)?;
    Ok(std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o644))?)
}

/// The greatest score; ties go to more labelled rows, then to the first.
pub(super) fn best(scores: &[f64], labelled: &[f64]) -> Option<usize> {
    let better = |&a: &usize, &b: &usize| {
        scores[a]
            .total_cmp(&scores[b])
            .then(labelled[a].total_cmp(&labelled[b]))
            .then(b.cmp(&a))
    };
    (0..scores.len()).max_by(better)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_score_wins_then_the_share_labelled_then_the_first() {
        assert_eq!(best(&[0.1, 0.3, 0.2], &[1.0, 0.5, 1.0]), Some(1));
        assert_eq!(best(&[0.3, 0.3], &[0.5, 0.6]), Some(1));
        assert_eq!(best(&[0.3, 0.3], &[0.5, 0.5]), Some(0));
        assert_eq!(best(&[], &[]), None);
    }
}
