use super::super::FIELDS;
use super::super::fake::{Lab, load, registry};
use super::*;
use jsonschema::Validator;

fn accepts(schema: &Value, text: &str) -> bool {
    let schema: Validator = jsonschema::draft7::new(schema).expect("a sound schema");
    schema.is_valid(&serde_yaml::from_str(text).expect("YAML"))
}

fn stage(text: &str) -> bool {
    let text = format!("pipeline: p\nstages:\n  a:\n    {}\n", text.replace('\n', "\n    "));
    accepts(&pipeline(&registry()), &text)
}

#[test]
fn every_field_of_an_experiment_is_known() {
    let schema = experiment();
    let mut known: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    let mut fields = FIELDS.to_vec();
    known.sort();
    fields.sort_unstable();
    assert_eq!(known, fields);
}

#[test]
fn sound_stages_are_accepted() {
    for text in [
        "stage: load\ndataset: digits",
        "stage: load\ndataset: ${dataset}",
        "stage: train\ninputs: {images: a.images}\nepochs: 5\nlearning_rate: 1e-4\nstream: 2",
        "stage: train\ninputs: {images: a}\nepochs: ${epochs.vae}\naugment: {rotation: \"${r}\", flip: true}",
        "stage: train\ninputs: {images: a, latent_dim: size}",
        "stage: train\ninputs: {images: a}\nvariant: ${variant}",
        "stage: choose\ninputs: {candidates: {from: c.clusters, over: [seed]}}",
    ] {
        assert!(stage(text), "{text}");
    }
}

#[test]
fn slips_in_a_stage_are_rejected() {
    for text in [
        "{}",
        "stge: load",
        "stage: laod\ndataset: digits",
        "stage: load",
        "stage: load\ndataset: digits\ndatset: usps",
        "stage: train\nepochs: 5",
        "stage: train\ninputs: {images: a}\nepochs: many",
        "stage: train\ninputs: {images: a}\nlatent_dim: 0",
        "stage: train\ninputs: {images: a}\nvariant: vea",
        "stage: train\ninputs: {images: a}\naugment: {rotaton: 1}",
        "stage: train\ninputs: {imges: a}",
        "stage: train\ninputs: {images: a.b.c}",
        "stage: train\ninputs: {images: {from: a, over: [seed]}}",
        "stage: choose\ninputs: {candidates: {from: c.clusters}}",
        "stage: choose\ninputs: {candidates: {from: c, over: []}}",
    ] {
        assert!(!stage(text), "{text}");
    }
}

#[test]
fn reader_and_schema_agree_on_names_and_empty_fields_of_an_experiment() {
    for (rest, fine) in [
        (
            "description:\nset:\nseeds:\nretry:\nmatrix:\nmetrics:\ntable:\nreference:",
            true,
        ),
        ("matrix: {axes: null, exclude: null, include: null}", true),
        ("matrix: {axes: {k: {values: [1], when: null}}}", true),
        ("metrics: {_acc: {of: evaluation.acc, reduce: null}}", true),
        (
            "table: {rows: null, columns: null, cells: null, better: null, min_seeds: null}",
            true,
        ),
        ("matrix: {}", false),
        ("matrix: {axes: {k: null}}", false),
        ("matrix: {axes: {k: {values: null}}}", false),
        ("metrics: {acc: null}", false),
        ("metrics: {2acc: evaluation.acc}", false),
        ("retry: {killed: null}", false),
    ] {
        let read = load(&format!("{rest}\n"));
        assert_eq!(read.is_ok(), fine, "{rest}: {:?}", read.err());
        let text = format!("experiment: e\npipeline: p\n{rest}\n");
        assert_eq!(accepts(&experiment(), &text), fine, "{rest}");
    }
}

#[test]
fn reader_and_schema_agree_on_names_and_empty_fields_of_a_pipeline() {
    let sound = "pipeline: p\ndescription:\nparams:\nstages:\n  \
                 _a:\n    stage: load\n    dataset: digits\n    inputs:\n    stream:\n  \
                 b:\n    stage: train\n    inputs: {images: _a.images}\n";
    let agree = |text: &str, fine: bool| {
        let read = Lab::new(text).load("", &[]);
        assert_eq!(read.is_ok(), fine, "{text}: {:?}", read.err());
        assert_eq!(accepts(&pipeline(&registry()), text), fine, "{text}");
    };
    agree(sound, true);
    for (from, to) in [
        ("  b:", "  2b:"),
        ("    dataset: digits\n", ""),
        ("{images: _a.images}", ""),
    ] {
        agree(&sound.replacen(from, to, 1), false);
    }
}

#[test]
fn slips_in_a_pipeline_are_rejected() {
    let schema = pipeline(&registry());
    let sound = "pipeline: p\nparams: {k: 1}\nstages: {a: {stage: load, dataset: x}}\n";
    assert!(accepts(&schema, sound));
    for (from, to) in [
        ("pipeline:", "pipelin:"),
        ("{k: 1}", "[1]"),
        ("{a:", "{2a:"),
        ("params", "parms"),
    ] {
        assert!(!accepts(&schema, &sound.replacen(from, to, 1)), "{to}");
    }
    assert!(!accepts(&schema, "pipeline: p\nstages: {}\n"));
}

#[test]
fn slips_in_an_experiment_are_rejected() {
    let with = |rest: &str| accepts(&experiment(), &format!("experiment: e\npipeline: p\n{rest}\n"));
    for rest in [
        "",
        "seeds: 5",
        "seeds: [0, 7]",
        "retry: {killed: 1}",
        "matrix: {axes: {alpha: [1, {value: 2, when: {k: 1}}], b: {values: [1], when: {k: [1, 2]}}}}",
        "metrics: {acc: e.acc, loss: {of: moe.history.loss, reduce: {mean_last: 10}}}",
        "table: {rows: [k], columns: acc, min_seeds: 3}",
        "table: {columns: [k, acc], cells: mean_ci, better: {acc: higher}}",
        "reference: [{k: 1, acc: 0.9, runs: 5, source: x}]",
    ] {
        assert!(with(rest), "{rest}");
    }
    for rest in [
        "seeds: 0",
        "seeds: []",
        "seeds: [1, 1]",
        "seeds: five",
        "retry: {often: 1}",
        "matrix: {}",
        "matrix: {axis: {k: [1]}}",
        "matrix: {axes: {k: 3}}",
        "matrix: {axes: {k: []}}",
        "matrix: {axes: {k: [1]}, exclude: {k: 1}}",
        "metrics: {acc: acc}",
        "metrics: {acc: {of: e.acc, reduce: mean}}",
        "metrics: [e.acc]",
        "table: {colums: [acc]}",
        "table: {min_seeds: 0}",
        "table: {cells: median}",
        "table: {better: higher}",
        "reference: [{acc: 0.9}]",
        "tabel: {}",
    ] {
        assert!(!with(rest), "{rest}");
    }
    assert!(!accepts(&experiment(), "experiment: e\n"));
}
