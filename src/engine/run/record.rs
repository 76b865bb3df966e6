//! What is kept of an invocation: `runs/<run>/`.

use super::RunReport;
use crate::store::{Store, StoreError, disk, lock, time};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// A new name for an invocation: sorts by time, and no two are equal.
pub fn run_id() -> String {
    let stamp: String = time::now().chars().filter(|c| !"-:".contains(*c)).collect();
    format!("{stamp}-{}", &disk::random_name()[..6])
}

/// The open `events.jsonl` of an invocation.
pub(super) struct Record {
    dir: PathBuf,
    events: BufWriter<File>,
    /// Says that this invocation lives: what it counts on is not evicted.
    _used: File,
}

impl Record {
    pub(super) fn new(store: &Store, run: &str, spec: &str) -> Result<Self, StoreError> {
        let dir = store.run_dir(run);
        disk::create_dir(&dir)?;
        if !spec.is_empty() {
            let path = dir.join("spec.yaml");
            fs::write(&path, spec).map_err(StoreError::writing(&path))?;
        }
        let path = dir.join("events.jsonl");
        let events = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(StoreError::writing(&path))?;
        let events = BufWriter::new(events);
        let _used = lock::mark_used(&dir.join("used"))?;
        Ok(Self { dir, events, _used })
    }

    /// Where workers of this run say what belongs to no job.
    pub(super) fn worker_log(&self) -> PathBuf {
        self.dir.join("workers.log")
    }

    /// Appends an event; losing one loses no result. Thousands of cached actions are told at once, so events are written
    /// when [`Record::flush`] says so.
    pub(super) fn event(&mut self, event: &str, mut details: Value) {
        details["event"] = json!(event);
        details["at"] = json!(time::now());
        if let Err(e) = writeln!(self.events, "{details}") {
            tracing::debug!("{}: {e}", self.dir.display());
        }
    }

    pub(super) fn flush(&mut self) {
        if let Err(e) = self.events.flush() {
            tracing::debug!("{}: {e}", self.dir.display());
        }
    }

    pub(super) fn report(&mut self, report: &RunReport) {
        let text = serde_json::to_vec_pretty(report).expect("a report is plain data");
        let path = self.dir.join("report.json");
        if let Err(e) = fs::write(&path, text) {
            tracing::warn!("{}: {e}", Path::display(&path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::scratch;

    #[test]
    fn run_ids_differ_and_are_good_file_names() {
        let id = run_id();
        assert_ne!(id, run_id());
        assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{id}");
    }

    #[test]
    fn a_run_keeps_its_spec_and_events() {
        let (_dir, store) = scratch();
        let mut record = Record::new(&store, "r", "experiment: x\n").unwrap();
        record.event("cached", json!({"stage": "a"}));
        record.flush();
        assert_eq!(
            fs::read_to_string(store.run_dir("r").join("spec.yaml")).unwrap(),
            "experiment: x\n"
        );
        let line: Value = serde_json::from_slice(&fs::read(store.run_dir("r").join("events.jsonl")).unwrap()).unwrap();
        assert_eq!((&line["event"], &line["stage"]), (&json!("cached"), &json!("a")));
    }
}
