//! What `moelab status` tells of runs that live, ended or were killed.

use crate::lab::Lab;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// One stage that lasts until a file lies in the lab, and one after it.
fn waiting() -> Lab {
    let lab = Lab::new();
    lab.write(
        "pipelines/wait.yaml",
        "pipeline: wait\nstages:\n  first:\n    stage: command\n    run: [sh, -c, 'while [ ! -e \"$GO\" ]; do sleep 0.05; \
         done; echo 1 > {out}']\n    env: {GO: GO_FILE}\n    outputs: {out: latent_dim}\n  second:\n    stage: command\n    \
         inputs: {in: first.out}\n    run: [cp, '{in}', '{out}']\n    outputs: {out: latent_dim}\n"
            .replace("GO_FILE", &lab.path("go").display().to_string())
            .as_str(),
    );
    lab.write("experiments/wait.yaml", "experiment: wait\npipeline: wait\n");
    lab
}

fn start(lab: &Lab) -> Child {
    Command::new(env!("CARGO_BIN_EXE_moelab"))
        .current_dir(lab.path(""))
        .args(["--store", "store", "run", "wait", "--threads", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Asks until `seen` holds of the answer.
fn until(lab: &Lab, seen: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    let asked = Instant::now();
    loop {
        let said = lab.moelab(&["status", "--format", "json"]);
        if said.code == 0 && seen(&said.json()[0]) {
            return said.json()[0].clone();
        }
        assert!(asked.elapsed() < Duration::from_secs(60), "{} {}", said.out, said.err);
        std::thread::yield_now();
    }
}

#[test]
fn a_run_is_told_while_it_lives_and_after_it_ended() {
    let lab = waiting();
    let mut run = start(&lab);
    let state = until(&lab, |state| state["stages"][0]["running"] == 1);
    assert_eq!((&state["life"], &state["pid"]), (&"running".into(), &run.id().into()));
    assert_eq!(
        (&state["stages"][1]["left"], &state["experiment"]),
        (&1.into(), &"wait".into())
    );
    let said = lab.moelab(&["status"]);
    assert!(
        said.out.contains("wait: running for") && said.out.contains("first  "),
        "{}",
        said.out
    );
    assert!(!said.out.contains('\x1b'), "no control codes in a pipe");
    lab.write("go", "");
    assert!(run.wait().unwrap().success());
    let state = until(&lab, |state| state["life"] == "finished");
    assert_eq!(
        (&state["stages"][0]["done"], &state["stages"][1]["done"]),
        (&1.into(), &1.into())
    );
    let watched = lab.moelab(&["status", "--watch"]);
    assert_eq!(
        (watched.code, watched.out.lines().count()),
        (0, 1),
        "nothing is left to watch: {}",
        watched.out
    );
}

#[test]
fn a_killed_run_is_told_from_a_living_one() {
    let lab = waiting();
    let mut run = start(&lab);
    until(&lab, |state| state["stages"][0]["running"] == 1);
    run.kill().unwrap();
    run.wait().unwrap();
    let state = until(&lab, |state| state["life"] == "killed");
    assert_eq!(
        (&state["stages"][0]["left"], &state["running"]),
        (&1.into(), &serde_json::json!([]))
    );
    let said = lab.moelab(&["status"]);
    assert!(
        said.out.contains("its process is gone") && said.out.contains("`moelab run wait`"),
        "{}",
        said.out
    );
    lab.write("go", "");
    lab.run(&["wait"]);
    until(&lab, |state| state["life"] == "finished");
}

#[test]
fn a_failure_is_told_with_its_reason() {
    let lab = Lab::new();
    lab.write(
        "pipelines/bad.yaml",
        "pipeline: bad\nstages:\n  first: {stage: command, run: [sh, -c, 'exit 3', '{out}'], outputs: {out: latent_dim}}\n",
    );
    lab.write("experiments/bad.yaml", "experiment: bad\npipeline: bad\n");
    assert_eq!(lab.moelab(&["run", "bad"]).code, 3);
    let said = lab.moelab(&["status", "bad"]);
    assert!(
        said.out.contains("1 failed") && said.out.contains("FAILED first: `sh` ended with status 3"),
        "{}",
        said.out
    );
}

#[test]
fn what_never_ran_is_said_with_what_did() {
    let lab = Lab::new();
    let said = lab.moelab(&["status"]);
    assert!(said.code == 2 && said.err.contains("there is no store"), "{}", said.err);
    let other = waiting();
    other.write("go", "");
    other.run(&["wait"]);
    let said = other.moelab(&["status", "wiat"]);
    assert!(said.code == 2 && said.err.contains("runs of wait"), "{}", said.err);
}
