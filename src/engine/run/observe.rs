//! What a run tells while it goes on.

use crate::digest::Digest;
use crate::job::{Event, Failure, Memory};
use crate::plan::Axes;

/// One action, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct JobInfo {
    /// Name in the pipeline.
    pub stage: String,
    /// Stage kind.
    pub kind: String,
    /// The axis values it depends on, the seed among them.
    pub axes: Axes,
    pub key: Digest,
    /// 0 if it was cached.
    pub attempt: u32,
    pub device: String,
}

impl std::fmt::Display for JobInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.stage)?;
        if self.axes.is_empty() {
            return Ok(());
        }
        let axes: Vec<_> = self
            .axes
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        write!(f, " [{}]", axes.join(", "))
    }
}

/// How a job ended.
#[derive(Clone, Debug)]
pub enum Ended {
    Done {
        seconds: f64,
    },
    /// Another process published the action meanwhile.
    AlreadyThere,
    /// Another process runs it; it is waited for.
    Busy,
    Interrupted,
    /// It failed and runs again.
    Retried {
        failure: Failure,
        /// How the next attempt deals with memory.
        memory: Memory,
    },
    Failed(Failure),
}

/// Hears of everything a run does; the default ignores it.
pub trait Observer {
    /// How many actions of the plan are wanted.
    fn planned(&mut self, _actions: usize) {}
    fn cached(&mut self, _job: &JobInfo) {}
    fn job_started(&mut self, _job: &JobInfo) {}
    /// An event of a running job: progress, a note, waiting for another process.
    fn job_progress(&mut self, _job: &JobInfo, _event: &Event) {}
    fn job_finished(&mut self, _job: &JobInfo, _ended: &Ended) {}
    fn note(&mut self, _text: &str) {}
}

/// An observer that says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_named_by_its_stage_and_axes() {
        let mut job = JobInfo {
            stage: "vae".into(),
            kind: "pretrain_vae".into(),
            axes: Axes::new(),
            key: Digest::of(b""),
            attempt: 1,
            device: "cpu".into(),
        };
        assert_eq!(job.to_string(), "vae");
        job.axes = [("seed".to_owned(), 3.into()), ("alpha".to_owned(), 10.into())].into();
        assert_eq!(job.to_string(), "vae [alpha=10, seed=3]");
    }
}
