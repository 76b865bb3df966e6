//! Runs `walk`.

use super::generator::cluster;
use super::models;
use super::picture::Picture;
use super::refuse;
use super::session::Session;
use crate::train::images::Images;
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::walk::Walk;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: Walk = job.settings()?;
    let session = Session::open(job)?;
    let images = Images::open(&job.input("images")?.path).map_err(refuse)?;
    let model = &job.input("model")?.path;
    let generative = models::generative(model, &session.device)?;
    let k = settings.cluster as usize;
    let own = cluster(&generative, k)?;
    let spread = own.spread(model, k, &images, &session.device)?;
    let latent = spread.mean.len();
    let unit = match settings.dim.map(|dim| dim as usize) {
        Some(unit) if unit >= latent => {
            let what = format!(
                "cluster {k} has no latent unit {unit}: it has {latent}, 0 to {}",
                latent - 1
            );
            return Err(Failure::stage(what));
        }
        Some(unit) => unit,
        None => spread.widest(1)[0],
    };
    job.note(format!(
        "unit {unit} of {latent}, {:.3} ± {:.3} over the cluster's images",
        spread.mean[unit], spread.deviation[unit]
    ));
    let steps = settings.steps as usize;
    let codes = spread.walk(unit, steps, settings.reach);
    let pixels = own.coder.decode(&codes, &session.device);
    own.write(&pixels, &format!("cluster {k}, unit {unit}"), &job.output("images")?)?;
    let mut picture = Picture::new(own.dims(), steps);
    picture.add(&pixels);
    picture.save(&job.output("picture")?)
}
