//! The experiment that is tormented, and what an untouched run of it gives.

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

/// Training stages of every kind, and commands that pass on what they made; two seeds.
const PIPELINE: &str = r#"
pipeline: torture
stages:
  images: {stage: load, dataset: digits, limit: 600}
  vae: {stage: pretrain_vae, inputs: {images: images}, latent_dim: 4, filters: 8, epochs: 10, batch_size: 40}
  points: {stage: embed, inputs: {images: images, model: vae}, n_components: 2, n_neighbors: 10, n_epochs: 50}
  clusters: {stage: kmeans, inputs: {points: points}, n_clusters: 3}
  manager: {stage: manager_fit, inputs: {images: images, clusters: clusters}, filters: 8, epochs: 8, batch_size: 40}
  moe:
    stage: moe_train
    inputs: {images: images, manager: manager}
    latent_dims: 3
    filters: 8
    epochs: 4
    batch_size: 40
  sums:
    stage: command
    inputs: {model: moe.model, manager: manager.manager}
    run: [sh, -c, 'cat "$1" "$2" > "$3"', sum, "{model}", "{manager}", "{both}"]
    outputs: {both: file}
  sizes:
    stage: command
    inputs: {both: sums}
    run: [sh, -c, 'wc -c < "$1" > "$2"', count, "{both}", "{size}"]
    outputs: {size: file}
  scores: {stage: evaluate, inputs: {assignments: moe.assignments, labels: images}}
"#;

const EXPERIMENT: &str = "experiment: torture\npipeline: torture\nset: {}\nseeds: 2\n\
                          metrics: {acc: scores.acc}\ntable: {rows: [], columns: [acc]}\n";

pub struct Lab {
    dir: tempfile::TempDir,
}

/// Key → output → digest of every finished action of a store.
pub type Outputs = BTreeMap<String, BTreeMap<String, String>>;

/// Whether the long form was asked for; its numbers are in docs/store.md.
pub fn rounds(short: usize, long: usize) -> usize {
    match std::env::var("MOELAB_TORTURE").as_deref() {
        Ok("long") => long,
        _ => short,
    }
}

/// A generator whose seed is printed, so that a failure can be looked for again.
pub fn random(name: &str) -> StdRng {
    let given = std::env::var("MOELAB_TORTURE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.map_or(0, |now| now.as_nanos() as u64)
    });
    println!("{name}: MOELAB_TORTURE_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

impl Lab {
    pub fn new() -> Self {
        Self::in_folder(&std::env::temp_dir())
    }

    pub fn in_folder(parent: &Path) -> Self {
        let dir = tempfile::tempdir_in(parent).unwrap();
        for (file, text) in [
            ("pipelines/torture.yaml", PIPELINE),
            ("experiments/torture.yaml", EXPERIMENT),
        ] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn store(&self) -> PathBuf {
        self.path().join("artifacts")
    }

    pub fn clear(&self) {
        std::fs::remove_dir_all(self.store()).unwrap();
    }

    /// `moelab` with these arguments, in the lab's folder.
    pub fn moelab(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_moelab"));
        command
            .current_dir(self.path())
            .args(args)
            .env_remove("MOELAB_DATA")
            // Many checkpoints, so that most resumes take one up.
            .env("MOELAB_CHECKPOINT_SECONDS", "0.05")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The run that is tormented; its report is JSON.
    pub fn command(&self) -> Command {
        self.moelab(&[
            "run",
            "torture",
            "--jobs",
            "2",
            "--threads",
            "1",
            "--device",
            "cpu",
            "--format",
            "json",
        ])
    }

    pub fn start(&self) -> Child {
        self.command().spawn().unwrap()
    }

    /// Runs to the end, which must be reached; gives the report.
    pub fn finish(&self) -> Value {
        let output = self.command().output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Manifests by path, byte by byte.
    pub fn manifests(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let shards = std::fs::read_dir(self.store().join("actions"))
            .into_iter()
            .flatten()
            .flatten();
        let files = shards.flat_map(|shard| std::fs::read_dir(shard.path()).into_iter().flatten().flatten());
        files
            .map(|file| file.path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
            .map(|path| (path.clone(), std::fs::read(&path).unwrap()))
            .collect()
    }

    pub fn outputs(&self) -> Outputs {
        let manifests = self.manifests().into_iter();
        manifests
            .map(|(path, text)| {
                let manifest: Value = serde_json::from_slice(&text).unwrap();
                let shard = path
                    .parent()
                    .unwrap()
                    .file_name()
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                let outputs = manifest["outputs"].as_object().unwrap().iter();
                let outputs =
                    outputs.map(|(name, output)| (name.clone(), output["digest"].as_str().unwrap().to_owned()));
                (shard + &path.file_stem().unwrap().to_string_lossy(), outputs.collect())
            })
            .collect()
    }

    /// The store holds what an untouched run gives, and `moelab verify` finds nothing wrong.
    pub fn assert_untouched(&self) {
        assert_eq!(self.outputs(), reference().0, "other bytes than an untouched run gives");
        let verified = self.moelab(&["verify"]).output().unwrap();
        assert!(verified.status.success(), "{}", said(&verified));
    }
}

/// What an untouched run gives, and how long it takes.
pub fn reference() -> &'static (Outputs, Duration) {
    static REFERENCE: OnceLock<(Outputs, Duration)> = OnceLock::new();
    REFERENCE.get_or_init(|| {
        let (lab, started) = (Lab::new(), Instant::now());
        lab.finish();
        (lab.outputs(), started.elapsed())
    })
}

pub fn said(output: &Output) -> String {
    format!(
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
