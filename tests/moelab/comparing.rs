//! `compare` and `diff` through the program, on results of cheap stages.

use crate::lab::Lab;

const PIPELINE: &str = "\
pipeline: e
params: {k: 3, limit: 300}
stages:
  images: {stage: load, dataset: digits, limit: \"${limit}\"}
  pixels: {stage: embed, inputs: {images: images}, method: none}
  clusters: {stage: kmeans, inputs: {points: pixels}, n_clusters: \"${k}\"}
  scores: {stage: evaluate, inputs: {assignments: clusters, labels: images}}
";

const EXPERIMENT: &str = "\
experiment: e
pipeline: e
seeds: 6
matrix: {axes: {k: [3, 10]}}
metrics: {nmi: scores.nmi}
";

fn ran() -> Lab {
    let lab = Lab::new();
    lab.write("pipelines/e.yaml", PIPELINE);
    lab.write("experiments/e.yaml", EXPERIMENT);
    lab.run(&["e"]);
    lab
}

#[test]
fn two_values_of_an_axis_are_compared_seed_by_seed() {
    let lab = ran();
    let said = lab.moelab(&["compare", "e", "--axis", "k=3,10", "--format", "json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let rows = said.json();
    let row = &rows[0];
    assert_eq!(
        (row["metric"].as_str(), row["pairs"].as_u64()),
        (Some("nmi"), Some(6)),
        "{row}"
    );
    // Ten clusters know more of ten digits than three, on each of six seeds: 2 of 64 sign patterns are as extreme.
    assert!(row["difference"].as_f64().unwrap() > 0.1, "{row}");
    assert_eq!(row["p"].as_f64(), Some(2.0 / 64.0), "{row}");
}

#[test]
fn an_experiment_is_compared_with_what_set_makes_of_it() {
    let lab = ran();
    let compare = |lab: &Lab| lab.moelab(&["compare", "e", "--set", "limit=250"]);
    let said = compare(&lab);
    assert!(
        said.code == 2 && said.err.contains("`moelab run e --set limit=250`"),
        "{}",
        said.err
    );
    lab.run(&["e", "--set", "limit=250"]);
    let said = compare(&lab);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out.contains("A: e; B: e --set limit=250") && said.out.contains("images.limit 300 → 250"),
        "{}",
        said.out
    );
}

#[test]
fn what_cannot_be_compared_is_said_with_what_can() {
    let lab = ran();
    let said = lab.moelab(&["compare", "e", "experiments/e.yaml", "--set", "limit=250"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("moelab compare e --set"), "{}", said.err);
    for same in ["limit=300", "limit=3e2"] {
        let said = lab.moelab(&["compare", "e", "--set", same]);
        assert!(said.code == 2 && said.err.contains("changes nothing"), "{}", said.err);
    }
    let said = lab.moelab(&["diff", "e", "--stage", "scores", "--axis", "k=3,10", "--where", "k=3"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("leave it out of --where"), "{}", said.err);
    let said = lab.moelab(&["compare", "e", "--axis", "k=3,11"]);
    assert_eq!(said.code, 2);
    assert!(
        said.err.contains("no value 11") && said.err.contains("3, 10"),
        "{}",
        said.err
    );
    let said = lab.moelab(&["compare", "e", "--axis", "k=3,10", "--metric", "nmj"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("`nmi`"), "{}", said.err);
}

#[test]
fn diff_names_the_first_stage_that_differs_and_why() {
    let lab = ran();
    let said = lab.moelab(&["diff", "e", "--stage", "scores", "--axis", "k=3,10", "--seed", "0"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out.contains("where it began") && said.out.contains("n_clusters 3 → 10"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("everything below follows from that: scores"),
        "{}",
        said.out
    );
}

/// The same under another name, with another name for `k`, and one value of it.
fn with_a_second(lab: &Lab) {
    let pipeline = PIPELINE.replace("k: 3", "n: 3").replace("${k}", "${n}");
    lab.write("pipelines/f.yaml", &pipeline.replace("pipeline: e\n", "pipeline: f\n"));
    lab.write(
        "experiments/f.yaml",
        "experiment: f\npipeline: f\nseeds: 6\nmetrics: {nmi: scores.nmi, ari: scores.ari}\n",
    );
}

#[test]
fn in_a_table_of_several_each_experiment_is_asked_what_it_has_an_axis_for() {
    let lab = ran();
    with_a_second(&lab);
    let rows = |condition: &str| {
        let said = lab.moelab(&[
            "table", "e", "f", "--metric", "nmi", "--where", condition, "--format", "json",
        ]);
        let rows = said.json();
        let of = |name: &str| {
            rows.as_array()
                .unwrap()
                .iter()
                .filter(|row| row["experiment"] == name)
                .count()
        };
        (of("e"), of("f"))
    };
    assert_eq!(rows("k=3"), (1, 1));
    assert_eq!(rows("limit=300"), (2, 1));
    let said = lab.moelab(&["table", "e", "f", "--where", "kk=3"]);
    assert!(
        said.code == 2 && said.err.contains("no axis or parameter is called `kk`"),
        "{}",
        said.err
    );
}

#[test]
fn a_table_has_the_metrics_asked_for_and_says_who_has_none() {
    let lab = ran();
    with_a_second(&lab);
    lab.run(&["f"]);
    let said = lab.moelab(&["table", "e", "f", "--metric", "nmi", "--format", "md"]);
    let head = said.out.lines().next().unwrap_or_default();
    assert_eq!(head, "| experiment | k | nmi | seeds |");
    let refused = |metric: &str| lab.moelab(&["table", "e", "f", "--metric", metric]).err;
    assert!(
        refused("ari").contains("`e` declares no metric `ari`"),
        "{}",
        refused("ari")
    );
    assert!(refused("nm").contains("did you mean `nmi`?"), "{}", refused("nm"));
}
