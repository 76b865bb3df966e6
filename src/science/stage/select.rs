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
    use super::super::testing::{self, Bench};
    use super::*;
    use moelab_stages::artifact;
    use moelab_stages::frame::read_parquet;
    use serde_json::json;

    /// Which of four candidates is selected. Of 27 rows in a cube three go by one side each, into three clusters, and agree
    /// on little; the fourth goes by two of the sides, into nine, and agrees with two of the others.
    fn selected(by: &str) -> (usize, Bench) {
        let side = |which: u32| -> Vec<i32> { (0..27).map(|row| row / 3_i32.pow(which) % 3).collect() };
        let both: Vec<i32> = (0..27).map(|row| row % 9).collect();
        // One row elsewhere: no two agree alike.
        let mut third = side(0);
        third[0] = 1;
        let candidates = [side(2), side(1), third, both];
        let mut bench = Bench::new("select", json!({"by": by}));
        for (place, labels) in candidates.iter().enumerate() {
            let axis = Some(("size", place as u64));
            bench = bench.given("candidates", artifact::CLUSTERS, axis, testing::clusters(labels));
        }
        run(&bench.job(&["clusters", "report"])).unwrap();
        let report = read_parquet(&bench.output("report")).unwrap();
        let column = |name: &str| -> Vec<f64> {
            report
                .column(name)
                .unwrap()
                .f64()
                .unwrap()
                .into_no_null_iter()
                .collect()
        };
        let ari = column("mean_ari");
        assert!(ari[..3].iter().all(|other| *other < ari[3]), "{ari:?}");
        let chosen = column("selected").iter().position(|&mark| mark == 1.0).unwrap();
        assert_eq!(column("selected").iter().sum::<f64>(), 1.0);
        let bytes = |path| std::fs::read(path).unwrap();
        assert_eq!(
            bytes(bench.output("clusters")),
            bytes(bench.input("candidates", chosen))
        );
        (chosen, bench)
    }

    #[test]
    fn the_count_that_most_found_goes_before_agreement() {
        let (chosen, bench) = selected("plateau");
        assert_eq!(chosen, 1);
        assert!(
            bench.events().contains("chose size=1: K = 3, score 2."),
            "{}",
            bench.events()
        );
    }

    #[test]
    fn by_agreement_the_count_does_not_matter() {
        let (chosen, bench) = selected("agreement");
        assert_eq!(chosen, 3);
        assert!(
            bench.events().contains("chose size=3: K = 9, score 0."),
            "{}",
            bench.events()
        );
    }

    #[test]
    fn the_best_score_wins_then_the_share_labelled_then_the_first() {
        assert_eq!(best(&[0.1, 0.3, 0.2], &[1.0, 0.5, 1.0]), Some(1));
        assert_eq!(best(&[0.3, 0.3], &[0.5, 0.6]), Some(1));
        assert_eq!(best(&[0.3, 0.3], &[0.5, 0.5]), Some(0));
        assert_eq!(best(&[], &[]), None);
    }
}
