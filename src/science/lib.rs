//! The science: how each stage runs. `describe`, `nn`, `train`, `manifold`, `cluster` and `metrics` know nothing of
//! pipelines; the files of `stage` tie them to artifacts.

pub mod cluster;
pub mod describe;
pub mod device;
pub mod manifold;
pub mod metrics;
pub mod nn;
pub mod stage;
pub mod tensors;
pub mod train;

pub use moelab_data::{matrix, random};
