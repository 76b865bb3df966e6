//! Networks of the thesis: a trunk whose depth follows from the image size, autoencoders, the manager, the mixture.
//!
//! No file here names a backend. A module on a device with autodiff trains (batch statistics); [`Module::valid`] gives the
//! form for inference (running statistics).
//!
//! [`Module::valid`]: burn::module::Module::valid

pub mod architecture;
pub mod autoencoder;
pub mod block;
pub mod centred;
pub mod decoder;
pub mod dense;
pub mod encoder;
pub mod gmvae;
pub mod manager;
pub mod mice;
pub mod mixture;
pub mod resnet;
pub mod state;
pub mod vade;
pub mod weights;
