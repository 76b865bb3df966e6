//! Runs `generate`.

use super::generator::{Prior, cluster};
use super::models;
use super::picture::Picture;
use super::refuse;
use super::session::Session;
use crate::random::standard_normal;
use crate::train::images::Images;
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::generate::Generate;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: Generate = job.settings()?;
    let session = Session::open(job)?;
    let model = &job.input("model")?.path;
    let generative = models::generative(model, &session.device)?;
    let (k, count) = (settings.cluster as usize, settings.count as usize);
    let own = cluster(&generative, k)?;
    let from = match (&own.prior, job.optional("images")) {
        (Some(prior), _) => prior,
        (None, Some(images)) => {
            let images = Images::open(&images.path).map_err(refuse)?;
            &Prior::Normal(own.spread(model, k, &images, &session.device)?)
        }
        (None, None) => {
            return Err(Failure::bad_input(
                "a plain autoencoder has no prior: connect the images it was trained on to `images`",
            ));
        }
    };
    let noise = |purpose: &str, n: usize| standard_normal(n, &mut session.draws.at(purpose, k as u64, 0));
    let codes = from.draw(count, &session.device, noise);
    let pixels = own.coder.decode(&codes, &session.device);
    own.write(&pixels, &format!("cluster {k}"), &job.output("images")?)?;
    let mut picture = Picture::new(own.dims(), (count as f64).sqrt().ceil() as usize);
    picture.add(&pixels);
    picture.save(&job.output("picture")?)
}
