//! Publishing: objects first, the manifest last, the first result of a key stands.

use super::{Attempt, Divergent, KeyLock, MANIFEST, Manifest, Presence, Provenance, Store, StoreError, StoredOutput};
use super::{actions::Record, actions::newer, disk, disk::Durability, failpoint, seal};
use crate::digest::Digest;
use crate::key::ActionKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

/// Values above this size are not copied into the manifest.
const LARGEST_VALUE: u64 = 64 * 1024;

/// What an action says of one of its outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// Artifact type.
    pub artifact: String,
    /// A small JSON document.
    #[serde(default)]
    pub value: bool,
    /// May be missing.
    #[serde(default)]
    pub optional: bool,
}

/// A finished attempt on its way into the store.
pub struct Publication<'a> {
    pub action: &'a ActionKey,
    pub attempt: &'a Attempt,
    pub outputs: &'a BTreeMap<String, Declared>,
    /// Objects the stage read: they must still be what they were.
    pub inputs: &'a [Digest],
    pub provenance: Provenance,
    pub durability: Durability,
}

/// What became of a publication.
#[derive(Debug)]
pub struct Published {
    /// The manifest that now stands.
    pub manifest: Manifest,
    /// An earlier result stands and this attempt gave other bytes.
    pub divergent: bool,
}

impl Store {
    /// Publishes an attempt.  The lock must be that of the action's key.
    pub fn publish(&self, _lock: &KeyLock, publication: Publication<'_>) -> Result<Published, StoreError> {
        let fresh = self.measure(&publication)?;
        failpoint::reached("outputs-written");
        for digest in publication.inputs {
            self.unchanged(digest)?;
        }
        failpoint::reached("inputs-checked");

        // From here until the manifest stands, only this keeps a cleaner from the objects.
        let _gate = self.publishing()?;
        let mut folders = BTreeSet::new();
        for (name, output) in &fresh.outputs {
            folders.insert(self.adopt(
                &publication.attempt.output(name),
                &output.digest,
                publication.durability,
            )?);
        }
        for folder in folders {
            publication.durability.of_dir(&folder)?;
        }
        failpoint::reached("objects-published");

        let path = self.manifest_path(&fresh.key());
        disk::refuse_links(&self.root, path.parent().expect("manifests lie in a folder"))?;
        let published = match self.record(&fresh.key()) {
            Record::None => {
                let text = text_of(&fresh);
                if !disk::write_new(&path, &text, publication.durability, || {
                    failpoint::reached("manifest-written");
                })? {
                    // Possible only where locks are not to be had: the other's result stands.
                    return self.beside_earlier(fresh, &path);
                }
                Published {
                    manifest: fresh,
                    divergent: false,
                }
            }
            Record::Newer(version) => return Err(newer(path, version)),
            Record::Good(earlier) if self.objects_there(&earlier).is_ok() => merge(*earlier, fresh, self, &path)?,
            Record::Good(earlier) => {
                // Its bytes are gone without anybody having evicted them: nobody can hold on to that result.
                tracing::warn!("{}: replaced, since objects it names are gone", path.display());
                let divergent = earlier.divergent;
                replace(&path, Manifest { divergent, ..fresh })?
            }
            Record::Damaged(what) => {
                tracing::warn!("{}: replaced, since it was damaged: {what}", path.display());
                replace(&path, fresh)?
            }
        };
        failpoint::reached("manifest-renamed");
        Ok(published)
    }

    fn beside_earlier(&self, fresh: Manifest, path: &Path) -> Result<Published, StoreError> {
        match self.record(&fresh.key()) {
            Record::Good(earlier) => merge(*earlier, fresh, self, path),
            _ => replace(path, fresh),
        }
    }

    /// Digests, sizes and values of what the stage wrote.
    fn measure(&self, publication: &Publication<'_>) -> Result<Manifest, StoreError> {
        let mut outputs = BTreeMap::new();
        let mut values = BTreeMap::new();
        for (name, declared) in publication.outputs {
            let path = publication.attempt.output(name);
            let bad = |what: String| StoreError::BadOutput {
                output: name.clone(),
                path: path.clone(),
                what,
            };
            let meta = match fs::symlink_metadata(&path) {
                Ok(meta) => meta,
                Err(e) if e.kind() == io::ErrorKind::NotFound && declared.optional => continue,
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    return Err(StoreError::NoOutput {
                        output: name.clone(),
                        path,
                    });
                }
                Err(e) => return Err(StoreError::reading(&path)(e)),
            };
            if !meta.is_file() {
                return Err(bad("is no plain file; folders and links cannot be kept".into()));
            }
            let file = disk::open_plain(&path).map_err(StoreError::reading(&path))?;
            let (digest, size) = Digest::of_reader(file).map_err(StoreError::reading(&path))?;
            if declared.value || ["metrics", "latent_dim"].contains(&declared.artifact.as_str()) {
                if size <= LARGEST_VALUE {
                    let text = fs::read(&path).map_err(StoreError::reading(&path))?;
                    let value: Value =
                        serde_json::from_slice(&text).map_err(|e| bad(format!("should be JSON and is not: {e}")))?;
                    values.insert(name.clone(), value);
                } else {
                    tracing::warn!("output {name} has {size} bytes: too many to be read from the manifest");
                }
            }
            let (artifact, state) = (declared.artifact.clone(), Presence::Present);
            outputs.insert(
                name.clone(),
                StoredOutput {
                    digest,
                    size,
                    artifact,
                    state,
                },
            );
        }
        Ok(Manifest {
            version: MANIFEST,
            action: publication.action.clone(),
            outputs,
            values,
            provenance: publication.provenance.clone(),
            divergent: vec![],
        })
    }

    fn unchanged(&self, digest: &Digest) -> Result<(), StoreError> {
        self.verified_path(digest).map(drop).map_err(|error| match error {
            StoreError::Damaged { path, what } => StoreError::InputChanged { path, what },
            StoreError::Absent { path, .. } => StoreError::InputChanged {
                path,
                what: "it is gone".into(),
            },
            other => other,
        })
    }

    /// Replaces a manifest; for whoever evicts outputs.  The lock must be that of its key.
    pub fn rewrite_manifest(&self, _lock: &KeyLock, manifest: &Manifest) -> Result<(), StoreError> {
        let path = self.manifest_path(&manifest.key());
        disk::refuse_links(&self.root, &path)?;
        let _gate = self.publishing()?;
        disk::write_atomic(&path, &text_of(manifest))
    }
}

/// An earlier result stands: equal outputs are present again, others are recorded beside it.
fn merge(earlier: Manifest, fresh: Manifest, store: &Store, path: &Path) -> Result<Published, StoreError> {
    let mut merged = earlier.clone();
    let mut differing = BTreeMap::new();
    for (name, output) in fresh.outputs {
        match merged.outputs.get_mut(&name) {
            Some(first) if first.digest == output.digest => first.state = Presence::Present,
            _ => drop(differing.insert(name, output)),
        }
    }
    let divergent = !differing.is_empty();
    if divergent {
        tracing::warn!(
            "{}: another run gave other bytes for {}; the first result stands",
            store.manifest_path(&earlier.key()).display(),
            differing.keys().cloned().collect::<Vec<_>>().join(", ")
        );
        merged.divergent.push(Divergent {
            outputs: differing,
            provenance: fresh.provenance,
        });
    }
    if merged != earlier {
        disk::write_atomic(path, &text_of(&merged))?;
    }
    Ok(Published {
        manifest: merged,
        divergent,
    })
}

fn replace(path: &Path, manifest: Manifest) -> Result<Published, StoreError> {
    disk::write_atomic(path, &text_of(&manifest))?;
    Ok(Published {
        manifest,
        divergent: false,
    })
}

fn text_of(manifest: &Manifest) -> Vec<u8> {
    // Whatever it was when it was read, it is written in today's layout.
    seal::seal(&Manifest {
        version: MANIFEST,
        ..manifest.clone()
    })
}

#[cfg(test)]
#[path = "publish_tests.rs"]
mod tests;
