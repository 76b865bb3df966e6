//! Which results to evict, and what that would cost later.

use super::{Cleaning, Eviction, Recompute, Selection, Survey, evictable};
use crate::digest::Digest;
use crate::store::{Entry, Presence};
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

/// A result that may go, and how many of its outputs name each object.
struct Candidate {
    eviction: Eviction,
    named: BTreeMap<Digest, usize>,
}

/// Adds evictions to a plan that has its garbage.  `references` says how many present outputs name each object.
pub(super) fn evictions(
    selection: &Selection,
    survey: &Survey,
    mut references: BTreeMap<Digest, usize>,
    plan: &mut Cleaning,
) {
    let mut candidates = candidates(selection, survey, plan);
    if selection.to_size.is_some() {
        let today = seconds(survey.now);
        candidates.sort_by(|a, b| worth(&a.eviction, today).total_cmp(&worth(&b.eviction, today)));
    }
    let enough = |plan: &Cleaning| {
        selection
            .to_size
            .is_some_and(|size| plan.before.saturating_sub(plan.freed()) <= size)
    };
    let (mut chosen, mut freed) = (vec![], BTreeSet::new());
    for Candidate { eviction, named } in candidates {
        if enough(plan) {
            break;
        }
        for (digest, outputs) in &named {
            // An object goes with the last output that names it.
            let left = references.get_mut(digest).expect("present outputs are counted");
            *left -= outputs;
            if *left == 0 {
                freed.insert(*digest);
                plan.evicted_objects.add(survey.objects[digest]);
            }
        }
        chosen.push(eviction);
    }
    // Giving up a share of what others keep frees nothing.
    chosen.retain(|eviction| eviction.digests.iter().any(|digest| freed.contains(digest)));
    plan.recompute = recompute(survey, &chosen);
    plan.evicted = chosen;
}

/// What is lost per byte freed: seconds of recomputation, less for what has not been used for long.
fn worth(eviction: &Eviction, today: u64) -> f64 {
    let days = today.saturating_sub(eviction.last_used) as f64 / 86_400.0;
    eviction.seconds / (eviction.bytes.max(1) as f64 * (days + 1.0))
}

fn candidates(selection: &Selection, survey: &Survey, plan: &mut Cleaning) -> Vec<Candidate> {
    let today = seconds(survey.now);
    let mut found = vec![];
    for entry in &survey.catalogue.entries {
        let last_used = survey.uses.last(entry);
        let unused = |time: std::time::Duration| today.saturating_sub(last_used) >= time.as_secs();
        let wanted = selection.unused_for.is_none_or(unused)
            && (selection.experiment.as_deref()).is_none_or(|name| survey.uses.only_by(entry, name));
        let Some(candidate) = wanted.then(|| candidate(entry, selection, survey, last_used)).flatten() else {
            continue;
        };
        let eviction = &candidate.eviction;
        if survey.uses.live(&entry.key) {
            plan.kept
                .push(format!("{}: a running invocation counts on it", eviction.result));
        } else if eviction.digests.iter().any(|digest| survey.reading.contains(digest)) {
            plan.kept.push(format!("{}: a running job reads it", eviction.result));
        } else {
            found.push(candidate);
        }
    }
    found
}

/// The outputs of a result that would go, if there are any.
fn candidate(entry: &Entry, selection: &Selection, survey: &Survey, last_used: u64) -> Option<Candidate> {
    let going: Vec<_> = entry
        .outputs
        .iter()
        .filter(|held| evictable(held, selection, survey))
        .collect();
    if going.is_empty() {
        return None;
    }
    let mut named: BTreeMap<Digest, usize> = BTreeMap::new();
    for held in &going {
        *named.entry(held.stored.digest).or_default() += 1;
    }
    let eviction = Eviction {
        result: entry.into(),
        outputs: going.iter().map(|held| (held.name.clone(), held.stored.size)).collect(),
        bytes: named.keys().map(|digest| survey.objects[digest]).sum(),
        seconds: entry.seconds,
        last_used,
        digests: named.keys().copied().collect(),
    };
    Some(Candidate { eviction, named })
}

/// Everything that would run if all of `chosen` were asked for: they, and what they read that is evicted as well.
fn recompute(survey: &Survey, chosen: &[Eviction]) -> Recompute {
    let going: BTreeSet<_> = chosen.iter().flat_map(|eviction| &eviction.digests).collect();
    let mut makers: BTreeMap<Digest, &Entry> = BTreeMap::new();
    for entry in &survey.catalogue.entries {
        for held in &entry.outputs {
            let gone = held.stored.state == Presence::Evicted || going.contains(&held.stored.digest);
            if gone {
                makers.entry(held.stored.digest).or_insert(entry);
            }
        }
    }
    let keys: BTreeSet<_> = chosen.iter().map(|eviction| eviction.result.key).collect();
    let mut next: Vec<&Entry> = survey
        .catalogue
        .entries
        .iter()
        .filter(|e| keys.contains(&e.key))
        .collect();
    let (mut seen, mut sum) = (BTreeSet::new(), Recompute::default());
    while let Some(entry) = next.pop() {
        if seen.insert(entry.key) {
            sum.results += 1;
            sum.seconds += entry.seconds;
            sum.accelerated += u64::from(entry.device.starts_with("cuda"));
            next.extend(entry.inputs.iter().filter_map(|digest| makers.get(digest)));
        }
    }
    sum
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
