//! Which device `auto` means, decided without libtorch.

use crate::exit::Exit;
use moelab_engine::run::Devices;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the kernel driver of NVIDIA devices shows itself.
pub const DRIVER: &str = "/proc/driver/nvidia/version";

/// What the CPU is called in this build.
const CPU: &str = if cfg!(feature = "tch") { "cpu" } else { "flex" };

/// The devices to run on: as asked, or the first accelerator that the worker can open, or the CPU.
pub fn resolve(asked: &str, worker: &Path) -> Result<Devices, Exit> {
    let text = if asked == "auto" {
        automatic(worker)
    } else {
        asked.to_owned()
    };
    let devices = Devices::parse(&text).map_err(|what| Exit::Usage(format!("--device: {what}")))?;
    if devices.accelerators().is_empty() {
        return Ok(devices);
    }
    // What `auto` found is there.
    if asked != "auto" {
        let there = said(Command::new(worker).arg("devices"));
        let there: Vec<&str> = there.lines().collect();
        let all = devices.accelerators();
        if let Some(missing) = all.iter().find(|device| !there.contains(&device.name.as_str())) {
            return Err(Exit::Usage(format!(
                "--device: there is no {} here; there is {}. `moelab doctor` says what CUDA lacks",
                missing.name,
                there.join(", ")
            )));
        }
    }
    let listed =
        said(Command::new("nvidia-smi").args(["--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits"]));
    Ok(devices.identified(&listed, std::env::var("CUDA_VISIBLE_DEVICES").ok().as_deref()))
}

fn automatic(worker: &Path) -> String {
    // Asking the worker costs its start; without a driver the answer is known.
    if !Path::new(DRIVER).exists() {
        return CPU.to_owned();
    }
    let listed = said(Command::new(worker).arg("devices"));
    listed.lines().next().unwrap_or(CPU).to_owned()
}

/// What a program prints; nothing if it does not run.
fn said(command: &mut Command) -> String {
    let output = command.output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
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
