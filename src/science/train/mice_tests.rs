//! Against PyTorch (`scripts/fixtures/mice.py`), and what the step promises.

use super::super::checkpoint::{Binding, Checkpoints};
use super::super::fit::{At, FitError, History, Plan, Training};
use super::super::images::gather;
use super::super::testing::{Patience, Reference, near, same_gradients};
use super::*;
use crate::device::{self, Choice};
use crate::nn::mice::MiceShape;
use crate::nn::resnet::ResNetShape;
use crate::nn::weights;
use crate::random::{Draws, standard_normal};
use crate::tensors::{Named, host};
use burn::module::Module;
use burn::tensor::TensorData;
use proptest::prelude::*;
use serde::Deserialize;
use std::cell::Cell;

#[derive(Deserialize)]
struct Meta {
    channels: usize,
    width: usize,
    experts: usize,
    size: usize,
    queue: usize,
    temperature: f64,
    loss: f64,
    sample_entropy: f64,
    batch_entropy: f64,
}

fn agrees(choice: Choice) {
    let fixture = Reference::<Meta>::open("mice", choice);
    let meta = &fixture.meta;
    let shape = MiceShape {
        trunk: ResNetShape {
            channels: meta.channels,
            width: meta.width,
            blocks: vec![1, 1],
        },
        experts: meta.experts,
        embedding: meta.size,
        queue: meta.queue,
        temperature: meta.temperature,
    };
    let model = Mice::new(&shape, &fixture.device);
    let mut tensors = weights::collect(&model);
    tensors.extend(fixture.part("weights."));
    for state in ["queue", "prototypes"] {
        tensors.insert(state.into(), Named::from_tensor::<2>(fixture.tensor(state)));
    }
    let model = weights::restore(model, &tensors).unwrap();
    model.follow(0.0);
    let views = [0, 1, 2].map(|i| fixture.tensor(&format!("views.{i}")));
    let step = mice_step(&model, meta.temperature, views);
    let theirs = [meta.loss, meta.sample_entropy, meta.batch_entropy];
    for ((column, ours), theirs) in COLUMNS.iter().zip(host(step.values.clone())).zip(theirs) {
        near(column, f64::from(ours), theirs);
    }
    same_gradients(&model, &step, &fixture.part("gradients."));
    // The oldest of the five made room for the four of this batch.
    let queue = &weights::collect(&model)["queue"].values;
    let width = meta.experts * meta.size;
    assert_eq!(queue[..width], host(fixture.tensor::<2>("queue"))[4 * width..]);
    for (ours, theirs) in queue[width..].iter().zip(host(fixture.tensor::<2>("newest"))) {
        assert!((ours - theirs).abs() < 1e-4);
    }
}

#[cfg(feature = "tch")]
#[test]
fn a_step_on_libtorch_agrees_with_pytorch() {
    agrees(Choice::Cpu);
}

#[test]
fn a_step_on_flex_agrees_with_pytorch() {
    agrees(Choice::Flex);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_elbo_at_its_posterior_is_the_evidence(joint in proptest::collection::vec(-40.0_f32..0.0, 12)) {
        let device = device::open(Choice::Flex, 1).unwrap();
        let joint = Tensor::<2>::from_data(TensorData::new(joint, [3, 4]), &device);
        let log_q = log_softmax(joint.clone(), 1);
        let elbo: Tensor<1> = (log_q.clone().exp() * (joint.clone() - log_q)).sum_dim(1).squeeze_dim(1);
        for (elbo, evidence) in host(elbo).into_iter().zip(host(log_sum_exp(joint))) {
            prop_assert!((elbo - evidence).abs() < 1e-4, "{elbo} {evidence}");
        }
    }
}

const ROWS: usize = 24;

/// Two kinds of images, bright above and bright below, with noise; rows alternate.
fn train(folder: &std::path::Path, epochs: u64, patience: u64) -> Result<(Mice, History), FitError> {
    let device = device::open(Choice::Flex, 1).unwrap();
    let autodiff = device.clone().autodiff();
    let draws = Draws::new(1);
    let shape = MiceShape {
        trunk: ResNetShape {
            channels: 1,
            width: 4,
            blocks: vec![1, 1],
        },
        experts: 2,
        embedding: 4,
        queue: 32,
        temperature: 0.5,
    };
    let noise = standard_normal(32 * 8, &mut draws.at("queue", 0, 0));
    let model = weights::initialise(Mice::new(&shape, &autodiff), &draws).begin(noise);
    let images = kinds(&device);
    let binding = Binding {
        key: "k".into(),
        device: "flex".into(),
        threads: 1,
        libraries: [("libtorch".to_owned(), "l".to_owned())].into(),
    };
    let training = Training {
        plan: Plan {
            epochs,
            batch_size: 8,
            learning_rate: 0.01,
        },
        columns: COLUMNS.map(str::to_owned).to_vec(),
        draws: &draws,
        device: &device,
        checkpoints: Checkpoints::new(folder, binding),
        watcher: &Patience(Cell::new(patience)),
    };
    let rows: Vec<usize> = (0..ROWS).collect();
    training.fit(model, &rows, |model, rows, at: At| {
        model.follow(0.9);
        let view = |purpose| {
            let noise = standard_normal(rows.len() * 16, &mut draws.at(purpose, at.epoch, at.step));
            let noise = Tensor::<4>::from_data(TensorData::new(noise, [rows.len(), 1, 4, 4]), &device);
            Tensor::from_inner(gather(&images, rows) + noise.mul_scalar(0.1))
        };
        let step = mice_step(model, 0.5, ["student", "teacher", "gate"].map(view));
        if at.step + 1 == (ROWS / 8) as u64 {
            model.renew_prototypes();
        }
        step
    })
}

fn kinds(device: &burn::tensor::Device) -> Tensor<4> {
    let pixel = |i: usize| {
        if (i / 16).is_multiple_of(2) == (i % 16 < 8) {
            1.0
        } else {
            0.0
        }
    };
    let pixels: Vec<f32> = (0..ROWS * 16).map(pixel).collect();
    Tensor::from_data(TensorData::new(pixels, [ROWS, 1, 4, 4]), device)
}

#[test]
fn teacher_queue_and_prototypes_resume_to_the_same_bytes() {
    let whole = tempfile::tempdir().unwrap();
    let (model, history) = train(whole.path(), 3, u64::MAX).unwrap();
    let expected = weights::collect(&model);
    assert!(expected["prototypes"].values.iter().any(|v| *v != 0.0));
    for stop in 1..9 {
        let folder = tempfile::tempdir().unwrap();
        let stopped = train(folder.path(), 3, stop).map(drop);
        assert!(matches!(stopped, Err(FitError::Interrupted)), "after {stop} steps");
        let (model, resumed) = train(folder.path(), 3, u64::MAX).unwrap();
        assert!(weights::collect(&model) == expected, "after {stop} steps");
        assert_eq!(resumed, history, "after {stop} steps");
    }
}

#[test]
fn a_short_training_separates_two_kinds_of_images() {
    let folder = tempfile::tempdir().unwrap();
    let (model, _) = train(folder.path(), 40, u64::MAX).unwrap();
    let device = device::open(Choice::Flex, 1).unwrap();
    let p = host(posterior(&model.valid(), 0.5, kinds(&device)));
    let chosen: Vec<bool> = p.chunks(2).map(|p| p[1] > p[0]).collect();
    assert_ne!(chosen[0], chosen[1], "{p:?}");
    assert!(
        chosen.iter().enumerate().all(|(row, kind)| *kind == chosen[row % 2]),
        "{p:?}"
    );
}
