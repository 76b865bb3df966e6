//! Permits, leases, warm workers.

use super::lab::{Lab, Log, behaves, says};
use moelab_engine::run::{Accelerator, Devices};
use moelab_engine::store::Holder;

#[test]
fn the_longest_path_starts_first() {
    let mut lab = Lab::new();
    lab.stage("short", says("short"), &[]);
    let long = lab.stage("long", says("long"), &[]);
    let more = lab.stage("more", says("more"), &[long]);
    lab.stage("end", says("end"), &[more]);
    let mut log = Log::default();
    lab.watched(&mut log);
    assert_eq!(log.started[0], "long");
}

#[test]
fn no_more_jobs_run_than_there_are_slots() {
    let mut lab = Lab::new();
    for name in ["a", "b", "c", "d", "e"] {
        lab.stage(name, says(name), &[]);
    }
    lab.options.jobs = 2;
    let mut log = Log::default();
    assert_eq!(lab.watched(&mut log).executed, 5);
    assert_eq!(log.most, 2);
}

#[test]
fn two_jobs_run_at_the_same_time() {
    let mut lab = Lab::new();
    for name in ["left", "right"] {
        lab.stage(name, behaves(name, "meet"), &[]);
    }
    lab.options.jobs = 2;
    assert_eq!(lab.run().executed, 2);
}

#[test]
fn an_accelerator_serves_one_job_at_a_time_and_the_others_use_the_cpu() {
    let mut lab = Lab::new();
    for name in ["a", "b", "c"] {
        lab.stage_of("fast", name, says(name), &[]);
        lab.stage_of("echo", &format!("{name}-slow"), says(&format!("{name}-slow")), &[]);
    }
    lab.options.jobs = 4;
    lab.options.devices = Devices::parse("cuda:0").unwrap();
    let mut log = Log::default();
    assert_eq!(lab.watched(&mut log).executed, 6);
    assert_eq!(log.most_by_device["cuda:0"], 1);
    assert_eq!(log.devices.iter().filter(|device| *device == "cpu").count(), 3);
}

#[test]
fn two_accelerators_serve_two_jobs() {
    let mut lab = Lab::new();
    for name in ["left", "right"] {
        lab.stage_of("fast", name, behaves(name, "meet"), &[]);
    }
    lab.options.jobs = 2;
    lab.options.devices = Devices::parse("cuda:0,cuda:1").unwrap();
    let mut log = Log::default();
    assert_eq!(lab.watched(&mut log).executed, 2);
    assert_eq!(log.devices, ["cuda:0", "cuda:1"]);
}

#[test]
fn jobs_whose_memory_is_known_share_a_device() {
    let mut lab = Lab::new();
    lab.options.devices = one_device(Some(100));
    lab.stage_of("fast", "known", says("known"), &[]);
    lab.run();
    // Tells what it used, as a stage would.
    let manifest = lab.results("fast").remove(0);
    let settings = |text: &str| {
        let mut told = manifest.clone();
        told.action.config["text"] = text.into();
        told.action.config["behave"] = "meet".into();
        told.action.seed = Some("earlier".into());
        told.provenance.libraries.insert("device_memory".into(), "40".into());
        let lock = lab
            .store
            .try_lock(&told.key(), &Holder::this_process("test"))
            .unwrap()
            .unwrap();
        lab.store.rewrite_manifest(&lock, &told).unwrap();
    };
    settings("left");
    settings("right");
    for name in ["left", "right"] {
        lab.stage_of("fast", name, behaves(name, "meet"), &[]);
    }
    lab.options.jobs = 2;
    let mut log = Log::default();
    assert_eq!(lab.watched(&mut log).executed, 2);
    assert_eq!(log.most_by_device["cuda:0"], 2);
}

fn one_device(memory: Option<u64>) -> Devices {
    let name = "cuda:0".to_owned();
    let id = name.clone();
    Devices::Accelerators(vec![Accelerator { name, id, memory }])
}
