use super::super::checkpoint::Binding;
use super::super::loss::AutoencoderLoss;
use super::super::objective::{Noise, autoencoder_columns, autoencoder_step};
use super::super::testing::Patience;
use super::*;
use crate::device::Choice;
use crate::nn::architecture::Architecture;
use crate::nn::autoencoder::{Autoencoder, AutoencoderShape};
use crate::random::standard_normal;
use burn::tensor::TensorData;
use moelab_stages::network::{Reconstruction, Reduction, Variant};
use std::cell::Cell;

const ROWS: usize = 10;
const LOSS: AutoencoderLoss = AutoencoderLoss {
    variant: Variant::Vae,
    reconstruction: Reconstruction::Bce,
    reduction: Reduction::Sum,
    kl_weight: 1.0,
    l1_weight: 0.0,
};

/// Three epochs of three steps on ten drawn images; stops after `patience` steps.
fn train(folder: &std::path::Path, patience: u64, choice: Choice) -> Result<(Autoencoder, History), FitError> {
    let device = device::open(choice, 1).unwrap();
    let autodiff = device.clone().autodiff();
    let draws = Draws::new(7);
    let shape = AutoencoderShape {
        architecture: Architecture::new(1, 8, 8, 2).unwrap(),
        latent_dim: 3,
        variant: Variant::Vae,
    };
    let model = weights::initialise(Autoencoder::new(&shape, &autodiff), &draws);
    let pixels = standard_normal(ROWS * 64, &mut draws.at("images", 0, 0));
    let images = Tensor::<4>::from_data(
        TensorData::new(
            pixels.iter().map(|v| v.abs().min(1.0)).collect::<Vec<f32>>(),
            [ROWS, 1, 8, 8],
        ),
        &device,
    );
    let binding = Binding {
        key: "k".into(),
        device: choice.to_string(),
        threads: 1,
        libraries: [("libtorch".to_owned(), "l".to_owned())].into(),
    };
    let training = Training {
        plan: Plan {
            epochs: 3,
            batch_size: 3,
            learning_rate: 0.01,
        },
        columns: autoencoder_columns(&LOSS),
        draws: &draws,
        device: &device,
        checkpoints: Checkpoints::new(folder, binding),
        watcher: &Patience(Cell::new(patience)),
    };
    let rows: Vec<usize> = (0..ROWS).collect();
    training.fit(model, &rows, |model, rows, at| {
        let batch = super::super::images::gather(&images, rows);
        let noise = standard_normal(rows.len() * 3, &mut draws.at("posterior", at.epoch, at.step));
        let noise = Noise {
            posterior: Tensor::from_data(TensorData::new(noise, [rows.len(), 3]), &autodiff),
            prior: None,
        };
        autoencoder_step(model, &LOSS, Tensor::from_inner(batch), noise)
    })
}

fn resumes_to_the_same_bytes(choice: Choice) {
    let whole = tempfile::tempdir().unwrap();
    let (model, history) = train(whole.path(), u64::MAX, choice).unwrap();
    let expected = weights::collect(&model);
    for stop in 0..9 {
        let folder = tempfile::tempdir().unwrap();
        let stopped = train(folder.path(), stop, choice).map(drop);
        assert!(matches!(stopped, Err(FitError::Interrupted)), "after {stop} steps");
        let (model, resumed) = train(folder.path(), u64::MAX, choice).unwrap();
        for (name, tensor) in weights::collect(&model) {
            assert_eq!(tensor, expected[&name], "{name} after {stop} steps");
        }
        assert_eq!(resumed, history, "after {stop} steps");
    }
}

#[cfg(feature = "tch")]
#[test]
fn a_run_stopped_after_any_step_resumes_to_the_same_bytes_on_libtorch() {
    resumes_to_the_same_bytes(Choice::Cpu);
}

#[test]
fn a_run_stopped_after_any_step_resumes_to_the_same_bytes_on_flex() {
    resumes_to_the_same_bytes(Choice::Flex);
}

#[test]
fn a_checkpoint_without_a_moment_is_an_error_and_not_a_fresh_start_of_that_parameter() {
    let folder = tempfile::tempdir().unwrap();
    drop(train(folder.path(), 4, Choice::Flex));
    let binding = Binding {
        key: "k".into(),
        device: "flex".into(),
        threads: 1,
        libraries: [("libtorch".to_owned(), "l".to_owned())].into(),
    };
    let checkpoints = Checkpoints::new(folder.path(), binding);
    let mut state = checkpoints.newest().unwrap();
    let (name, _) = state.moments.pop_last().expect("it has stepped");
    state.position.step += 1;
    checkpoints.save(&state).unwrap();
    let Err(FitError::Checkpoint(said)) = train(folder.path(), u64::MAX, Choice::Flex).map(drop) else {
        panic!("the moment {name} is missing");
    };
    assert!(said.contains("second moment of"), "{said}");
}

#[test]
fn the_largest_batch_that_fits_is_found() {
    for limit in [2, 3, 17, 63, 64, 98, 99] {
        assert_eq!(largest(100, |n| n <= limit), Some(limit), "{limit}");
    }
    assert_eq!(largest(100, |_| false), None);
    assert_eq!(largest(2, |_| true), None, "two rows are too many already");
}

#[test]
fn a_want_of_memory_says_what_to_set() {
    let error = |fits| FitError::OutOfMemory {
        exhausted: Exhausted::Device,
        batch_size: 100,
        fits,
    };
    let said = error(Some(48)).to_string();
    assert!(
        said.contains("memory of the device") && said.contains("largest that fits is 48"),
        "{said}"
    );
    assert!(error(None).to_string().contains("smaller images"));
}
