//! Planning rules, one test each, in both directions.

use super::*;
use crate::digest::Digest;
use crate::key::ActionKey;
use crate::spec::fake::{Lab, PIPELINE, registry};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;

pub(super) fn planned_on(pipeline: &str, experiment: &str) -> (Experiment, Plan) {
    let experiment = Lab::new(pipeline)
        .load(experiment, &[])
        .unwrap_or_else(|e| panic!("{e}"));
    let plan = Plan::build(&experiment, &registry()).unwrap_or_else(|e| panic!("{e}"));
    (experiment, plan)
}

pub(super) fn planned(experiment: &str) -> (Experiment, Plan) {
    planned_on(PIPELINE, experiment)
}

fn refused(pipeline: &str, experiment: &str) -> String {
    let lab = Lab::new(pipeline);
    let experiment = lab.load(experiment, &[]).unwrap_or_else(|e| panic!("{e}"));
    let root = format!("{}/", lab.folder.path().display());
    Plan::build(&experiment, &registry())
        .err()
        .expect("refused")
        .to_string()
        .replace(&root, "")
}

fn with(stages: &str) -> String {
    format!("{PIPELINE}{stages}\n")
}

/// How many distinct actions a stage has.
fn count(plan: &Plan, stage: &str) -> usize {
    plan.cells
        .iter()
        .map(|cell| cell.actions[stage])
        .collect::<BTreeSet<_>>()
        .len()
}

/// Everything has run, and every output's content is the key that made it.
struct AllDone(BTreeMap<NodeIndex, ActionKey>);

impl AllDone {
    fn run(plan: &Plan) -> Self {
        let mut done = Self(BTreeMap::new());
        for node in plan.order() {
            match plan.resolve(node, &registry(), Path::new("data"), &done) {
                Ok(Resolution::Ready { key, .. }) => drop(done.0.insert(node, key)),
                other => panic!("{}: {other:?}", plan.graph[node].stage),
            }
        }
        done
    }

    fn keys(&self) -> BTreeSet<Digest> {
        self.0.values().map(ActionKey::digest).collect()
    }
}

impl Finished for AllDone {
    fn output(&self, node: NodeIndex, output: &str) -> Found {
        match self.0.get(&node) {
            None => Found::NotYet,
            Some(key) => Found::Here(FinishedOutput {
                digest: Digest::of(format!("{}{output}", key.canonical()).as_bytes()),
                value: Some(json!(12)),
            }),
        }
    }
}

pub(super) fn keys(pipeline: &str, experiment: &str) -> BTreeSet<Digest> {
    AllDone::run(&planned_on(pipeline, experiment).1).keys()
}

#[test]
fn a_stage_has_only_the_axes_it_depends_on() {
    let (_, plan) = planned("seeds: 3\nmatrix: {axes: {k: [1, 2], alpha: [0.1, 0.2]}}");
    assert_eq!(plan.cells.len(), 12);
    for (stage, actions) in [
        ("images", 1),
        ("wide", 3),
        ("latent_size", 3),
        ("vae", 6),
        ("embedding", 6),
        ("clusters", 12),
    ] {
        assert_eq!(count(&plan, stage), actions, "{stage}");
    }
    let node = &plan.graph[plan.cells[0].actions["vae"]];
    assert_eq!(
        node.axes,
        [("alpha".to_owned(), json!(0.1)), ("seed".to_owned(), json!(0))].into()
    );
}

#[test]
fn a_stage_has_a_seed_only_if_it_draws() {
    let (_, plan) = planned("seeds: [7]");
    let node = |stage: &str| &plan.graph[plan.cells[0].actions[stage]];
    assert_eq!(node("vae").seed, Some(crate::key::action_seed(7, "train", 0)));
    assert_eq!(node("clusters").seed, None);
    assert_eq!(node("clusters").axes["seed"], json!(7));
    assert!(node("images").axes.is_empty());
}

#[test]
fn drawing_can_depend_on_settings() {
    let pipeline = PIPELINE
        .replace(
            "inputs: {points: embedding}",
            "inputs: {points: features}\n    random: ${random}",
        )
        .replace("  k: 10\n", "  k: 10\n  random: false\n")
        + "  features: {stage: load, dataset: blobs}\n";
    let (_, plan) = planned_on(&pipeline, "seeds: 3\nmatrix: {axes: {random: [false, true]}}");
    assert_eq!(count(&plan, "clusters"), 1 + 3);
}

#[test]
fn equal_stages_share_an_action_and_streams_separate_them() {
    let twin = with("  twin: {stage: train, inputs: {images: images}, latent_dim: 100.0, epochs: 5}");
    let (_, plan) = planned_on(&twin, "");
    assert_eq!(plan.cells[0].actions["twin"], plan.cells[0].actions["wide"]);
    let (_, plan) = planned_on(&twin.replace("epochs: 5}\n", "epochs: 5, stream: 1}\n"), "");
    assert_ne!(plan.cells[0].actions["twin"], plan.cells[0].actions["wide"]);
}

#[test]
fn a_default_written_out_as_an_axis_is_the_same_action() {
    let (_, plan) = planned(
        "matrix: {axes: {alpha: [0.001, {value: 0.1, when: {k: 3}}], k: [10, {value: 3, when: {dataset: usps}}]}}",
    );
    let one = keys(PIPELINE, "");
    assert_eq!(AllDone::run(&plan).keys(), one);
}

#[test]
fn a_fan_in_gathers_its_axes_sorted() {
    let pipeline = with("  best: {stage: choose, inputs: {candidates: {from: clusters, over: [seed, k]}}}");
    let (_, plan) = planned_on(
        &pipeline,
        "seeds: [3, 1]\nmatrix: {axes: {k: [10, 9], alpha: [0.1, 0.2]}}",
    );
    assert_eq!(count(&plan, "best"), 2);
    let node = &plan.graph[plan.cells[0].actions["best"]];
    assert_eq!(node.axes, [("alpha".to_owned(), json!(0.1))].into());
    let Input::Gather { members, .. } = &node.inputs[0] else {
        panic!("a fan-in")
    };
    let axes: Vec<String> = members.iter().map(|(axes, _)| select::describe(axes)).collect();
    assert_eq!(axes, ["k=9 seed=1", "k=9 seed=3", "k=10 seed=1", "k=10 seed=3"]);
    assert!(
        members
            .iter()
            .all(|(_, from)| plan.graph[from.node].axes["alpha"] == json!(0.1))
    );
}

#[test]
fn below_a_fan_in_over_seeds_a_drawing_stage_has_seed_zero() {
    let stages = "  best: {stage: choose, random: true, inputs: {candidates: {from: clusters, over: [seed]}}}
  scored: {stage: score, inputs: {clusters: best, labels: images}}";
    let (_, plan) = planned_on(&with(stages), "seeds: [5, 6]");
    assert_eq!((count(&plan, "best"), count(&plan, "scored")), (1, 1));
    let node = &plan.graph[plan.cells[1].actions["best"]];
    assert_eq!(node.seed, Some(crate::key::action_seed(0, "choose", 0)));
    assert!(node.axes.is_empty());
}

#[test]
fn another_input_may_bring_the_seeds_back() {
    let stages = "  best:
    stage: choose
    random: true
    inputs: {candidates: {from: clusters, over: [seed]}, points: embedding}";
    let (_, plan) = planned_on(&with(stages), "seeds: [5, 6]");
    assert_eq!(count(&plan, "best"), 2);
    let node = &plan.graph[plan.cells[1].actions["best"]];
    assert_eq!(node.seed, Some(crate::key::action_seed(6, "choose", 0)));
}

#[test]
fn rows_gather_only_with_rows_that_agree_on_the_rest() {
    let pipeline = with("  best: {stage: choose, inputs: {candidates: {from: clusters, over: [k]}}}");
    let (_, plan) = planned_on(
        &pipeline,
        "matrix: {axes: {k: [1, 2], alpha: {values: [0.1, 0.2], when: {k: 1}}}}",
    );
    // k=1 with either alpha, and k=2 without one.
    assert_eq!(count(&plan, "best"), 3);
}

#[test]
fn over_must_name_axes_the_producer_depends_on() {
    let pipeline = with(
        "  best: {stage: choose, inputs: {candidates: {from: fixed, over: [seed, k]}}}\n  fixed: {stage: cluster, inputs: {points: blobs}}\n  blobs: {stage: load, dataset: blobs}",
    );
    insta::assert_snapshot!(refused(&pipeline, "matrix: {axes: {k: [1, 2]}}"), @r"
    error: `fixed` does not depend on `seed`: nothing above it draws random numbers
      --> pipelines/p.yaml:34:67
       |
    34 |   best: {stage: choose, inputs: {candidates: {from: fixed, over: [seed, k]}}}
       |                                                                   ^^^^
       = leave `seed` out of `over`

    error: `fixed` does not depend on `k`: neither it nor a stage above it uses it
      --> pipelines/p.yaml:34:73
       |
    34 |   best: {stage: choose, inputs: {candidates: {from: fixed, over: [seed, k]}}}
       |                                                                         ^
       = leave `k` out of `over`
    ");
}

#[test]
fn a_gathering_stage_cannot_use_a_gathered_axis() {
    let pipeline = with("  best: {stage: choose, by: \"k-${k}\", inputs: {candidates: {from: clusters, over: [k]}}}");
    assert!(refused(&pipeline, "matrix: {axes: {k: [1, 2]}}").contains("its own settings cannot depend on it"));
}

#[test]
fn edges_follow_inputs_and_indices_follow_edges() {
    let (_, plan) = planned("seeds: 3\nmatrix: {axes: {k: [1, 2]}}");
    for edge in plan.graph.edge_indices() {
        let (from, to) = plan.graph.edge_endpoints(edge).unwrap();
        assert!(from < to);
    }
    assert!(!petgraph::algo::is_cyclic_directed(&plan.graph));
}

#[test]
fn a_node_waits_until_its_inputs_are_there() {
    let (_, plan) = planned("");
    let nothing = AllDone(BTreeMap::new());
    let resolve = |stage: &str| plan.resolve(plan.cells[0].actions[stage], &registry(), Path::new("data"), &nothing);
    assert!(matches!(resolve("images"), Ok(Resolution::Ready { .. })));
    let on = vec![
        ("images".to_owned(), "images".to_owned()),
        ("latent_dim".to_owned(), "latent_size".to_owned()),
    ];
    assert_eq!(resolve("vae"), Ok(Resolution::Waiting { on }));
}

#[test]
fn a_value_that_was_found_and_one_that_was_written_are_one_action() {
    let (_, plan) = planned("");
    let found = AllDone::run(&plan).0[&plan.cells[0].actions["vae"]].clone();
    let literal = PIPELINE.replace(
        "images: images, latent_dim: latent_size}",
        "images: images}\n    latent_dim: 12",
    );
    let (_, plan) = planned_on(&literal, "");
    assert_eq!(
        AllDone::run(&plan).0[&plan.cells[0].actions["vae"]].digest(),
        found.digest()
    );
    assert_eq!(found.config["latent_dim"], json!(12));
    assert_eq!(found.inputs.keys().collect::<Vec<_>>(), ["images"]);
}

/// Like [`AllDone`], with one output replaced.
struct But<'a>(&'a AllDone, &'static str, Found);

impl Finished for But<'_> {
    fn output(&self, node: NodeIndex, output: &str) -> Found {
        if output == self.1 {
            self.2.clone()
        } else {
            self.0.output(node, output)
        }
    }
}

#[test]
fn a_found_value_that_does_not_fit_names_its_stage() {
    let (_, plan) = planned("");
    let done = AllDone::run(&plan);
    let said = |value: Option<Value>| {
        let found = Found::Here(FinishedOutput {
            digest: Digest::of(b""),
            value,
        });
        let node = plan.cells[0].actions["vae"];
        plan.resolve(node, &registry(), Path::new("data"), &But(&done, "latent_dim", found))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        said(Some(json!([3, 4]))),
        "stage `vae`: the value `latent_size.latent_dim` found for `latent_dim` does not fit: expects a whole number, got a list"
    );
    assert!(said(Some(json!(0))).contains("must be at least 1"));
    assert!(said(None).contains("not at hand"));
}

#[test]
fn an_optional_output_that_is_missing_is_said() {
    let (_, plan) = planned("");
    let done = AllDone::run(&plan);
    let node = plan.cells[0].actions["evaluation"];
    let error = plan
        .resolve(
            node,
            &registry(),
            Path::new("data"),
            &But(&done, "labels", Found::Missing),
        )
        .unwrap_err();
    assert!(error.to_string().contains("`images` finished without it"), "{error}");
}

#[test]
fn missing_data_is_said_when_the_key_is_asked_for() {
    let (_, plan) = planned("set: {dataset: missing}");
    let node = plan.cells[0].actions["images"];
    let error = plan
        .resolve(node, &registry(), Path::new("data"), &AllDone(BTreeMap::new()))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("stage `images`: no data set `missing` in data"),
        "{error}"
    );
}
