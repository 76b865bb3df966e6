//! Measurements, not tests: `cargo nextest run --release -p moelab-engine --run-ignored only scale --no-capture`.
//!
//! `MOELAB_SCALE_DIR` is the folder to work in; on a file system in memory the figures are those of the program, on a disk
//! those of its syncs too.

use super::lab::{BUILD, Lab, behaves, grid, registry};
use moelab_engine::digest::Digest;
use moelab_engine::plan::{Finished, FinishedOutput, Found, NodeId, Plan, Resolution};
use moelab_engine::run::{NodeStatus, Question, forecast, plan_status};
use moelab_engine::spec;
use moelab_engine::store::{MANIFEST, Manifest, Presence, Provenance, StoredOutput};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;

fn folder() -> TempDir {
    let parent = std::env::var_os("MOELAB_SCALE_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    tempfile::tempdir_in(parent).unwrap()
}

fn measured<T>(what: &str, f: impl FnOnce() -> T) -> T {
    let (start, before) = (Instant::now(), processor());
    let result = f();
    let (all, own) = (start.elapsed().as_secs_f64(), processor() - before);
    println!(
        "{what}: {:.1} ms, {:.1} ms of processor time",
        all * 1000.0,
        own * 1000.0
    );
    result
}

/// Seconds of processor time this thread has used: what a busy machine changes little.
fn processor() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// The most memory this process ever had, in MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// What stands in the store: put there by hand, since running thousands of jobs is another measurement.
#[derive(Default)]
struct Done(BTreeMap<NodeId, Manifest>);

impl Finished for Done {
    fn output(&self, node: NodeId, output: &str) -> Found {
        let Some(manifest) = self.0.get(&node) else {
            return Found::NotYet;
        };
        Found::Here(FinishedOutput {
            digest: manifest.outputs[output].digest,
            value: manifest.values.get(output).cloned(),
        })
    }
}

fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn fill(lab: &Lab) {
    let mut done = Done::default();
    for node in lab.plan.order() {
        let resolved = lab.plan.resolve(node, &registry(), &lab.options.data, &done).unwrap();
        let Resolution::Ready { key, .. } = resolved else {
            panic!("{resolved:?}")
        };
        let object = |bytes: &[u8], artifact: &str| {
            let digest = Digest::of(bytes);
            put(&lab.store.object_path(&digest), bytes);
            StoredOutput {
                digest,
                size: bytes.len() as u64,
                artifact: artifact.into(),
                state: Presence::Present,
            }
        };
        let data = object(lab.plan.graph[node].stage.as_bytes(), "points");
        let manifest = Manifest {
            version: MANIFEST,
            outputs: [("data".into(), data), ("size".into(), object(b"1", "latent_dim"))].into(),
            values: [("size".into(), json!(1))].into(),
            provenance: Provenance {
                build: BUILD.into(),
                seconds: 1.0,
                attempt: 1,
                ..Provenance::default()
            },
            divergent: vec![],
            action: key,
        };
        let path = lab
            .store
            .root()
            .join(format!("actions/{}.json", manifest.key().sharded()));
        put(&path, &serde_json::to_vec_pretty(&manifest).unwrap());
        done.0.insert(node, manifest);
    }
}

fn cached(wide: usize) {
    let dir = folder();
    let mut lab = Lab::at(dir.path());
    grid(&mut lab, 100, wide, "well");
    fill(&lab);
    let n = lab.plan.graph.node_count();
    println!("{n} actions, all cached; {} MiB before", peak());
    for _ in 0..3 {
        let report = measured("  run", || lab.run());
        assert_eq!((report.cached, report.executed), (n, 0));
        let all = measured("  plan", || planned(&lab));
        assert!(all.iter().all(|one| one.why.is_empty()));
    }
    println!("  {} MiB at most", peak());
}

fn planned(lab: &Lab) -> Vec<NodeStatus> {
    plan_status(
        &lab.plan,
        &registry(),
        Some(&lab.store),
        &lab.options.data,
        Question::default(),
    )
}

#[test]
#[ignore = "a measurement"]
fn scale_cached_1000() {
    cached(10);
}

#[test]
#[ignore = "a measurement"]
fn scale_cached_10000() {
    cached(100);
}

/// Ten thousand actions whose settings changed, beside as many earlier results.
#[test]
#[ignore = "a measurement"]
fn scale_changed_10000() {
    let dir = folder();
    let mut lab = Lab::at(dir.path());
    for i in 0..10_000 {
        lab.stage(&format!("s{i}"), behaves(&format!("s{i}"), "well"), &[]);
    }
    fill(&lab);
    for node in lab.plan.order() {
        Arc::make_mut(&mut lab.plan.graph[node].settings)["n"] = json!(7);
    }
    for _ in 0..3 {
        let all = measured("plan of 10000 changed actions", || planned(&lab));
        let sum = measured("  forecast", || forecast(&lab.plan, &all, 4));
        println!("  {sum}");
    }
    println!("  {} MiB at most", peak());
}

fn from_spec(wide: usize) {
    let dir = folder();
    let mut pipeline = "pipeline: p\nparams: {n: 1}\nstages:\n  s0: {stage: step, n: \"${n}\", text: s0}\n".to_owned();
    for i in 1..100 {
        pipeline += &format!(
            "  s{i}: {{stage: step, inputs: {{points: s{}.data}}, text: s{i}}}\n",
            i - 1
        );
    }
    put(&dir.path().join("pipelines/p.yaml"), pipeline.as_bytes());
    let values: Vec<_> = (0..wide).map(|i| i.to_string()).collect();
    let experiment = format!(
        "experiment: e\npipeline: p\nmatrix: {{axes: {{n: [{}]}}}}\n",
        values.join(", ")
    );
    let file = dir.path().join("experiments/e.yaml");
    put(&file, experiment.as_bytes());
    let registry = registry();
    println!("a spec of {} actions", 100 * wide);
    for _ in 0..3 {
        let experiment = measured("  load", || spec::load(&file, &registry, &[]).unwrap());
        let plan = measured("  expand", || Plan::build(&experiment, &registry).unwrap());
        assert_eq!(plan.graph.node_count(), 100 * wide);
        let all = measured("  plan", || {
            plan_status(&plan, &registry, None, dir.path(), Question::default())
        });
        assert_eq!(all.len(), 100 * wide);
    }
    println!("  {} MiB at most", peak());
}

#[test]
#[ignore = "a measurement"]
fn scale_spec_1000() {
    from_spec(10);
}

#[test]
#[ignore = "a measurement"]
fn scale_spec_10000() {
    from_spec(100);
}

/// Jobs that do nothing, one after the other.
#[test]
#[ignore = "a measurement"]
fn scale_cold_jobs() {
    const WIDE: usize = 10;
    let dir = folder();
    let mut lab = Lab::at(dir.path());
    grid(&mut lab, 30, WIDE, "brief");
    let n = lab.plan.graph.node_count();
    let (start, before) = (Instant::now(), processor());
    let report = lab.run();
    assert_eq!(report.executed, n, "{report:#?}");
    let each = |seconds: f64| seconds * 1000.0 / n as f64;
    let (all, own) = (each(start.elapsed().as_secs_f64()), each(processor() - before));
    println!(
        "{n} jobs in one slot: {all:.2} ms each, {own:.2} ms of it in the runner; {} MiB at most",
        peak()
    );
}
