//! Cleaning the store while a run goes on.

use super::lab::{Lab, Log, says};
use moelab_engine::run::{JobInfo, Observer};
use moelab_engine::store::{Selection, Store};
use std::path::PathBuf;

/// Gives up everything it can whenever a job starts.
struct Cleaner {
    store: PathBuf,
    kept: Vec<String>,
}

impl Observer for Cleaner {
    fn job_started(&mut self, _: &JobInfo) {
        let selection = Selection {
            roles: vec!["points".into()],
            ..Selection::default()
        };
        let done = Store::open(&self.store).unwrap().gc(&selection).unwrap();
        assert!(done.evicted.is_empty(), "{done}");
        self.kept.extend(done.kept);
    }
}

#[test]
fn cleaning_at_the_start_of_every_job_takes_nothing_from_the_run() {
    let mut lab = Lab::new();
    let mut last = lab.stage("s0", says("0"), &[]);
    for i in 1..4 {
        last = lab.stage(&format!("s{i}"), says(&i.to_string()), &[last]);
    }
    let mut cleaner = Cleaner {
        store: lab.store.root().to_owned(),
        kept: vec![],
    };
    let report = lab.watched(&mut cleaner);
    assert_eq!((report.executed, report.failed), (4, 0), "{report:?}");
    assert!(
        cleaner.kept.iter().any(|why| why.contains("running")),
        "{:?}",
        cleaner.kept
    );
    assert!(lab.store.manifests().values().all(|manifest| manifest.complete()));

    // Once it has ended, nothing holds them back.
    let selection = Selection {
        roles: vec!["points".into()],
        ..Selection::default()
    };
    assert_eq!(lab.store.gc(&selection).unwrap().evicted.len(), 4);
    let mut log = Log::default();
    assert_eq!((lab.watched(&mut log).cached, log.started.len()), (4, 0));
}
