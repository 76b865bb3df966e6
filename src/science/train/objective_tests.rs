//! Losses and gradients against an independent PyTorch implementation (scripts/fixtures/training.py).

use super::damic::damic_step;
use super::fit::Step;
use super::k_dae::k_dae_step;
use super::loss::AutoencoderLoss;
use super::minimax::{Form, minimax_step};
use super::mixae::mixae_step;
use super::mixture::{Weights, mixture_step};
use super::objective::{Noise, autoencoder_step};
use super::testing::{Reference, near, put, same_gradients};
use super::vae_em::Em;
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
    damic_loss: f64,
    k_dae_loss: f64,
    em_loss: f64,
    mixae_loss: f64,
}

type Fixture = Reference<Meta>;

fn fixture(choice: Choice) -> Fixture {
    Reference::open("step", choice)
}

impl Fixture {
    fn both(&self) -> Vec<Noise> {
        vec![self.noise(0), self.noise(1)]
    }

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

/// The fixture's mixture of two, under the manager, the gate on codes or neither.
fn mixture(fixture: &Fixture, gate: Gate) -> Mixture {
    let experts = vec![fixture.expert(0), fixture.expert(1)];
    let manager = ManagerShape {
        architecture: experts[0].architecture.clone(),
        experts: experts.len(),
    };
    let shape = MixtureShape {
        manager: (gate == Gate::Manager).then_some(manager),
        code_gate: gate == Gate::Codes,
        experts,
    };
    let prefix = if gate == Gate::Codes {
        "mixae.weights."
    } else {
        "mixture.weights."
    };
    let mut tensors = fixture.part(prefix);
    tensors.retain(|name, _| gate != Gate::None || name.starts_with("experts."));
    put(Mixture::new(&shape, &fixture.device), tensors)
}

#[derive(Clone, Copy, PartialEq)]
enum Gate {
    Manager,
    Codes,
    None,
}

/// The loss and all gradients of one step of the mixture are those of the fixture's `name`.
fn same(fixture: &Fixture, name: &str, loss: f64, model: &Mixture, step: &Step) {
    near(name, f64::from(host(step.values.clone())[0]), loss);
    same_gradients(model, step, &fixture.part(&format!("{name}.gradients.")));
}

fn mixture_agrees(choice: Choice) {
    let fixture = fixture(choice);
    let model = mixture(&fixture, Gate::Manager);
    let meta = &fixture.meta;
    let noise = fixture.both();
    let weights = Weights {
        alpha: meta.alpha,
        beta: meta.beta,
        pace: 1.0,
    };
    let step = mixture_step(
        model.manager.as_ref().unwrap(),
        &model.experts,
        &fixture.loss(),
        fixture.images(),
        noise,
        weights,
    );
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
    for (form, loss, name) in [
        (Form::Exact, meta.exact_loss, "exact"),
        (Form::Bound, meta.bound_loss, "bound"),
    ] {
        let model = mixture(&fixture, Gate::Manager);
        let noise = fixture.both();
        let step = minimax_step(
            model.manager.as_ref().unwrap(),
            &model.experts,
            &fixture.loss(),
            fixture.images(),
            noise,
            (form, meta.ridge),
        );
        same(&fixture, name, loss, &model, &step);
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

fn damic_agrees(choice: Choice) {
    let fixture = fixture(choice);
    let model = mixture(&fixture, Gate::Manager);
    let manager = model.manager.as_ref().unwrap();
    let (images, noise) = (fixture.images(), fixture.both());
    let step = damic_step(manager, &model.experts, &fixture.loss(), images, noise, None);
    same(&fixture, "damic", fixture.meta.damic_loss, &model, &step);
}

#[cfg(feature = "tch")]
#[test]
fn a_damic_step_on_libtorch_agrees_with_pytorch() {
    damic_agrees(Choice::Cpu);
}

#[test]
fn a_damic_step_on_flex_agrees_with_pytorch() {
    damic_agrees(Choice::Flex);
}

fn k_dae_agrees(choice: Choice) {
    let fixture = fixture(choice);
    let model = mixture(&fixture, Gate::None);
    let (images, noise) = (fixture.images(), fixture.both());
    let step = k_dae_step(&model.experts, &fixture.loss(), images, noise, None);
    same(&fixture, "k_dae", fixture.meta.k_dae_loss, &model, &step);
}

#[cfg(feature = "tch")]
#[test]
fn a_k_dae_step_on_libtorch_agrees_with_pytorch() {
    k_dae_agrees(Choice::Cpu);
}

#[test]
fn a_k_dae_step_on_flex_agrees_with_pytorch() {
    k_dae_agrees(Choice::Flex);
}

fn mixae_agrees(choice: Choice) {
    let fixture = fixture(choice);
    let model = mixture(&fixture, Gate::Codes);
    let gate = model.code_gate.as_ref().unwrap();
    let (images, noise) = (fixture.images(), fixture.both());
    let entropies = [fixture.meta.alpha, fixture.meta.beta];
    let step = mixae_step(gate, &model.experts, &fixture.loss(), images, noise, entropies);
    same(&fixture, "mixae", fixture.meta.mixae_loss, &model, &step);
}

#[cfg(feature = "tch")]
#[test]
fn a_mixae_step_on_libtorch_agrees_with_pytorch() {
    mixae_agrees(Choice::Cpu);
}

#[test]
fn a_mixae_step_on_flex_agrees_with_pytorch() {
    mixae_agrees(Choice::Flex);
}

fn m_step_agrees(choice: Choice) {
    let fixture = fixture(choice);
    let model = mixture(&fixture, Gate::None);
    let u = fixture.tensor("responsibilities");
    let em = Em::new(model.clone(), u);
    let rows: Vec<usize> = (0..fixture.images().dims()[0]).collect();
    let step = em.step(&fixture.loss(), fixture.images(), &rows, fixture.both());
    same(&fixture, "em", fixture.meta.em_loss, &model, &step);
}

#[cfg(feature = "tch")]
#[test]
fn an_m_step_on_libtorch_agrees_with_pytorch() {
    m_step_agrees(Choice::Cpu);
}

#[test]
fn an_m_step_on_flex_agrees_with_pytorch() {
    m_step_agrees(Choice::Flex);
}
