//! What every stage that trains on images sets up: the images on the device, the session, the loop.

use super::models;
use super::session::Session;
use super::{history, refuse};
use crate::nn::architecture::Architecture;
use crate::nn::weights;
use crate::random::standard_normal;
use crate::train::augment::augment;
use crate::train::fit::{At, History, Plan, Step};
use crate::train::images::{INFERENCE_BATCH, Images, gather};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::augment::Augment;

pub struct Trainer<'a> {
    pub session: Session<'a>,
    pub images: Images,
    /// The session's device, with autodiff: networks that train live here.
    pub device: Device,
    /// All images, [N, C, D, D] in [0, 1], without autodiff.
    pixels: Tensor<4>,
}

impl<'a> Trainer<'a> {
    /// Reads the input `images`, or `features` where a stage takes them in its place, and opens the job's device.
    pub fn open(job: &'a JobContext) -> Result<Self, Failure> {
        let images = match job.optional("features") {
            Some(features) => Images::open_points(&features.path),
            None => Images::open(&job.input("images")?.path),
        }
        .map_err(refuse)?;
        let session = Session::open(job)?;
        let device = session.device.clone().autodiff();
        let pixels = images.upload(&session.device);
        Ok(Self {
            session,
            images,
            device,
            pixels,
        })
    }

    /// The trunk for these images.
    pub fn architecture(&self, filters: u64) -> Result<Architecture, Failure> {
        let Images {
            channels,
            height,
            width,
            ..
        } = self.images;
        Architecture::new(channels, height, width, filters as usize).map_err(refuse)
    }

    /// Refuses a network that was made for other images.
    pub fn check_fit(&self, architecture: &Architecture) -> Result<(), Failure> {
        models::check_fit(&self.images, architecture)
    }

    /// Draws a network's weights.
    pub fn initialise<M: Module>(&self, model: M) -> M {
        weights::initialise(model, &self.session.draws)
    }

    /// Every row, in order.
    pub fn all_rows(&self) -> Vec<usize> {
        (0..self.images.rows).collect()
    }

    /// All images as they are, in order and in batches for inference, without autodiff.
    pub fn batches(&self) -> impl Iterator<Item = Tensor<4>> {
        let rows = self.images.rows;
        (0..rows).step_by(INFERENCE_BATCH).map(move |start| {
            let pixels = self.pixels.clone();
            pixels.narrow(0, start, INFERENCE_BATCH.min(rows - start))
        })
    }

    /// The images of a batch as they are, [B, C, D, D].
    pub fn clean(&self, rows: &[usize]) -> Tensor<4> {
        Tensor::from_inner(gather(&self.pixels, rows))
    }

    /// The images of a batch under one random change each, [B, C, D, D].
    pub fn augmented(&self, rows: &[usize], settings: &Augment, at: At) -> Tensor<4> {
        let mut rng = self.session.draws.at("augment", at.epoch, at.step);
        Tensor::from_inner(augment(gather(&self.pixels, rows), settings, &mut rng))
    }

    /// Draws of N(0, 1) for one purpose at one step.
    pub fn normal(&self, purpose: &str, shape: [usize; 2], at: At) -> Tensor<2> {
        let values = standard_normal(
            shape[0] * shape[1],
            &mut self.session.draws.at(purpose, at.epoch, at.step),
        );
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }

    /// Trains `model` on `rows` and writes the curves as the output `history`. The model comes back in its form for
    /// inference.
    pub fn fit<M: Module>(
        &self,
        plan: Plan,
        columns: Vec<String>,
        model: M,
        rows: &[usize],
        step: impl Fn(&M, &[usize], At) -> Step,
    ) -> Result<(M, History), Failure> {
        self.fit_until(plan, columns, model, rows, step, |_| false)
    }

    /// Like [`fit`](Self::fit), but ends before an epoch whose model is `settled`.
    pub fn fit_until<M: Module>(
        &self,
        plan: Plan,
        columns: Vec<String>,
        model: M,
        rows: &[usize],
        step: impl Fn(&M, &[usize], At) -> Step,
        settled: impl Fn(&M) -> bool,
    ) -> Result<(M, History), Failure> {
        let training = self.session.training(plan, columns)?;
        let (model, curves) = training
            .fit_until(model, rows, step, settled)
            .map_err(|error| self.session.failure(error))?;
        history::write(&curves, &self.session.job.output("history")?)?;
        Ok((model.valid(), curves))
    }
}
