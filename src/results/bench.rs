//! An experiment on a toy pipeline with a real store, for tests.

use crate::input::Input;
use crate::source::Source;
use crate::survey::Survey;
use crate::table::Table;
use moelab_engine::job::{Failure, FailureKind, PROTOCOL};
use moelab_engine::job::{JobResult, Outcome};
use moelab_engine::key::ActionKey;
use moelab_engine::plan::{Node, Plan, Resolution};
use moelab_engine::spec::{self, Experiment};
use moelab_engine::stage::{Output, Port, Registry, Settings, Stage};
use moelab_engine::store::{Declared, Durability, Holder, Provenance, Publication, Store};
use serde_json::{Value, json};
use std::fs;

/// `train` draws and runs on accelerators; `score` does neither and reads what `train` made.
fn registry() -> Registry {
    let settings = |schema: Value, normalise| Settings {
        schema,
        normalise,
        keyed: Value::clone,
    };
    let train = Stage {
        kind: "train",
        version: 1,
        summary: "",
        inputs: vec![],
        outputs: |_| {
            vec![
                Output::file("history", "history"),
                Output::value("latent_dim", "latent_dim"),
            ]
        },
        settings: settings(
            json!({"type": "object", "additionalProperties": false,
                   "properties": {"alpha": {"type": "integer"}, "data": {"type": "string"}}}),
            |given| Ok(json!({"alpha": given.get("alpha"), "data": given.get("data")})),
        ),
        draws: |_| true,
        check: |_, _| Ok(()),
        sources: |settings, _| match settings["data"].as_str() {
            Some("absent") => Err("no data set `absent`".into()),
            _ => Ok(Default::default()),
        },
        accelerated: |_| true,
    };
    let score = Stage {
        kind: "evaluate",
        inputs: vec![Port::one("history", &["history"])],
        outputs: |_| vec![Output::value("metrics", "metrics")],
        settings: settings(json!({"type": "object", "additionalProperties": false}), |_| {
            Ok(json!({}))
        }),
        draws: |_| false,
        sources: |_, _| Ok(Default::default()),
        accelerated: |_| false,
        ..train
    };
    Registry::new([again(&train), score])
}

/// Stages are not `Clone`: their declarations are never copied but here.
fn again(stage: &Stage) -> Stage {
    Stage {
        inputs: stage.inputs.clone(),
        settings: Settings {
            schema: stage.settings.schema.clone(),
            ..stage.settings
        },
        ..*stage
    }
}

const PIPELINE: &str = "pipeline: toy
params: {alpha: 1, data: here}
stages:
  train: {stage: train, alpha: '${alpha}', data: '${data}'}
  score: {stage: evaluate, inputs: {history: train}}
";
pub(crate) const EXPERIMENT: &str = "experiment: e
pipeline: toy
seeds: 2
matrix: {axes: {alpha: [10, 1]}}
metrics:
  acc: score.acc
  loss: {of: train.history.loss, reduce: last}
  k: train.latent_dim
table: {rows: [data, alpha], columns: [k, acc, loss], min_seeds: 2}
reference: [{alpha: 10, acc: 0.9, source: S, runs: 5}]
";

/// An experiment in a folder of its own, with a store.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) registry: Registry,
    pub(crate) experiment: Experiment,
    pub(crate) plan: Plan,
    pub(crate) store: Store,
}

impl Bench {
    pub(crate) fn new(experiment: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (folder, file, text) in [
            ("pipelines", "toy.yaml", PIPELINE),
            ("experiments", "e.yaml", experiment),
        ] {
            fs::create_dir(dir.path().join(folder)).unwrap();
            fs::write(dir.path().join(folder).join(file), text).unwrap();
        }
        let registry = registry();
        let file = dir.path().join("experiments/e.yaml");
        let experiment = spec::load_from(&file, dir.path(), &registry, &[]).unwrap_or_else(|e| panic!("{e}"));
        let plan = Plan::build(&experiment, &registry).unwrap_or_else(|e| panic!("{e}"));
        let store = Store::open(&dir.path().join("store")).unwrap();
        Self {
            dir,
            registry,
            experiment,
            plan,
            store,
        }
    }

    /// Does what a run would do, with `what` deciding the fate of each action.
    pub(crate) fn run(&self, what: impl Fn(&Node) -> Fate) -> &Self {
        let mut survey = self.survey();
        for id in self.plan.order() {
            let resolution = self.plan.resolve(id, &self.registry, self.dir.path(), &survey);
            if let Ok(Resolution::Ready { key, .. }) = resolution {
                let node = &self.plan.graph[id];
                match what(node) {
                    Fate::Done(device) => self.publish(node, &key, device),
                    Fate::Fails => self.fail(&key),
                    Fate::Never => {}
                }
            }
            survey.look(id);
        }
        self
    }

    fn survey(&self) -> Survey<'_> {
        Survey::new(&self.source())
    }

    pub(crate) fn source(&self) -> Source<'_> {
        Source {
            experiment: &self.experiment,
            plan: &self.plan,
            registry: &self.registry,
            store: Some(&self.store),
            data: self.dir.path(),
        }
    }

    fn publish(&self, node: &Node, key: &ActionKey, device: &str) {
        let attempt = self.store.new_attempt(&key.digest()).unwrap();
        let out = attempt.output("x").parent().unwrap().to_owned();
        fs::create_dir_all(&out).unwrap();
        let loss = node.axes["alpha"].as_f64().unwrap() + node.axes["seed"].as_f64().unwrap();
        if node.kind == "train" {
            let made = crate::testing::history_file(&out, &[99.0, loss]);
            fs::rename(made, attempt.output("history")).unwrap();
            fs::write(attempt.output("latent_dim"), "12").unwrap();
        } else {
            fs::write(
                attempt.output("metrics"),
                json!({"acc": loss / 100.0, "score": score(node)}).to_string(),
            )
            .unwrap();
        }
        let declared = key.outputs.iter().map(|(name, artifact)| {
            let declared = Declared {
                artifact: artifact.clone(),
                value: name != "history",
                optional: false,
            };
            (name.clone(), declared)
        });
        let provenance = Provenance {
            device: device.into(),
            attempt: attempt.number(),
            ..Provenance::default()
        };
        let lock = self
            .store
            .try_lock(&key.digest(), &Holder::this_process("test"))
            .unwrap()
            .unwrap();
        let outputs = declared.collect();
        let publication = Publication {
            action: key,
            attempt: &attempt,
            outputs: &outputs,
            inputs: &[],
            provenance,
            durability: Durability::Later,
        };
        self.store.publish(&lock, publication).unwrap();
    }

    fn fail(&self, key: &ActionKey) {
        let attempt = self.store.new_attempt(&key.digest()).unwrap();
        let failure = Failure {
            kind: FailureKind::OutOfMemory,
            message: "out of memory".into(),
        };
        let result = JobResult {
            protocol: PROTOCOL,
            key: key.digest(),
            attempt: attempt.number(),
            nonce: String::new(),
            outcome: Outcome::Failed(failure),
            seconds: 0.0,
        };
        fs::write(attempt.dir().join("result.json"), serde_json::to_vec(&result).unwrap()).unwrap();
    }

    pub(crate) fn input(&self) -> Input {
        Source::inputs(&[self.source()]).unwrap().remove(0)
    }

    pub(crate) fn table(&self) -> Table {
        Table::build(&[self.input()]).unwrap()
    }

    pub(crate) fn markdown(&self) -> String {
        let bytes = crate::render(&self.table(), crate::Format::Markdown, crate::Lines::Cells).unwrap();
        String::from_utf8(bytes).unwrap()
    }
}

/// A number in which the sides of a comparison differ by turns.
fn score(node: &Node) -> f64 {
    let (alpha, seed) = (node.axes["alpha"].as_f64().unwrap() as u64, seed(node));
    (alpha * (seed + 1) % 7) as f64 / 10.0
}

pub(crate) enum Fate {
    Done(&'static str),
    Fails,
    Never,
}

pub(crate) fn seed(node: &Node) -> u64 {
    node.axes["seed"].as_u64().unwrap()
}
