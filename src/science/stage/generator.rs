//! Images out of a trained model: where the codes of a cluster lie, and what they decode to.

use super::models::{self, Decoders};
use super::refuse;
use crate::matrix::Matrix;
use crate::nn::autoencoder::{Autoencoder, AutoencoderShape};
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

/// Images [n, C, D, D] in [0, 1], decoded from codes, row by row.
pub fn decode(expert: &Autoencoder, codes: Vec<f32>, device: &Device) -> Vec<f32> {
    let latent = expert.latent_dim();
    let decoded = |codes: &[f32]| {
        let shape = [codes.len() / latent, latent];
        let codes = Tensor::from_data(TensorData::new(codes.to_vec(), shape), device);
        host(sigmoid(expert.decode(codes)))
    };
    codes.chunks(BATCH * latent).flat_map(decoded).collect()
}

/// One cluster of a model.
pub struct Cluster<'a> {
    pub expert: &'a Autoencoder,
    pub shape: &'a AutoencoderShape,
    /// What its codes are drawn from; none for a plain autoencoder.
    pub prior: Option<Spread>,
    /// Whether all images are its own: the model has no clusters.
    pub only: bool,
}

/// Cluster `k` of a model, counted from 0.
pub fn cluster(decoders: &Decoders, k: usize) -> Result<Cluster<'_>, Failure> {
    let clusters = decoders
        .components
        .as_ref()
        .map_or(decoders.experts.len(), |c| c.0.dims()[0]);
    if k >= clusters {
        return Err(Failure::stage(match clusters {
            1 => format!("the model has no cluster {k}: it has one, 0"),
            _ => format!("the model has no cluster {k}: it has {clusters}, 0 to {}", clusters - 1),
        }));
    }
    let (expert, shape) = decoders.experts.get(k).unwrap_or(&decoders.experts[0]);
    let prior = match &decoders.components {
        Some((means, log_variances)) => {
            let row = |all: &Tensor<2>| host(all.clone().narrow(0, k, 1));
            Some(Spread {
                mean: row(means),
                deviation: row(&log_variances.clone().mul_scalar(0.5).exp()),
            })
        }
        None => (shape.variant != Variant::Ae).then(|| Spread {
            mean: vec![0.0; shape.latent_dim],
            deviation: vec![1.0; shape.latent_dim],
        }),
    };
    Ok(Cluster {
        expert,
        shape,
        prior,
        only: clusters == 1,
    })
}

impl Cluster<'_> {
    /// Where the codes of the images lie that the model at `path` gives to this cluster, number `k`.
    pub fn spread(&self, path: &Path, k: usize, images: &Images, device: &Device) -> Result<Spread, Failure> {
        models::check_fit(images, &self.shape.architecture)?;
        let codes = models::posterior_means(self.expert, images, device);
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
        let architecture = &self.shape.architecture;
        [architecture.channels, architecture.side, architecture.side]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn draws_are_brought_to_where_the_codes_lie() {
        let mut codes = vec![0.0, 1.0, -1.0, 0.0];
        spread(&[0.5, 2.0]).apply(&mut codes);
        assert_eq!(codes, [1.0, 3.0, 0.5, 1.0]);
    }
}
