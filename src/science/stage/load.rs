//! Runs `load`.

use super::refuse;
use crate::tensors::{Content, write};
use moelab_data::{DataDir, Labels, Loaded, Source};
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::load::Load;
use serde_json::json;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: Load = job.settings()?;
    let at = DataDir {
        dir: job.data().to_owned(),
        download: true,
    };
    let loaded = moelab_data::load(&settings.source(job.data()), &settings.options(), &at)
        .map_err(|e| Failure::bad_input(e.to_string()))?;
    // A folder or a file may be moved or renamed: that makes no other data.
    let known = matches!(settings.dataset, Source::Known(_));
    match &loaded {
        Loaded::Images(images) => {
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

fn write_labels(job: &JobContext, labels: &Labels) -> Result<(), Failure> {
    if !job.declares("labels") {
        return Ok(());
    }
    let meta = json!({"classes": labels.class_names});
    let tensors = [("labels", &[labels.values.len()][..], Content::I64(&labels.values))];
    write(&job.output("labels")?, &tensors, &meta).map_err(refuse)
}
