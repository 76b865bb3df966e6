//! Frees space: garbage always, results only as far as they are selected.  Says first what it would do.
//!
//! A result is *evicted*: its objects go and its manifest stays, so it counts as done, its digests still name the results
//! made from it, and it runs again only when somebody must read the bytes.
//!
//! Three rules keep it out of the way of running invocations.  A manifest is touched only under the lock of its key.
//! Objects are removed only while nobody is publishing (see `gate.rs`), after all manifests were read again.  And what
//! a running job reads, or a running invocation counts on, stays.

mod choose;
mod sweep;
mod text;

use super::attempt::remove;
use super::catalogue::Held;
use super::files::{self, Kind};
use super::uses::Uses;
use super::{Catalogue, Entry, Holder, Locks, Presence, ResultName, Share, Store, StoreError, usage};
use crate::digest::Digest;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

/// Which results to evict beside removing garbage.  Conditions add up; without any, none is evicted.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Not used by any invocation for this long.
    pub unused_for: Option<Duration>,
    /// Used by this experiment and by no other.
    pub experiment: Option<String>,
    /// Only outputs of these artifact types.  Without any, small outputs stay.
    pub roles: Vec<String>,
    /// Only as many as it takes to bring the store to this size.
    pub to_size: Option<u64>,
}

impl Selection {
    fn is_empty(&self) -> bool {
        self.unused_for.is_none() && self.experiment.is_none() && self.roles.is_empty() && self.to_size.is_none()
    }

    /// A name that nothing in the store has, and those that there are.
    pub fn unknown(&self, catalogue: &Catalogue) -> Option<String> {
        let entries = &catalogue.entries;
        let roles: BTreeSet<_> = entries
            .iter()
            .flat_map(|e| &e.outputs)
            .map(|o| o.stored.artifact.as_str())
            .collect();
        let experiments: BTreeSet<_> = entries.iter().map(|entry| entry.origin.experiment.as_str()).collect();
        let say = |what: &str, name: &str, known: BTreeSet<&str>| {
            let known: Vec<_> = known.into_iter().filter(|name| !name.is_empty()).collect();
            format!(
                "nothing in the store is of {what} `{name}`; there are {}",
                known.join(", ")
            )
        };
        if let Some(role) = self.roles.iter().find(|role| !roles.contains(role.as_str())) {
            return Some(say("type", role, roles));
        }
        let experiment = self.experiment.as_deref().filter(|name| !experiments.contains(name))?;
        Some(say("experiment", experiment, experiments))
    }

    /// Whether things that belong to no result may go by their age.
    fn old_things(&self) -> Option<Duration> {
        self.unused_for
            .filter(|_| self.experiment.is_none() && self.roles.is_empty())
    }
}

/// What is to be freed, or was.
#[derive(Debug, Default, Serialize)]
pub struct Cleaning {
    /// Whether it was done, or only said.
    pub done: bool,
    /// Bytes of the store before.
    pub before: u64,
    pub unreferenced: Share,
    /// Folders of attempts that nothing came of, and the checkpoints of finished actions.
    pub attempts: Share,
    /// Temporary files of dead processes, damaged objects set aside.
    pub leftovers: Share,
    /// Checkpoints and logs of actions that were never finished, unused for as long as selected.
    pub abandoned: Share,
    /// Records of invocations as old.
    pub runs: Share,
    pub evicted: Vec<Eviction>,
    /// Objects of evicted outputs.
    pub evicted_objects: Share,
    pub recompute: Recompute,
    /// What stays although it was selected, and why.
    pub kept: Vec<String>,
}

/// A result whose bytes go.
#[derive(Clone, Debug, Serialize)]
pub struct Eviction {
    pub result: ResultName,
    /// Outputs by name, with their sizes.
    pub outputs: BTreeMap<String, u64>,
    pub bytes: u64,
    /// How long it took to make.
    pub seconds: f64,
    /// Seconds since 1970.
    pub last_used: u64,
    #[serde(skip)]
    digests: BTreeSet<Digest>,
}

/// What making all evicted results again would take, with the results they read that are evicted as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Recompute {
    pub results: u64,
    pub seconds: f64,
    /// Of them made on an accelerator, where other bytes may come out.
    pub accelerated: u64,
}

impl Cleaning {
    pub fn freed(&self) -> u64 {
        let garbage = [
            self.unreferenced,
            self.attempts,
            self.leftovers,
            self.abandoned,
            self.runs,
        ];
        garbage.iter().map(|share| share.bytes).sum::<u64>() + self.evicted_objects.bytes
    }
}

/// A store as it stands.
struct Survey {
    catalogue: Catalogue,
    uses: Uses,
    /// What running jobs read.
    reading: BTreeSet<Digest>,
    objects: BTreeMap<Digest, u64>,
    now: SystemTime,
}

impl Survey {
    fn of(store: &Store) -> Result<Self, StoreError> {
        let mut objects = BTreeMap::new();
        for listed in files::list(&store.root.join("objects"), "")? {
            if let (Kind::Named(digest), Ok(meta)) = (listed.kind, listed.path.symlink_metadata()) {
                objects.insert(digest, meta.len());
            }
        }
        Ok(Self {
            catalogue: store.catalogue()?,
            uses: store.uses()?,
            reading: store.being_read()?,
            objects,
            now: SystemTime::now(),
        })
    }

    /// How many present outputs name an object.
    fn references(&self) -> BTreeMap<Digest, usize> {
        let mut references = BTreeMap::new();
        for held in self.catalogue.entries.iter().flat_map(Entry::present) {
            *references.entry(held.stored.digest).or_default() += 1;
        }
        references
    }

    /// Why no object may be removed at all.
    fn obstacle(&self) -> Option<String> {
        let first = self.catalogue.unreadable.first()?;
        let more = match self.catalogue.unreadable.len() - 1 {
            0 => String::new(),
            n => format!(" (and {n} more)"),
        };
        Some(format!(
            "all objects, since a manifest cannot be read and may name them: {}: {}{more}; `moelab verify` says how to mend it",
            first.path.display(),
            first.what
        ))
    }
}

impl Store {
    /// What [`Self::gc`] would do.  Reads only.
    pub fn gc_plan(&self, selection: &Selection) -> Result<Cleaning, StoreError> {
        let survey = Survey::of(self)?;
        let mut plan = Cleaning {
            before: ["objects", "actions", "work", "runs"]
                .map(|folder| usage::tree(&self.root.join(folder)).bytes)
                .iter()
                .sum(),
            ..Cleaning::default()
        };
        let references = survey.references();
        let obstacle = survey.obstacle();
        if obstacle.is_none() {
            for (digest, bytes) in &survey.objects {
                if !references.contains_key(digest) && !survey.reading.contains(digest) {
                    plan.unreferenced.add(*bytes);
                }
            }
        }
        self.sweep_all(selection, survey.now, true, &mut plan)?;
        for path in self.temporary_objects()? {
            plan.leftovers.add(path.symlink_metadata().map_or(0, |meta| meta.len()));
        }
        if !selection.is_empty() && obstacle.is_none() {
            choose::evictions(selection, &survey, references, &mut plan);
        }
        plan.kept.extend(obstacle);
        Ok(plan)
    }

    /// Removes garbage and evicts what is selected.  Garbage goes first: on a full disk it makes the room that the manifests
    /// of what is evicted take.
    pub fn gc(&self, selection: &Selection) -> Result<Cleaning, StoreError> {
        let plan = self.gc_plan(selection)?;
        let mut done = Cleaning {
            done: true,
            before: plan.before,
            recompute: plan.recompute,
            kept: plan.kept,
            ..Cleaning::default()
        };
        let locks = self.locks()?;
        self.sweep_all(selection, SystemTime::now(), false, &mut done)?;
        self.remove_objects(locks, &mut done)?;
        if locks == Locks::Absent && !plan.evicted.is_empty() {
            let why = "no result is evicted: without locks nobody can tell whether it is being used";
            done.kept.push(why.to_owned());
        } else {
            for eviction in plan.evicted {
                match self.evict(&eviction)? {
                    Ok(()) => done.evicted.push(eviction),
                    Err(why) => done.kept.push(format!("{}: {why}", eviction.result)),
                }
            }
        }
        if !done.evicted.is_empty() {
            self.remove_objects(locks, &mut done)?;
        }
        Ok(done)
    }

    /// Marks outputs as evicted; says why not if it must not be.  Their objects go later, so a death in between leaves
    /// objects that nobody names, never a name without its object.
    fn evict(&self, eviction: &Eviction) -> Result<Result<(), String>, StoreError> {
        let key = eviction.result.key;
        let Some(lock) = self.try_lock(&key, &Holder::this_process("gc"))? else {
            return Ok(Err("it is being made again".into()));
        };
        let Some(mut manifest) = self.manifest(&key) else {
            return Ok(Err("its manifest was changed meanwhile".into()));
        };
        let later = manifest.divergent.iter_mut().flat_map(|other| other.outputs.iter_mut());
        for (name, output) in manifest.outputs.iter_mut().chain(later) {
            if eviction.outputs.contains_key(name) && eviction.digests.contains(&output.digest) {
                output.state = Presence::Evicted;
            }
        }
        self.rewrite_manifest(&lock, &manifest)?;
        Ok(Ok(()))
    }

    /// Removes every object that no result names and no running job reads, and what dead processes left beside them.
    fn remove_objects(&self, locks: Locks, done: &mut Cleaning) -> Result<(), StoreError> {
        let _alone = self.alone()?;
        let survey = Survey::of(self)?;
        let references = survey.references();
        // Where other hosts may not see the gate, an object a publisher just put there must not be touched either.
        let certain = |path: &std::path::Path| locks == Locks::Sound || sweep::untouched(path, sweep::DAY, survey.now);
        for path in self.temporary_objects()? {
            if certain(&path) {
                done.leftovers.add(path.symlink_metadata().map_or(0, |meta| meta.len()));
                remove(&path)?;
            }
        }
        if survey.obstacle().is_some() {
            return Ok(());
        }
        let evicted: BTreeSet<&Digest> = done.evicted.iter().flat_map(|eviction| &eviction.digests).collect();
        for (digest, bytes) in &survey.objects {
            let path = self.object_path(digest);
            if references.contains_key(digest) || survey.reading.contains(digest) || !certain(&path) {
                continue;
            }
            remove(&path)?;
            match evicted.contains(digest) {
                true => done.evicted_objects.add(*bytes),
                false => done.unreferenced.add(*bytes),
            }
        }
        Ok(())
    }
}

/// Outputs below this stay unless their role is selected: histories and matrices that tables read free next to nothing.
const SMALL: u64 = 64 * 1024;

/// An output that may be evicted.  What stands in the manifest as well is not worth it.
fn evictable(held: &Held, selection: &Selection, survey: &Survey) -> bool {
    let chosen = match selection.roles.is_empty() {
        true => held.stored.size >= SMALL,
        false => selection.roles.contains(&held.stored.artifact),
    };
    let there = survey.objects.contains_key(&held.stored.digest);
    chosen && there && held.stored.state == Presence::Present && !held.value
}

#[cfg(test)]
mod tests;
