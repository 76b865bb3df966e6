//! Finds all damage of a store.  Reads only, takes no lock, and hashes every object.

mod damage;
mod text;

pub use damage::{Damage, DamageKind};

use super::files::{self, Kind, Listed};
use super::named::all_lossy;
use super::{Catalogue, Held, Presence, ResultName, Share, Store, StoreError, disk, parallel};
use crate::digest::Digest;
use crate::job::Origin;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a check of a store found.
#[derive(Debug, Default, Serialize)]
pub struct Verified {
    /// Objects whose bytes were hashed.
    pub objects: Share,
    pub results: u64,
    pub damages: Vec<Damage>,
    /// Objects no result names: of no harm, and `moelab gc` removes them.
    pub unreferenced: Share,
    /// Temporary files, damaged objects set aside: likewise.
    #[serde(serialize_with = "all_lossy")]
    pub leftovers: Vec<PathBuf>,
    /// Files that are not the store's.
    #[serde(serialize_with = "all_lossy")]
    pub foreign: Vec<PathBuf>,
}

impl Verified {
    /// Adds an option (`--store DIR`) to the commands of ours that mend.
    pub fn add_option(&mut self, option: &str) {
        let commands = self.damages.iter_mut().flat_map(|damage| &mut damage.mend);
        for command in commands.filter(|command| command.starts_with("moelab ")) {
            *command += &format!(" {option}");
        }
    }
}

/// What hashing an object said.
enum Checked {
    Whole(u64),
    Wrong(u64, String),
    /// Removed since the folder was listed.
    Gone,
}

impl Store {
    /// Checks everything.  An invocation that runs meanwhile does no harm: what it publishes or removes while this reads
    /// is asked about again before it is called damage.
    pub fn verify(&self) -> Result<Verified, StoreError> {
        let mut verified = Verified::default();
        let objects = self.sort("objects", "", &mut verified)?;
        let checked = parallel::map(&objects, |(digest, path)| check(digest, path));
        self.sort("actions", ".json", &mut verified)?;
        self.links_elsewhere(&mut verified)?;

        let catalogue = self.catalogue()?;
        let graph = Graph::of(&catalogue);
        verified.results = catalogue.entries.len() as u64;
        for ((digest, path), checked) in objects.iter().zip(checked) {
            let (size, wrong) = match checked {
                Checked::Whole(size) => (size, None),
                Checked::Wrong(size, what) => (size, Some(what)),
                Checked::Gone => continue,
            };
            verified.objects.add(size);
            if !graph.makers.contains_key(digest) {
                verified.unreferenced.add(size);
            }
            if let Some(what) = wrong {
                let damage = graph.damage(DamageKind::Object, path.clone(), what, digest);
                verified.damages.push(damage);
            }
        }
        self.compare(&catalogue, &graph, &mut verified);
        self.manifests_in_place(&catalogue, &mut verified);
        verified
            .damages
            .sort_by(|a, b| (a.kind, &a.path).cmp(&(b.kind, &b.path)));
        Ok(verified)
    }

    /// The files of a folder that are what they should be; the others are noted.
    fn sort(&self, folder: &str, suffix: &str, verified: &mut Verified) -> Result<Vec<(Digest, PathBuf)>, StoreError> {
        let mut good = vec![];
        for Listed { path, kind } in files::list(&self.root.join(folder), suffix)? {
            match kind {
                Kind::Named(digest) => good.push((digest, path)),
                Kind::Temporary => verified.leftovers.push(path),
                Kind::Foreign => verified.foreign.push(path),
                // A link among manifests is noted by the catalogue.
                Kind::Link if folder == "objects" => verified.damages.push(Damage::link(path)),
                Kind::Link => {}
            }
        }
        Ok(good)
    }

    /// Links where job folders, locks and records lie.
    fn links_elsewhere(&self, verified: &mut Verified) -> Result<(), StoreError> {
        for folder in ["work", "locks", "runs"] {
            for (_, path, kind) in files::entries(&self.root.join(folder))? {
                if kind == files::Entry::Link {
                    verified.damages.push(Damage::link(path));
                } else if folder == "work" {
                    for (_, path, kind) in files::entries(&path).unwrap_or_default() {
                        if kind == files::Entry::Link {
                            verified.damages.push(Damage::link(path));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Objects that results name and that are missing or of another size.
    fn compare(&self, catalogue: &Catalogue, graph: &Graph<'_>, verified: &mut Verified) {
        let damaged: BTreeSet<PathBuf> = verified.damages.iter().map(|damage| damage.path.clone()).collect();
        let mut told = BTreeSet::new();
        for entry in &catalogue.entries {
            // Other bytes of a later attempt are kept for comparison alone: nothing needs them.
            for Held { stored, .. } in entry.present().filter(|held| !held.divergent) {
                let path = self.object_path(&stored.digest);
                let (kind, what) = match self.object_size(&stored.digest) {
                    Some(size) if size == stored.size => continue,
                    Some(size) => (
                        DamageKind::Object,
                        format!("it has {size} bytes in place of {}", stored.size),
                    ),
                    None => (DamageKind::Missing, "it is missing".to_owned()),
                };
                let still = |manifest: super::Manifest| {
                    let mut outputs = manifest.outputs.into_values();
                    outputs.any(|o| o.digest == stored.digest && o.state == Presence::Present)
                };
                if !damaged.contains(&path)
                    && told.insert(stored.digest)
                    && self.manifest(&entry.key).is_some_and(still)
                {
                    verified.damages.push(graph.damage(kind, path, what, &stored.digest));
                }
            }
        }
    }

    /// Manifests that cannot be read, and those that describe another action than their name says.
    fn manifests_in_place(&self, catalogue: &Catalogue, verified: &mut Verified) {
        for unreadable in &catalogue.unreadable {
            let (path, what) = (unreadable.path.clone(), unreadable.what.clone());
            verified.damages.push(match (unreadable.key, unreadable.newer) {
                (None, _) => Damage::link(path),
                (Some(_), true) => Damage::newer(path, what),
                (Some(key), false) => Damage::manifest(path, what, self.who_ran(&key)),
            });
        }
        let misplaced = parallel::map(&catalogue.entries, |entry| match self.record(&entry.key) {
            super::actions::Record::Damaged(what) => Some(what),
            _ => None,
        });
        for (entry, what) in catalogue.entries.iter().zip(misplaced) {
            if let Some(what) = what {
                let path = self.manifest_path(&entry.key);
                verified
                    .damages
                    .push(Damage::manifest(path, what, self.who_ran(&entry.key)));
            }
        }
    }

    /// Who asked for an action, from the job that its newest attempt left.
    fn who_ran(&self, key: &Digest) -> Option<ResultName> {
        #[derive(Deserialize)]
        struct Job {
            origin: Origin,
        }
        let attempt = self.latest_attempt(key)?;
        let path = self.attempt_dir(key, attempt).join("job.json");
        let job: Job = serde_json::from_slice(&disk::read_plain(&path, 64 << 20).ok()?).ok()?;
        Some(ResultName::new(*key, &job.origin))
    }
}

fn check(digest: &Digest, path: &Path) -> Checked {
    let file = match disk::open_plain(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Checked::Gone,
        Err(e) => return Checked::Wrong(0, e.to_string()),
    };
    match Digest::of_reader(file) {
        Ok((found, size)) if found == *digest => Checked::Whole(size),
        Ok((found, size)) => Checked::Wrong(size, format!("its {size} bytes have the digest {}", found.short())),
        Err(e) => Checked::Wrong(0, format!("it cannot be read: {e}")),
    }
}

/// Who made and who read which artifact.
struct Graph<'a> {
    catalogue: &'a Catalogue,
    makers: BTreeMap<Digest, BTreeSet<usize>>,
    readers: BTreeMap<Digest, BTreeSet<usize>>,
}

impl<'a> Graph<'a> {
    fn of(catalogue: &'a Catalogue) -> Self {
        let (mut makers, mut readers) = (BTreeMap::<_, BTreeSet<_>>::new(), BTreeMap::<_, BTreeSet<_>>::new());
        for (at, entry) in catalogue.entries.iter().enumerate() {
            for held in entry.present() {
                makers.entry(held.stored.digest).or_default().insert(at);
            }
            for digest in &entry.inputs {
                readers.entry(*digest).or_default().insert(at);
            }
        }
        Self {
            catalogue,
            makers,
            readers,
        }
    }

    fn damage(&self, kind: DamageKind, path: PathBuf, what: String, digest: &Digest) -> Damage {
        let makers = self.makers.get(digest).cloned().unwrap_or_default();
        let mut downstream = BTreeSet::new();
        let mut next = vec![*digest];
        while let Some(digest) = next.pop() {
            for at in self.readers.get(&digest).into_iter().flatten() {
                if !makers.contains(at) && downstream.insert(*at) {
                    next.extend(
                        self.catalogue.entries[*at]
                            .outputs
                            .iter()
                            .map(|held| held.stored.digest),
                    );
                }
            }
        }
        let names = |all: BTreeSet<usize>| {
            let mut names: Vec<ResultName> = all.into_iter().map(|at| (&self.catalogue.entries[at]).into()).collect();
            names.sort_by_key(ToString::to_string);
            names
        };
        Damage::object(kind, path, what, names(makers), names(downstream))
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
