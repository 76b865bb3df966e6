//! Makes the folder of a job.

use super::RunOptions;
use super::results::Results;
use crate::digest::Digest;
use crate::job::{InputFile, Job, Memory, Origin, PROTOCOL};
use crate::key::{ActionKey, InputKey};
use crate::plan::{Input, Node, Source};
use crate::stage::Stage;
use crate::store::{Attempt, Declared, Store, StoreError, disk};
use petgraph::graph::NodeIndex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The artifacts an action reads, and who makes them.
pub(super) struct Reads {
    pub(super) inputs: BTreeMap<String, Vec<InputFile>>,
    /// Producers of artifacts whose bytes are not in the store.
    pub(super) missing: BTreeSet<NodeIndex>,
}

/// Which artifacts stand at the ports of a node, by the key that was made of them.
pub(super) fn reads(store: &Store, node: &Node, key: &ActionKey, results: &Results) -> Reads {
    let mut reads = Reads {
        inputs: BTreeMap::new(),
        missing: BTreeSet::new(),
    };
    for (port, stands) in &key.inputs {
        let members: Vec<(BTreeMap<_, _>, Digest)> = match stands {
            InputKey::One(digest) => vec![(BTreeMap::new(), *digest)],
            InputKey::Gathered(all) => all.iter().map(|member| (member.axes.clone(), member.digest)).collect(),
        };
        let sources = sources(node, port);
        let files = members.into_iter().map(|(axes, digest)| {
            let mut makers = sources
                .iter()
                .filter(|s| results.digest(s.node, &s.output) == Some(digest));
            let artifact = makers
                .clone()
                .next()
                .map_or_else(String::new, |source| source.artifact.clone());
            if store.object_size(&digest).is_none() {
                reads.missing.extend(makers.next().map(|source| source.node));
            }
            InputFile {
                axes,
                digest,
                artifact,
                path: store.object_path(&digest),
            }
        });
        let files: Vec<_> = files.collect();
        reads.inputs.insert(port.clone(), files);
    }
    reads
}

fn sources<'a>(node: &'a Node, port: &str) -> Vec<&'a Source> {
    let mut found = vec![];
    for input in &node.inputs {
        match input {
            Input::Port { port: name, from } if name == port => found.push(from),
            Input::Gather { port: name, members } if name == port => found.extend(members.iter().map(|m| &m.1)),
            _ => {}
        }
    }
    found
}

/// What a job is to do, beside its inputs.
pub(super) struct Order<'a> {
    pub(super) node: &'a Node,
    pub(super) stage: &'a Stage,
    pub(super) key: &'a ActionKey,
    pub(super) settings: &'a Value,
    /// The folder that holds `pipelines/`.
    pub(super) project: &'a Path,
    pub(super) inputs: BTreeMap<String, Vec<InputFile>>,
    pub(super) device: String,
    pub(super) memory: Memory,
    pub(super) force: bool,
}

/// Makes the next attempt of an action, with its `job.json`; gives its nonce, too.
pub(super) fn make(store: &Store, options: &RunOptions, order: Order<'_>) -> Result<(Attempt, String), StoreError> {
    let digest = order.key.digest();
    let attempt = store.new_attempt(&digest)?;
    let nonce = format!("{}{}", disk::random_name(), disk::random_name());
    let declared = (order.stage.outputs)(order.settings);
    let job = Job {
        protocol: PROTOCOL,
        build: options.build.clone(),
        key: digest,
        action: order.key.clone(),
        settings: order.settings.clone(),
        seed: order.node.seed.unwrap_or(0),
        inputs: order.inputs,
        outputs: declared
            .into_iter()
            .map(|o| {
                let declared = Declared {
                    artifact: o.artifact.to_owned(),
                    value: o.value,
                    optional: o.optional,
                };
                (o.name.into_owned(), declared)
            })
            .collect(),
        force: order.force,
        store: store.root().to_owned(),
        project: order.project.to_owned(),
        data: std::path::absolute(&options.data).unwrap_or_else(|_| options.data.clone()),
        device: order.device,
        threads: options.threads,
        memory: order.memory,
        runner_syncs: true,
        nonce: nonce.clone(),
        attempt: attempt.number(),
        origin: Origin {
            experiment: options.experiment.clone(),
            pipeline: options.pipeline.clone(),
            stage: order.node.stage.clone(),
            axes: order.node.axes.clone(),
            run: options.run.clone(),
        },
    };
    let text = serde_json::to_vec_pretty(&job).expect("a job is plain data");
    disk::write_message(&attempt.dir().join("job.json"), &text)?;
    Ok((attempt, nonce))
}
