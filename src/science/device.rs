//! Where tensors live and the operations whose speed depends on it.
//!
//! This module alone may name a concrete burn backend: models, training loops and stages hold a [`Device`] and call the
//! functions below, which choose an implementation from the device their tensors are on.
//!
//! - `cpu` and `cuda:N` are libtorch. burn's own binding decomposes training batch norm and the convolution backward
//!   into many small steps, so [`conv_chain`] hands libtorch whole stretches of a network, with its own autograd, and
//!   appears in burn's graph as one node. [`bce_with_logits`], [`affine_sample`] and [`adam_step`] follow suit.
//! - `flex` is pure Rust. The same functions compose burn's differentiable operations there, which also makes it the
//!   reference the tests compare libtorch with.

// The libtorch binding is the backend this project was asked to use; its upstream marks every mention as deprecated.
#![allow(deprecated)]

mod adam;
mod affine;
mod choice;
mod composed;
mod conv;
mod exhaustion;
mod loss;
mod memory;
mod shortlist;
#[cfg(feature = "tch")]
mod torch;

#[cfg(test)]
mod tests;

pub use adam::{AdamRule, AdamState, adam_step};
pub use affine::affine_sample;
pub use burn::tensor::Device;
pub use choice::{Choice, DeviceError};
pub use conv::{
    BatchMoments, ConvBlock, ConvBlockOutput, ConvGeometry, Norm, Statistics, conv_block, conv_block_inference,
    conv_chain,
};
pub use exhaustion::{Exhausted, exhaustion};
pub use loss::bce_with_logits;
pub use shortlist::DeviceShortlist;

use std::collections::BTreeMap;

/// What a job may ask of the backend besides its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Threads inside one operation, at least 1. libtorch's CPU results depend on it in their last bits.
    pub threads: usize,
    /// Refuse fast CUDA kernels whose results differ between runs. The CPU is deterministic either way.
    pub deterministic: bool,
    /// Spare memory: convolution rows keep only their inputs for the backward pass and run forward again there. The values
    /// are the same, the time a third more. Without effect on `flex`.
    pub recompute: bool,
}

impl Settings {
    pub fn threads(threads: usize) -> Self {
        Self {
            threads,
            deterministic: false,
            recompute: false,
        }
    }
}

/// The device, after bringing the process-wide state of its library to a known start.
///
/// The same as [`open_with`] without `deterministic` and `recompute`.
///
/// # Errors
///
/// See [`open_with`].
pub fn open(choice: Choice, threads: usize) -> Result<Device, DeviceError> {
    open_with(choice, Settings::threads(threads))
}

/// The device, after bringing the process-wide state of its library to a known start: threads (one between operations,
/// `threads` within), TF32 off, cuDNN's timing-driven choice of kernels off, deterministic kernels as asked, and the
/// global generator at seed 0; memory of the job before is given back, and glibc's allocator is told to keep what this one
/// frees. A warm worker calls this at the start of every job, so that no job sees what the one
/// before it left. Call it on the thread that computes.
///
/// The result has no autodiff; `open(…)?.autodiff()` has.
///
/// # Errors
///
/// Zero threads; a program built without libtorch; a CUDA device that libtorch does not find.
pub fn open_with(choice: Choice, settings: Settings) -> Result<Device, DeviceError> {
    if settings.threads == 0 {
        return Err(DeviceError::NoThreads);
    }
    memory::keep_freed_memory();
    match choice {
        Choice::Flex => Ok(Device::flex()),
        #[cfg(feature = "tch")]
        Choice::Cpu | Choice::Cuda(_) => torch::open(choice, settings),
        #[cfg(not(feature = "tch"))]
        Choice::Cpu | Choice::Cuda(_) => Err(DeviceError::NoLibtorch { asked: choice }),
    }
}

/// The devices this program can open on this machine, fastest first: CUDA devices, `cpu`, `flex`.
pub fn available() -> Vec<Choice> {
    #[cfg(feature = "tch")]
    let mut found = torch::available();
    #[cfg(not(feature = "tch"))]
    let mut found = Vec::new();
    found.push(Choice::Flex);
    found
}

/// What the provenance of a result should say about the libraries that computed it: `libtorch` (version),
/// `cpu_capability` (the instruction set libtorch chose at run time), `cuda` (devices found), and so on, and the models of
/// the processors, where Linux tells them. Only facts about the library and machine, no settings of a job. A program
/// without libtorch reports `libtorch: absent`.
pub fn library_info() -> BTreeMap<String, String> {
    #[cfg(feature = "tch")]
    return torch::library_info();
    #[cfg(not(feature = "tch"))]
    return BTreeMap::from([("libtorch".to_owned(), "absent".to_owned())]);
}
