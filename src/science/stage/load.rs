//! Runs `load`.

use super::refuse;
use crate::tensors::{Content, write};
use moelab_data::content::combined;
use moelab_data::{DataDir, Labels, Loaded, Source};
use moelab_engine::job::{Failure, JobContext};
use moelab_engine::stage::Sources;
use moelab_stages::load::Load;
use serde_json::json;
use std::collections::BTreeMap;

/// Images with no pixel as bright are probably of another range than 0 to 255.
const DARK: u8 = 32;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: Load = job.settings()?;
    let at = DataDir {
        dir: job.data().to_owned(),
        download: true,
    };
    let loaded = moelab_data::load(&settings.source(job.data()), &settings.options(), &at)
        .map_err(|e| Failure::bad_input(e.to_string()))?;
    same_content(&job.job().action.sources, loaded.source_digest())?;
    // A folder or a file may be moved or renamed: that makes no other data.
    let known = matches!(settings.dataset, Source::Known(_));
    match &loaded {
        Loaded::Images(images) => {
            if let Some(brightest @ ..DARK) = images.data.iter().max() {
                job.note(format!(
                    "the brightest pixel is {brightest} of 255: if that is all of their range, multiply the values, or save \
                     floats in [0, 1]"
                ));
            }
            let shape = [images.n, images.channels, images.height, images.width];
            // No source digest here: it would cover the labels, and other labels must not make other images.
            let meta = json!({"name": known.then_some(&images.name), "split": images.split});
            let tensors = [("images", &shape[..], Content::U8(&images.data))];
            write(&job.output("images")?, &tensors, &meta).map_err(refuse)?;
        }
        Loaded::Features(features) => {
            let shape = [features.matrix.rows(), features.matrix.cols()];
            let meta = json!({"name": known.then_some(&features.name), "split": features.split});
            let tensors = [("features", &shape[..], Content::F32(features.matrix.data()))];
            write(&job.output("features")?, &tensors, &meta).map_err(refuse)?;
        }
    }
    match loaded.labels() {
        Some(labels) => write_labels(job, labels),
        None => Ok(()),
    }
}

/// What was read has to be what the key says: a folder may have grown since the run began. Generated data have no sources.
fn same_content(sources: &Sources, read: &str) -> Result<(), Failure> {
    let known: BTreeMap<String, String> = (sources.iter())
        .map(|(role, digest)| (role.clone(), digest.hex()))
        .collect();
    if known.is_empty() || combined(&known) == read {
        return Ok(());
    }
    Err(Failure::bad_input(
        "the data set has changed since this run began; run again",
    ))
}

fn write_labels(job: &JobContext, labels: &Labels) -> Result<(), Failure> {
    if !job.declares("labels") {
        return Ok(());
    }
    let meta = json!({"classes": labels.class_names});
    let tensors = [("labels", &[labels.values.len()][..], Content::I64(&labels.values))];
    write(&job.output("labels")?, &tensors, &meta).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use moelab_engine::digest::Digest;

    #[test]
    fn data_that_changed_since_the_run_began_are_refused() {
        let [one, two] = ["images", "labels"].map(|bytes| Digest::of(bytes.as_bytes()));
        let folder: Sources = [("folder".to_owned(), one)].into();
        assert!(same_content(&folder, &one.hex()).is_ok());
        let refused = same_content(&folder, &two.hex()).unwrap_err();
        assert!(
            refused.message.contains("changed since this run began"),
            "{}",
            refused.message
        );
        let arrays: Sources = [("images".to_owned(), one), ("labels".to_owned(), two)].into();
        let known = [("images".to_owned(), one.hex()), ("labels".to_owned(), two.hex())];
        assert!(same_content(&arrays, &combined(&known.into())).is_ok());
        assert!(same_content(&Sources::new(), "").is_ok(), "generated");
    }
}
