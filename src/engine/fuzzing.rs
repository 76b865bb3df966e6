//! What cargo-fuzz calls (`fuzz/`): any text may be refused, none may panic. Compiled with `--cfg fuzzing` alone.

use crate::job::{Event, Job, JobResult};
use crate::plan::Plan;
use crate::spec::{self, fake};
use crate::stage::Registry;
use crate::store::Manifest;
use std::cell::LazyCell;
use std::path::Path;

/// Plans of more runs take seconds, as they may.
const MOST_RUNS: usize = 1000;

thread_local! {
    static TOY: LazyCell<(fake::Lab, Registry)> = LazyCell::new(|| (fake::Lab::new(""), fake::registry()));
}

/// A pipeline and an experiment on it, divided by a line `...`; without one, an experiment on the toy pipeline.
pub fn spec(bytes: &[u8]) {
    let divider = b"\n...\n";
    let (pipeline, experiment) = match bytes.windows(divider.len()).position(|w| w == divider) {
        Some(at) => (&bytes[..at + 1], &bytes[at + divider.len()..]),
        None => (fake::PIPELINE.as_bytes(), bytes),
    };
    TOY.with(|toy| {
        let (folder, registry) = (toy.0.folder.path(), &toy.1);
        let file = folder.join("experiments/e.yaml");
        std::fs::write(folder.join("pipelines/p.yaml"), pipeline).expect("the temporary folder takes a file");
        std::fs::write(&file, experiment).expect("the temporary folder takes a file");
        match spec::load_from(&file, folder, registry, &[]) {
            Ok(experiment) if experiment.rows.len() * experiment.seeds.len() <= MOST_RUNS => {
                if let Err(report) = Plan::build(&experiment, registry) {
                    assert!(!report.to_string().is_empty());
                }
            }
            Ok(_) => {}
            Err(report) => assert!(!report.to_string().is_empty()),
        }
    });
}

/// A value as `--set name=value` gives it.
pub fn value(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = spec::read_value(Path::new("--set"), text).map_err(|report| report.to_string());
    }
}

/// The JSON files of a store and of a job folder.
pub fn records(bytes: &[u8]) {
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(bytes) {
        let _ = (manifest.key(), manifest.complete(), manifest.last_attempt());
        again(&manifest);
    }
    if let Ok(job) = serde_json::from_slice::<Job>(bytes) {
        let _ = job.action.digest();
        again(&job);
    }
    if let Ok(result) = serde_json::from_slice::<JobResult>(bytes) {
        again(&result);
    }
    if let Ok(event) = serde_json::from_slice::<Event>(bytes) {
        again(&event);
    }
}

/// What was read can be written, and reads again.
fn again<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) {
    let text = serde_json::to_vec(value).expect("read from JSON");
    serde_json::from_slice::<T>(&text).expect("written one line before");
}
