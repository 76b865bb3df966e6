//! A lineage as people and programs read it.

use super::{Lineage, Step, reports};
use crate::input::display;
use moelab_engine::plan::select::describe;
use moelab_engine::plan::why::leaves;
use moelab_engine::plan::{Axes, NodeId};
use moelab_engine::store::{Manifest, Presence, Provenance, Store};
use moelab_stages::artifact;
use serde_json::{Value, json};
use std::fmt::Write;

/// Of the lines of a section.
const INDENT: usize = 2;

/// One measured number.
pub struct Number {
    pub node: NodeId,
    pub axes: Axes,
    pub value: Option<f64>,
    /// Why there is no value.
    pub(crate) why: String,
    pub(crate) manifest: Option<Manifest>,
}

impl Number {
    /// Of the action that gave it.
    pub fn key(&self) -> Option<moelab_engine::digest::Digest> {
        self.manifest.as_ref().map(Manifest::key)
    }
}

/// Several numbers of one metric, each with where it is from.
pub fn numbers_text(metric: &str, numbers: &[Number]) -> String {
    let mut text = String::new();
    let line = |number: &Number| {
        let value = number
            .value
            .map_or_else(|| number.why.clone(), |value| value.to_string());
        let from = number.manifest.as_ref().map_or_else(String::new, |manifest| {
            format!("{}  run {}", manifest.key().short(), manifest.provenance.origin.run)
        });
        [describe(&number.axes), value, from]
    };
    let lines: Vec<[String; 3]> = numbers.iter().map(line).collect();
    let widest = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (widest(0), widest(1));
    for [axes, value, from] in &lines {
        _ = writeln!(text, "{axes:<first$}  {metric} = {value:<second$}  {from}");
    }
    text
}

impl Lineage {
    /// What it holds and where it is from; paths are those of `store`. Tables are at most so many characters wide.
    pub fn text(&self, store: &Store, width: usize) -> String {
        let mut text = String::new();
        let Step { manifest, feeds, .. } = self.last();
        let (action, made) = (&manifest.action, &manifest.provenance);
        _ = writeln!(text, "{}", title(self.last()));
        _ = writeln!(text, "  key {}", manifest.key());
        _ = writeln!(
            text,
            "  first asked for by {} stage {} in run {}",
            made.origin.experiment, made.origin.stage, made.origin.run
        );
        _ = writeln!(text, "  {}", circumstances(made));
        for (library, version) in &made.libraries {
            _ = writeln!(text, "  {library} {version}");
        }
        if let Some(seed) = &action.seed {
            _ = writeln!(text, "  draws from seed {seed}");
        }
        section(
            &mut text,
            "settings",
            leaves(&action.config)
                .iter()
                .map(|(name, value)| format!("{name} = {}", display(value))),
        );
        section(
            &mut text,
            "inputs",
            feeds.iter().map(|feed| {
                let axes = if feed.axes.is_empty() {
                    String::new()
                } else {
                    format!(" [{}]", describe(&feed.axes))
                };
                let from = feed.maker.map(|maker| &self.steps[maker]);
                let from = from.map_or("made by nothing in the store".to_owned(), |step| {
                    format!("from {} {}", step.stage, step.manifest.key().short())
                });
                format!("{}{axes}  {}  {from}", feed.name, feed.digest.hex())
            }),
        );
        section(
            &mut text,
            "sources",
            action.sources.iter().map(|(role, digest)| format!("{role}  {digest}")),
        );
        section(
            &mut text,
            "outputs",
            manifest.outputs.iter().map(|(name, output)| {
                let place = match output.state {
                    Presence::Present => store.object_path(&output.digest).display().to_string(),
                    Presence::Evicted => format!("evicted, was {}", output.digest),
                };
                format!("{name} ({}, {} bytes) {place}", output.artifact, output.size)
            }),
        );
        for (name, value) in &manifest.values {
            section(
                &mut text,
                name,
                leaves(value).iter().map(|(field, value)| {
                    format!("{field} = {}", display(value)).replace(" = ", if field.is_empty() { "" } else { " = " })
                }),
            );
        }
        let reports = manifest
            .outputs
            .iter()
            .filter(|(_, output)| output.artifact == artifact::REPORT && output.state == Presence::Present);
        for (name, output) in reports {
            section(
                &mut text,
                name,
                reports::lines(store, output, width - INDENT).into_iter(),
            );
        }
        section(
            &mut text,
            "later attempts gave other bytes",
            manifest.divergent.iter().map(|other| {
                let names: Vec<&str> = other.outputs.keys().map(String::as_str).collect();
                format!("{}: {}", names.join(", "), circumstances(&other.provenance))
            }),
        );
        section(
            &mut text,
            "comes from",
            self.steps[..self.steps.len() - 1].iter().map(|step| {
                let sources: String = step
                    .manifest
                    .action
                    .sources
                    .iter()
                    .map(|(role, digest)| format!("; {role} {}…", digest.short()))
                    .collect();
                format!(
                    "{}  {}; {}{sources}",
                    title(step),
                    step.manifest.key().short(),
                    circumstances(&step.manifest.provenance)
                )
            }),
        );
        text
    }

    /// One document: the action with its ancestors, producers first, each with its whole manifest.
    pub fn json(&self) -> Value {
        let step = |step: &Step| {
            let feeds = step.feeds.iter().map(|feed| {
                json!({
                    "name": feed.name,
                    "axes": feed.axes,
                    "digest": feed.digest,
                    "stage": feed.maker.map(|maker| &self.steps[maker].stage),
                    "key": feed.maker.map(|maker| self.steps[maker].manifest.key()),
                })
            });
            json!({
                "stage": step.stage,
                "axes": step.axes,
                "key": step.manifest.key(),
                "inputs": feeds.collect::<Vec<_>>(),
                "manifest": step.manifest,
            })
        };
        let mut document = step(self.last());
        document["lineage"] = self.steps[..self.steps.len() - 1].iter().map(step).collect();
        document
    }
}

/// `moa (mixture_train, version 3) classes=[0,1] seed=0`
pub(crate) fn title(step: &Step) -> String {
    let axes = if step.axes.is_empty() {
        String::new()
    } else {
        format!(" {}", describe(&step.axes))
    };
    let action = &step.manifest.action;
    format!("{} ({}, version {}){axes}", step.stage, action.stage, action.version)
}

fn circumstances(made: &Provenance) -> String {
    let threads = if made.threads == 1 {
        "1 thread".to_owned()
    } else {
        format!("{} threads", made.threads)
    };
    format!(
        "made {} on {} ({}, {threads}) in {:.1} s by build {}",
        made.started, made.host, made.device, made.seconds, made.build
    )
}

fn section(text: &mut String, name: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        _ = writeln!(text, "{name}");
        for line in lines {
            _ = writeln!(text, "{:INDENT$}{line}", "");
        }
    }
}
