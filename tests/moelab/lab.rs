//! A laboratory for process tests: a folder with the shipped pipelines, an experiment, and a store.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub struct Lab {
    dir: tempfile::TempDir,
}

/// What a program said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).expect("moelab prints UTF-8"),
            err: String::from_utf8(output.stderr).expect("moelab prints UTF-8"),
        }
    }

    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("no JSON ({e}):\n{}\n{}", self.out, self.err))
    }
}

impl Lab {
    pub fn new() -> Self {
        let lab = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        for folder in ["pipelines", "experiments", "data"] {
            std::fs::create_dir(lab.path(folder)).unwrap();
        }
        for shipped in Self::shipped("pipelines") {
            let name = shipped.file_name().expect("a listed file has a name");
            std::fs::copy(&shipped, lab.path("pipelines").join(name)).unwrap();
        }
        lab
    }

    /// The files of a folder of the repository.
    pub fn shipped(folder: &str) -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The whole pipeline, made tiny: 300 digits, two epochs.
    pub fn tiny(&self, set: &str, rest: &str) {
        self.write(
            "experiments/tiny.yaml",
            &format!(
                "experiment: tiny\n\
                 pipeline: moe\n\
                 set:\n  dataset: digits\n  limit: 300\n  filters: 4\n  wide_latent: 8\n  kl_weight: 0.1\n  \
                 n_neighbors: 15\n  n_components: 2\n  min_samples: 5\n  \
                 epochs: {{wide: 2, vae: 2, manager: 1, moe: 1}}\n{set}\
                 matrix:\n  axes:\n    min_cluster_fraction: [0.03, 0.05]\n\
                 metrics:\n  acc: evaluation.acc\n  K: evaluation.clusters\n{rest}"
            ),
        );
    }

    pub fn moelab(&self, args: &[&str]) -> Said {
        self.moelab_in("store", args)
    }

    pub fn moelab_in(&self, store: &str, args: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_moelab"))
            .current_dir(self.dir.path())
            .args(["--store", store])
            .args(args)
            .env_remove("MOELAB_DATA")
            .output()
            .unwrap();
        Said::of(output)
    }

    /// Starts a run and sends it SIGINT when a line of its standard error begins with `at`.
    pub fn interrupt(&self, store: &str, args: &[&str], at: &str) -> Said {
        let mut child = Command::new(env!("CARGO_BIN_EXE_moelab"))
            .current_dir(self.dir.path())
            .args(["--store", store, "run", "--threads", "1"])
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut err = String::new();
        for line in BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok)
        {
            if line.starts_with(at) {
                let sent = Command::new("kill")
                    .args(["-INT", &child.id().to_string()])
                    .status()
                    .unwrap();
                assert!(sent.success());
            }
            err += &line;
            err.push('\n');
        }
        Said {
            code: child.wait().unwrap().code().unwrap_or(-1),
            out: String::new(),
            err,
        }
    }

    /// Runs, expects success, and gives the report.
    pub fn run(&self, args: &[&str]) -> Value {
        self.run_in("store", args)
    }

    pub fn run_in(&self, store: &str, args: &[&str]) -> Value {
        let said = self.moelab_in(store, &[&["run", "--format", "json", "--threads", "1"], args].concat());
        assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
        said.json()
    }

    /// Every metric and every column of a history in the store is one that its stage tells of; says how many there are. What
    /// a stage does not tell of, no experiment may ask for.
    pub fn metrics_told(&self) -> usize {
        let registry = moelab_stages::registry();
        let manifests = self.manifests().into_iter();
        let metrics = manifests.filter_map(|manifest| {
            let action = &manifest["action"];
            let stage = registry.get(action["stage"].as_str()?)?;
            let mut count = 0;
            for output in (stage.outputs)(&action["config"]) {
                let name = output.name.as_ref();
                let found = match output.artifact {
                    "metrics" => manifest["values"][name].as_object().unwrap().keys().cloned().collect(),
                    "history" => self.columns(manifest["outputs"][name]["digest"].as_str().unwrap()),
                    _ => vec![],
                };
                let untold: Vec<&String> = found.iter().filter(|field| !output.may_hold(field)).collect();
                assert!(untold.is_empty(), "{}.{name}: {untold:?}", stage.kind);
                assert!(
                    found.is_empty() || !output.fields.is_empty(),
                    "{}.{name} tells of nothing",
                    stage.kind
                );
                count += found.len();
            }
            Some(count)
        });
        metrics.sum()
    }

    /// The columns of a Parquet object.
    fn columns(&self, digest: &str) -> Vec<String> {
        let object = self.path("store/objects").join(&digest[..2]).join(&digest[2..]);
        let frame = moelab_stages::frame::read_parquet(&object).unwrap();
        frame.get_column_names().iter().map(ToString::to_string).collect()
    }

    fn manifests(&self) -> Vec<Value> {
        let shards = std::fs::read_dir(self.path("store/actions")).unwrap().flatten();
        let files = shards.flat_map(|shard| std::fs::read_dir(shard.path()).unwrap().flatten());
        let read = |file: std::fs::DirEntry| serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
        files.map(read).collect()
    }

    /// Stages that a run would execute now, sorted.
    pub fn planned(&self, args: &[&str]) -> Vec<String> {
        let said = self.moelab(&[&["plan", "--format", "json"], args].concat());
        let all = said.json();
        let run = all.as_array().unwrap().iter().filter(|one| one["status"] != "cached");
        let mut stages: Vec<String> = run.map(|one| one["stage"].as_str().unwrap().to_owned()).collect();
        stages.sort();
        stages
    }

    /// Every object of a store: name → bytes.
    pub fn objects(&self, store: &str) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        for shard in std::fs::read_dir(self.path(store).join("objects")).unwrap().flatten() {
            for object in std::fs::read_dir(shard.path()).unwrap().flatten() {
                let name = format!("{:?}{:?}", shard.file_name(), object.file_name());
                found.insert(name, std::fs::read(object.path()).unwrap());
            }
        }
        found
    }
}
