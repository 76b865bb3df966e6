//! DynAE (Mrabah, Bouguessa & Ksantini 2019, arXiv 1901.07752), its second phase: reconstruction gives way to clustering row
//! by row.
//!
//! With q Student's t-distribution between the code of the clean image and the centres, q₁ ≥ q₂ its two greatest values, a
//! row is *confident* where q₁ > β₁ and q₁ − q₂ > β₂, else *conflicted*. A confident row's targets are its centre μ and the
//! decoded image of μ, a conflicted row's its own code and image. L = mean square to the code + γ mean square to the image.
//!
//! β₁ = κ / K, β₂ = β₁ / 2. When the conflicted rows stop getting fewer, centres are found anew by k-means and both
//! thresholds fall by 0.3 κ / K, as in the authors' code the first two times (then it lowers them less).

use super::fit::Step;
use super::loss::reconstruction;
use crate::cluster::{KMeansConfig, kmeans};
use crate::matrix::Matrix;
use crate::nn::autoencoder::Autoencoder;
use crate::nn::centred::student_t;
use crate::nn::state::replace;
use crate::random::Draws;
use crate::tensors::host;
use burn::module::{Module, RunningState};
use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Bool, Device, Tensor, TensorData};
use moelab_stages::network::Reconstruction;

/// What the thresholds fall by each time, as a share of κ / K.
const FALL: f64 = 0.3;

/// Names of the values of [`dynae_step`].
pub const COLUMNS: [&str; 4] = ["loss", "code", "reconstruction", "conflicted"];

/// An autoencoder under the dynamic loss.
#[derive(Module, Debug)]
pub struct Dynamic {
    pub autoencoder: Autoencoder,
    /// Codes of K rows, [K, L].
    centres: RunningState<Tensor<2>>,
    /// What they decoded to when they became centres, [K, C, D, D].
    centre_images: RunningState<Tensor<4>>,
    /// How often the thresholds fell, [1].
    lowered: RunningState<Tensor<1>>,
    /// Share of conflicted rows at the last check, [1].
    conflicted: RunningState<Tensor<1>>,
}

#[derive(Clone, Copy, Debug)]
pub struct DynaeLoss {
    /// κ
    pub kappa: f64,
    /// γ
    pub reconstruction: f64,
}

/// What a batch learns from.
struct Targets {
    codes: Tensor<2>,
    images: Tensor<4>,
    /// Share of conflicted rows, [1].
    conflicted: Tensor<1>,
}

impl Dynamic {
    /// `codes` [N, L] are those of all rows, `means` [K, L] those of the clusters to start from.
    pub fn new(autoencoder: Autoencoder, codes: &Matrix, means: &[Vec<f64>], device: &Device) -> Self {
        let centres = medoids(codes, means);
        let [clusters, latent] = [centres.rows(), centres.cols()];
        let centres = Tensor::from_data(
            TensorData::new(centres.into_data(), [clusters, latent]),
            &device.clone().inner(),
        );
        let images = sigmoid(autoencoder.valid().decode(centres.clone()));
        Self {
            autoencoder,
            centres: RunningState::new(Tensor::from_inner(centres)),
            centre_images: RunningState::new(Tensor::from_inner(images)),
            lowered: RunningState::new(Tensor::zeros([1], device)),
            conflicted: RunningState::new(Tensor::ones([1], device)),
        }
    }

    /// Counts the conflicted rows; where they are as many as at the last check or more, finds new centres and lowers the
    /// thresholds. `images` are all of them, clean and without autodiff, in order.
    pub fn check(&self, loss: &DynaeLoss, images: impl Iterator<Item = Tensor<4>>, draws: &Draws) {
        let model = self.autoencoder.valid();
        let codes = Tensor::cat(images.map(|batch| model.encode(batch).mean).collect(), 0);
        let conflicted = self.confident(loss, codes.clone()).bool_not().float().mean();
        if host(conflicted.clone()) >= host(self.conflicted.value()) {
            self.renew(&model, codes, draws);
        }
        replace(&self.conflicted, conflicted);
    }

    fn renew(&self, model: &Autoencoder, codes: Tensor<2>, draws: &Draws) {
        let [rows, latent] = codes.dims();
        let device = codes.device();
        let codes = Matrix::new(rows, latent, host(codes));
        let config = KMeansConfig {
            clusters: self.clusters(),
            ..KMeansConfig::default()
        };
        // It fails on codes that are not finite. The loss is not either then, and the loop says so.
        let Ok(found) = kmeans(&codes, &config, draws) else {
            return;
        };
        let centres = medoids(&codes, &found.centres);
        let centres = Tensor::from_data(TensorData::new(centres.into_data(), [self.clusters(), latent]), &device);
        replace(&self.centre_images, sigmoid(model.decode(centres.clone())));
        replace(&self.centres, centres);
        replace(&self.lowered, self.lowered.value().inner() + 1.0);
    }

    /// Which codes [B, L] are near one centre and far from the others, [B, 1].
    fn confident(&self, loss: &DynaeLoss, codes: Tensor<2>) -> Tensor<2, Bool> {
        let q = softmax(student_t(codes, self.centres.value().inner()), 1);
        let best = q.sort_descending(1);
        let (first, second) = (best.clone().narrow(1, 0, 1), best.narrow(1, 1, 1));
        let unit = loss.kappa / self.clusters() as f64;
        // β₁; β₂ is half a unit lower.
        let lowered = self.lowered.value().inner().unsqueeze_dim::<2>(0);
        let threshold = lowered.mul_scalar(-FALL).add_scalar(1.0).mul_scalar(unit);
        let sure = first.clone().greater(threshold.clone().expand(first.dims()));
        let ahead = (first.clone() - second).greater(threshold.sub_scalar(unit / 2.0).expand(first.dims()));
        sure.bool_and(ahead)
    }

    /// From clean images. Their codes, too, come from the statistics of the batch: a code that chased its own value under
    /// the running ones, which lag behind, would run away.
    fn targets(&self, loss: &DynaeLoss, images: Tensor<4>) -> Targets {
        let codes = self.autoencoder.encode(images.clone()).mean.inner();
        let images = images.inner();
        let (centres, centre_images) = (self.centres.value().inner(), self.centre_images.value().inner());
        let nearest = student_t(codes.clone(), centres.clone()).argmax(1).squeeze_dim::<1>(1);
        let confident = self.confident(loss, codes.clone());
        let conflicted = confident.clone().bool_not().float();
        let confident = confident.float();
        let of_images = |mask: Tensor<2>| mask.unsqueeze_dims::<4>(&[2, 3]);
        Targets {
            codes: confident.clone() * centres.select(0, nearest.clone()) + conflicted.clone() * codes,
            images: of_images(confident) * centre_images.select(0, nearest) + of_images(conflicted.clone()) * images,
            conflicted: conflicted.mean(),
        }
    }

    pub fn centres(&self) -> Tensor<2> {
        self.centres.value()
    }

    /// Share of conflicted rows at the last check; 1 before the first.
    pub fn conflicted(&self) -> f64 {
        f64::from(host(self.conflicted.value())[0])
    }

    /// How often the thresholds fell.
    pub fn lowered(&self) -> f64 {
        f64::from(host(self.lowered.value())[0])
    }

    fn clusters(&self) -> usize {
        self.centres.value().dims()[0]
    }
}

/// One step: `shown` are the images, [B, C, D, D], after augmentation, `clean` the same before it.
pub fn dynae_step(model: &Dynamic, loss: &DynaeLoss, shown: Tensor<4>, clean: Tensor<4>) -> Step {
    let [_, channels, height, width] = clean.dims();
    let targets = model.targets(loss, clean);
    let code = model.autoencoder.encode(shown).mean;
    let logits = model.autoencoder.decode(code.clone());
    let code = (code - Tensor::from_inner(targets.codes)).powi_scalar(2).mean();
    // The cost is half the squared error, summed.
    let image = reconstruction(Reconstruction::Mse, Tensor::from_inner(targets.images), logits)
        .mean()
        .mul_scalar(2.0 / (channels * height * width) as f64);
    let total = code.clone() + image.clone().mul_scalar(loss.reconstruction);
    let values = vec![total.clone(), code, image, Tensor::from_inner(targets.conflicted)];
    Step::descend(&total, Tensor::cat(values, 0).detach())
}

/// The row of `codes` nearest to each of `means`, the first of several.
fn medoids(codes: &Matrix, means: &[Vec<f64>]) -> Matrix {
    let nearest = |mean: &Vec<f64>| {
        let squared = |row: &usize| -> f64 {
            let differences = codes.row(*row).iter().zip(mean).map(|(&z, m)| f64::from(z) - m);
            differences.map(|d| d * d).sum()
        };
        (0..codes.rows())
            .min_by(|a, b| squared(a).total_cmp(&squared(b)))
            .expect("clusters come from at least one row")
    };
    codes.select(&means.iter().map(nearest).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_medoid_is_the_first_of_the_nearest_rows() {
        let codes = Matrix::new(4, 1, vec![0.0, 1.0, 1.0, 5.0]);
        assert_eq!(medoids(&codes, &[vec![1.2], vec![9.0]]).data(), [1.0, 5.0]);
    }
}
