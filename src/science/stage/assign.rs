//! Runs `assign`.

use super::models;
use super::refuse;
use super::session::Session;
use crate::train::images::Images;
use moelab_engine::job::{Failure, JobContext};

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let images = Images::open(&job.input("images")?.path).map_err(refuse)?;
    let session = Session::open(job)?;
    models::assign(&job.input("model")?.path, &images, &session.device)?.write(&job.output("assignments")?)
}
