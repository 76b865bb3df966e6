//! Models as artifacts: weights by module path, the architecture beside them.

use super::cluster_table::Assignments;
use super::{gmvae_train, mixture, refuse};
use crate::matrix::Matrix;
use crate::nn::autoencoder::{Autoencoder, AutoencoderShape};
use crate::nn::gmvae::{Data, Gmvae, GmvaeShape};
use crate::nn::manager::{Manager, ManagerShape};
use crate::nn::mixture::{Mixture, MixtureShape};
use crate::nn::weights;
use crate::tensors::{TensorFile, host, write_weights};
use crate::train::images::Images;
use crate::train::loss::AutoencoderLoss;
use burn::module::Module;
use burn::tensor::Device;
use burn::tensor::activation::softmax;
use moelab_engine::job::Failure;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a model file holds; enough to build the network its weights fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    Autoencoder(AutoencoderShape),
    Manager(ManagerShape),
    Mixture(TrainedMixture),
    Gmvae(GmvaeShape),
}

/// A mixture and the loss its experts compete by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainedMixture {
    #[serde(flatten)]
    pub shape: MixtureShape,
    pub loss: AutoencoderLoss,
}

pub fn save<M: Module>(path: &Path, model: &M, shape: &Shape) -> Result<(), Failure> {
    let meta = serde_json::json!({ "architecture": shape });
    write_weights(path, &weights::collect(model), &meta).map_err(refuse)
}

#[derive(Deserialize)]
struct Meta {
    architecture: Shape,
}

fn open(path: &Path) -> Result<(TensorFile, Shape), Failure> {
    let file = TensorFile::open(path).map_err(refuse)?;
    let meta: Meta = file.meta().map_err(refuse)?;
    Ok((file, meta.architecture))
}

/// An autoencoder in the form for inference, on `device`.
pub fn autoencoder(path: &Path, device: &Device) -> Result<(Autoencoder, AutoencoderShape), Failure> {
    match open(path)? {
        (file, Shape::Autoencoder(shape)) => {
            let tensors = file.all_f32().map_err(refuse)?;
            Ok((
                weights::restore(Autoencoder::new(&shape, device), &tensors).map_err(refuse)?,
                shape,
            ))
        }
        _ => Err(Failure::bad_input(
            "the model is not an autoencoder: connect one that `pretrain_vae` made",
        )),
    }
}

/// The manager's shape and its weights put into a fresh manager on `device` (with autodiff or without).
pub fn manager(path: &Path, device: &Device) -> Result<(Manager, ManagerShape), Failure> {
    match open(path)? {
        (file, Shape::Manager(shape)) => {
            let tensors = file.all_f32().map_err(refuse)?;
            Ok((
                weights::restore(Manager::new(&shape, device), &tensors).map_err(refuse)?,
                shape,
            ))
        }
        _ => Err(Failure::bad_input(
            "the model is not a manager: connect one that `manager_fit` made",
        )),
    }
}

/// What a manager, a mixture or a Gaussian mixture VAE says of images; `device` has no autodiff.
pub fn assign(path: &Path, images: &Images, device: &Device) -> Result<Assignments, Failure> {
    let (file, shape) = open(path)?;
    let tensors = file.all_f32().map_err(refuse)?;
    match shape {
        Shape::Manager(shape) => {
            check_fit(images, &shape.architecture)?;
            let manager = weights::restore(Manager::new(&shape, device), &tensors).map_err(refuse)?;
            Ok(Assignments {
                manager_p: probabilities(&manager, images, shape.experts, device),
                reconstruction: Matrix::new(images.rows, 0, vec![]),
            })
        }
        Shape::Mixture(TrainedMixture { shape, loss }) => {
            if let Some(expert) = shape.experts.first() {
                check_fit(images, &expert.architecture)?;
            }
            let mixture = weights::restore(Mixture::new(&shape, device), &tensors).map_err(refuse)?;
            Ok(mixture::assign(&mixture, &loss, images, device))
        }
        Shape::Gmvae(shape) => {
            match &shape.data {
                Data::Images(architecture) => check_fit(images, architecture)?,
                Data::Points { .. } => {
                    return Err(Failure::bad_input("the model was trained on points, not on images"));
                }
            }
            let model = weights::restore(Gmvae::new(&shape, device), &tensors).map_err(refuse)?;
            Ok(gmvae_train::assign(&model, images, device))
        }
        Shape::Autoencoder(_) => Err(Failure::bad_input(
            "the model is an autoencoder, which assigns nothing: connect a manager or a mixture",
        )),
    }
}

/// A manager's p of every image, [N, K].
pub fn probabilities(manager: &Manager, images: &Images, experts: usize, device: &Device) -> Matrix {
    let p = images
        .batches(device)
        .flat_map(|batch| host(softmax(manager.forward(batch), 1)))
        .collect();
    Matrix::new(images.rows, experts, p)
}

/// Posterior means of all images, [N, L]. Clean images and means, not samples: inactive units stay at 0.
pub fn posterior_means(model: &Autoencoder, images: &Images, device: &Device) -> Matrix {
    let latent = model.latent_dim();
    let mut values = Vec::with_capacity(images.rows * latent);
    for batch in images.batches(device) {
        values.extend(host(model.encode(batch).mean));
    }
    Matrix::new(images.rows, latent, values)
}

/// Refuses images that a model was not made for.
pub fn check_fit(images: &Images, architecture: &crate::nn::architecture::Architecture) -> Result<(), Failure> {
    let a = architecture;
    if (images.channels, images.height, images.width) == (a.channels, a.side, a.side) {
        return Ok(());
    }
    Err(Failure::bad_input(format!(
        "the images are {}×{}×{}, the model was trained on {}×{}×{}: use the same `load` settings for both",
        images.channels, images.height, images.width, a.channels, a.side, a.side
    )))
}
