//! Using a trained model, and taking results elsewhere.

use crate::lab::{Lab, Said};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A mixture, an autoencoder with clusters and one without, on a few digits.
const PIPELINE: &str = "\
pipeline: few
params: {variant: vae}
stages:
  images: {stage: load, dataset: digits, limit: 60, resize: 16}
  ae: {stage: pretrain_vae, inputs: {images: images}, variant: ae, latent_dim: 4, filters: 2, epochs: 2}
  codes: {stage: embed, inputs: {images: images, model: ae}, method: none}
  clusters: {stage: gmm, inputs: {points: codes}, n_clusters: 2}
  vade: {stage: vade_train, inputs: {images: images, model: ae, clusters: clusters}, epochs: 1}
  mixture:
    stage: mixture_train
    inputs: {images: images}
    method: moa
    variant: ${variant}
    n_experts: 2
    filters: 2
    epochs: 2
  gmvae: {stage: gmvae_train, inputs: {images: images}, n_clusters: 2, x_dim: 4, w_dim: 3, hidden: 8, filters: 2, epochs: 1}
  scores: {stage: evaluate, inputs: {assignments: mixture.assignments, labels: images}}
";

fn trained() -> Lab {
    let lab = Lab::new();
    lab.write("pipelines/few.yaml", PIPELINE);
    lab.write(
        "experiments/few.yaml",
        "experiment: few\npipeline: few\nseeds: 2\nmetrics: {acc: scores.acc}\n",
    );
    lab.run(&["few", "--jobs", "2"]);
    lab
}

fn ok(lab: &Lab, args: &[&str]) -> Said {
    let said = lab.moelab(args);
    assert_eq!(said.code, 0, "{args:?}: {}", said.err);
    assert_eq!(said.out, "", "what is written to a file leaves standard output alone");
    said
}

/// Every file below a folder, relative to it.
fn files(folder: &Path) -> BTreeSet<String> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            match entry.path() {
                path if path.is_dir() => walk(&path, root, found),
                path => drop(found.insert(path.strip_prefix(root).unwrap().display().to_string())),
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(folder, folder, &mut found);
    found
}

fn npy_shape(path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    let header = String::from_utf8_lossy(&bytes[10..128.min(bytes.len())]).into_owned();
    let shape = header.split("'shape': (").nth(1).expect("a header names its shape");
    shape.split(')').next().unwrap().trim_end_matches(", ").to_owned()
}

#[test]
fn a_model_is_used_and_nothing_of_it_enters_the_store() {
    let lab = trained();
    let before = files(&lab.path("store"));
    // Images that the model has seen come back with the clusters that training gave them.
    ok(&lab, &["export", "few", "images.images", "--to", "images.npy"]);
    assert_eq!(npy_shape(&lab.path("images.npy")), "60, 1, 16, 16");
    let images = lab.path("images.npy").display().to_string();
    ok(
        &lab,
        &[
            "export",
            "few",
            "mixture.assignments",
            "--seed",
            "1",
            "--to",
            "known.csv",
        ],
    );
    ok(
        &lab,
        &[
            "assign",
            "few",
            "mixture",
            "--seed",
            "1",
            "--images",
            &images,
            "--to",
            "assigned.csv",
        ],
    );
    let [known, assigned] = ["known.csv", "assigned.csv"].map(|name| fs::read_to_string(lab.path(name)).unwrap());
    let column = |text: &str, name: &str| -> Vec<String> {
        let place = text
            .lines()
            .next()
            .unwrap()
            .split(',')
            .position(|head| head == name)
            .unwrap();
        text.lines()
            .skip(1)
            .map(|line| line.split(',').nth(place).unwrap().to_owned())
            .collect()
    };
    assert_eq!(column(&known, "cluster").len(), 60);
    assert_eq!(column(&known, "cluster"), column(&assigned, "cluster"));
    let probabilities = column(&assigned, "probability");
    let clusters = column(&assigned, "cluster");
    for row in 0..60 {
        let own = column(&assigned, &format!("manager_p.{}", clusters[row]));
        assert_eq!(probabilities[row], own[row]);
    }
    ok(
        &lab,
        &[
            "assign",
            "few",
            "vade",
            "--seed",
            "0",
            "--images",
            &images,
            "--to",
            "vade.parquet",
        ],
    );
    assert!(fs::read(lab.path("vade.parquet")).unwrap().starts_with(b"PAR1"));

    let draw = |stage: &str, more: &[&str], to: &str| {
        let args = ["generate", "few", stage, "--seed", "0", "--count", "5", "--to", to];
        ok(&lab, &[&args, more].concat());
        fs::read(lab.path(to)).unwrap()
    };
    for stage in ["mixture", "vade", "gmvae", "ae"] {
        draw(stage, &[], "drawn.npy");
        assert_eq!(npy_shape(&lab.path("drawn.npy")), "5, 1, 16, 16", "{stage}");
    }
    let first = draw("mixture", &["--cluster", "1"], "a.npy");
    assert_eq!(
        first,
        draw("mixture", &["--cluster", "1"], "b.npy"),
        "the same seed, the same images"
    );
    assert_ne!(first, draw("mixture", &["--cluster", "1", "--stream", "1"], "c.npy"));
    assert_ne!(first, draw("mixture", &["--cluster", "0"], "d.npy"));
    assert_eq!(draw("gmvae", &[], "e.npy"), draw("gmvae", &["--cluster", "0"], "f.npy"));
    assert_ne!(draw("gmvae", &[], "e.npy"), draw("gmvae", &["--cluster", "1"], "f.npy"));
    assert!(draw("mixture", &[], "grid.png").starts_with(b"\x89PNG"));
    ok(
        &lab,
        &[
            "walk", "few", "mixture", "--seed", "0", "--dim", "1", "--steps", "7", "--to", "walk.npy",
        ],
    );
    assert_eq!(npy_shape(&lab.path("walk.npy")), "7, 1, 16, 16");
    for stage in ["ae", "gmvae"] {
        let told = ok(&lab, &["walk", "few", stage, "--seed", "0", "--to", "walk.png"]).err;
        assert!(told.contains("note: unit ") && told.contains(" of 4"), "{told}");
    }

    for (args, part) in [
        (
            &[
                "generate",
                "few",
                "mixture",
                "--seed",
                "0",
                "--cluster",
                "2",
                "--to",
                "x.png",
            ][..],
            "0 to 1",
        ),
        (
            &["walk", "few", "ae", "--seed", "0", "--dim", "4", "--to", "x.png"],
            "0 to 3",
        ),
        (
            &[
                "assign", "few", "ae", "--seed", "0", "--images", &images, "--to", "x.csv",
            ],
            "assigns nothing",
        ),
    ] {
        let said = lab.moelab(args);
        assert!(
            said.code == 3 && said.err.contains(part),
            "{args:?}: {} {}",
            said.code,
            said.err
        );
    }
    assert_eq!(files(&lab.path("store")), before);
}

#[test]
fn what_cannot_be_used_is_said_before_anything_runs() {
    let lab = Lab::new();
    lab.write("pipelines/few.yaml", PIPELINE);
    lab.write("experiments/few.yaml", "experiment: few\npipeline: few\nseeds: 2\n");
    lab.write("x.npy", "");
    for (args, part) in [
        (
            &[
                "assign", "few", "mixture", "--seed", "0", "--images", "x.npy", "--to", "x.csv",
            ][..],
            "`moelab run",
        ),
        (
            &["assign", "few", "mixture", "--images", "x.npy", "--to", "x.csv"],
            "seed=1",
        ),
        (
            &["assign", "few", "mixtur", "--images", "x.npy", "--to", "x.csv"],
            "did you mean `mixture`?",
        ),
        (
            &["assign", "fex", "mixture", "--images", "x.npy", "--to", "x.csv"],
            "did you mean `few`?",
        ),
        (
            &["assign", "few", "mixture", "--images", "nowhere", "--to", "x.csv"],
            "nothing at",
        ),
        (
            &["assign", "few", "mixture", "--images", "x.npy", "--to", "x.txt"],
            ".csv or .parquet",
        ),
        (&["generate", "few", "mixture", "--to", "x.jpg"], ".png or .npy"),
        (
            &["export", "few", "--as", "tensorboard", "--to", "logs"],
            "nothing of `few` has run yet",
        ),
        (
            &["export", "few", "mixture", "--as", "mlflow", "--to", "logs"],
            "leave `mixture` out",
        ),
        (&["export", "few", "--to", "x.csv"], "the stages are images, ae"),
        (
            &["export", "few", "mixture", "--to", "x.txt"],
            "end it with .safetensors",
        ),
    ] {
        let said = lab.moelab(args);
        assert!(
            said.code == 2 && said.err.contains(part),
            "{args:?}: {} {}",
            said.code,
            said.err
        );
        assert_eq!(said.out, "");
    }
}

/// A grey PNG of 8×8 pixels, in hexadecimal digits.
const PNG: &str = "\
      89504e470d0a1a0a0000000d4948445200000008000000080800000000e164e157000000144944415478da63605070486858\
     70e00103650c00c6751c018ab051c10000000049454e44ae426082";

#[test]
fn folders_of_images_are_assigned_by_name_and_shaped_as_in_training() {
    let lab = trained();
    let digit = |i: usize| u8::from_str_radix(&PNG[i..i + 2], 16).unwrap();
    let png: Vec<u8> = (0..PNG.len()).step_by(2).map(digit).collect();
    fs::create_dir_all(lab.path("photos/a")).unwrap();
    for name in ["photos/a/two.png", "photos/a/one.png"] {
        fs::write(lab.path(name), &png).unwrap();
    }
    ok(
        &lab,
        &[
            "assign", "few", "mixture", "--seed", "0", "--images", "photos", "--to", "x.csv",
        ],
    );
    let table = fs::read_to_string(lab.path("x.csv")).unwrap();
    let files: Vec<&str> = table.lines().map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(files, ["file", "one.png", "two.png"]);
    // A picture of the grid is RGB, and the model is of grey images.
    ok(
        &lab,
        &[
            "generate",
            "few",
            "mixture",
            "--seed",
            "0",
            "--to",
            "photos/a/three.png",
        ],
    );
    let said = lab.moelab(&[
        "assign",
        "few",
        "mixture",
        "--seed",
        "0",
        "--images",
        "photos/a/three.png",
        "--to",
        "x.csv",
    ]);
    assert_ne!(said.code, 0);
    fs::remove_file(lab.path("photos/a/one.png")).unwrap();
    fs::remove_file(lab.path("photos/a/two.png")).unwrap();
    let said = lab.moelab(&[
        "assign", "few", "mixture", "--seed", "0", "--images", "photos", "--to", "x.csv",
    ]);
    assert!(said.code == 3 && said.err.contains("3×16×16"), "{}", said.err);
}

#[test]
fn results_are_exported_whole() {
    let lab = trained();
    ok(&lab, &["export", "few", "--as", "tensorboard", "--to", "logs"]);
    let logs = files(&lab.path("logs"));
    let of_action = |name: &&String| name.starts_with("seed=1/mixture/events.out.tfevents.");
    assert_eq!(logs.iter().filter(of_action).count(), 1, "{logs:?}");
    let event = fs::read(lab.path("logs").join(logs.iter().find(of_action).unwrap())).unwrap();
    for tag in [
        "brain.Event:2",
        "mixture/loss",
        "_hparams_/session_start_info",
        "n_experts",
    ] {
        assert!(event.windows(tag.len()).any(|window| window == tag.as_bytes()), "{tag}");
    }
    ok(&lab, &["export", "few", "--as", "mlflow", "--to", "mlruns"]);
    let once = files(&lab.path("mlruns"));
    let named = |end: &str| once.iter().filter(|name| name.ends_with(end)).count();
    assert_eq!(named("/metrics/scores.acc"), 2, "a run per seed: {once:?}");
    assert_eq!(named("/params/mixture.n_experts"), 2);
    assert_eq!(named("meta.yaml"), 3);
    let loss = once
        .iter()
        .find(|name| name.ends_with("/metrics/mixture.loss"))
        .unwrap();
    let loss = fs::read_to_string(lab.path("mlruns").join(loss)).unwrap();
    assert_eq!(loss.lines().count(), 2, "a line per epoch: {loss}");
    ok(&lab, &["export", "few", "--as", "mlflow", "--to", "mlruns"]);
    assert_eq!(files(&lab.path("mlruns")), once, "a second export replaces the first");

    ok(
        &lab,
        &[
            "export",
            "few",
            "mixture",
            "--seed",
            "0",
            "--as",
            "safetensors",
            "--to",
            "moe.weights",
        ],
    );
    let weights = fs::read(lab.path("moe.weights")).unwrap();
    let header = String::from_utf8_lossy(&weights[8..4000.min(weights.len())]).into_owned();
    assert!(header.contains("experts.0.encoder.blocks.0.weight"), "{header}");
    let said = lab.moelab(&["export", "few", "mixture", "--seed", "0", "--to", "x.parquet"]);
    assert!(
        said.code == 2 && said.err.contains("say mixture.assignments or mixture.history"),
        "{}",
        said.err
    );
    let said = lab.moelab(&["export", "few", "mixture.model", "--seed", "0", "--to", "x.csv"]);
    assert!(
        said.code == 2 && said.err.contains("can be written as safetensors"),
        "{}",
        said.err
    );
}
