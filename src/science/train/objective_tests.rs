//! Losses and gradients against an independent PyTorch implementation (scripts/fixtures/training.py).

use super::fit::Step;
use super::loss::AutoencoderLoss;
use super::minimax::{Form, minimax_step};
use super::objective::{Noise, Weights, autoencoder_step, mixture_step};
use crate::device::{self, Choice};
use crate::nn::architecture::Architecture;
use crate::nn::autoencoder::{Autoencoder, AutoencoderShape};
use crate::nn::manager::ManagerShape;
use crate::nn::mixture::{Mixture, MixtureShape};
use crate::nn::weights::{self, Path};
use crate::tensors::{Named, TensorFile, host};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};
use moelab_stages::network::{Reconstruction, Reduction, Variant};
use serde::Deserialize;
use std::collections::BTreeMap;

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

struct Fixture {
    meta: Meta,
    tensors: BTreeMap<String, Named>,
    device: Device,
}

impl Fixture {
    fn new(choice: Choice) -> Self {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/fixtures/training/step.safetensors"
        );
        let file = TensorFile::open(path.as_ref()).unwrap();
        let device = device::open(choice, 1).unwrap().autodiff();
        Self {
            meta: file.meta().unwrap(),
            tensors: file.all_f32().unwrap(),
            device,
        }
    }

    fn part(&self, prefix: &str) -> BTreeMap<String, Named> {
        let stripped =
            |(name, tensor): (&String, &Named)| Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone()));
        self.tensors.iter().filter_map(stripped).collect()
    }

    /// Puts the fixture's weights into a network; running statistics, which training does not read, stay as they are.
    fn load<M: Module>(&self, module: M, prefix: &str) -> M {
        let mut tensors = weights::collect(&module);
        tensors.retain(|name, _| name.contains("running_"));
        tensors.extend(self.part(prefix));
        weights::restore(module, &tensors).unwrap()
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
        self.tensors["images"].to_tensor(&self.device)
    }

    fn noise(&self, k: usize) -> Noise {
        Noise {
            posterior: self.tensors[&format!("noise.{k}")].to_tensor(&self.device),
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

struct Collect<'a> {
    path: Path,
    gradients: &'a [Gradients],
    found: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let parts: Vec<_> = self
            .gradients
            .iter()
            .filter_map(|part| param.val().grad(part))
            .collect();
        assert!(parts.len() <= 1, "{} has a gradient in two parts", self.path.name());
        self.found
            .extend(parts.into_iter().map(|gradient| (self.path.name(), host(gradient))));
    }
}

fn near(name: &str, ours: f64, theirs: f64) {
    assert!(
        (ours - theirs).abs() <= 1e-4 * theirs.abs().max(1e-3),
        "{name}: {ours} here, {theirs} in PyTorch"
    );
}

/// Every parameter has a gradient, equal to PyTorch's within 1e-4 of the largest value of its tensor.
fn same_gradients<M: Module>(model: &M, step: &Step, expected: &BTreeMap<String, Named>) {
    let mut collect = Collect {
        path: Path::default(),
        gradients: &step.gradients,
        found: BTreeMap::new(),
    };
    model.visit(&mut collect);
    assert_eq!(
        collect.found.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>()
    );
    for (name, ours) in &collect.found {
        let theirs = &expected[name].values;
        let scale = theirs.iter().fold(1e-3_f32, |most, v| most.max(v.abs()));
        for (a, b) in ours.iter().zip(theirs) {
            assert!((a - b).abs() <= 1e-4 * scale, "{name}: {a} here, {b} in PyTorch");
        }
    }
}

fn vae_agrees(choice: Choice) {
    let fixture = Fixture::new(choice);
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
    let fixture = Fixture::new(choice);
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
    let fixture = Fixture::new(choice);
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
