//! Every implementation against every other. The reference is [`super::composed`] on flex, checked itself against finite
//! differences.

mod adam;
mod affine;
mod conv;
mod conv_reference;
mod loss;
mod shortlist;

use super::*;
use burn::tensor::{Tensor, TensorData};

/// The devices of this build that need no GPU.
fn devices() -> Vec<Device> {
    let choices = available()
        .into_iter()
        .filter(|choice| !matches!(choice, Choice::Cuda(_)));
    choices
        .map(|choice| open(choice, 1).expect("listed as available"))
        .collect()
}

/// Numbers between -1 and 1 without pattern, different for every `salt`.
fn noise<const D: usize>(shape: [usize; D], salt: u64, device: &Device) -> Tensor<D> {
    let mut state = salt.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.inner().into_data().to_vec().expect("single precision")
}

/// Equal up to `tolerance` times the largest magnitude among both.
#[track_caller]
fn assert_close(found: &[f32], wanted: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}: length");
    let scale = found.iter().chain(wanted).fold(1e-6f32, |max, x| max.max(x.abs()));
    for (i, (a, b)) in found.iter().zip(wanted).enumerate() {
        assert!(
            (a - b).abs() <= tolerance * scale,
            "{what}[{i}]: {a} and {b}, at a scale of {scale}"
        );
    }
}

#[test]
fn every_available_device_opens() {
    assert_eq!(devices().len(), if cfg!(feature = "tch") { 2 } else { 1 });
}

#[test]
fn a_device_needs_a_thread() {
    assert_eq!(open(Choice::Flex, 0).unwrap_err(), DeviceError::NoThreads);
}

#[test]
fn a_missing_cuda_device_says_what_was_found() {
    let error = open(Choice::Cuda(4096), 1).unwrap_err().to_string();
    assert!(error.contains("`cuda:4096`"), "{error}");
}

#[cfg(feature = "tch")]
#[test]
fn provenance_names_the_version_and_the_instruction_set() {
    let info = library_info();
    assert!(info["libtorch"].split('.').count() >= 3, "{info:?}");
    assert_ne!(info["cpu_capability"], "unknown", "{info:?}");
}

#[cfg(not(feature = "tch"))]
#[test]
fn a_build_without_libtorch_says_so() {
    assert_eq!(library_info()["libtorch"], "absent");
    assert!(matches!(open(Choice::Cpu, 1), Err(DeviceError::NoLibtorch { .. })));
}
