//! Images out of a trained model: where the codes of a cluster lie, and what they decode to.

use super::models::{self, Generative};
use super::refuse;
use crate::matrix::Matrix;
use crate::nn::architecture::Architecture;
use crate::nn::autoencoder::Autoencoder;
use crate::nn::gmvae::{Generated, Gmvae, Normal};
use crate::tensors::{Content, host, write};
use crate::train::images::Images;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor, TensorData};
use moelab_engine::job::Failure;
use moelab_stages::network::Variant;
use serde_json::json;
use std::path::Path;

/// Codes decoded at once.
const BATCH: usize = 500;

/// Where codes lie, per latent unit.
pub struct Spread {
    pub mean: Vec<f32>,
    pub deviation: Vec<f32>,
}

impl Spread {
    /// That of the rows of `codes` that are a cluster's own; of a cluster that has none the standard normal's.
    pub fn of(codes: &Matrix, own: impl Fn(usize) -> bool) -> Self {
        let own: Vec<&[f32]> = (0..codes.rows())
            .filter(|&row| own(row))
            .map(|row| codes.row(row))
            .collect();
        let n = own.len() as f64;
        let moments = |unit: usize| {
            let mean = own.iter().map(|code| f64::from(code[unit])).sum::<f64>() / n;
            let variance = own
                .iter()
                .map(|code| (f64::from(code[unit]) - mean).powi(2))
                .sum::<f64>()
                / n;
            (mean as f32, variance.sqrt() as f32)
        };
        let (mean, deviation) = match own.is_empty() {
            true => (vec![0.0; codes.cols()], vec![1.0; codes.cols()]),
            false => (0..codes.cols()).map(moments).unzip(),
        };
        Self { mean, deviation }
    }

    /// Brings draws from the standard normal, row by row, to this place.
    pub fn apply(&self, codes: &mut [f32]) {
        for code in codes.chunks_exact_mut(self.mean.len()) {
            for (unit, value) in code.iter_mut().enumerate() {
                *value = self.mean[unit] + self.deviation[unit] * *value;
            }
        }
    }

    /// The units with the greatest deviation, the greatest first.
    pub fn widest(&self, units: usize) -> Vec<usize> {
        let deviation = &self.deviation;
        let mut order: Vec<usize> = (0..deviation.len()).collect();
        order.sort_by(|&a, &b| deviation[b].total_cmp(&deviation[a]).then(a.cmp(&b)));
        order.truncate(units);
        order
    }

    /// Codes from −`reach` to `reach` deviations along one unit, through the mean of all.
    pub fn walk(&self, unit: usize, steps: usize, reach: f64) -> Vec<f32> {
        let at = |step: usize| {
            let place = (2.0 * step as f64 / (steps - 1) as f64 - 1.0) * reach;
            let mut code = self.mean.clone();
            code[unit] += place as f32 * self.deviation[unit];
            code
        };
        (0..steps).flat_map(at).collect()
    }
}

/// What encodes the images of a cluster and decodes its codes.
#[derive(Clone, Copy)]
pub enum Coder<'a> {
    Autoencoder(&'a Autoencoder),
    /// Its code is x.
    Gmvae(&'a Gmvae),
}

impl Coder<'_> {
    /// L.
    pub fn latent_dim(self) -> usize {
        match self {
            Self::Autoencoder(autoencoder) => autoencoder.latent_dim(),
            Self::Gmvae(gmvae) => gmvae.x_dim(),
        }
    }

    fn posterior_means(self, images: &Images, device: &Device) -> Matrix {
        match self {
            Self::Autoencoder(autoencoder) => models::posterior_means(autoencoder, images, device),
            Self::Gmvae(gmvae) => models::encoded(gmvae.x_dim(), images, device, |batch| gmvae.recognise(batch).x.mean),
        }
    }

    /// Images [n, C, D, D] in [0, 1], decoded from codes, row by row.
    pub fn decode(self, codes: &[f32], device: &Device) -> Vec<f32> {
        let decoded = |codes: &[f32]| {
            let codes = tensor(codes, self.latent_dim(), device);
            let logits = match self {
                Self::Autoencoder(autoencoder) => autoencoder.decode(codes),
                Self::Gmvae(gmvae) => match gmvae.generate(codes) {
                    Generated::Logits(logits) => logits,
                    Generated::Points(_) => unreachable!("models of points are refused when they are opened"),
                },
            };
            host(sigmoid(logits))
        };
        codes.chunks(BATCH * self.latent_dim()).flat_map(decoded).collect()
    }
}

/// Rows of so many values.
fn tensor(values: &[f32], width: usize, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len() / width, width]), device)
}

/// What the codes of a cluster are drawn from.
pub enum Prior<'a> {
    Normal(Spread),
    /// p(x | z = k, w) with w from N(0, I).
    Component {
        gmvae: &'a Gmvae,
        w_dim: usize,
        k: usize,
    },
}

impl Prior<'_> {
    /// `n` codes, row by row; `noise` gives a number of draws from N(0, 1) for a purpose.
    pub fn draw(&self, n: usize, device: &Device, noise: impl Fn(&str, usize) -> Vec<f32>) -> Vec<f32> {
        match self {
            Self::Normal(spread) => {
                let mut codes = noise("samples", n * spread.mean.len());
                spread.apply(&mut codes);
                codes
            }
            Self::Component { gmvae, w_dim, k } => {
                let x_dim = gmvae.x_dim();
                let (w, apart) = (noise("w", n * w_dim), noise("samples", n * x_dim));
                let batches = w.chunks(BATCH * w_dim).zip(apart.chunks(BATCH * x_dim));
                let drawn = |(w, apart): (&[f32], &[f32])| {
                    let all = gmvae.components(tensor(w, *w_dim, device));
                    let own = |all: Tensor<3>| all.narrow(1, *k, 1).squeeze_dim::<2>(1);
                    let component = Normal {
                        mean: own(all.mean),
                        log_variance: own(all.log_variance),
                    };
                    host(component.sample(tensor(apart, x_dim, device)))
                };
                batches.flat_map(drawn).collect()
            }
        }
    }
}

/// One cluster of a model.
pub struct Cluster<'a> {
    pub coder: Coder<'a>,
    architecture: &'a Architecture,
    /// None for a plain autoencoder.
    pub prior: Option<Prior<'a>>,
    /// Whether all images are its own: the model has no clusters.
    only: bool,
}

/// Cluster `k` of a model, counted from 0.
pub fn cluster(model: &Generative, k: usize) -> Result<Cluster<'_>, Failure> {
    let clusters = match model {
        Generative::Experts(experts) => experts.len(),
        Generative::Vade(_, shape) => shape.clusters,
        Generative::Gmvae(_, shape, _) => shape.clusters,
    };
    if k >= clusters {
        return Err(Failure::stage(match clusters {
            1 => format!("the model has no cluster {k}: it has one, 0"),
            _ => format!("the model has no cluster {k}: it has {clusters}, 0 to {}", clusters - 1),
        }));
    }
    let (coder, architecture, prior) = match model {
        Generative::Experts(experts) => {
            let (expert, shape) = &experts[k];
            let standard = || {
                Prior::Normal(Spread {
                    mean: vec![0.0; shape.latent_dim],
                    deviation: vec![1.0; shape.latent_dim],
                })
            };
            let prior = (shape.variant != Variant::Ae).then(standard);
            (Coder::Autoencoder(expert), &shape.architecture, prior)
        }
        Generative::Vade(vade, shape) => {
            let components = vade.prior();
            let row = |all: Tensor<3>| host(all.squeeze_dim::<2>(0).narrow(0, k, 1));
            let spread = Spread {
                mean: row(components.means),
                deviation: row(components.log_variances.mul_scalar(0.5).exp()),
            };
            let architecture = &shape.autoencoder.architecture;
            (
                Coder::Autoencoder(&vade.autoencoder),
                architecture,
                Some(Prior::Normal(spread)),
            )
        }
        Generative::Gmvae(gmvae, shape, architecture) => {
            let w_dim = shape.w_dim;
            (
                Coder::Gmvae(gmvae),
                architecture,
                Some(Prior::Component { gmvae, w_dim, k }),
            )
        }
    };
    Ok(Cluster {
        coder,
        architecture,
        prior,
        only: clusters == 1,
    })
}

impl Cluster<'_> {
    /// Where the codes of the images lie that the model at `path` gives to this cluster, number `k`.
    pub fn spread(&self, path: &Path, k: usize, images: &Images, device: &Device) -> Result<Spread, Failure> {
        models::check_fit(images, self.architecture)?;
        let codes = self.coder.posterior_means(images, device);
        if self.only {
            return Ok(Spread::of(&codes, |_| true));
        }
        let labels = models::assign(path, images, device)?.labels();
        Ok(Spread::of(&codes, |row| labels[row] == k as i32))
    }

    /// Writes decoded images [n, C, D, D] as an artifact.
    pub fn write(&self, pixels: &[f32], name: &str, path: &Path) -> Result<(), Failure> {
        let pixels: Vec<u8> = pixels
            .iter()
            .map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8)
            .collect();
        let [channels, side, _] = self.dims();
        let shape = [pixels.len() / (channels * side * side), channels, side, side];
        let meta = json!({"name": name, "split": "all"});
        write(path, &[("images", &shape, Content::U8(&pixels))], &meta).map_err(refuse)
    }

    /// Channels, height and width of its images.
    pub fn dims(&self) -> [usize; 3] {
        let Architecture { channels, side, .. } = *self.architecture;
        [channels, side, side]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gmvae::{Data, GmvaeShape};
    use crate::nn::weights;
    use crate::random::Draws;
    use burn::module::Module;

    fn spread(deviation: &[f32]) -> Spread {
        Spread {
            mean: vec![1.0; deviation.len()],
            deviation: deviation.to_vec(),
        }
    }

    #[test]
    fn walks_go_along_the_units_that_vary_most() {
        assert_eq!(spread(&[0.1, 0.9, 0.5, 0.9]).widest(3), [1, 3, 2]);
        assert_eq!(spread(&[0.1]).widest(3), [0]);
    }

    #[test]
    fn a_walk_changes_one_unit_and_has_the_mean_in_its_middle() {
        let walk = spread(&[0.5, 2.0]).walk(1, 3, 2.5);
        assert_eq!(walk, [1.0, -4.0, 1.0, 1.0, 1.0, 6.0]);
    }

    #[test]
    fn the_spread_is_that_of_a_clusters_own_codes() {
        let codes = Matrix::new(3, 2, vec![1.0, 0.0, 3.0, 0.0, 100.0, 100.0]);
        let own = Spread::of(&codes, |row| row < 2);
        assert_eq!((own.mean, own.deviation), (vec![2.0, 0.0], vec![1.0, 0.0]));
        let nobodys = Spread::of(&codes, |_| false);
        assert_eq!((nobodys.mean, nobodys.deviation), (vec![0.0; 2], vec![1.0; 2]));
    }

    #[test]
    fn a_gmvae_draws_w_and_then_from_the_component_at_w() {
        let device = Device::flex();
        let shape = GmvaeShape {
            data: Data::Points { dims: 3 },
            clusters: 2,
            x_dim: 2,
            w_dim: 3,
            hidden: 4,
        };
        let gmvae = weights::initialise(Gmvae::new(&shape, &device.clone().autodiff()), &Draws::new(1)).valid();
        let at = |w: f32, k: usize| {
            let means = gmvae.components(tensor(&[w; 6], 3, &device)).mean;
            host(means.narrow(1, k, 1))
        };
        // Noise of 0 around the component's mean, at a w that is the same in every draw.
        let drawn = |w: f32, k: usize| {
            let noise = |purpose: &str, n: usize| vec![if purpose == "w" { w } else { 0.0 }; n];
            let w_dim = shape.w_dim;
            Prior::Component {
                gmvae: &gmvae,
                w_dim,
                k,
            }
            .draw(2, &device, noise)
        };
        for (w, k) in [(0.5, 0), (0.5, 1), (-2.0, 1)] {
            assert_eq!(drawn(w, k), at(w, k));
        }
        assert_ne!(drawn(0.5, 1), drawn(-2.0, 1));
        assert_ne!(drawn(0.5, 0), drawn(0.5, 1));
    }

    #[test]
    fn draws_are_brought_to_where_the_codes_lie() {
        let mut codes = vec![0.0, 1.0, -1.0, 0.0];
        spread(&[0.5, 2.0]).apply(&mut codes);
        assert_eq!(codes, [1.0, 3.0, 0.5, 1.0]);
    }
}
