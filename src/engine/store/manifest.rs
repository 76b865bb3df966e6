//! What the store remembers of a finished action.

use crate::digest::Digest;
use crate::job::Origin;
use crate::key::ActionKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Number of the layout of [`Manifest`].
///
/// 1 – first layout.\
/// 2 – the text begins with its own digest (`seal.rs`); manifests of layout 1 are still read.
pub const MANIFEST: u32 = 2;

/// `actions/ab/cdef….json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST`] when it was written.
    pub version: u32,
    /// What the key was taken over, to say later what differs between two actions.
    pub action: ActionKey,
    pub outputs: BTreeMap<String, StoredOutput>,
    /// Content of the small JSON outputs, so that tables and settings need no objects.
    #[serde(default)]
    pub values: BTreeMap<String, Value>,
    pub provenance: Provenance,
    /// Later attempts that gave other bytes; the outputs above stay those of the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub divergent: Vec<Divergent>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredOutput {
    pub digest: Digest,
    pub size: u64,
    /// Artifact type.
    pub artifact: String,
    pub state: Presence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// The object is there.
    Present,
    /// The object was given up for space; its digest still resolves keys.
    Evicted,
}

/// How a result came to be: what may change the last bits of numbers but not their meaning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    pub build: String,
    pub host: String,
    pub device: String,
    pub threads: usize,
    /// What the stage tells of its numerics: libtorch, instruction set, …
    #[serde(default)]
    pub libraries: BTreeMap<String, String>,
    /// UTC, RFC 3339.
    pub started: String,
    pub seconds: f64,
    pub origin: Origin,
    pub attempt: u32,
}

/// An attempt after the first whose outputs differ from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Divergent {
    /// Only the outputs that differ.
    pub outputs: BTreeMap<String, StoredOutput>,
    pub provenance: Provenance,
}

impl Manifest {
    pub fn key(&self) -> Digest {
        self.action.digest()
    }

    /// Whether all bytes are there.
    pub fn complete(&self) -> bool {
        self.outputs.values().all(|output| output.state == Presence::Present)
    }

    /// The highest attempt it knows of.
    pub fn last_attempt(&self) -> u32 {
        self.attempts().max().unwrap_or(0)
    }

    /// The attempts whose outputs it holds.
    pub fn attempts(&self) -> impl Iterator<Item = u32> + '_ {
        std::iter::once(self.provenance.attempt).chain(self.divergent.iter().map(|d| d.provenance.attempt))
    }
}
