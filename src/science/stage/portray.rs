//! Runs `portray`.

use super::cluster_table::Assignments;
use super::generator::{Coder, Spread};
use super::models::{self, TrainedMixture};
use super::picture::Picture;
use super::session::Session;
use super::{mixture, refuse};
use crate::nn::autoencoder::Autoencoder;
use crate::nn::mixture::Mixture;
use crate::random::standard_normal;
use crate::tensors::host;
use crate::train::images::Images;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Tensor, TensorData};
use moelab_engine::job::{Failure, JobContext};
use moelab_stages::network::Variant;
use moelab_stages::portray::Portray;

pub fn run(job: &JobContext) -> Result<(), Failure> {
    let settings: Portray = job.settings()?;
    let images = Images::open(&job.input("images")?.path).map_err(refuse)?;
    let session = Session::open(job)?;
    let (model, TrainedMixture { shape, loss }) = models::mixture(&job.input("model")?.path, &images, &session.device)?;
    let assignments = mixture::assign(&model, &loss, &images, &session.device);
    let gallery = Gallery {
        session: &session,
        images: &images,
        spreads: spreads(&model, &images, &assignments, &session),
        model: &model,
    };
    let variants: Vec<Variant> = shape.experts.iter().map(|expert| expert.variant).collect();
    gallery.ones().save(&job.output("ones")?)?;
    gallery
        .samples(&variants, settings.samples as usize)
        .save(&job.output("samples")?)?;
    gallery.walks(&settings).save(&job.output("walks")?)?;
    gallery.exchange(&assignments).save(&job.output("exchange")?)
}

fn spreads(model: &Mixture, images: &Images, assignments: &Assignments, session: &Session<'_>) -> Vec<Spread> {
    let labels = assignments.labels();
    let of_expert = |(k, expert): (usize, &Autoencoder)| {
        let codes = models::posterior_means(expert, images, &session.device);
        Spread::of(&codes, |row| labels[row] == k as i32)
    };
    model.experts.iter().enumerate().map(of_expert).collect()
}

struct Gallery<'a> {
    session: &'a Session<'a>,
    images: &'a Images,
    model: &'a Mixture,
    spreads: Vec<Spread>,
}

impl Gallery<'_> {
    fn picture(&self, columns: usize) -> Picture {
        Picture::new([self.images.channels, self.images.height, self.images.width], columns)
    }

    fn decode(&self, k: usize, codes: &[f32]) -> Vec<f32> {
        Coder::Autoencoder(&self.model.experts[k]).decode(codes, &self.session.device)
    }

    fn reconstruct(&self, k: usize, pixels: Vec<f32>) -> Vec<f32> {
        let Images {
            channels,
            height,
            width,
            ..
        } = *self.images;
        let n = pixels.len() / (channels * height * width);
        let data = TensorData::new(pixels, [n, channels, height, width]);
        let expert = &self.model.experts[k];
        let code = expert.encode(Tensor::from_data(data, &self.session.device)).mean;
        host(sigmoid(expert.decode(code)))
    }

    fn ones(&self) -> Picture {
        let pixels = self.images.channels * self.images.height * self.images.width;
        let mut picture = self.picture(self.model.experts.len());
        for k in 0..self.model.experts.len() {
            picture.add(&self.reconstruct(k, vec![1.0; pixels]));
        }
        picture
    }

    /// A plain autoencoder has no prior: its codes' mean and deviation stand in.
    fn samples(&self, variants: &[Variant], n: usize) -> Picture {
        let mut picture = self.picture(n);
        for (k, spread) in self.spreads.iter().enumerate() {
            let latent = spread.mean.len();
            let mut codes = standard_normal(n * latent, &mut self.session.draws.at("samples", k as u64, 0));
            if variants[k] == Variant::Ae {
                spread.apply(&mut codes);
            }
            picture.add(&self.decode(k, &codes));
        }
        picture
    }

    fn walks(&self, settings: &Portray) -> Picture {
        let steps = settings.steps as usize;
        let mut picture = self.picture(steps);
        for (k, spread) in self.spreads.iter().enumerate() {
            for unit in spread.widest(settings.units as usize) {
                picture.add(&self.decode(k, &spread.walk(unit, steps, settings.reach)));
            }
        }
        picture
    }

    fn exchange(&self, assignments: &Assignments) -> Picture {
        let experts = self.model.experts.len();
        let p = &assignments.manager_p;
        let surest = |k: usize| {
            let rows = 0..p.rows();
            rows.max_by(|&a, &b| p.row(a)[k].total_cmp(&p.row(b)[k]).then(b.cmp(&a)))
        };
        let shown: Vec<f32> = (0..experts)
            .filter_map(surest)
            .flat_map(|row| self.images.row(row))
            .collect();
        let mut picture = self.picture(experts);
        picture.add(&shown);
        for k in 0..experts {
            picture.add(&self.reconstruct(k, shown.clone()));
        }
        picture
    }
}
