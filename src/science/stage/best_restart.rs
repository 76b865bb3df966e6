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
    use super::*;

    #[test]
    fn evidence_is_the_log_of_the_summed_likelihoods() {
        let costs = Matrix::new(2, 2, vec![1.0, 2.0, 800.0, 900.0]);
        let expected = (((-1.0_f64).exp() + (-2.0_f64).exp()).ln() - 800.0) / 2.0;
        assert!((evidence(&costs).unwrap() - expected).abs() < 1e-6);
    }

    #[test]
    fn a_manager_alone_has_no_evidence() {
        assert!(evidence(&Matrix::new(2, 0, vec![])).is_err());
    }
}
