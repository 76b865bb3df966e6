//! The libtorch side of this module. Its operations expect tensors that libtorch [`holds`].

mod adam;
mod chain;
mod context;
mod graph;
mod pointwise;
mod row;

pub(super) use adam::adam_step;
pub(super) use chain::conv_chain;
pub(super) use pointwise::{affine_sample, bce_with_logits};

use super::choice::{Choice, DeviceError};
use super::{Device, Settings};
use burn::backend::DispatchDevice;
use burn::tensor::Tensor;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether forward passes are done again for the backward pass instead of remembered; see [`Settings::recompute`].
static RECOMPUTE: AtomicBool = AtomicBool::new(false);

fn recomputes() -> bool {
    RECOMPUTE.load(Ordering::Relaxed)
}

/// See [`super::open_with`]; `choice` is not `flex`.
pub(super) fn open(choice: Choice, settings: Settings) -> Result<Device, DeviceError> {
    let device = match choice {
        Choice::Cuda(index) => {
            check_cuda(choice, index)?;
            Device::libtorch_cuda(index)
        }
        _ => Device::libtorch(),
    };
    let threads = i32::try_from(settings.threads).unwrap_or(i32::MAX);
    tch::set_num_threads(threads);
    // libtorch takes this once in the life of a process and only before its pool has started.
    static INTER_OP: Once = Once::new();
    INTER_OP.call_once(|| tch::set_num_interop_threads(1));
    RECOMPUTE.store(settings.recompute, Ordering::Relaxed);
    context::set_deterministic(settings.deterministic);
    if matches!(choice, Choice::Cuda(_)) {
        context::forbid_tf32();
        tch::Cuda::set_user_enabled_cudnn(true);
        // Choosing kernels by timing them makes results depend on the machine's load.
        tch::Cuda::cudnn_set_benchmark(false);
    }
    tch::manual_seed(0);
    Ok(device)
}

fn check_cuda(asked: Choice, index: usize) -> Result<(), DeviceError> {
    let count = cuda_count();
    if count > index {
        return Ok(());
    }
    if count > 0 {
        return Err(DeviceError::NoSuchGpu { asked, count });
    }
    let libtorch = context::version().unwrap_or_default();
    if !tch::utils::has_cuda() {
        return Err(DeviceError::NoCudaBuild { asked, libtorch });
    }
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").map_or("unset".to_owned(), |v| format!("`{v}`"));
    Err(DeviceError::NoGpu {
        asked,
        libtorch,
        visible,
    })
}

/// The number of CUDA devices. Never asks the CUDA side of libtorch when there is none, since that panics in there.
fn cuda_count() -> usize {
    if tch::utils::has_cuda() && tch::Cuda::is_available() {
        usize::try_from(tch::Cuda::device_count()).unwrap_or(0)
    } else {
        0
    }
}

/// CUDA devices, then the CPU.
pub(super) fn available() -> Vec<Choice> {
    (0..cuda_count()).map(Choice::Cuda).chain([Choice::Cpu]).collect()
}

/// See [`super::library_info`].
pub(super) fn library_info() -> BTreeMap<String, String> {
    let unknown = || "unknown".to_owned();
    let mut info = BTreeMap::from([
        ("libtorch".to_owned(), context::version().unwrap_or_else(unknown)),
        (
            "cpu_capability".to_owned(),
            context::cpu_capability().unwrap_or_else(unknown),
        ),
        ("cuda".to_owned(), cuda_count().to_string()),
        ("mkl".to_owned(), tch::utils::has_mkl().to_string()),
        ("mkldnn".to_owned(), tch::utils::has_mkldnn().to_string()),
        ("openmp".to_owned(), tch::utils::has_openmp().to_string()),
    ]);
    if cuda_count() > 0 {
        info.insert("cudart".to_owned(), tch::utils::version_cudart().to_string());
        info.insert("cudnn".to_owned(), tch::utils::version_cudnn().to_string());
    }
    info.extend(models());
    info
}

/// The models of the processor and the GPUs, and the GPUs' driver: other ones may give other last bits.
fn models() -> Vec<(String, String)> {
    let field = |file: &Path, name: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let nvidia = Path::new("/proc/driver/nvidia");
    let gpus = std::fs::read_dir(nvidia.join("gpus")).into_iter().flatten().flatten();
    let gpus: BTreeSet<String> = gpus
        .filter_map(|gpu| field(&gpu.path().join("information"), "Model"))
        .collect();
    let gpus = (!gpus.is_empty()).then(|| Vec::from_iter(gpus).join(", "));
    let found = [
        ("cpu", field(Path::new("/proc/cpuinfo"), "model name")),
        ("gpu", gpus),
        ("gpu_driver", field(&nvidia.join("version"), "NVRM version")),
    ];
    found
        .into_iter()
        .filter_map(|(name, model)| Some((name.to_owned(), model?)))
        .collect()
}

/// Whether a tensor is libtorch's, with or without autodiff.
pub(super) fn holds<const D: usize>(tensor: &Tensor<D>) -> bool {
    matches!(tensor.device().inner().as_dispatch(), DispatchDevice::LibTorch(_))
}
