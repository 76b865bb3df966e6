//! Scaffolding for tests of jobs.

use super::{Job, Origin, PROTOCOL};
use crate::store::Declared;
use crate::store::testing::action;
use std::path::Path;

/// The job of the action `action(1)`, which declares `data` (optional) and `score`.
pub(crate) fn job(store: &Path) -> Job {
    let action = action(1);
    Job {
        protocol: PROTOCOL,
        build: "test".into(),
        key: action.digest(),
        settings: action.config.clone(),
        action,
        seed: 0,
        inputs: Default::default(),
        outputs: [
            (
                "data".to_owned(),
                Declared {
                    artifact: "points".into(),
                    value: false,
                    optional: true,
                },
            ),
            (
                "score".to_owned(),
                Declared {
                    artifact: "metrics".into(),
                    value: true,
                    optional: false,
                },
            ),
        ]
        .into(),
        force: false,
        store: store.to_owned(),
        data: store.to_owned(),
        project: store.to_owned(),
        device: "cpu".into(),
        threads: 1,
        memory: Default::default(),
        runner_syncs: false,
        nonce: "nonce".into(),
        attempt: 1,
        origin: Origin::default(),
    }
}
