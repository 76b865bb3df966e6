//! Losses and gradients against an independent PyTorch implementation (scripts/fixtures/training.py).

use super::loss::AutoencoderLoss;
use super::minimax::{Form, minimax_step};
use super::objective::{Noise, Weights, autoencoder_step, mixture_step};
use super::testing::{Reference, near, same_gradients};
use crate::device::Choice;
use crate::nn::architecture::Architecture;
use crate::nn::autoencoder::{Autoencoder, AutoencoderShape};
use crate::nn::manager::ManagerShape;
use crate::nn::mixture::{Mixture, MixtureShape};
use crate::tensors::host;
use burn::tensor::Tensor;
use moelab_stages::network::{Reconstruction, Reduction, Variant};
use serde::Deserialize;

#[derive(Deserialize)]
struct Meta {
    alpha: f64,
    beta: f64,
    kl_weight: f64,
    side: usize,
    filters: usize,
    latent: Vec<usize>,
    vae_loss: f64,
    vae_reconstruction: f64,
    vae_kl: f64,
    mixture_loss: f64,
    s: f64,
    b: f64,
    ridge: f64,
    exact_loss: f64,
    bound_loss: f64,
}

type Fixture = Reference<Meta>;

fn fixture(choice: Choice) -> Fixture {
    Reference::open("step", choice)
}

impl Fixture {
    fn expert(&self, k: usize) -> AutoencoderShape {
        let architecture = Architecture::new(1, self.meta.side, self.meta.side, self.meta.filters).unwrap();
        AutoencoderShape {
            architecture,
            latent_dim: self.meta.latent[k],
            variant: Variant::Vae,
        }
    }

    fn images(&self) -> Tensor<4> {
        self.tensor("images")
    }

    fn noise(&self, k: usize) -> Noise {
        Noise {
            posterior: self.tensor(&format!("noise.{k}")),
            prior: None,
        }
    }

    fn loss(&self) -> AutoencoderLoss {
        AutoencoderLoss {
            variant: Variant::Vae,
            reconstruction: Reconstruction::Bce,
            reduction: Reduction::Sum,
            kl_weight: self.meta.kl_weight,
            l1_weight: 0.0,
        }
    }
}

fn vae_agrees(choice: Choice) {
    let fixture = fixture(choice);
    let model = fixture.load(Autoencoder::new(&fixture.expert(0), &fixture.device), "vae.weights.");
    let step = autoencoder_step(&model, &fixture.loss(), fixture.images(), fixture.noise(0));
    let values = host(step.values.clone());
    let meta = &fixture.meta;
    for (name, ours, theirs) in [
        ("loss", values[0], meta.vae_loss),
        ("reconstruction", values[1], meta.vae_reconstruction),
        ("kl", values[2], meta.vae_kl),
    ] {
        near(name, f64::from(ours), theirs);
    }
    same_gradients(&model, &step, &fixture.part("vae.gradients."));
}

/// The fixture's mixture of two.
fn mixture(fixture: &Fixture) -> Mixture {
    let experts = vec![fixture.expert(0), fixture.expert(1)];
    let manager = ManagerShape {
        architecture: experts[0].architecture.clone(),
        experts: experts.len(),
    };
    let shape = MixtureShape { manager, experts };
    fixture.load(Mixture::new(&shape, &fixture.device), "mixture.weights.")
}

fn mixture_agrees(choice: Choice) {
    let fixture = fixture(choice);
    let model = mixture(&fixture);
    let meta = &fixture.meta;
    let noise = vec![fixture.noise(0), fixture.noise(1)];
    let weights = Weights {
        alpha: meta.alpha,
        beta: meta.beta,
        released: 1.0,
    };
    let step = mixture_step(&model, &fixture.loss(), fixture.images(), noise, weights);
    let values = host(step.values.clone());
    for (name, ours, theirs) in [
        ("loss", values[0], meta.mixture_loss),
        ("sample entropy", values[3], meta.s),
        ("batch entropy", values[4], meta.b),
    ] {
        near(name, f64::from(ours), theirs);
    }
    same_gradients(&model, &step, &fixture.part("mixture.gradients."));
}

#[cfg(feature = "tch")]
#[test]
fn a_vae_step_on_libtorch_agrees_with_pytorch() {
    vae_agrees(Choice::Cpu);
}

#[test]
fn a_vae_step_on_flex_agrees_with_pytorch() {
    vae_agrees(Choice::Flex);
}

#[cfg(feature = "tch")]
#[test]
fn a_mixture_step_on_libtorch_agrees_with_pytorch() {
    mixture_agrees(Choice::Cpu);
}

#[test]
fn a_mixture_step_on_flex_agrees_with_pytorch() {
    mixture_agrees(Choice::Flex);
}

fn minimax_agrees(choice: Choice) {
    let fixture = fixture(choice);
    let meta = &fixture.meta;
    for (form, loss, gradients) in [
        (Form::Exact, meta.exact_loss, "exact.gradients."),
        (Form::Bound, meta.bound_loss, "bound.gradients."),
    ] {
        let model = mixture(&fixture);
        let noise = vec![fixture.noise(0), fixture.noise(1)];
        let step = minimax_step(&model, &fixture.loss(), fixture.images(), noise, form, meta.ridge);
        near("loss", f64::from(host(step.values.clone())[0]), loss);
        same_gradients(&model, &step, &fixture.part(gradients));
    }
}

#[cfg(feature = "tch")]
#[test]
fn a_minimax_step_on_libtorch_agrees_with_pytorch() {
    minimax_agrees(Choice::Cpu);
}

#[test]
fn a_minimax_step_on_flex_agrees_with_pytorch() {
    minimax_agrees(Choice::Flex);
}
