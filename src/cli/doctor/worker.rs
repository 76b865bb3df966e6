//! Whether the worker starts, answers and runs a job.

use super::Check;
use crate::{device, run};
use moelab_engine::run::{RunOptions, Workbench};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// What `moelab-worker about` prints.
#[derive(Deserialize)]
struct About {
    build: String,
    libraries: BTreeMap<String, String>,
    devices: Vec<String>,
}

pub(super) fn checks() -> Vec<Check> {
    let worker = match device::worker() {
        Ok(worker) => worker,
        Err(_) => {
            let next = "build both programs with `make build`, and keep them in one folder";
            return vec![Check::fail("worker", "moelab-worker does not lie beside moelab", next)];
        }
    };
    let started = Instant::now();
    let about = match about(&worker) {
        Ok(about) => about,
        Err(check) => return vec![check],
    };
    let took = started.elapsed().as_secs_f64();
    if about.build != env!("MOELAB_BUILD") {
        let said = format!("{} is of another build, {}", worker.display(), about.build);
        return vec![Check::fail(
            "worker",
            said,
            "build both programs again with `make build`",
        )];
    }
    let said = format!("{} starts and answers in {took:.2} s", worker.display());
    vec![
        Check::ok("worker", said),
        libtorch(&about),
        devices(&about),
        job(&worker),
    ]
}

fn about(worker: &Path) -> Result<About, Check> {
    let next = "scripts/libtorch provides libtorch and `make build` builds against it; a LIBTORCH of your own has to stay \
                where it was when the worker was built";
    let output = Command::new(worker).arg("about").output();
    let output =
        output.map_err(|e| Check::fail("worker", format!("{} does not start: {e}", worker.display()), next))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let said = format!("{} does not start ({}): {said}", worker.display(), output.status);
        return Err(Check::fail("worker", said, next));
    }
    serde_json::from_slice(&output.stdout).map_err(|e| {
        let said = format!("{} gives an answer that is none: {e}", worker.display());
        Check::fail("worker", said, "build both programs again with `make build`")
    })
}

fn libtorch(about: &About) -> Check {
    let of = |name: &str| about.libraries.get(name).map(String::as_str);
    match of("libtorch") {
        Some(version) if version != "absent" => {
            let others = about.libraries.iter().filter(|(name, _)| *name != "libtorch");
            let others: Vec<String> = others.map(|(name, value)| format!("{name} {value}")).collect();
            Check::ok("libtorch", format!("{version} ({})", others.join(", ")))
        }
        _ => Check::warn(
            "libtorch",
            "this build has none: everything runs on burn-flex, which is slower",
            "scripts/libtorch, then `make build`",
        ),
    }
}

fn devices(about: &About) -> Check {
    let cuda = about.devices.iter().any(|device| device.starts_with("cuda"));
    let said = about.devices.join(", ");
    if Path::new(device::DRIVER).exists() && !cuda {
        let next = "scripts/libtorch cuda, then `make build`: this build is for the CPU, or CUDA_VISIBLE_DEVICES hides \
                    the devices";
        return Check::warn(
            "devices",
            format!("{said}; a driver for NVIDIA devices is loaded, but none opens"),
            next,
        );
    }
    let cores = run::cores();
    Check::ok("devices", format!("{said}; {cores} cores"))
}

/// A whole job, in a store that goes away.
fn job(worker: &Path) -> Check {
    let started = Instant::now();
    let options = RunOptions::new(run::command(worker.to_owned()), env!("MOELAB_BUILD"));
    let next = "the log that the message quotes says more; MOELAB_LOG=debug says most";
    let mut bench = match Workbench::new(options, Path::new(".")) {
        Ok(bench) => bench,
        Err(e) => return Check::fail("job", e.to_string(), "TMPDIR names another folder for temporary files"),
    };
    let settings = json!({"dataset": "digits", "limit": 10});
    match bench.run(
        &moelab_stages::registry(),
        ("load", settings),
        None,
        &BTreeMap::new(),
        &mut |_| {},
    ) {
        Ok(_) => Check::ok(
            "job",
            format!("a small one ran in {:.2} s", started.elapsed().as_secs_f64()),
        ),
        Err(e) => Check::fail("job", e.to_string(), next),
    }
}
