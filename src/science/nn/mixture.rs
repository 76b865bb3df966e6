//! The mixture: K expert autoencoders and the manager that weighs them.

use super::autoencoder::{Autoencoder, AutoencoderShape};
use super::manager::{Manager, ManagerShape};
use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// What rebuilds a [`Mixture`] before its weights are loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MixtureShape {
    pub manager: ManagerShape,
    /// One per expert: latent sizes differ.
    pub experts: Vec<AutoencoderShape>,
}

#[derive(Module, Debug)]
pub struct Mixture {
    pub manager: Manager,
    pub experts: Vec<Autoencoder>,
}

impl Mixture {
    pub fn new(shape: &MixtureShape, device: &Device) -> Self {
        Self {
            manager: Manager::new(&shape.manager, device),
            experts: shape
                .experts
                .iter()
                .map(|expert| Autoencoder::new(expert, device))
                .collect(),
        }
    }
}
