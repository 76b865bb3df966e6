//! Starting, checking, completing, reading up.

use crate::lab::{Lab, Said};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

const COMMANDS: [&str; 20] = [
    "run",
    "plan",
    "status",
    "graph",
    "table",
    "show",
    "log",
    "plot",
    "export",
    "assign",
    "generate",
    "walk",
    "verify",
    "gc",
    "du",
    "schema",
    "init",
    "doctor",
    "completions",
    "man",
];

fn moelab(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_moelab"))
        .current_dir(dir)
        .args(args)
        .env_remove("MOELAB_DATA")
        .envs(env.iter().copied())
        .output()
        .unwrap();
    Said::of(output)
}

fn schema(lab: &Lab, kind: &str) -> jsonschema::Validator {
    let schema = lab.moelab(&["schema", kind]).json();
    jsonschema::draft7::new(&schema).unwrap()
}

fn yaml(path: &Path) -> Value {
    serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_new_project_plans_runs_and_is_never_overwritten() {
    let lab = Lab::new();
    let said = lab.moelab(&["init", "fresh"]);
    assert!(
        said.code == 0 && said.out.contains("cd fresh && moelab run quickstart"),
        "{}{}",
        said.out,
        said.err
    );
    let fresh = lab.path("fresh");
    let set = [
        "epochs.wide=1",
        "epochs.vae=1",
        "epochs.manager=1",
        "epochs.moe=1",
        "filters=2",
        "limit=150",
    ];
    let mut args = vec!["run", "quickstart", "--only", "latent_size", "--threads", "1"];
    set.iter().for_each(|one| args.extend(["--set", one]));
    let said = moelab(&fresh, &args, &[]);
    assert_eq!(said.code, 0, "{}", said.err);
    let said = moelab(&fresh, &["init"], &[]);
    assert!(said.code == 2 && said.err.contains("README.md"), "{}", said.err);
    for kind in ["pipeline", "experiment"] {
        let file = std::fs::read_to_string(fresh.join(format!(".moelab/{kind}.schema.json"))).unwrap();
        let kept: Value = serde_json::from_str(&file).unwrap();
        assert_eq!(kept, lab.moelab(&["schema", kind]).json());
    }
    let first = std::fs::read_to_string(fresh.join("experiments/quickstart.yaml")).unwrap();
    assert!(first.starts_with("# yaml-language-server: $schema=../.moelab/experiment.schema.json\n"));
}

#[test]
fn a_half_written_project_is_left_alone() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("mine")).unwrap();
    lab.write("mine/README.md", "mine");
    assert_eq!(lab.moelab(&["init", "mine"]).code, 2);
    assert_eq!(std::fs::read_dir(lab.path("mine")).unwrap().count(), 1);
    assert_eq!(std::fs::read_to_string(lab.path("mine/README.md")).unwrap(), "mine");
}

#[test]
fn editors_accept_every_spec_that_ships() {
    let lab = Lab::new();
    for (folder, kind) in [("pipelines", "pipeline"), ("experiments", "experiment")] {
        let schema = schema(&lab, kind);
        for file in Lab::shipped(folder) {
            let spec = yaml(&file);
            let wrong: Vec<String> = schema
                .iter_errors(&spec)
                .map(|e| format!("{}: {e}", e.instance_path()))
                .collect();
            assert!(wrong.is_empty(), "{}: {wrong:?}", file.display());
        }
    }
}

/// Edits of a shipped spec that break it: what is replaced by what.
const SLIPS: [(&str, &str, &str); 14] = [
    ("pipelines/moe.yaml", "stage: load", "stage: laod"),
    ("pipelines/moe.yaml", "    stage: load\n", ""),
    ("pipelines/moe.yaml", "variance: 0.90", "variance: much"),
    ("pipelines/moe.yaml", "variance: 0.90", "varience: 0.90"),
    ("pipelines/moe.yaml", "variance: 0.90", "variance: 90"),
    (
        "pipelines/moe.yaml",
        "{images: images, model: vae}",
        "{images: images, modle: vae}",
    ),
    ("pipelines/moe.yaml", "{points: embedding}", "{}"),
    (
        "pipelines/moe.yaml",
        "over: [min_cluster_fraction]",
        "across: [min_cluster_fraction]",
    ),
    ("pipelines/moe.yaml", "augment: {flip:", "augment: {flop:"),
    ("pipelines/moe.yaml", "stages:", "stage:"),
    ("experiments/quickstart.yaml", "seeds: 3", "seeds: three"),
    ("experiments/quickstart.yaml", "axes:", "axis:"),
    ("experiments/quickstart.yaml", "reduce: last", "reduce: latest"),
    ("experiments/quickstart.yaml", "min_seeds: 3", "min_seed: 3"),
];

#[test]
fn editors_refuse_slips_and_so_does_plan() {
    let lab = Lab::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let [pipeline, experiment] = ["pipeline", "experiment"].map(|kind| schema(&lab, kind));
    for (file, from, to) in SLIPS {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let broken = text.replacen(from, to, 1);
        assert_ne!(text, broken, "{from}");
        let schema = if file.starts_with("pipelines") {
            &pipeline
        } else {
            &experiment
        };
        assert!(
            !schema.is_valid(&serde_yaml::from_str(&broken).unwrap()),
            "{file}: {to}"
        );
        for shipped in ["pipelines/moe.yaml", "experiments/quickstart.yaml"] {
            lab.write(shipped, &std::fs::read_to_string(root.join(shipped)).unwrap());
        }
        lab.write(file, &broken);
        assert_eq!(lab.moelab(&["plan", "quickstart"]).code, 2, "{file}: {to}");
    }
}

#[test]
fn the_reference_of_stages_is_up_to_date() {
    let lab = Lab::new();
    let committed = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/stages.md")).unwrap();
    let now = lab.moelab(&["schema", "--format", "md"]).out;
    assert!(
        committed == now,
        "docs/stages.md is stale: moelab schema --format md > docs/stages.md"
    );
}

#[test]
fn metrics_are_those_that_the_reference_tells() {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    lab.run(&["tiny"]);
    assert!(lab.metrics_told() > 20);
}

#[test]
fn a_sound_place_has_nothing_that_fails() {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    let said = lab.moelab(&["doctor", "--format", "json"]);
    let report = said.json();
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["verdict"] != "fail"), "{}", said.out);
    let verdict = |what: &str| checks.iter().find(|check| check["what"] == what).unwrap()["verdict"].clone();
    assert_eq!(
        [verdict("worker"), verdict("job"), verdict("project")],
        ["ok", "ok", "ok"].map(Value::from)
    );
    assert_eq!(said.code, 0);
    assert!(!lab.path("store").exists(), "a check makes no store");
}

#[test]
fn what_a_run_would_stumble_over_fails_with_what_to_do() {
    let lab = Lab::new();
    lab.write("file", "");
    let alone = lab.path("alone");
    std::fs::create_dir(&alone).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_moelab"), alone.join("moelab")).unwrap();
    let output = Command::new(alone.join("moelab"))
        .arg("doctor")
        .current_dir(&alone)
        .output()
        .unwrap();
    let said = Said::of(output);
    assert_eq!(said.code, 2, "{}", said.out);
    assert!(
        said.out.contains("FAIL  worker") && said.out.contains("make build"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("warn  project") && said.out.contains("moelab init"),
        "{}",
        said.out
    );
    let said = lab.moelab_in("/proc/store", &["doctor"]);
    assert!(said.code == 2 && said.out.contains("FAIL  store"), "{}", said.out);
}

#[test]
fn every_command_has_a_help_with_examples_that_fits_a_terminal() {
    let lab = Lab::new();
    let all = lab.moelab(&["--help"]).out;
    for command in COMMANDS {
        assert!(all.contains(&format!("\n  {command} ")), "{command} is not in\n{all}");
        let said = moelab(&lab.path(""), &[command, "--help"], &[("COLUMNS", "80")]);
        assert!(
            said.code == 0 && said.out.contains("Examples:\n  "),
            "{command}: {}",
            said.out
        );
        for line in said.out.lines() {
            assert!(line.chars().count() <= 80, "{command}: {line}");
        }
    }
}

/// Words of every example line, as a shell would split them (none of them is quoted with blanks).
#[test]
fn the_examples_of_the_helps_are_understood() {
    let lab = Lab::new();
    for command in COMMANDS {
        let help = lab.moelab(&[command, "--help"]).out;
        let examples = help
            .split("Examples:\n")
            .nth(1)
            .unwrap()
            .lines()
            .take_while(|line| line.starts_with("  "));
        for line in examples.filter_map(|line| line.trim().strip_prefix("moelab ")) {
            let line = line.split("     ").next().unwrap().split(['|', '>']).next().unwrap();
            let mut words: Vec<&str> = line.split_whitespace().collect();
            words.push("--no-such-option");
            let said = moelab(&lab.path(""), &words, &[]);
            assert!(said.err.contains("--no-such-option"), "{line}: {}", said.err);
        }
    }
}

#[test]
fn shells_complete_experiments_and_stages() {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    let script = lab.moelab(&["completions", "bash"]);
    assert!(script.code == 0 && script.out.contains("COMPLETE"), "{}", script.out);
    let ask = |words: &[&str]| {
        let index = (words.len() - 1).to_string();
        let args: Vec<&str> = ["--"].iter().chain(words).copied().collect();
        let env = [
            ("COMPLETE", "bash"),
            ("_CLAP_COMPLETE_INDEX", &*index),
            ("_CLAP_IFS", "\n"),
        ];
        moelab(&lab.path(""), &args, &env).out
    };
    assert_eq!(ask(&["moelab", "run", "ti"]).trim(), "tiny");
    assert!(ask(&["moelab", "sta"]).contains("status"));
    let stages = ask(&["moelab", "show", "tiny", "man"]);
    assert_eq!(
        stages.split_whitespace().collect::<Vec<_>>(),
        ["manager", "manager_scores"]
    );
}

#[test]
fn manual_pages_are_written_for_all_commands() {
    let lab = Lab::new();
    assert!(lab.moelab(&["man"]).out.contains(".TH moelab"));
    assert_eq!(lab.moelab(&["man", "--to", "man"]).code, 0);
    let page = |name: &str| -> PathBuf { lab.path("man").join(name) };
    assert!(page("moelab.1").exists() && page("moelab-export.1").exists());
    assert!(!page("moelab-keep.1").exists(), "what is not for people has no page");
}

#[test]
fn the_specs_of_the_reference_are_sound() {
    let lab = Lab::new();
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/specs.md")).unwrap();
    let block = |kind: &str| {
        let mut blocks = page
            .split("```yaml\n")
            .skip(1)
            .filter_map(|block| block.split("```").next());
        blocks.find(|block| block.starts_with(kind)).unwrap().to_owned()
    };
    lab.write("pipelines/study.yaml", &block("pipeline:"));
    lab.write("experiments/study.yaml", &block("experiment:"));
    let planned = lab.moelab(&["plan", "study"]);
    assert_eq!(planned.code, 0, "{}", planned.err);
    // Two data sets, two fractions, one longer training of one set, without one row and with one more.
    let rows = planned.out.lines().filter(|line| line.contains(" steadiness "));
    assert_eq!(rows.count(), 5, "{}", planned.out);
}

#[test]
fn exit_codes_are_those_that_are_documented() {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    lab.write(
        "pipelines/bad.yaml",
        "pipeline: bad\nstages:\n  first: {stage: command, run: ['false', '{out}'], outputs: {out: file}}\n",
    );
    lab.write("experiments/bad.yaml", "experiment: bad\npipeline: bad\n");
    let documented = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md")).unwrap();
    for (code, args) in [
        (0, &["plan", "tiny"][..]),
        (2, &["plan", "tinny"]),
        (2, &["plan"]),
        (2, &["plan", "tiny", "--force", "vea"]),
        (2, &["plan", "tiny", "--only", "images", "--force", "vae"]),
        (2, &["plan", "tiny", "--set", "min_cluster_fraction=0.1"]),
        (3, &["run", "bad"]),
        (4, &["run", "bad", "--keep-going"]),
        (4, &["table", "tiny"]),
    ] {
        assert_eq!(lab.moelab(args).code, code, "{args:?}");
        assert!(documented.contains(&format!("\n| {code} |")), "{code}");
    }
    for code in [1, 5, 6, 129, 130, 143] {
        assert!(documented.contains(&format!("\n| {code}")), "{code}");
    }
}

#[test]
fn what_is_piped_holds_no_control_codes() {
    let lab = Lab::new();
    lab.tiny("seeds: 1\n", "");
    let said = lab.moelab(&["run", "tiny", "--only", "wide_vae", "--threads", "1"]);
    assert_eq!(said.code, 0, "{}", said.err);
    for args in [
        &["plan", "tiny"][..],
        &["table", "tiny"],
        &["status"],
        &["doctor"],
        &["--help"],
        &["run", "--nonsense"],
    ] {
        let said = lab.moelab(args);
        assert!(
            !format!("{}{}", said.out, said.err).contains('\x1b'),
            "{args:?}: {}{}",
            said.out,
            said.err
        );
    }
    assert!(!said.err.contains('\x1b') && !said.err.contains('\r'), "{}", said.err);
    let logged = moelab(
        &lab.path(""),
        &["plan", "tiny", "--store", "store"],
        &[("MOELAB_LOG", "trace")],
    );
    assert!(!logged.err.contains('\x1b'), "{}", logged.err);
}
