//! What stage code sees of its job.

use super::events::EventLog;
use super::{DEVICE_MEMORY, Event, Failure, FailureKind, InputFile, Job, Memory, STOP};
use crate::store::disk;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One job, as its stage sees it: inputs, settings, where to write, how to report.
pub struct JobContext {
    job: Job,
    dir: PathBuf,
    stop: Arc<AtomicBool>,
    events: EventLog,
    libraries: Mutex<BTreeMap<String, String>>,
}

impl JobContext {
    /// A job in the folder `dir`; setting `stop` asks it to stop.
    pub fn new(job: Job, dir: &Path, stop: Arc<AtomicBool>) -> Self {
        let events = EventLog::new(dir.join("events.jsonl"));
        Self {
            job,
            dir: dir.to_owned(),
            stop,
            events,
            libraries: Mutex::default(),
        }
    }

    pub fn job(&self) -> &Job {
        &self.job
    }

    /// The stage kind.
    pub fn stage(&self) -> &str {
        &self.job.action.stage
    }

    /// The artifact at a port that must be connected.
    pub fn input(&self, port: &str) -> Result<&InputFile, Failure> {
        match self.all(port) {
            [one] => Ok(one),
            [] => Err(Failure::bad_input(format!(
                "nothing is connected to the input `{port}` of {}",
                self.stage()
            ))),
            several => Err(Failure::bad_input(format!(
                "the input `{port}` of {} takes one artifact and got {}",
                self.stage(),
                several.len()
            ))),
        }
    }

    /// The artifact at a port that may be left open.
    pub fn optional(&self, port: &str) -> Option<&InputFile> {
        self.all(port).first()
    }

    /// All artifacts at a port, members of a fan-in in key order; none if it is not connected.
    pub fn all(&self, port: &str) -> &[InputFile] {
        self.job.inputs.get(port).map_or(&[], Vec::as_slice)
    }

    /// The settings of the stage, complete and validated by the runner.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_value(self.job.settings.clone())
            .map_err(|e| Failure::bug(format!("the settings of {} do not fit its type: {e}", self.stage())))
    }

    pub fn seed(&self) -> u64 {
        self.job.seed
    }

    /// `cpu`, `cuda:N` or `flex`.
    pub fn device(&self) -> &str {
        &self.job.device
    }

    pub fn threads(&self) -> usize {
        self.job.threads
    }

    /// Whether to spend time to save memory, since this action ran out of it before: with the same results to the bit.
    pub fn saves_memory(&self) -> bool {
        self.job.memory == Memory::Saver
    }

    /// Tells how much memory of its accelerator it used at most, in bytes: later runs of the same settings then share a
    /// device that has room for several.
    pub fn device_memory(&self, bytes: u64) {
        self.library(DEVICE_MEMORY, bytes.to_string());
    }

    /// The folder the user keeps data sets in.
    pub fn data(&self) -> &Path {
        &self.job.data
    }

    /// The folder that holds `pipelines/`.
    pub fn project(&self) -> &Path {
        &self.job.project
    }

    /// The folder of this attempt, for scratch files: only declared outputs outlive it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where to write an output the stage declares.
    pub fn output(&self, name: &str) -> Result<PathBuf, Failure> {
        if !self.job.outputs.contains_key(name) {
            let declared: Vec<_> = self.job.outputs.keys().map(String::as_str).collect();
            return Err(Failure::bug(format!(
                "{} writes an output `{name}` it does not declare; declared are {}",
                self.stage(),
                declared.join(", ")
            )));
        }
        let folder = self.dir.join("out");
        fs::create_dir_all(&folder)?;
        Ok(folder.join(name))
    }

    /// Whether the stage declares this output: some depend on the settings.
    pub fn declares(&self, output: &str) -> bool {
        self.job.outputs.contains_key(output)
    }

    /// A folder that survives attempts of this action and goes when it is published.
    pub fn checkpoints_dir(&self) -> Result<PathBuf, Failure> {
        let work = self
            .dir
            .parent()
            .ok_or_else(|| Failure::bug("the job folder has no parent"))?;
        let folder = work.join("checkpoints");
        disk::refuse_links(&self.job.store, &folder)?;
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Tells how far it is, with named numbers (loss, …). Call as often as you like: a few a second are kept.
    pub fn progress(&self, done: u64, total: u64, unit: &str, values: &[(&str, f64)]) {
        self.events.progress(
            || Event::Progress {
                done,
                total,
                unit: unit.to_owned(),
                // JSON has no word for the others.
                values: values
                    .iter()
                    .filter(|v| v.1.is_finite())
                    .map(|v| (v.0.to_owned(), v.1))
                    .collect(),
            },
            done >= total,
        );
    }

    /// Tells the user something worth knowing, once.
    pub fn note(&self, text: impl Into<String>) {
        let text = text.into();
        tracing::info!("{text}");
        self.events.write(&Event::Note { text });
    }

    pub(crate) fn event(&self, event: &Event) {
        self.events.write(event);
    }

    /// Whether to save a checkpoint and end with [`JobContext::interrupted`].
    pub fn should_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.dir.join(STOP).exists()
    }

    /// What a stage that was asked to stop ends with.
    pub fn interrupted(&self) -> Failure {
        Failure::new(FailureKind::Interrupted, "it was asked to stop")
    }

    /// Provenance that the stage knows: the version of a library, the instruction set.
    pub fn library(&self, name: &str, version: impl Into<String>) {
        self.libraries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), version.into());
    }

    pub(crate) fn libraries(&self) -> BTreeMap<String, String> {
        self.libraries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::job;
    use super::*;
    use crate::digest::Digest;

    fn context(dir: &Path) -> JobContext {
        let mut job = job(dir);
        let file = |name: &str| InputFile {
            axes: BTreeMap::new(),
            digest: Digest::of(name.as_bytes()),
            artifact: "points".into(),
            path: dir.join(name),
        };
        job.inputs = [
            ("one".to_owned(), vec![file("a")]),
            ("many".to_owned(), vec![file("a"), file("b")]),
        ]
        .into();
        let attempt = dir.join("1");
        fs::create_dir(&attempt).unwrap();
        JobContext::new(job, &attempt, Arc::default())
    }

    #[test]
    fn ports_give_one_none_or_all_of_their_artifacts() {
        let dir = tempfile::tempdir().unwrap();
        let context = context(dir.path());
        assert_eq!(context.input("one").unwrap().path, dir.path().join("a"));
        assert_eq!(context.all("many").len(), 2);
        assert!(context.optional("none").is_none());
        for (port, word) in [
            ("none", "nothing is connected"),
            ("many", "takes one artifact and got 2"),
        ] {
            let failure = context.input(port).unwrap_err();
            assert!(failure.message.contains(word), "{failure}");
        }
    }

    #[test]
    fn only_declared_outputs_have_a_place() {
        let dir = tempfile::tempdir().unwrap();
        let context = context(dir.path());
        assert_eq!(context.output("data").unwrap(), dir.path().join("1/out/data"));
        let failure = context.output("date").unwrap_err();
        assert_eq!(failure.kind, FailureKind::Bug);
        assert!(failure.message.contains("declared are data"), "{failure}");
    }

    #[test]
    fn settings_come_typed_and_a_misfit_is_our_bug() {
        #[derive(serde::Deserialize)]
        struct Good {
            n: i64,
        }
        #[derive(Debug, serde::Deserialize)]
        struct Bad {
            #[expect(dead_code, reason = "only its absence matters")]
            missing: i64,
        }
        let dir = tempfile::tempdir().unwrap();
        let context = context(dir.path());
        assert_eq!(context.settings::<Good>().unwrap().n, 1);
        assert_eq!(context.settings::<Bad>().unwrap_err().kind, FailureKind::Bug);
    }

    #[test]
    fn a_flag_or_a_file_asks_to_stop() {
        let dir = tempfile::tempdir().unwrap();
        let context = context(dir.path());
        assert!(!context.should_stop());
        fs::write(context.dir().join(STOP), "").unwrap();
        assert!(context.should_stop());
        fs::remove_file(context.dir().join(STOP)).unwrap();
        context.stop.store(true, Ordering::Relaxed);
        assert!(context.should_stop());
    }

    #[test]
    fn checkpoints_lie_beside_the_attempts() {
        let dir = tempfile::tempdir().unwrap();
        let context = context(dir.path());
        assert_eq!(context.checkpoints_dir().unwrap(), dir.path().join("checkpoints"));
    }
}
