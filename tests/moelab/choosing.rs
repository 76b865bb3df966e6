//! Choosing among clusterings without labels, through the program.

use crate::lab::Lab;

/// Two sizes of clusters on points that depend on the seed, and on points that do not.
const PIPELINE: &str = "\
pipeline: c
params: {size: 5}
stages:
  images: {stage: load, dataset: {blobs: {n: 300, centers: 4, seed: 1}}}
  embedding: {stage: embed, inputs: {features: images.features}, n_neighbors: 15, n_epochs: 30}
  clusters: {stage: hdbscan, inputs: {points: embedding}, min_cluster_size: \"${size}\"}
  plain: {stage: hdbscan, inputs: {points: images.features}, min_cluster_size: \"${size}\"}
  best:
    stage: select
    by: dbcv
    inputs: {candidates: {from: clusters.clusters, over: [size]}, points: embedding}
  best_plain:
    stage: select
    by: dbcv
    inputs: {candidates: {from: plain.clusters, over: [size]}, points: images.features}
  found: {stage: stability, inputs: {candidates: {from: clusters.clusters, over: [size]}, points: embedding}}
";

#[test]
fn one_set_of_points_judges_all_candidates_that_cluster_it() {
    let lab = Lab::new();
    lab.write("pipelines/c.yaml", PIPELINE);
    lab.write(
        "experiments/c.yaml",
        "experiment: c\npipeline: c\nseeds: 2\nmatrix: {axes: {size: [5, 12]}}\nmetrics: {K: found.plateau}\n",
    );
    lab.run(&["c"]);
    for (stage, seed) in [("best", Some("0")), ("best", Some("1")), ("best_plain", None)] {
        let mut ask = vec!["show", "c", stage];
        ask.extend(seed.iter().flat_map(|seed| ["--seed", seed]));
        let said = lab.moelab(&ask);
        assert!(
            said.code == 0 && said.out.contains("score  selected") && said.out.contains("\n  points  "),
            "{stage}: {} {}",
            said.out,
            said.err
        );
    }
}

#[test]
fn without_labels_only_what_reads_them_fails_and_k_comes_from_stability() {
    let lab = Lab::new();
    let folder = lab.path("data").join("plain");
    std::fs::create_dir_all(&folder).unwrap();
    for i in 0..90_u8 {
        // Three kinds, all of them dark: values of 0 to 9.
        let grey = |x: u32, y: u32| {
            image::Luma([if (x / 3 + y / 3) % 3 == u32::from(i % 3) {
                9 - i / 30
            } else {
                0
            }])
        };
        image::GrayImage::from_fn(8, 8, grey)
            .save(folder.join(format!("{i}.png")))
            .unwrap();
    }
    lab.write(
        "pipelines/u.yaml",
        "\
pipeline: u
params: {k: 3}
stages:
  images: {stage: load, dataset: {folder: plain}}
  pixels: {stage: embed, inputs: {images: images}, method: none}
  clusters: {stage: kmeans, inputs: {points: pixels}, n_clusters: \"${k}\"}
  found: {stage: stability, inputs: {candidates: {from: clusters, over: [seed]}}}
  scores: {stage: evaluate, inputs: {assignments: clusters, labels: images}}
",
    );
    lab.write(
        "experiments/u.yaml",
        "experiment: u\npipeline: u\nseeds: 2\nmetrics: {K: found.plateau, acc: scores.acc}\n",
    );
    let said = lab.moelab(&["run", "u"]);
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(
        said.err.contains("FAILED scores") && said.err.contains("without labels"),
        "{}",
        said.err
    );
    assert!(said.err.contains("the brightest pixel is 9 of 255"), "{}", said.err);
    let table = lab.moelab(&["table", "u", "--metric", "K", "--format", "json"]);
    assert_eq!(table.code, 0, "K is complete: {}", table.err);
    assert_eq!(table.json()[0]["mean"], 3.0, "{}", table.out);
}
