//! The DAG for people: one node per stage, with how many actions stand behind it.

use super::{Plan, SEED_AXIS};
use crate::spec::Experiment;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A pipeline as expanded by an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// In topological order.
    pub stages: Vec<Drawn>,
    pub arrows: Vec<Arrow>,
}

/// One stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    pub name: String,
    pub kind: String,
    /// Distinct actions.
    pub actions: usize,
    /// Axes they differ in, the seed last.
    pub axes: Vec<String>,
}

/// One input of a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrow {
    pub from: String,
    pub to: String,
    pub input: String,
    /// Axes a fan-in gathers.
    pub over: Vec<String>,
}

impl Picture {
    pub fn of(experiment: &Experiment, plan: &Plan) -> Self {
        let pipeline = &experiment.pipeline;
        let mut nodes: BTreeMap<&str, BTreeSet<_>> = BTreeMap::new();
        for cell in &plan.cells {
            for (stage, node) in &cell.actions {
                nodes.entry(stage).or_default().insert(*node);
            }
        }
        let (mut stages, mut arrows) = (Vec::new(), Vec::new());
        for i in crate::spec::wiring::order(pipeline) {
            let spec = &pipeline.stages[i];
            let nodes = nodes.get(spec.name.as_str()).cloned().unwrap_or_default();
            let named: BTreeSet<&str> = nodes
                .iter()
                .flat_map(|node| plan.graph[*node].axes.keys().map(String::as_str))
                .collect();
            let axes = experiment.axes.iter().map(String::as_str).chain([SEED_AXIS]);
            stages.push(Drawn {
                name: spec.name.clone(),
                kind: spec.kind.clone(),
                actions: nodes.len(),
                axes: axes.filter(|axis| named.contains(axis)).map(str::to_owned).collect(),
            });
            arrows.extend(spec.inputs.iter().map(|input| Arrow {
                from: input.stage.clone(),
                to: spec.name.clone(),
                input: input.name.clone(),
                over: input.over.clone().unwrap_or_default(),
            }));
        }
        Self { stages, arrows }
    }

    /// A line per stage.
    pub fn text(&self) -> String {
        let width = |of: fn(&Drawn) -> usize| self.stages.iter().map(of).max().unwrap_or(0);
        let (name, kind) = (width(|s| s.name.chars().count()), width(|s| s.kind.chars().count()));
        let count = self
            .stages
            .iter()
            .map(|s| s.actions.to_string().len())
            .max()
            .unwrap_or(1);
        let mut out = String::new();
        for stage in &self.stages {
            let mut line = format!("{:name$}  {:kind$}  ×{:<count$}", stage.name, stage.kind, stage.actions);
            let inputs: Vec<String> = self
                .arrows
                .iter()
                .filter(|arrow| arrow.to == stage.name)
                .map(|arrow| match arrow.over.is_empty() {
                    true => arrow.from.clone(),
                    false => format!("{} over {}", arrow.from, arrow.over.join(" × ")),
                })
                .collect();
            if !stage.axes.is_empty() {
                write!(line, "  per {}", stage.axes.join(" × ")).expect("text takes all");
            }
            if !inputs.is_empty() {
                write!(line, "  ← {}", inputs.join(", ")).expect("text takes all");
            }
            writeln!(out, "{}", line.trim_end()).expect("text takes all");
        }
        out
    }

    pub fn mermaid(&self) -> String {
        let mut out = "flowchart LR\n".to_owned();
        for stage in &self.stages {
            writeln!(
                out,
                "    {}[\"{}<br/>{} ×{}\"]",
                id(&stage.name),
                stage.name,
                stage.kind,
                stage.actions
            )
            .expect("text takes all");
        }
        for arrow in &self.arrows {
            writeln!(out, "    {} -->|{}| {}", id(&arrow.from), label(arrow), id(&arrow.to)).expect("text takes all");
        }
        out
    }

    pub fn dot(&self) -> String {
        let mut out = "digraph pipeline {\n    rankdir=LR;\n    node [shape=box];\n".to_owned();
        for stage in &self.stages {
            writeln!(
                out,
                "    \"{}\" [label=\"{}\\n{} ×{}\"];",
                stage.name, stage.name, stage.kind, stage.actions
            )
            .expect("text takes all");
        }
        for arrow in &self.arrows {
            writeln!(
                out,
                "    \"{}\" -> \"{}\" [label=\"{}\"];",
                arrow.from,
                arrow.to,
                label(arrow)
            )
            .expect("text takes all");
        }
        out + "}\n"
    }
}

fn label(arrow: &Arrow) -> String {
    match arrow.over.is_empty() {
        true => arrow.input.clone(),
        false => format!("{} over {}", arrow.input, arrow.over.join(" × ")),
    }
}

/// Mermaid takes some words (`end`, `graph`, …) for its own, so every name gets a prefix.
fn id(name: &str) -> String {
    format!("s_{}", name.replace('-', "_2d"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::planned_on;
    use super::*;
    use crate::spec::fake::PIPELINE;

    fn picture() -> Picture {
        let pipeline = format!(
            "{PIPELINE}  best-one:\n    stage: choose\n    inputs: {{candidates: {{from: clusters, over: [k]}}}}\n"
        );
        let (experiment, plan) = planned_on(&pipeline, "seeds: 5\nmatrix: {axes: {k: [1, 2, 3]}}\n");
        Picture::of(&experiment, &plan)
    }

    #[test]
    fn text_has_a_line_per_stage() {
        insta::assert_snapshot!(picture().text(), @r"
        images       load     ×1
        wide         train    ×5   per seed  ← images
        latent_size  find     ×5   per seed  ← images, wide
        vae          train    ×5   per seed  ← images, latent_size
        embedding    embed    ×5   per seed  ← images, vae
        clusters     cluster  ×15  per k × seed  ← embedding
        evaluation   score    ×15  per k × seed  ← clusters, images
        best-one     choose   ×5   per seed  ← clusters over k
        ");
    }

    #[test]
    fn mermaid_and_dot_name_every_stage_and_arrow() {
        insta::assert_snapshot!(picture().mermaid(), @r#"
        flowchart LR
            s_images["images<br/>load ×1"]
            s_wide["wide<br/>train ×5"]
            s_latent_size["latent_size<br/>find ×5"]
            s_vae["vae<br/>train ×5"]
            s_embedding["embedding<br/>embed ×5"]
            s_clusters["clusters<br/>cluster ×15"]
            s_evaluation["evaluation<br/>score ×15"]
            s_best_2done["best-one<br/>choose ×5"]
            s_images -->|images| s_wide
            s_images -->|images| s_latent_size
            s_wide -->|model| s_latent_size
            s_images -->|images| s_vae
            s_latent_size -->|latent_dim| s_vae
            s_images -->|images| s_embedding
            s_vae -->|model| s_embedding
            s_embedding -->|points| s_clusters
            s_clusters -->|clusters| s_evaluation
            s_images -->|labels| s_evaluation
            s_clusters -->|candidates over k| s_best_2done
        "#);
        insta::assert_snapshot!(picture().dot(), @r#"
        digraph pipeline {
            rankdir=LR;
            node [shape=box];
            "images" [label="images\nload ×1"];
            "wide" [label="wide\ntrain ×5"];
            "latent_size" [label="latent_size\nfind ×5"];
            "vae" [label="vae\ntrain ×5"];
            "embedding" [label="embedding\nembed ×5"];
            "clusters" [label="clusters\ncluster ×15"];
            "evaluation" [label="evaluation\nscore ×15"];
            "best-one" [label="best-one\nchoose ×5"];
            "images" -> "wide" [label="images"];
            "images" -> "latent_size" [label="images"];
            "wide" -> "latent_size" [label="model"];
            "images" -> "vae" [label="images"];
            "latent_size" -> "vae" [label="latent_dim"];
            "images" -> "embedding" [label="images"];
            "vae" -> "embedding" [label="model"];
            "embedding" -> "clusters" [label="points"];
            "clusters" -> "evaluation" [label="clusters"];
            "images" -> "evaluation" [label="labels"];
            "clusters" -> "best-one" [label="candidates over k"];
        }
        "#);
    }
}
