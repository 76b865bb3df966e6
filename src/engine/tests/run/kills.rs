//! A worker killed at any step of publishing leaves a store that the next run completes.

use super::lab::{Lab, says, worker};
use super::several::{start_runner, wait_until_begun};
use moelab_engine::store::{Holder, failpoint};

#[test]
fn after_a_death_at_any_step_the_next_run_gives_the_same_result() {
    let mut expected = Lab::new();
    expected.stage("a", says("a"), &[]);
    expected.run();
    let outputs = |lab: &Lab| lab.results("echo").remove(0).outputs;

    for name in failpoint::ALL {
        let mut lab = Lab::new();
        lab.stage("a", says("a"), &[]);
        lab.options.worker = worker(&[(failpoint::VARIABLE, name)]);
        let report = lab.run();
        assert_eq!((report.executed, report.failed), (0, 1), "{name}: {report:?}");
        assert!(
            report.failures[0]
                .message
                .contains(&format!("failpoint {name} reached")),
            "{report:?}"
        );

        lab.options.worker = worker(&[]);
        let report = lab.run();
        assert_eq!(
            (report.executed + report.cached, report.failed),
            (1, 0),
            "{name}: {report:?}"
        );
        // Dead before the manifest stood: run again. After: the result counts.
        assert_eq!(report.cached, usize::from(name == "manifest-renamed"), "{name}");
        assert_eq!(outputs(&lab), outputs(&expected), "{name}");
        let manifests = lab.store.manifests();
        assert_eq!(manifests.len(), 1);
        for output in outputs(&lab).values() {
            lab.store.verified_path(&output.digest).unwrap();
        }
    }
}

#[test]
fn a_worker_dies_with_its_runner_and_so_does_its_lock() {
    let dir = tempfile::tempdir().unwrap();
    let lab = Lab::at(dir.path());
    let mut runner = start_runner(dir.path(), "for_ever");
    let key = wait_until_begun(&lab);
    let holder = Holder::this_process("test");
    assert!(
        lab.store.try_lock(&key, &holder).unwrap().is_none(),
        "the worker holds it"
    );
    runner.kill().unwrap();
    runner.wait().unwrap();
    while lab.store.try_lock(&key, &holder).unwrap().is_none() {
        std::thread::yield_now();
    }
}
