//! The experiment file as a whole.

use super::fake::{Lab, PIPELINE, load, registry};
use super::*;
use serde_json::json;

fn wrong(rest: &str) -> String {
    load(rest).err().unwrap_or_else(|| panic!("{rest} was accepted"))
}

#[test]
fn the_least_experiment_has_one_seed_and_one_row() {
    let experiment = load("").unwrap();
    assert_eq!(
        (experiment.name.as_str(), experiment.pipeline.name.as_str()),
        ("e", "p")
    );
    assert_eq!((experiment.seeds, experiment.rows.len()), (vec![0], 1));
}

#[test]
fn seeds_are_a_count_or_a_list() {
    assert_eq!(load("seeds: 3").unwrap().seeds, [0, 1, 2]);
    assert_eq!(load("seeds: 3.0").unwrap().seeds, [0, 1, 2]);
    assert_eq!(load("seeds: [7, 3]").unwrap().seeds, [7, 3]);
    for (seeds, part) in [
        ("0", "expects a number of seeds"),
        ("[]", "at least one seed"),
        ("[1, 1]", "the seed 1 stands twice"),
        ("[-1]", "expects a seed"),
        ("1.5", "expects a number of seeds"),
        ("five", "expects a number of seeds"),
        ("1000000000", "more than 100000 seeds"),
        ("1000000000000", "more than 100000 seeds"),
        ("1e12", "more than 100000 seeds"),
        ("99999999999999999999999", "too large"),
    ] {
        assert!(wrong(&format!("seeds: {seeds}")).contains(part), "{seeds}");
    }
}

#[test]
fn set_and_overrides_merge_into_the_parameters() {
    let lab = Lab::new(PIPELINE);
    let experiment = lab.load("set: {dataset: mnist, epochs: {vae: 7}}", &["k=3"]).unwrap();
    assert_eq!(experiment.params["epochs"], json!({"wide": 5, "vae": 7}));
    assert_eq!(experiment.value("k", &Row::new()), Some(json!(3)));
    assert_eq!(
        experiment.value("dataset", &[("dataset".to_owned(), json!("x"))].into()),
        Some(json!("x"))
    );
    assert_eq!(experiment.value("nothing", &Row::new()), None);
}

#[test]
fn what_lies_in_a_replaced_mapping_is_no_axis() {
    let said = wrong("set: {epochs: 3}\nmatrix: {axes: {epochs.vae: [1, 2]}}");
    assert!(said.contains("the pipeline has no parameter `epochs.vae`"), "{said}");
}

#[test]
fn a_part_of_an_axis_or_an_axis_in_a_mapping_cannot_be_set() {
    let lab = Lab::new(PIPELINE);
    let refused = |rest: &str, set: &[&str]| lab.load(rest, set).err().unwrap_or_default();
    let part = "matrix: {axes: {epochs.vae: [1, 2]}}";
    let whole = "matrix: {axes: {epochs: [{wide: 1, vae: 1}, {wide: 2, vae: 2}]}}";
    for said in [
        refused(part, &["epochs={vae: 7}"]),
        refused(&format!("set: {{epochs: {{vae: 7}}}}\n{part}"), &[]),
        refused(whole, &["epochs.vae=7"]),
        refused(&format!("set: {{epochs.vae: 7}}\n{whole}"), &[]),
    ] {
        assert!(said.contains("is an axis: it is"), "{said}");
    }
    assert_eq!(refused(part, &["epochs={wide: 7}"]), "");
}

#[test]
fn an_axis_that_no_stage_uses_is_refused() {
    let pipeline = PIPELINE.replace("  k: 10\n", "  k: 10\n  spare: 1\n");
    let said = Lab::new(&pipeline)
        .load("matrix: {axes: {spare: [1, 2]}}", &[])
        .unwrap_err();
    assert!(said.contains("no stage uses `spare`"), "{said}");
    // A name for bundles of other values has its use.
    let lab = Lab::new(&pipeline);
    let bundles = "{spare: [1, 2], k: [{value: 5, when: {spare: 1}}, {value: 7, when: {spare: 2}}]}";
    let experiment = lab.load(&format!("matrix: {{axes: {bundles}}}"), &[]).unwrap();
    assert_eq!(experiment.rows.len(), 2);
}

#[test]
fn the_problems_of_both_files_come_in_one_report() {
    let pipeline = PIPELINE
        .replace("stage: score", "stage: scor")
        .replace("latent_dim: 100", "latent_dim: abc");
    let said = Lab::new(&pipeline)
        .load(
            "seeds: 0\nmetric: {}\nset: {alhpa: 3}\nmetrics: {acc: evalution.acc}\n",
            &[],
        )
        .unwrap_err();
    insta::assert_snapshot!(said, @r#"
    error: expects a number of seeds, or their list, got 0
     --> experiments/e.yaml:3:8
      |
    3 | seeds: 0
      |        ^

    error: an experiment has no field `metric`
     --> experiments/e.yaml:4:1
      |
    4 | metric: {}
      | ^^^^^^
      = did you mean `metrics`?

    error: the pipeline has no parameter `alhpa`
     --> experiments/e.yaml:5:7
      |
    5 | set: {alhpa: 3}
      |       ^^^^^
      = did you mean `alpha`?

    error: the pipeline has no stage `evalution`
     --> experiments/e.yaml:6:16
      |
    6 | metrics: {acc: evalution.acc}
      |                ^^^^^^^^^^^^^
      = did you mean `evaluation`?

    error: `latent_dim` expects a whole number, got text "abc"
      --> pipelines/p.yaml:14:17
       |
    14 |     latent_dim: abc
       |                 ^^^

    error: no stage kind is called `scor`
      --> pipelines/p.yaml:32:12
       |
    32 |     stage: scor
       |            ^^^^
       = did you mean `score`?
    "#);
}

#[test]
fn a_missing_pipeline_gives_near_names_and_other_problems_still_show() {
    let lab = Lab::new(PIPELINE);
    let file = lab.folder.path().join("experiments/x.yaml");
    std::fs::write(&file, "experiment: x\npipeline: pp\nseeds: 0\n").unwrap();
    let report = super::load(&file, &registry(), &[]).unwrap_err();
    assert_eq!(report.problems.len(), 2);
    assert!(report.to_string().contains("did you mean `p`?"), "{report}");
}

#[test]
fn a_pipeline_that_calls_itself_otherwise_is_refused() {
    let said = Lab::new(&PIPELINE.replace("pipeline: p", "pipeline: q"))
        .load("", &[])
        .unwrap_err();
    assert!(said.contains("calls itself `q`"), "{said}");
}

#[test]
fn a_metric_cannot_be_called_like_a_parameter() {
    assert!(wrong("metrics: {k: evaluation.acc}").contains("names a parameter"));
}

#[test]
fn a_report_serialises() {
    let lab = Lab::new(PIPELINE);
    let file = lab.folder.path().join("experiments/x.yaml");
    std::fs::write(&file, "experiment: x\npipeline: p\nseeds: 0\n").unwrap();
    let report = super::load(&file, &registry(), &[]).unwrap_err();
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["problems"][0]["line"], 3);
    assert_eq!(json["problems"][0]["text"], "seeds: 0");
}

#[test]
fn odd_files_are_refused_without_a_panic() {
    let lab = Lab::new(PIPELINE);
    let file = lab.folder.path().join("experiments/x.yaml");
    for text in [
        "",
        "3",
        "[]",
        "null",
        "experiment:\n",
        "experiment: x\npipeline: [p]",
        "experiment: x\npipeline: ../p",
        "experiment: x\npipeline: /etc/passwd",
        "experiment: ../../x\npipeline: p",
        "experiment: x/y\npipeline: p",
        "experiment: \"x\\0\"\npipeline: p",
        "experiment: x\npipeline: p.yaml",
        "a: b: c",
    ] {
        std::fs::write(&file, text).unwrap();
        let said = super::load(&file, &registry(), &[]).unwrap_err().to_string();
        assert!(said.contains("error:"), "{text}: {said}");
    }
}

#[test]
fn both_parsers_agree_on_every_spec_shipped() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for folder in ["pipelines", "experiments"] {
        let files: Vec<_> = std::fs::read_dir(top.join(folder)).unwrap().flatten().collect();
        assert!(!files.is_empty(), "{folder}");
        for file in files {
            // A disagreement is an error of reading.
            Doc::read(&file.path()).unwrap_or_else(|report| panic!("{report}"));
        }
    }
}
