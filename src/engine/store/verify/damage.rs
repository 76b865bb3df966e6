//! One thing that is wrong, what it touches and how to mend it.

use super::ResultName;
use crate::shell::quoted;
use crate::store::named::lossy;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DamageKind {
    /// An object whose bytes are not those that its name says.
    Object,
    /// An object that a result names and that is not there.
    Missing,
    /// A manifest that cannot be read, or describes another action than its name says.
    Manifest,
    /// A manifest of a newer build.
    Newer,
    /// A symbolic link where the store makes none.
    Link,
}

#[derive(Clone, Debug, Serialize)]
pub struct Damage {
    pub kind: DamageKind,
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    pub what: String,
    /// Results whose bytes these are.
    pub results: Vec<ResultName>,
    /// Results made from them, also through others.  They were made while the bytes were whole (inputs are hashed before
    /// a result is published) and stay good.
    pub downstream: Vec<ResultName>,
    /// Commands that mend it, in order.
    pub mend: Vec<String>,
}

impl Damage {
    pub(super) fn object(
        kind: DamageKind,
        path: PathBuf,
        what: String,
        results: Vec<ResultName>,
        downstream: Vec<ResultName>,
    ) -> Self {
        let mut mend = vec![];
        if kind == DamageKind::Object {
            mend.push(remove(&path));
        }
        mend.extend(run(&results));
        Self {
            kind,
            path,
            what,
            results,
            downstream,
            mend,
        }
    }

    pub(super) fn manifest(path: PathBuf, what: String, result: Option<ResultName>) -> Self {
        let results: Vec<_> = result.into_iter().collect();
        let mut mend = vec![remove(&path)];
        mend.extend(run(&results));
        Self {
            kind: DamageKind::Manifest,
            path,
            what,
            results,
            downstream: vec![],
            mend,
        }
    }

    pub(super) fn newer(path: PathBuf, what: String) -> Self {
        Self {
            kind: DamageKind::Newer,
            path,
            what: format!("{what}: check this store with the newer moelab"),
            results: vec![],
            downstream: vec![],
            mend: vec![],
        }
    }

    pub(super) fn link(path: PathBuf) -> Self {
        Self {
            kind: DamageKind::Link,
            what: "it is a symbolic link: nothing is read, written or removed through it".into(),
            results: vec![],
            downstream: vec![],
            mend: vec![remove(&path)],
            path,
        }
    }
}

fn remove(path: &Path) -> String {
    format!("rm {}", quoted(&path.display().to_string()))
}

fn run(results: &[ResultName]) -> Vec<String> {
    let mut commands: Vec<_> = results
        .iter()
        .filter(|result| !result.experiment.is_empty())
        .map(|result| format!("moelab run {}", quoted(&result.experiment)))
        .collect();
    commands.sort();
    commands.dedup();
    commands
}
