//! Which device `auto` means, decided without libtorch.

use crate::exit::Exit;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the kernel driver of NVIDIA devices shows itself.
const DRIVER: &str = "/proc/driver/nvidia/version";

/// What the CPU is called in this build.
const CPU: &str = if cfg!(feature = "tch") { "cpu" } else { "flex" };

/// The device to run on: as asked, or the first accelerator that the worker can open, or the CPU.
pub fn resolve(asked: &str, worker: &Path) -> String {
    if asked != "auto" {
        return asked.to_owned();
    }
    // Asking the worker costs its start; without a driver the answer is known.
    if !Path::new(DRIVER).exists() {
        return CPU.to_owned();
    }
    let listed = Command::new(worker).arg("devices").output();
    let listed = listed
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    listed.lines().next().unwrap_or(CPU).to_owned()
}

/// `moelab-worker` beside this program.
pub fn worker() -> Result<PathBuf, Exit> {
    let here = std::env::current_exe()?;
    let worker = here.with_file_name("moelab-worker");
    if worker.exists() {
        return Ok(worker);
    }
    Err(Exit::Usage(format!(
        "moelab-worker, which runs the stages, is missing beside {}: build both programs with `make build`",
        here.display()
    )))
}
