//! How long a run will still take.

use super::fold::Fold;
use super::{History, RunState};
use std::collections::HashMap;

/// Seconds until a run ends: its work shared among its jobs, but not less than its longest chain of stages.  None if
/// nothing is known of a stage that is left.  Fills in the time left of jobs that do not tell their own.
pub(super) fn seconds(fold: &Fold, state: &mut RunState, history: &History) -> Option<f64> {
    let typical: HashMap<&str, f64> = fold
        .outset
        .iter()
        .filter_map(|stage| Some((stage.stage.as_str(), usual(fold, &stage.stage, &stage.kind, history)?)))
        .collect();
    for job in &mut state.running {
        if job.seconds_left.is_none() {
            let usual = typical.get(job.stage.as_str());
            job.seconds_left = usual.map(|usual| (usual - job.seconds).max(0.0));
        }
    }
    let mut work = 0.0;
    let mut chains: HashMap<&str, f64> = HashMap::new();
    for (outset, stage) in fold.outset.iter().zip(&state.stages) {
        let jobs = state.running.iter().filter(|job| job.stage == stage.stage);
        let under_way = jobs.map(|job| job.seconds_left).collect::<Option<Vec<_>>>()?;
        let mut own: f64 = under_way.iter().copied().fold(0.0, f64::max);
        work += under_way.iter().sum::<f64>();
        if stage.left > 0 {
            let each = *typical.get(stage.stage.as_str())?;
            work += each * stage.left as f64;
            own = own.max(each);
        }
        let before = outset.after.iter().filter_map(|maker| chains.get(maker.as_str()));
        let before = before.copied().fold(0.0, f64::max);
        chains.insert(&outset.stage, before + own);
    }
    let chain = chains.values().copied().fold(0.0, f64::max);
    Some(chain.max(work / fold.jobs as f64))
}

/// What an action of a stage takes: the mean over this run, else what earlier results of its kind took.
fn usual(fold: &Fold, stage: &str, kind: &str, history: &History) -> Option<f64> {
    match fold.took.get(stage).map(Vec::as_slice) {
        Some(took @ [_, ..]) => Some(took.iter().sum::<f64>() / took.len() as f64),
        _ => history.of_kind(kind).map(|typical| typical.seconds),
    }
}
