//! Results by the names that people gave them.

use super::Entry;
use crate::digest::Digest;
use crate::job::Origin;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// A result as the experiment that asked first calls it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResultName {
    pub experiment: String,
    pub stage: String,
    pub axes: BTreeMap<String, Value>,
    pub key: Digest,
}

impl ResultName {
    pub(super) fn new(key: Digest, origin: &Origin) -> Self {
        Self {
            experiment: origin.experiment.clone(),
            stage: origin.stage.clone(),
            axes: origin.axes.clone(),
            key,
        }
    }
}

impl From<&Entry> for ResultName {
    fn from(entry: &Entry) -> Self {
        let mut name = Self::new(entry.key, &entry.origin);
        if name.stage.is_empty() {
            name.stage.clone_from(&entry.kind);
        }
        name
    }
}

impl fmt::Display for ResultName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [self.experiment.as_str(), self.stage.as_str()];
        let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
        match words.is_empty() {
            true => write!(f, "action {}", self.key.short())?,
            false => f.write_str(&words.join(" "))?,
        }
        if self.axes.is_empty() {
            return Ok(());
        }
        let axes: Vec<_> = self
            .axes
            .iter()
            .map(|(axis, value)| format!("{axis}={value}"))
            .collect();
        write!(f, " [{}]", axes.join(", "))
    }
}

/// For JSON, whose text is UTF-8 while names of files need not be.
pub(super) fn lossy<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.display())
}

/// As [`lossy`].
pub(super) fn all_lossy<S: Serializer>(paths: &[PathBuf], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(paths.iter().map(|path| path.display().to_string()))
}

/// At most `most` of them, and how many there are besides.
pub(super) fn some(names: &[ResultName], most: usize) -> String {
    let shown: Vec<_> = names.iter().take(most).map(ToString::to_string).collect();
    match names.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
