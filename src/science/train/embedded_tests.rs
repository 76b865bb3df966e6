//! DEC, IDEC, VaDE and DynAE: values and gradients against an independent PyTorch implementation
//! (scripts/fixtures/embedded.py), and the rules of soft assignments and targets.

use super::dec::{DecLoss, SelfTraining, dec_step, sharpen};
use super::dynae::{DynaeLoss, Dynamic, dynae_step};
use super::fit::Step;
use super::loss::AutoencoderLoss;
use super::testing::{Reference, near, same_gradients};
use super::vade::vade_step;
use crate::device::Choice;
use crate::matrix::Matrix;
use crate::nn::architecture::Architecture;
use crate::nn::autoencoder::{Autoencoder, AutoencoderShape};
use crate::nn::centred::{Centred, student_t};
use crate::nn::vade::Vade;
use crate::nn::weights;
use crate::tensors::{Named, host};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use moelab_stages::network::{Reconstruction, Reduction, Variant};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Meta {
    side: usize,
    filters: usize,
    latent: usize,
    clusters: usize,
    clustering: f64,
    reconstruction: f64,
    kappa: f64,
    gamma: f64,
    dec_loss: f64,
    idec_loss: f64,
    vade_loss: f64,
    kl_code: f64,
    kl_cluster: f64,
    dynae_loss: f64,
    conflicted: f64,
}

type Fixture = Reference<Meta>;

fn fixture(choice: Choice) -> Fixture {
    Reference::open("embedded", choice)
}

impl Fixture {
    fn autoencoder(&self, variant: Variant) -> Autoencoder {
        let shape = AutoencoderShape {
            architecture: Architecture::new(1, self.meta.side, self.meta.side, self.meta.filters).unwrap(),
            latent_dim: self.meta.latent,
            variant,
        };
        Autoencoder::new(&shape, &self.device)
    }

    fn zeros(&self) -> Tensor<2> {
        Tensor::zeros([self.meta.clusters, self.meta.latent], &self.device)
    }

    /// Values of a step by column, and its loss beside PyTorch's.
    fn value(step: &Step, column: usize) -> f64 {
        f64::from(host(step.values.clone())[column])
    }
}

fn dec_loss(clustering: f64, reconstruction: f64) -> DecLoss {
    DecLoss {
        clustering,
        reconstruction,
        autoencoder: AutoencoderLoss {
            variant: Variant::Ae,
            reconstruction: Reconstruction::Mse,
            reduction: Reduction::Mean,
            kl_weight: 0.0,
            l1_weight: 0.0,
        },
    }
}

fn dec_agrees(choice: Choice) {
    let fixture = fixture(choice);
    let meta = &fixture.meta;
    for (loss, value, gradients) in [
        (dec_loss(1.0, 0.0), meta.dec_loss, "dec.gradients."),
        (
            dec_loss(meta.clustering, meta.reconstruction),
            meta.idec_loss,
            "idec.gradients.",
        ),
    ] {
        let model = Centred::new(fixture.autoencoder(Variant::Ae), fixture.zeros());
        let model = fixture.load(model, "dec.weights.");
        // Twelve rows, whose assignments are replaced by PyTorch's.
        let images = [(); 2].map(|()| fixture.tensor::<4>("images").inner());
        let training = SelfTraining::new(model, images.into_iter(), &fixture.device);
        let mut tensors = weights::collect(&training);
        let q = Named::from_tensor(fixture.tensor::<2>("everyone"));
        tensors.insert("assignments".into(), q);
        let training = weights::restore(training, &tensors).unwrap();
        let targets = training.targets(&[0, 1, 2, 3, 4, 5]);
        let theirs = host(fixture.tensor::<2>("targets"));
        for (ours, theirs) in host(targets.clone()).into_iter().zip(theirs) {
            near("target", f64::from(ours), f64::from(theirs));
        }
        let step = dec_step(&training, &loss, fixture.tensor("images"), targets);
        near("loss", Fixture::value(&step, 0), value);
        near("kl", Fixture::value(&step, 1), meta.dec_loss);
        same_gradients(&training.model, &step, &fixture.part(gradients));
    }
}

fn vade_agrees(choice: Choice) {
    let fixture = fixture(choice);
    let model = Vade::new(
        fixture.autoencoder(Variant::Vae),
        Tensor::zeros([fixture.meta.clusters], &fixture.device),
        fixture.zeros(),
        fixture.zeros(),
    );
    let model = fixture.load(model, "vade.weights.");
    let step = vade_step(
        &model,
        Reconstruction::Bce,
        fixture.tensor("images"),
        fixture.tensor("noise"),
    );
    let meta = &fixture.meta;
    for (column, name, theirs) in [
        (0, "loss", meta.vade_loss),
        (2, "code", meta.kl_code),
        (3, "cluster", meta.kl_cluster),
    ] {
        near(name, Fixture::value(&step, column), theirs);
    }
    same_gradients(&model, &step, &fixture.part("vade.gradients."));
}

fn dynae_agrees(choice: Choice) {
    let fixture = fixture(choice);
    let meta = &fixture.meta;
    let codes = Matrix::new(meta.clusters, meta.latent, vec![0.0; meta.clusters * meta.latent]);
    let means = vec![vec![0.0; meta.latent]; meta.clusters];
    let model = Dynamic::new(fixture.autoencoder(Variant::Ae), &codes, &means, &fixture.device);
    let mut tensors = weights::collect(&model);
    tensors.extend(fixture.part("dynae.weights."));
    tensors.extend(
        fixture
            .part("dynae.")
            .into_iter()
            .filter(|(name, _)| name.starts_with("centre")),
    );
    tensors.get_mut("lowered").unwrap().values = vec![1.0];
    let model = weights::restore(model, &tensors).unwrap();
    let loss = DynaeLoss {
        kappa: meta.kappa,
        reconstruction: meta.gamma,
    };
    let step = dynae_step(&model, &loss, fixture.tensor("shown"), fixture.tensor("images"));
    near("loss", Fixture::value(&step, 0), meta.dynae_loss);
    near("conflicted", Fixture::value(&step, 3), meta.conflicted);
    same_gradients(&model, &step, &fixture.part("dynae.gradients."));
}

#[cfg(feature = "tch")]
#[test]
fn steps_of_dec_and_idec_on_libtorch_agree_with_pytorch() {
    dec_agrees(Choice::Cpu);
}

#[test]
fn steps_of_dec_and_idec_on_flex_agree_with_pytorch() {
    dec_agrees(Choice::Flex);
}

#[cfg(feature = "tch")]
#[test]
fn a_step_of_vade_on_libtorch_agrees_with_pytorch() {
    vade_agrees(Choice::Cpu);
}

#[test]
fn a_step_of_vade_on_flex_agrees_with_pytorch() {
    vade_agrees(Choice::Flex);
}

#[cfg(feature = "tch")]
#[test]
fn a_step_of_dynae_on_libtorch_agrees_with_pytorch() {
    dynae_agrees(Choice::Cpu);
}

#[test]
fn a_step_of_dynae_on_flex_agrees_with_pytorch() {
    dynae_agrees(Choice::Flex);
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn soft_assignments_and_targets_sum_to_one_and_follow_distance(
        codes in proptest::collection::vec(-20.0_f32..20.0, 12),
        centres in proptest::collection::vec(-20.0_f32..20.0, 6),
    ) {
        let device = Device::flex();
        let (codes, centres) = (tensor(codes, [6, 2], &device), tensor(centres, [3, 2], &device));
        let q = softmax(student_t(codes.clone(), centres.clone()), 1);
        let p = sharpen(q.clone(), q.clone().sum_dim(0));
        for rows in [q.clone(), p] {
            for sum in host(rows.sum_dim(1)) {
                prop_assert!((sum - 1.0).abs() < 1e-5);
            }
        }
        // q is greatest at the nearest centre.
        let (q, codes, centres) = (host(q), host(codes), host(centres));
        for row in 0..6 {
            let squared = |k: usize| (0..2).map(|l| (codes[row * 2 + l] - centres[k * 2 + l]).powi(2)).sum::<f32>();
            let of = |k: usize| q[row * 3 + k];
            for (a, b) in [(0, 1), (1, 2), (0, 2)] {
                prop_assert!((squared(a) - squared(b)) * (of(a) - of(b)) <= 1e-4);
            }
        }
    }
}

#[test]
fn targets_are_sharper_than_the_assignments_of_clusters_of_one_size() {
    let device = Device::flex();
    let q = tensor(vec![0.7, 0.3, 0.3, 0.7], [2, 2], &device);
    let p = host(sharpen(q.clone(), q.sum_dim(0)));
    assert!((p[0] - 0.49 / 0.58).abs() < 1e-6 && (p[3] - p[0]).abs() < 1e-6, "{p:?}");
}

#[test]
fn targets_favour_the_smaller_of_two_equally_near_clusters() {
    let device = Device::flex();
    let p = host(sharpen(
        tensor(vec![0.5, 0.5], [1, 2], &device),
        tensor(vec![9.0, 1.0], [1, 2], &device),
    ));
    assert!(p[1] > 0.89, "{p:?}");
}
