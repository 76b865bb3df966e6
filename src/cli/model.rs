//! A trained model of an experiment, and a workbench to use it at.

use crate::args::{Common, On, One};
use crate::exit::Exit;
use crate::say::say;
use crate::setup::Setup;
use crate::{device, run, show};
use moelab_engine::job::{Event, Failure, FailureKind};
use moelab_engine::key::InputKey;
use moelab_engine::plan::select::Filter;
use moelab_engine::plan::{NodeId, Plan};
use moelab_engine::run::{Piece, RunOptions, Workbench};
use moelab_engine::signals;
use moelab_engine::stage::Registry;
use moelab_engine::store::{Manifest, Store, StoreError};
use moelab_stages::artifact;
use serde_json::{Map, Value};
use signal_hook::iterator::Signals;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;

/// A model, and the means to run stages on it. What they make is in none of the lab's results.
pub struct Model {
    store: Store,
    manifest: Manifest,
    registry: Registry,
    /// Settings of the `load` stage its images came from.
    load: Map<String, Value>,
    bench: Workbench,
    model: Piece,
}

impl Model {
    /// The output of one of the types `wanted` that `of` names.
    pub fn open(common: &Common, of: &One, on: &On, data: &Path, wanted: &[&str]) -> Result<Self, Exit> {
        let (stage, output) = match of.stage.split_once('.') {
            Some((stage, output)) => (stage, Some(output)),
            None => (of.stage.as_str(), None),
        };
        let one = One {
            stage: stage.to_owned(),
            ..of.clone()
        };
        let (store, manifest) = show::find(common, &one)?;
        let fits = |(name, artifact): (&String, &str)| {
            wanted.contains(&artifact) && output.is_none_or(|output| output == name)
        };
        let mut outputs = manifest
            .outputs
            .iter()
            .filter(|(name, stored)| fits((name, &stored.artifact)));
        let Some((_, stored)) = outputs.next() else {
            let what = format!(
                "`{}` is of a stage of kind `{}`, which leaves no {} of that name",
                of.stage,
                manifest.action.stage,
                wanted.join(" or ")
            );
            return Err(Exit::Usage(what));
        };
        let model = Piece {
            digest: stored.digest,
            artifact: stored.artifact.clone(),
        };
        let setup = Setup::load(&one.experiment)?;
        let filter = Filter::parse(one.seed, &one.conditions).map_err(|e| Exit::Usage(e.to_string()))?;
        let node = setup.plan.pick(&setup.experiment, stage, &filter);
        let node = node.map_err(|e| Exit::Usage(e.to_string()))?;
        let worker = device::worker()?;
        let options = RunOptions {
            devices: device::resolve(&on.device, &worker)?,
            threads: on.threads.unwrap_or_else(run::cores) as usize,
            data: std::path::absolute(data)?,
            ..RunOptions::new(run::command(worker), env!("MOELAB_BUILD"))
        };
        stop_on_signals(&options)?;
        let bench = Workbench::new(options, &setup.plan.project)?;
        bring(&bench, &store, &model, &of.stage)?;
        Ok(Self {
            store,
            manifest,
            load: load_settings(&setup.plan, node),
            registry: setup.registry,
            bench,
            model,
        })
    }

    /// Brings images from outside into the shape the model was trained on.
    pub fn load(&mut self, dataset: Value) -> Result<Piece, Exit> {
        let mut settings = self.load.clone();
        settings.retain(|name, _| ["resize", "pad"].contains(&name.as_str()));
        settings.insert("dataset".into(), dataset);
        let made = self.run("load", Value::Object(settings), None, BTreeMap::new())?;
        let images = made.outputs.get("images").map(|output| Piece {
            digest: output.digest,
            artifact: output.artifact.clone(),
        });
        images.ok_or_else(|| Exit::Usage("these are no images".into()))
    }

    /// The images it was trained on, if the store still has them.
    pub fn images(&self) -> Result<Option<Piece>, Exit> {
        let Some(InputKey::One(digest)) = self.manifest.action.inputs.get("images") else {
            return Ok(None);
        };
        let images = Piece {
            digest: *digest,
            artifact: artifact::IMAGES.into(),
        };
        match self.bench.bring(&self.store, digest) {
            Ok(()) => Ok(Some(images)),
            Err(StoreError::Absent { .. }) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Runs a stage on the model and what else it takes.
    pub fn apply(
        &mut self,
        kind: &str,
        settings: Value,
        seed: Option<u64>,
        images: Option<Piece>,
    ) -> Result<Manifest, Exit> {
        let mut inputs: BTreeMap<String, Piece> = [("model".to_owned(), self.model.clone())].into();
        inputs.extend(images.map(|images| ("images".to_owned(), images)));
        self.run(kind, settings, seed, inputs)
    }

    fn run(
        &mut self,
        kind: &str,
        settings: Value,
        seed: Option<u64>,
        inputs: BTreeMap<String, Piece>,
    ) -> Result<Manifest, Exit> {
        let mut told = |event: &Event| {
            if let Event::Note { text } = event {
                say!("note: {text}");
            }
        };
        let made = self
            .bench
            .run(&self.registry, (kind, settings), seed, &inputs, &mut told);
        made.map_err(failed)
    }

    /// Where an output of a job lies until this is dropped.
    pub fn path(&self, made: &Manifest, output: &str) -> std::path::PathBuf {
        self.bench.store().object_path(&made.outputs[output].digest)
    }
}

fn bring(bench: &Workbench, store: &Store, piece: &Piece, stage: &str) -> Result<(), Exit> {
    // `vae.model` is asked for as an output; it is the stage that runs.
    let stage = stage.split('.').next().unwrap_or(stage);
    bench.bring(store, &piece.digest).map_err(|e| match e {
        StoreError::Absent { .. } => Exit::Usage(format!(
            "the weights of `{stage}` are not in the store any more: `moelab run` with --only {stage} --force {stage} \
             makes them again"
        )),
        other => other.into(),
    })
}

/// Settings of the `load` that the images at a node came from.
fn load_settings(plan: &Plan, node: NodeId) -> Map<String, Value> {
    let before = plan.with_ancestors([node]);
    let loads = before
        .iter()
        .map(|node| &plan.graph[*node])
        .filter(|node| node.kind == "load");
    loads
        .filter_map(|node| node.settings.as_object())
        .next()
        .cloned()
        .unwrap_or_default()
}

/// The first signal ends the job; its worker dies with it.
fn stop_on_signals(options: &RunOptions) -> Result<(), Exit> {
    let cancel = options.cancel.clone();
    let mut signals = Signals::new(signals::stopping())?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            cancel.store(2, Ordering::SeqCst);
        }
    });
    Ok(())
}

fn failed(failure: Failure) -> Exit {
    match failure.kind {
        FailureKind::Interrupted => Exit::Interrupted,
        FailureKind::Bug => Exit::Other(failure.message),
        FailureKind::Worker => Exit::Usage(failure.message),
        _ => Exit::Failed(failure.message),
    }
}
