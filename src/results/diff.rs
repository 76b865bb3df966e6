//! What differs between two results, and where that began.

use crate::error::ResultsError;
use crate::input::display;
use crate::lineage::{Lineage, Step};
use moelab_engine::plan::why::{Change, explain, leaves};
use moelab_engine::store::{Manifest, Store};
use polars::prelude::*;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Differences of a kind that are told one by one.
const TOLD: usize = 40;

/// Two actions, set against each other.
#[derive(Debug, Serialize)]
pub struct Diff {
    pub a: String,
    pub b: String,
    /// Whether both are the same action.
    pub same: bool,
    /// Numbers of their JSON outputs that differ: name → (A, B).
    pub values: BTreeMap<String, (String, String)>,
    /// Other outputs, each with what differs in it.
    pub outputs: Vec<String>,
    /// Pairs of stages that differ by themselves, though not all they read does: producers first.
    pub first: Vec<First>,
    /// Stages that differ because of those alone.
    pub follows: Vec<String>,
    /// How they were made; that changes no meaning.
    pub provenance: Vec<String>,
}

/// A pair of stages that differ by themselves.
#[derive(Debug, Serialize)]
pub struct First {
    pub a: String,
    pub b: String,
    pub changes: Vec<String>,
}

impl Diff {
    /// Walks both lineages upstream, port by port.
    pub fn of(a: &Lineage, b: &Lineage, store: &Store) -> Result<Self, ResultsError> {
        let (last_a, last_b) = (a.last(), b.last());
        let mut walk = Walk {
            sides: [a, b],
            seen: BTreeSet::new(),
            first: Vec::new(),
            follows: Vec::new(),
        };
        walk.pair(a.steps.len() - 1, b.steps.len() - 1);
        Ok(Self {
            a: title(last_a),
            b: title(last_b),
            same: last_a.manifest.key() == last_b.manifest.key(),
            values: values(&last_a.manifest, &last_b.manifest),
            outputs: outputs(&last_a.manifest, &last_b.manifest, store)?,
            first: walk.first,
            follows: walk.follows,
            provenance: provenance(&last_a.manifest, &last_b.manifest),
        })
    }
}

fn title(step: &Step) -> String {
    format!("{} {}", crate::lineage::title(step), step.manifest.key().short())
}

struct Walk<'a> {
    sides: [&'a Lineage; 2],
    seen: BTreeSet<(usize, usize)>,
    first: Vec<First>,
    follows: Vec<String>,
}

impl Walk<'_> {
    fn pair(&mut self, a: usize, b: usize) {
        let (of_a, of_b) = (&self.sides[0].steps[a], &self.sides[1].steps[b]);
        if of_a.manifest.key() == of_b.manifest.key() || !self.seen.insert((a, b)) {
            return;
        }
        // What a stage upstream found and what it made are no differences of this one, if that stage is known.
        let mut upstream: BTreeSet<&str> = BTreeSet::new();
        for feed in &of_b.feeds {
            let other = of_a
                .feeds
                .iter()
                .find(|other| other.name == feed.name && other.axes == feed.axes);
            let Some(other) = other.filter(|other| other.digest != feed.digest) else {
                continue;
            };
            if let (Some(a), Some(b)) = (other.maker, feed.maker) {
                upstream.insert(&feed.name);
                self.pair(a, b);
            }
        }
        let changes = explain(&of_b.manifest.action, &of_a.manifest.action);
        let inherited =
            |change: &&Change| ["inputs", "config"].contains(&change.part) && upstream.contains(change.name.as_str());
        let own: Vec<String> = changes
            .iter()
            .filter(|change| !inherited(change))
            .map(|change| change.text.clone())
            .collect();
        if own.is_empty() {
            self.follows.push(of_a.stage.clone());
        } else {
            self.first.push(First {
                a: title(of_a),
                b: title(of_b),
                changes: own,
            });
        }
    }
}

fn values(a: &Manifest, b: &Manifest) -> BTreeMap<String, (String, String)> {
    let all = |manifest: &Manifest| -> BTreeMap<String, String> {
        let fields = manifest.values.iter().flat_map(|(output, document)| {
            leaves(document).into_iter().map(move |(field, value)| {
                let name = if field.is_empty() {
                    output.clone()
                } else {
                    format!("{output}.{field}")
                };
                (name, display(&value))
            })
        });
        fields.collect()
    };
    let (of_a, of_b) = (all(a), all(b));
    let names: BTreeSet<&String> = of_a.keys().chain(of_b.keys()).collect();
    let value = |side: &BTreeMap<String, String>, name: &String| side.get(name).cloned().unwrap_or_else(|| "–".into());
    let pairs = names
        .into_iter()
        .map(|name| (name.clone(), (value(&of_a, name), value(&of_b, name))));
    pairs.filter(|(_, (a, b))| a != b).collect()
}

/// Outputs that are no values: the same bytes, or for tables how many rows and values differ.
fn outputs(a: &Manifest, b: &Manifest, store: &Store) -> Result<Vec<String>, ResultsError> {
    let mut said = Vec::new();
    for (name, of_a) in a.outputs.iter().filter(|(name, _)| !a.values.contains_key(*name)) {
        let Some(of_b) = b.outputs.get(name) else {
            said.push(format!("{name}: only A has it"));
            continue;
        };
        if of_a.digest == of_b.digest {
            said.push(format!("{name}: the same bytes"));
            continue;
        }
        let read = |digest| -> Option<DataFrame> {
            let path = store.verified_path(digest).ok()?;
            moelab_stages::frame::read_parquet(&path).ok()
        };
        said.push(match (read(&of_a.digest), read(&of_b.digest)) {
            (Some(a), Some(b)) => format!("{name}: {}", tables(&a, &b)?),
            _ => format!("{name}: other bytes ({} and {})", of_a.size, of_b.size),
        });
    }
    let new = b.outputs.keys().filter(|name| !a.outputs.contains_key(*name));
    said.extend(new.map(|name| format!("{name}: only B has it")));
    Ok(said)
}

fn tables(a: &DataFrame, b: &DataFrame) -> PolarsResult<String> {
    if a.height() != b.height() {
        return Ok(format!("{} rows and {}", a.height(), b.height()));
    }
    let mut parts = Vec::new();
    for column in a.columns() {
        let Ok(other) = b.column(column.name()) else {
            parts.push(format!("{} only in A", column.name()));
            continue;
        };
        if column.equals_missing(other) {
            continue;
        }
        let differ = (0..a.height())
            .filter(|row| column.get(*row).ok() != other.get(*row).ok())
            .count();
        parts.push(format!("{} in {differ} of {} rows", column.name(), a.height()));
    }
    let names = a.get_column_names();
    parts.extend(
        b.get_column_names()
            .iter()
            .filter(|name| !names.contains(name))
            .map(|name| format!("{name} only in B")),
    );
    Ok(if parts.is_empty() {
        "the same values in other bytes".into()
    } else {
        parts.join(", ")
    })
}

fn provenance(a: &Manifest, b: &Manifest) -> Vec<String> {
    let all = |manifest: &Manifest| {
        let made = &manifest.provenance;
        let mut all: BTreeMap<String, String> = made.libraries.clone();
        all.extend([
            ("build".to_owned(), made.build.clone()),
            ("host".to_owned(), made.host.clone()),
            ("device".to_owned(), made.device.clone()),
            ("threads".to_owned(), made.threads.to_string()),
            ("run".to_owned(), made.origin.run.clone()),
        ]);
        all
    };
    let (of_a, of_b) = (all(a), all(b));
    let names: BTreeSet<&String> = of_a.keys().chain(of_b.keys()).collect();
    let value = |side: &BTreeMap<String, String>, name: &String| side.get(name).cloned().unwrap_or_else(|| "–".into());
    let differ = names.into_iter().filter(|name| of_a.get(*name) != of_b.get(*name));
    differ
        .map(|name| format!("{name} {} → {}", value(&of_a, name), value(&of_b, name)))
        .collect()
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "A: {}\nB: {}", self.a, self.b)?;
        if self.same {
            return writeln!(f, "the same action");
        }
        if !self.values.is_empty() {
            writeln!(f, "values that differ")?;
            let widest = |of: &dyn Fn(&String, &(String, String)) -> usize| {
                self.values.iter().map(|(n, v)| of(n, v)).max().unwrap_or(0)
            };
            let (first, second) = (widest(&|name, _| name.len()), widest(&|_, (a, _)| a.len()));
            for (name, (a, b)) in self.values.iter().take(TOLD) {
                writeln!(f, "  {name:<first$}  {a:<second$}  {b}")?;
            }
            if self.values.len() > TOLD {
                writeln!(f, "  and {} more", self.values.len() - TOLD)?;
            }
        }
        if !self.outputs.is_empty() {
            writeln!(f, "outputs")?;
            self.outputs.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        }
        writeln!(f, "where it began")?;
        for first in &self.first {
            let other = if first.a == first.b {
                String::new()
            } else {
                format!("  →  {}", first.b)
            };
            writeln!(f, "  {}{other}", first.a)?;
            first
                .changes
                .iter()
                .try_for_each(|change| writeln!(f, "    {change}"))?;
        }
        if !self.follows.is_empty() {
            writeln!(f, "everything below follows from that: {}", self.follows.join(", "))?;
        }
        if !self.provenance.is_empty() {
            writeln!(f, "made otherwise (no part of the key)")?;
            self.provenance.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        }
        Ok(())
    }
}
