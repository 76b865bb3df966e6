//! Several invocations on one store.

use crate::lab::{Lab, reference, said};
use serde_json::Value;

#[test]
fn eight_invocations_started_together_do_every_action_once() {
    let lab = Lab::new();
    let runs: Vec<_> = (0..8).map(|_| lab.start()).collect();
    let mut executed = 0;
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        executed += report["executed"].as_u64().unwrap();
    }
    assert_eq!(executed, reference().0.len() as u64, "each action is executed once");
    lab.assert_untouched();
    println!("8 invocations: {executed} actions executed, each once");
}
