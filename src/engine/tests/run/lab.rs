//! A store, a plan made by hand, and a runner.

use moelab_engine::job::Event;
use moelab_engine::plan::{Cell, Input, Node, Plan, Source};
use moelab_engine::run::{Ended, JobInfo, Observer, RunOptions, RunReport, WorkerCommand, run};
use moelab_engine::stage::{Output, Port, Registry, Settings, Stage};
use moelab_engine::store::{Manifest, Store};
use petgraph::graph::{DiGraph, NodeIndex};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// The environment variable that makes the test program a worker.
pub const WORKER: &str = "ECHO_WORKER";
/// The one that makes it a runner, in the folder it names.
pub const RUNNER: &str = "ECHO_RUNNER";
pub const BUILD: &str = "build-1";

pub struct Lab {
    _dir: Option<TempDir>,
    pub store: Store,
    pub plan: Plan,
    pub options: RunOptions,
}

/// Settings of an `echo` stage.
pub fn says(text: &str) -> Value {
    json!({"text": text})
}

pub fn behaves(text: &str, behave: &str) -> Value {
    json!({"text": text, "behave": behave})
}

impl Lab {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lab = Self::at(dir.path());
        Self { _dir: Some(dir), ..lab }
    }

    /// In a folder that stays.
    pub fn at(dir: &Path) -> Self {
        let store = Store::open(&dir.join("store")).unwrap();
        let mut options = RunOptions::new(worker(&[]), BUILD);
        options.data = dir.join("data");
        options.device_locks = dir.join("devices");
        std::fs::create_dir_all(&options.data).unwrap();
        Self {
            _dir: None,
            store,
            plan: empty(),
            options,
        }
    }

    /// Adds a stage that takes the `data` of others.
    pub fn stage(&mut self, name: &str, settings: Value, from: &[NodeIndex]) -> NodeIndex {
        self.stage_of("echo", name, settings, from)
    }

    pub fn stage_of(&mut self, kind: &str, name: &str, settings: Value, from: &[NodeIndex]) -> NodeIndex {
        let source = |node: &NodeIndex| Source {
            node: *node,
            output: "data".into(),
            artifact: "points".into(),
        };
        let inputs = match from {
            [] => vec![],
            [one] => vec![Input::Port {
                port: "points".into(),
                from: source(one),
            }],
            several => {
                let member = |(i, node)| ([("k".to_owned(), json!(i))].into(), source(node));
                vec![Input::Gather {
                    port: "points".into(),
                    members: several.iter().enumerate().map(member).collect(),
                }]
            }
        };
        let node = self.plan.graph.add_node(Node {
            stage: name.into(),
            kind: kind.into(),
            settings: Arc::new(settings),
            seed: None,
            axes: BTreeMap::new(),
            inputs,
        });
        for producer in from {
            self.plan.graph.add_edge(*producer, node, ());
        }
        self.name(node, name);
        node
    }

    /// Calls an action by a name, as a stage that equals another calls the same action.
    pub fn name(&mut self, node: NodeIndex, name: &str) {
        self.plan.cells.push(Cell {
            axes: BTreeMap::new(),
            seed: 0,
            actions: [(name.to_owned(), node)].into(),
        });
    }

    /// Feeds the `size` of one stage to the setting `n` of another.
    pub fn feed(&mut self, from: NodeIndex, to: NodeIndex) {
        let source = Source {
            node: from,
            output: "size".into(),
            artifact: "latent_dim".into(),
        };
        self.plan.graph[to].inputs.push(Input::Setting {
            setting: "n".into(),
            from: source,
        });
        self.plan.graph.add_edge(from, to, ());
    }

    pub fn run(&mut self) -> RunReport {
        self.watched(&mut Log::default())
    }

    pub fn watched(&mut self, observer: &mut dyn Observer) -> RunReport {
        self.options.run = moelab_engine::run::run_id();
        run(&self.plan, &registry(), &self.store, &self.options, observer).unwrap()
    }

    /// The results of a stage kind, in the order of their keys.
    pub fn results(&self, kind: &str) -> Vec<Manifest> {
        let mut all: Vec<_> = self.store.manifests().into_values().collect();
        all.retain(|manifest| manifest.action.stage == kind);
        all
    }

    /// The `data` that the only result with this text at its start holds.
    pub fn made(&self, start: &str) -> String {
        let mut found = vec![];
        for manifest in self.store.manifests().into_values() {
            let text = String::from_utf8(self.store.read_object(&manifest.outputs["data"].digest).unwrap()).unwrap();
            if text.starts_with(start) {
                found.push(text);
            }
        }
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }
}

/// `deep` layers of `wide` stages, each of which takes from two of the layer before.
pub fn grid(lab: &mut Lab, deep: usize, wide: usize, behave: &str) {
    let mut above: Vec<NodeIndex> = vec![];
    for layer in 0..deep {
        let stage = |i: usize| {
            let name = format!("s{layer}_{i}");
            let from: Vec<_> = match above.len() {
                0 => vec![],
                n => [above[i], above[(i + 1) % n]].into(),
            };
            lab.stage(&name, behaves(&name, behave), &from)
        };
        above = (0..wide).map(stage).collect();
    }
}

pub fn empty() -> Plan {
    Plan {
        graph: DiGraph::new(),
        cells: vec![],
        project: std::path::PathBuf::new(),
    }
}

/// This program as a worker.
pub fn worker(env: &[(&str, &str)]) -> WorkerCommand {
    let env = env
        .iter()
        .chain(&[(WORKER, "1")])
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    WorkerCommand {
        program: std::env::current_exe().unwrap(),
        args: ["--exact", "the_worker_process", "--nocapture"]
            .map(String::from)
            .into(),
        env: env.collect(),
    }
}

pub fn registry() -> Registry {
    let fast = Stage {
        accelerated: |_| true,
        ..kind("fast")
    };
    // Takes a single artifact.
    let step = Stage {
        inputs: vec![Port::optional("points", &["points"])],
        ..kind("step")
    };
    Registry::new([kind("echo"), fast, step])
}

fn kind(kind: &'static str) -> Stage {
    Stage {
        kind,
        version: 1,
        summary: "Says something.",
        inputs: vec![Port {
            optional: true,
            ..Port::gathering("points", &["points"])
        }],
        outputs: |_| vec![Output::file("data", "points"), Output::value("size", "latent_dim")],
        settings: Settings {
            schema: json!({
                "type": "object",
                "properties": {
                    "text": {"type": "string", "default": ""},
                    "n": {"type": "integer", "default": 1},
                    "behave": {"type": "string", "default": "well"},
                },
            }),
            keyed: serde_json::Value::clone,
            normalise: |given| {
                let mut all = json!({"text": "", "n": 1, "behave": "well"});
                for (name, value) in given.as_object().expect("settings are a mapping") {
                    all[name] = value.clone();
                }
                Ok(all)
            },
        },
        draws: |_| false,
        check: |_, _| Ok(()),
        sources: |_, _| Ok(BTreeMap::new()),
        accelerated: |_| false,
    }
}

/// Writes down what it hears.
#[derive(Default)]
pub struct Log {
    pub cached: Vec<String>,
    pub started: Vec<String>,
    pub devices: Vec<String>,
    pub ended: Vec<String>,
    pub events: Vec<String>,
    pub notes: Vec<String>,
    /// Per job in the order of starts: its stage, and the stages that ran beside it.
    pub beside: Vec<(String, Vec<String>)>,
    /// Most jobs at one time: all, and by device.
    pub most: usize,
    pub most_by_device: BTreeMap<String, usize>,
    running: Vec<(String, String)>,
}

impl Observer for Log {
    fn cached(&mut self, job: &JobInfo) {
        self.cached.push(job.stage.clone());
    }

    fn job_started(&mut self, job: &JobInfo) {
        self.started.push(job.stage.clone());
        self.devices.push(job.device.clone());
        let beside = self.running.iter().map(|(stage, _)| stage.clone()).collect();
        self.beside.push((job.stage.clone(), beside));
        self.running.push((job.stage.clone(), job.device.clone()));
        self.most = self.most.max(self.running.len());
        let same = self.running.iter().filter(|(_, device)| *device == job.device).count();
        let most = self.most_by_device.entry(job.device.clone()).or_default();
        *most = same.max(*most);
    }

    fn job_progress(&mut self, job: &JobInfo, event: &Event) {
        self.events
            .push(format!("{} {}", job.stage, serde_json::to_string(event).unwrap()));
    }

    fn job_finished(&mut self, job: &JobInfo, ended: &Ended) {
        if let Some(at) = self.running.iter().position(|(stage, _)| *stage == job.stage) {
            self.running.remove(at);
        }
        let how = match ended {
            Ended::Done { .. } => "done",
            Ended::AlreadyThere => "already there",
            Ended::Busy => "busy",
            Ended::Interrupted => "interrupted",
            Ended::Retried { memory, .. } => {
                self.ended.push(format!("{} retried {}", job.stage, memory.name()));
                return;
            }
            Ended::Failed(_) => "failed",
        };
        self.ended.push(format!("{} {how}", job.stage));
    }

    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }
}
