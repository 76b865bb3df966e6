//! The methods of the papers through the two programs, on a few digits.

use crate::lab::Lab;
use moelab_stages::frame::{list_values, read_parquet};

/// Every method of `mixture_train`, from what it can start from, and what can be done with a trained mixture. The
/// autoencoder and the manager learn enough to tell digits apart: where all rows are in one cluster, nothing is compared.
const METHODS: &str = "\
pipeline: methods
params: {restart: 1, epochs: 2}
stages:
  images: {stage: load, dataset: digits, limit: 120, resize: 16}
  unseen: {stage: load, dataset: digits, classes: [3, 5], limit: 60, resize: 16}
  ae: {stage: pretrain_vae, inputs: {images: images}, variant: ae, latent_dim: 4, filters: 2, epochs: 15, batch_size: 20, learning_rate: 0.01}
  codes: {stage: embed, inputs: {images: images, model: ae}, method: none}
  clusters: {stage: kmeans, inputs: {points: codes}, n_clusters: 3}
  manager:
    stage: manager_fit
    inputs: {images: images, clusters: clusters}
    filters: 2
    epochs: 6
    batch_size: 20
    learning_rate: 0.01
  moe: {stage: moe_train, inputs: {images: images, manager: manager}, filters: 2, epochs: 2}
  moa: {stage: mixture_train, inputs: {images: images}, method: moa, n_experts: 2, filters: 2, epochs: 2}
  moa_plus: {stage: mixture_train, inputs: {images: images, manager: manager}, method: moa_plus, filters: 2, epochs: 2}
  exact: {stage: mixture_train, inputs: {images: images}, method: moa_plus_exact, n_experts: 2, filters: 2, epochs: 2}
  mixae: {stage: mixture_train, inputs: {images: images}, method: mixae, n_experts: 3, beta: 1.0, filters: 2, epochs: 2}
  damic:
    stage: mixture_train
    inputs: {images: images, clusters: clusters}
    method: damic
    reduction: sum
    warm_up: 1
    filters: 2
    epochs: 2
  k_dae:
    stage: mixture_train
    inputs: {images: images, clusters: clusters}
    method: k_dae
    warm_up: 1
    filters: 2
    epochs: 2
  em:
    stage: mixture_train
    inputs: {images: images}
    method: vae_em
    stream: ${restart}
    n_experts: 3
    variant: vae
    reduction: sum
    temperature: 4.0
    m_step_epochs: 1
    samples: 2
    batch_size: 16
    filters: 2
    epochs: ${epochs}
  held_out: {stage: assign, inputs: {images: unseen, model: em}}
  best:
    stage: best_restart
    inputs:
      candidates: {from: em.assignments, over: [restart]}
      held_out: {from: held_out.assignments, over: [restart]}
  portraits: {stage: portray, inputs: {images: images, model: damic}, samples: 3, units: 1, steps: 3}
  styles:
    stage: subclusters
    inputs: {images: images, model: k_dae, assignments: k_dae.assignments}
    n_neighbors: 5
    min_samples: 3
    agreement: 0.0
    examples: 4
  by_start: {stage: subclusters, inputs: {images: images, model: k_dae, assignments: clusters}, n_neighbors: 120}
  style_scores: {stage: evaluate, inputs: {assignments: styles.clusters, labels: images}}
  by_moe: {stage: assign, inputs: {images: images, model: moe}}
  by_moa: {stage: assign, inputs: {images: images, model: moa}}
  by_moa_plus: {stage: assign, inputs: {images: images, model: moa_plus}}
  by_exact: {stage: assign, inputs: {images: images, model: exact}}
  by_mixae: {stage: assign, inputs: {images: images, model: mixae}}
  by_damic: {stage: assign, inputs: {images: images, model: damic}}
  by_k_dae: {stage: assign, inputs: {images: images, model: k_dae}}
  by_em: {stage: assign, inputs: {images: images, model: em}}
  by_manager: {stage: assign, inputs: {images: images, model: manager}}
  unseen_by_manager: {stage: assign, inputs: {images: unseen, model: manager}}
  dec: {stage: dec_train, inputs: {images: images, model: ae, clusters: clusters}, epochs: 1}
  by_dec: {stage: assign, inputs: {images: images, model: dec}}
  gmm: {stage: gmm, inputs: {points: codes}, n_clusters: 2}
  vade: {stage: vade_train, inputs: {images: images, model: ae, clusters: gmm}, epochs: 1}
  by_vade: {stage: assign, inputs: {images: images, model: vade}}
  dynae: {stage: dynae_train, inputs: {images: images, model: ae, clusters: clusters}, epochs: 1}
  by_dynae: {stage: assign, inputs: {images: images, model: dynae}}
  gmvae:
    stage: gmvae_train
    inputs: {images: images}
    n_clusters: 3
    x_dim: 2
    w_dim: 2
    hidden: 8
    filters: 2
    epochs: 1
    batch_size: 20
  mice:
    stage: mice_train
    inputs: {images: images}
    n_clusters: 2
    trunk: resnet18
    width: 2
    embedding: 4
    queue: 40
    epochs: 1
    batch_size: 20
  by_gmvae: {stage: assign, inputs: {images: images, model: gmvae}}
  by_mice: {stage: assign, inputs: {images: images, model: mice}}
  gmvae_scores: {stage: evaluate, inputs: {assignments: gmvae.assignments, labels: images}}
  mice_scores: {stage: evaluate, inputs: {assignments: mice.assignments, labels: images}}
  dec_scores: {stage: evaluate, inputs: {assignments: dec.assignments, labels: images}}
  vade_scores: {stage: evaluate, inputs: {assignments: vade.assignments, labels: images}}
  manager_scores: {stage: evaluate, inputs: {assignments: by_manager, labels: images}}
  seen: {stage: evaluate, inputs: {assignments: damic.assignments, labels: images}}
  best_scores: {stage: evaluate, inputs: {assignments: best.assignments, labels: unseen}}
";

fn methods() -> Lab {
    let lab = Lab::new();
    lab.write("pipelines/methods.yaml", METHODS);
    lab.write(
        "experiments/methods.yaml",
        "experiment: methods\npipeline: methods\nseeds: 1\nmatrix: {axes: {restart: [1, 2]}}\n\
         metrics:\n  dec: dec_scores.nmi\n  vade: vade_scores.nmi\n  manager: manager_scores.nmi\n  \
         styles: styles.metrics.clusters\n  whole: by_start.metrics.divided\n  scored: style_scores.clusters\n",
    );
    lab
}

/// Every row's cluster and its probabilities, as assignments tell them.
fn assigned(lab: &Lab, output: &str, pick: &[&str]) -> (Vec<i32>, Vec<f32>) {
    let said = lab.moelab(&[&["export", "methods", output, "--to", "assigned.parquet"], pick].concat());
    assert_eq!(said.code, 0, "{output}: {}", said.err);
    let frame = read_parquet(&lab.path("assigned.parquet")).unwrap();
    let clusters = frame.column("cluster").unwrap().i32().unwrap();
    let (p, _) = list_values(&frame, "manager_p").unwrap();
    (clusters.into_no_null_iter().collect(), p)
}

#[test]
fn every_method_trains_and_its_model_assigns_unseen_images() {
    let lab = methods();
    lab.run(&["methods"]);
    assert!(lab.metrics_told() > 60);
    let said = lab.moelab(&["table", "methods", "--format", "json"]);
    let rows = said.json();
    let mean = |metric: &str| {
        let rows = rows.as_array().unwrap();
        let row = rows.iter().find(|row| row["metric"] == metric).unwrap();
        row["mean"].as_f64().unwrap()
    };
    // Three clusters of ten digits tell something of them; a method that puts all in one tells nothing.
    for method in ["dec", "vade", "manager"] {
        assert!((0.15..0.9).contains(&mean(method)), "{method}: {said:?}");
    }
    // A model that is opened again says of its own images what it said in training.
    for (method, pick) in [
        ("moe", ""),
        ("moa", ""),
        ("moa_plus", ""),
        ("exact", ""),
        ("mixae", ""),
        ("damic", ""),
        ("k_dae", ""),
        ("em", "restart=1"),
        ("em", "restart=2"),
        ("manager", ""),
        ("dec", ""),
        ("vade", ""),
        ("dynae", ""),
        ("gmvae", ""),
        ("mice", ""),
    ] {
        let pick: &[&str] = if pick.is_empty() { &[] } else { &["--where", pick] };
        let trained = assigned(&lab, &format!("{method}.assignments"), pick);
        let again = assigned(&lab, &format!("by_{method}.assignments"), pick);
        assert!(trained.0.len() == 120 && trained == again, "{method} {pick:?}");
    }
    // Unseen images are assigned by the restart with the greater evidence.
    let said = lab.moelab(&["export", "methods", "best.report", "--to", "best.parquet"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let report = read_parquet(&lab.path("best.parquet")).unwrap();
    let evidence = report.column("evidence").unwrap().f64().unwrap();
    let evidence: Vec<f64> = evidence.into_no_null_iter().collect();
    assert!(evidence.len() == 2 && evidence[0] != evidence[1], "{report}");
    let (chosen, other) = match evidence[0] > evidence[1] {
        true => ("restart=1", "restart=2"),
        false => ("restart=2", "restart=1"),
    };
    let best = assigned(&lab, "best.assignments", &[]);
    assert_eq!(best.0.len(), 60);
    assert_eq!(best, assigned(&lab, "held_out.assignments", &["--where", chosen]));
    assert_ne!(best, assigned(&lab, "held_out.assignments", &["--where", other]));
    // Sub-clusters are a clustering of all rows; a part that is too small for a question stays whole.
    assert!(mean("styles") >= 1.0 && mean("styles") == mean("scored"), "{said:?}");
    assert_eq!(mean("whole"), 0.0);
    let drawn = lab.moelab(&["plot", "methods", "styles.means"]);
    assert!(drawn.out.contains("mean images, a row per expert"), "{}", drawn.err);
    let said = lab.moelab(&["plot", "methods", "portraits"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("`portraits.samples`"), "{}", said.err);
    let said = lab.moelab(&["plot", "methods", "portraits.walks", "--to", "walks.png"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let png = std::fs::read(lab.path("walks.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG"), "walks are a picture");
}

#[test]
fn an_interrupted_em_goes_on_to_the_same_bytes() {
    let lab = methods();
    let args = ["methods", "--only", "em", "--set", "epochs=12"];
    lab.run_in("untouched", &args);
    let said = lab.interrupt("store", &args, "start  em [restart=1");
    assert_eq!(said.code, 130, "{}", said.err);
    lab.run(&args);
    let log = ["log", "methods", "em", "--where", "restart=1", "--set", "epochs=12"];
    let log = lab.moelab(&log).out;
    assert!(log.contains("resuming at epoch"), "{log}");
    assert!(lab.objects("store") == lab.objects("untouched"));
}

/// The mean of a metric in a table of one row.
fn mean(table: &serde_json::Value, metric: &str) -> f64 {
    let mut rows = table.as_array().unwrap().iter();
    let row = rows.find(|row| row["metric"] == metric).unwrap();
    row["mean"].as_f64().unwrap()
}

/// UMAP from a given start, new points placed in an embedding and in its clusters.
const PLACED: &str = "\
pipeline: placed
stages:
  images: {stage: load, dataset: digits, limit: 900, resize: 8}
  unseen: {stage: load, dataset: digits, resize: 8}
  pixels: {stage: embed, inputs: {images: images}, method: none}
  start: {stage: embed, inputs: {features: pixels}, n_neighbors: 15, n_components: 2, init: pca, n_epochs: 20}
  embedding: {stage: embed, inputs: {features: pixels, start: start.points}, n_neighbors: 15, n_components: 2}
  clusters: {stage: hdbscan, inputs: {points: embedding.points}, min_cluster_size: 30}
  placed:
    stage: embed
    inputs: {images: unseen, reference: pixels.points, embedding: embedding.points}
    n_neighbors: 15
    n_components: 2
  predicted: {stage: hdbscan_predict, inputs: {points: placed, reference: embedding}, min_cluster_size: 30}
  resolved: {stage: stable_split, inputs: {points: pixels, clusters: clusters.clusters}, repeats: 2, n_neighbors: 10}
  resolved_scores: {stage: evaluate, inputs: {assignments: resolved.clusters, labels: images}}
  seen: {stage: evaluate, inputs: {assignments: clusters.clusters, labels: images}}
  all: {stage: evaluate, inputs: {assignments: predicted, labels: unseen}}
";

#[test]
fn new_images_are_placed_in_an_embedding_and_its_clusters() {
    let lab = Lab::new();
    lab.write("pipelines/placed.yaml", PLACED);
    lab.write(
        "experiments/placed.yaml",
        "experiment: placed\npipeline: placed\nseeds: 1\nmetrics: {seen: seen.nmi, all: all.nmi, labelled: all.labelled, \
         resolved: resolved_scores.nmi, asked: resolved.metrics.questions}\n",
    );
    lab.run(&["placed"]);
    lab.metrics_told();
    let said = lab.moelab(&["table", "placed", "--format", "json"]).json();
    let mean = |metric: &str| mean(&said, metric);
    // Half of all digits took no part in the embedding: they land among their like.
    assert!(mean("seen") > 0.8 && mean("all") > mean("seen") - 0.05, "{said}");
    assert!(mean("labelled") > 0.9, "{said}");
    // Clusters are looked at again, one by one and in pairs.
    assert!(mean("resolved") > 0.75 && mean("asked") > 10.0, "{said}");
    let unlike = PLACED.replace(
        "inputs: {points: placed, reference: embedding}",
        "inputs: {points: pixels, reference: embedding}",
    );
    lab.write("pipelines/placed.yaml", &unlike);
    let said = lab.moelab(&["run", "placed"]);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("column"), "{}", said.err);
}

/// Edges of enlarged images beside the pixels of small ones.
const DESCRIBED: &str = "\
pipeline: described
stages:
  images: {stage: load, dataset: digits, limit: 600}
  large: {stage: load, dataset: digits, limit: 600, resize: 28}
  edges: {stage: describe, inputs: {images: large}, deskew: true, components: 20}
  pixels: {stage: embed, inputs: {images: images}, method: none}
  both: {stage: embed, inputs: {images: images, beside: edges}, method: none}
  clusters: {stage: kmeans, inputs: {points: both}, n_clusters: 10}
  of_pixels: {stage: evaluate, inputs: {assignments: clusters.clusters, labels: images, points: pixels}}
  of_both: {stage: evaluate, inputs: {assignments: clusters.clusters, labels: images, points: both}}
";

#[test]
fn edges_stand_beside_pixels_and_neighbours_are_more_alike_for_it() {
    let lab = Lab::new();
    lab.write("pipelines/described.yaml", DESCRIBED);
    lab.write(
        "experiments/described.yaml",
        "experiment: described\npipeline: described\nseeds: 1\n\
         metrics: {pixels: of_pixels.neighbours_alike, both: of_both.neighbours_alike}\n",
    );
    lab.run(&["described"]);
    lab.metrics_told();
    let said = lab.moelab(&["table", "described", "--format", "json"]).json();
    let mean = |metric: &str| mean(&said, metric);
    assert!(
        mean("both") > mean("pixels") && mean("pixels") > 0.8 && mean("both") < 1.0,
        "{said}"
    );
    for (of, instead, told) in [
        (
            "limit: 600, resize: 28",
            "limit: 500, resize: 28",
            "`beside` holds 500 rows and what is embedded 600",
        ),
        (
            "limit: 600, resize: 28",
            "limit: 600, resize: 2",
            "does not fit into images of 2 × 2",
        ),
        (
            "points: both}}",
            "points: both.points}}\n  few: {stage: load, dataset: digits, limit: 9}\n  \
          at_odds: {stage: evaluate, inputs: {assignments: clusters.clusters, labels: images, points: pixels_of_few}}\n  \
          pixels_of_few: {stage: embed, inputs: {images: few}, method: none}",
            "600 labels and 9 points",
        ),
    ] {
        lab.write("pipelines/described.yaml", &DESCRIBED.replace(of, instead));
        let said = lab.moelab(&["run", "described"]);
        assert_eq!(said.code, 3, "{}", said.err);
        assert!(said.err.contains(told), "{}", said.err);
    }
}

#[test]
fn inputs_that_a_method_does_not_use_are_refused() {
    let lab = methods();
    let wrong = METHODS.replace("method: moa_plus, filters", "method: vae_em, filters");
    lab.write("pipelines/methods.yaml", &wrong);
    let said = lab.moelab(&["plan", "methods"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("leave the input `manager` out"), "{}", said.err);
}
