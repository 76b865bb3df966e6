//! Models as artifacts: weights by module path, the architecture beside them.

use super::cluster_table::Assignments;
use super::{gmvae_train, mice_train, mixture, refuse};
use crate::matrix::Matrix;
use crate::nn::architecture::Architecture;
use crate::nn::autoencoder::{Autoencoder, AutoencoderShape};
use crate::nn::centred::{Centred, ClusteredShape};
use crate::nn::gmvae::{Data, Gmvae, GmvaeShape};
use crate::nn::manager::{Manager, ManagerShape};
use crate::nn::mice::{Mice, MiceShape};
use crate::nn::mixture::{Mixture, MixtureShape};
use crate::nn::vade::Vade;
use crate::nn::weights;
use crate::tensors::{Named, TensorFile, host, write_weights};
use crate::train::dec;
use crate::train::images::Images;
use crate::train::loss::AutoencoderLoss;
use crate::train::vade;
use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};
use moelab_engine::job::Failure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What a model file holds; enough to build the network its weights fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    Autoencoder(AutoencoderShape),
    Manager(ManagerShape),
    Mixture(TrainedMixture),
    Centred(ClusteredShape),
    Vade(ClusteredShape),
    Gmvae(GmvaeShape),
    Mice(MiceShape),
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

/// An autoencoder, alone or with the clusters of its codes, on `device` (with autodiff or without).
pub fn autoencoder(path: &Path, device: &Device) -> Result<(Autoencoder, AutoencoderShape), Failure> {
    let (file, shape) = open(path)?;
    let mut tensors = file.all_f32().map_err(refuse)?;
    let shape = match shape {
        Shape::Autoencoder(shape) => shape,
        Shape::Centred(shape) | Shape::Vade(shape) => {
            let of_autoencoder = |(name, tensor): (String, Named)| {
                let name = name.strip_prefix("autoencoder.")?.to_owned();
                Some((name, tensor))
            };
            tensors = tensors.into_iter().filter_map(of_autoencoder).collect();
            shape.autoencoder
        }
        Shape::Manager(_) | Shape::Mixture(_) | Shape::Gmvae(_) | Shape::Mice(_) => {
            return Err(Failure::bad_input(
                "the model is not an autoencoder: connect one that `pretrain_vae`, `dec_train`, `vade_train` or \
                 `dynae_train` made",
            ));
        }
    };
    let model = weights::restore(Autoencoder::new(&shape, device), &tensors).map_err(refuse)?;
    Ok((model, shape))
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

/// What a model with clusters says of images; `device` has no autodiff.
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
        Shape::Mixture(trained) => {
            let mixture = restore_mixture(&trained.shape, &tensors, images, device)?;
            Ok(mixture::assign(&mixture, &trained.loss, images, device))
        }
        Shape::Gmvae(shape) => {
            check_fit(images, of_images(&shape)?)?;
            let model = weights::restore(Gmvae::new(&shape, device), &tensors).map_err(refuse)?;
            Ok(gmvae_train::assign(&model, images, device))
        }
        Shape::Mice(shape) => {
            if images.channels != shape.trunk.channels {
                return Err(Failure::bad_input(format!(
                    "the images have {} channels, the model was trained on {}",
                    images.channels, shape.trunk.channels
                )));
            }
            let model = weights::restore(Mice::new(&shape, device), &tensors).map_err(refuse)?;
            Ok(mice_train::assign(&model, &shape, images, device))
        }
        Shape::Centred(shape) => {
            check_fit(images, &shape.autoencoder.architecture)?;
            let centres = Tensor::zeros([shape.clusters, shape.autoencoder.latent_dim], device);
            let blank = Centred::new(Autoencoder::new(&shape.autoencoder, device), centres);
            let model = weights::restore(blank, &tensors).map_err(refuse)?;
            Ok(soft(dec::assign(&model, images.batches(device))))
        }
        Shape::Vade(shape) => {
            check_fit(images, &shape.autoencoder.architecture)?;
            let model = restore_vade(&shape, &tensors, device)?;
            Ok(soft(vade::assign(&model, images.batches(device))))
        }
        Shape::Autoencoder(_) => Err(Failure::bad_input(
            "the model is an autoencoder without clusters, which assigns nothing: connect a manager, a mixture, or what \
             `dec_train`, `vade_train`, `dynae_train`, `gmvae_train` or `mice_train` made",
        )),
    }
}

fn restore_vade(shape: &ClusteredShape, tensors: &BTreeMap<String, Named>, device: &Device) -> Result<Vade, Failure> {
    let zeros = || Tensor::zeros([shape.clusters, shape.autoencoder.latent_dim], device);
    let weights = Tensor::zeros([shape.clusters], device);
    let blank = Vade::new(Autoencoder::new(&shape.autoencoder, device), weights, zeros(), zeros());
    weights::restore(blank, tensors).map_err(refuse)
}

/// A model that images come out of.
#[expect(clippy::large_enum_variant, reason = "one is opened per job")]
pub enum Generative {
    /// An autoencoder per cluster, or one without clusters.
    Experts(Vec<(Autoencoder, AutoencoderShape)>),
    Vade(Vade, ClusteredShape),
    /// Of images.
    Gmvae(Gmvae, GmvaeShape, Architecture),
}

pub fn generative(path: &Path, device: &Device) -> Result<Generative, Failure> {
    let (file, shape) = open(path)?;
    let tensors = file.all_f32().map_err(refuse)?;
    match shape {
        Shape::Mixture(TrainedMixture { shape, .. }) => {
            let mixture = unchecked_mixture(&shape, &tensors, device)?;
            Ok(Generative::Experts(
                mixture.experts.into_iter().zip(shape.experts).collect(),
            ))
        }
        Shape::Vade(shape) => Ok(Generative::Vade(restore_vade(&shape, &tensors, device)?, shape)),
        Shape::Gmvae(shape) => {
            let architecture = of_images(&shape)?.clone();
            let model = weights::restore(Gmvae::new(&shape, device), &tensors).map_err(refuse)?;
            Ok(Generative::Gmvae(model, shape, architecture))
        }
        Shape::Autoencoder(_) => Ok(Generative::Experts(vec![autoencoder(path, device)?])),
        Shape::Centred(_) | Shape::Manager(_) | Shape::Mice(_) => Err(Failure::bad_input(
            "nothing is generated from this model: take one that `moe_train`, `mixture_train`, `vade_train`, \
             `gmvae_train` or `pretrain_vae` made",
        )),
    }
}

fn of_images(shape: &GmvaeShape) -> Result<&Architecture, Failure> {
    match &shape.data {
        Data::Images(architecture) => Ok(architecture),
        Data::Points { .. } => Err(Failure::bad_input("the model was trained on points, not on images")),
    }
}

/// Soft assignments alone, [N, K].
fn soft(p: Tensor<2>) -> Assignments {
    let [rows, clusters] = p.dims();
    Assignments {
        manager_p: Matrix::new(rows, clusters, host(p)),
        reconstruction: Matrix::new(rows, 0, vec![]),
    }
}

/// A mixture that was trained on images like these, in the form for inference.
pub fn mixture(path: &Path, images: &Images, device: &Device) -> Result<(Mixture, TrainedMixture), Failure> {
    match open(path)? {
        (file, Shape::Mixture(trained)) => {
            let tensors = file.all_f32().map_err(refuse)?;
            Ok((restore_mixture(&trained.shape, &tensors, images, device)?, trained))
        }
        _ => Err(Failure::bad_input(
            "the model is not a mixture: connect one that `moe_train` or `mixture_train` made",
        )),
    }
}

fn restore_mixture(
    shape: &MixtureShape,
    tensors: &BTreeMap<String, Named>,
    images: &Images,
    device: &Device,
) -> Result<Mixture, Failure> {
    if let Some(expert) = shape.experts.first() {
        check_fit(images, &expert.architecture)?;
    }
    unchecked_mixture(shape, tensors, device)
}

fn unchecked_mixture(
    shape: &MixtureShape,
    tensors: &BTreeMap<String, Named>,
    device: &Device,
) -> Result<Mixture, Failure> {
    weights::restore(Mixture::new(shape, device), tensors).map_err(refuse)
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
    encoded(model.latent_dim(), images, device, |batch| model.encode(batch).mean)
}

/// What `encode` makes of all images, [N, L], batch by batch.
pub fn encoded(latent: usize, images: &Images, device: &Device, encode: impl Fn(Tensor<4>) -> Tensor<2>) -> Matrix {
    let mut values = Vec::with_capacity(images.rows * latent);
    for batch in images.batches(device) {
        values.extend(host(encode(batch)));
    }
    Matrix::new(images.rows, latent, values)
}

/// Refuses images that a model was not made for.
pub fn check_fit(images: &Images, architecture: &Architecture) -> Result<(), Failure> {
    let a = architecture;
    if (images.channels, images.height, images.width) == (a.channels, a.side, a.side) {
        return Ok(());
    }
    let advice = match images.channels == a.channels {
        true => "use the same `load` settings for both",
        false => "make them grey or coloured as those were first",
    };
    Err(Failure::bad_input(format!(
        "the images are {}×{}×{}, the model was trained on {}×{}×{}: {advice}",
        images.channels, images.height, images.width, a.channels, a.side, a.side
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::centred::Centred;
    use crate::random::Draws;
    use burn::tensor::Tensor;
    use moelab_stages::network::Variant;

    #[test]
    fn the_autoencoder_of_a_model_with_centres_reads_back_alone() {
        let device = Device::flex();
        let shape = AutoencoderShape {
            architecture: Architecture::new(1, 8, 8, 2).unwrap(),
            latent_dim: 3,
            variant: Variant::Ae,
        };
        let model = Autoencoder::new(&shape, &device.clone().autodiff());
        let model = weights::initialise(model, &Draws::new(1)).valid();
        let clustered = ClusteredShape {
            autoencoder: shape.clone(),
            clusters: 2,
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        let centred = Centred::new(model.clone(), Tensor::zeros([2, 3], &device));
        save(&path, &centred, &Shape::Centred(clustered)).unwrap();
        let (read, found) = autoencoder(&path, &device).unwrap();
        assert_eq!(found, shape);
        assert_eq!(weights::collect(&read), weights::collect(&model));
    }

    #[test]
    fn a_manager_is_not_taken_for_an_autoencoder() {
        let device = Device::flex();
        let shape = ManagerShape {
            architecture: Architecture::new(1, 8, 8, 2).unwrap(),
            experts: 2,
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        save(&path, &Manager::new(&shape, &device), &Shape::Manager(shape)).unwrap();
        let refused = format!("{:?}", autoencoder(&path, &device).err());
        assert!(refused.contains("not an autoencoder"), "{refused}");
    }
}
