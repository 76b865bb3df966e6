//! Runs `best_restart`.

use super::cluster_table::Assignments;
use super::select::{self, best};
use super::{refuse, stability};
use crate::matrix::Matrix;
use moelab_engine::job::{Failure, JobContext};
use polars::prelude::{NamedFrom, Series};

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let candidates = job.all("candidates");
    let evidences = candidates
        .iter()
        .map(|file| evidence(&Assignments::read(&file.path)?.reconstruction))
        .collect::<Result<Vec<f64>, _>>()?;
    let found = stability::compare(&stability::candidates(job)?)?;
    let chosen = best(&evidences, &found.labelled).ok_or_else(|| refuse("there are no candidates to choose from"))?;
    let axes = &candidates[chosen].axes;
    job.note(format!(
        "chose {}: evidence {:.4}",
        select::describe(axes),
        evidences[chosen]
    ));
    let taken = match job.all("held_out") {
        [] => &candidates[chosen],
        held_out => held_out.iter().find(|file| file.axes == *axes).ok_or_else(|| {
            refuse("`held_out` lacks the chosen candidate: gather it over the axes that `candidates` are gathered over")
        })?,
    };
    let report = Series::new("evidence".into(), evidences).into();
    stability::write_report(job, &found, vec![report])?;
    select::take(&taken.path, &job.output("assignments")?)
}

/// The mean over rows of log Σ_k exp(−cost_k).
fn evidence(costs: &Matrix) -> Result<f64, Failure> {
    if costs.cols() == 0 || costs.rows() == 0 {
        return Err(Failure::bad_input(
            "a candidate has no costs of experts: connect the assignments of a trained mixture",
        ));
    }
    let of_row = |row: usize| {
        let costs = costs.row(row);
        let least = costs.iter().copied().fold(f32::INFINITY, f32::min);
        let rest: f64 = costs.iter().map(|cost| f64::from(least - cost).exp()).sum();
        rest.ln() - f64::from(least)
    };
    Ok((0..costs.rows()).map(of_row).sum::<f64>() / costs.rows() as f64)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;
    use moelab_stages::artifact;
    use serde_json::json;
    use std::path::Path;

    /// Assignments of two rows whose experts all cost as much.
    fn costing(cost: f32) -> impl FnOnce(&Path) {
        let assignments = Assignments {
            manager_p: Matrix::new(2, 2, vec![0.9, 0.1, 0.2, 0.8]),
            reconstruction: Matrix::new(2, 2, vec![cost; 4]),
        };
        move |path| assignments.write(path).unwrap()
    }

    /// Restarts 1 and 2, of which the second costs less, and the restarts that said something of images held out.
    fn restarts(held_out: &[u64]) -> Bench {
        let given = |bench: Bench, port, restart, cost| {
            bench.given(port, artifact::ASSIGNMENTS, Some(("restart", restart)), costing(cost))
        };
        let mut bench = Bench::new("best_restart", json!({}));
        for (restart, cost) in [(1, 5.0), (2, 3.0)] {
            bench = given(bench, "candidates", restart, cost);
        }
        for &restart in held_out {
            bench = given(bench, "held_out", restart, 10.0 + restart as f32);
        }
        bench
    }

    #[test]
    fn the_restart_with_the_greatest_evidence_is_passed_on_or_what_it_said_of_others() {
        let bytes = |path| std::fs::read(path).unwrap();
        let bench = restarts(&[]);
        run(&bench.job(&["assignments", "report"])).unwrap();
        assert_eq!(bytes(bench.output("assignments")), bytes(bench.input("candidates", 1)));
        // They need not come in the same order.
        for (held_out, place) in [([1, 2], 1), ([2, 1], 0)] {
            let bench = restarts(&held_out);
            run(&bench.job(&["assignments", "report"])).unwrap();
            assert_eq!(
                bytes(bench.output("assignments")),
                bytes(bench.input("held_out", place))
            );
        }
    }

    #[test]
    fn held_out_without_the_chosen_restart_is_refused() {
        let bench = restarts(&[1]);
        let refused = run(&bench.job(&["assignments", "report"])).unwrap_err().message;
        assert!(refused.contains("`held_out` lacks the chosen candidate"), "{refused}");
        assert!(!bench.output("assignments").exists());
    }

    #[test]
    fn evidence_is_the_log_of_the_summed_likelihoods() {
        let costs = Matrix::new(2, 2, vec![1.0, 2.0, 800.0, 900.0]);
        let expected = (((-1.0_f64).exp() + (-2.0_f64).exp()).ln() - 800.0) / 2.0;
        assert!((evidence(&costs).unwrap() - expected).abs() < 1e-6);
    }

    #[test]
    fn a_manager_alone_has_no_evidence() {
        let refused = evidence(&Matrix::new(2, 0, vec![])).unwrap_err().message;
        assert!(refused.contains("no costs of experts"), "{refused}");
    }
}
