//! From an experiment's name to its plan.

use crate::args::{self, RunFormat};
use crate::exit::Exit;
use crate::say::say;
use moelab_engine::plan::select::Filter;
use moelab_engine::plan::{NodeId, Plan};
use moelab_engine::spec::{self, Experiment};
use moelab_engine::stage::Registry;
use moelab_engine::store::{Store, StoreError, sources};
use moelab_results::Source;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::{Write, stdout};
use std::path::Path;

pub struct Setup {
    pub registry: Registry,
    pub experiment: Experiment,
    pub plan: Plan,
}

impl Setup {
    pub fn load(given: &args::Experiment) -> Result<Self, Exit> {
        Self::of(&given.experiment, &given.overrides)
    }

    pub fn of(experiment: &Path, overrides: &[String]) -> Result<Self, Exit> {
        let registry = moelab_stages::registry();
        let experiment = spec::load(experiment, &registry, overrides)?;
        let plan = Plan::build(&experiment, &registry)?;
        Ok(Self {
            registry,
            experiment,
            plan,
        })
    }

    /// The actions that a command is about; none if all are. Says what cannot be among them.
    pub fn part(&self, asked: &args::Part) -> Result<Option<BTreeSet<NodeId>>, Exit> {
        if asked.only.is_empty() && asked.seeds.is_empty() && asked.conditions.is_empty() {
            return Ok(None);
        }
        let filter = Filter::parse(asked.seeds.iter().copied(), &asked.conditions);
        let part = filter.and_then(|filter| self.plan.part(&self.experiment, &asked.only, &filter));
        let part = part.map_err(|e| Exit::Usage(e.to_string()))?;
        if !part.left_out.is_empty() {
            say!("left out: {}", part.left_out);
        }
        Ok(Some(part.nodes))
    }

    /// Keeps the cells meant, and the published rows that may stand beside them: for a reader of results. Of several
    /// experiments each is asked what it has an axis or a parameter for.
    pub fn narrow(setups: &mut [Self], seeds: &[u64], conditions: &[String]) -> Result<(), Exit> {
        let filter = Filter::parse(seeds.iter().copied(), conditions).map_err(|e| Exit::Usage(e.to_string()))?;
        let all: Vec<&Experiment> = setups.iter().map(|setup| &setup.experiment).collect();
        let parts: Vec<Filter> = all.iter().map(|experiment| filter.of(experiment, &all)).collect();
        for (setup, part) in setups.iter_mut().zip(parts) {
            let narrowed = setup.plan.narrow(&setup.experiment, &part);
            narrowed.map_err(|e| Exit::Usage(format!("{}: {e}", setup.experiment.name)))?;
            setup.experiment.reference.retain(|row| part.suits(&row.labels));
        }
        Ok(())
    }

    /// Refuses stages to force that there are none of, be it at all or in the part that is asked for.
    pub fn check_forced(&self, stages: &[String], part: Option<&BTreeSet<NodeId>>) -> Result<(), Exit> {
        if stages.is_empty() {
            return Ok(());
        }
        let all = Filter::parse(None, &[]).map_err(|e| Exit::Usage(e.to_string()))?;
        let known = self.plan.part(&self.experiment, stages, &all);
        known.map_err(|e| Exit::Usage(e.to_string()))?;
        let wanted = self.plan.wanted(part);
        let outside = |stage: &&String| self.plan.of_stages(std::slice::from_ref(*stage)).is_disjoint(&wanted);
        match stages.iter().find(outside) {
            Some(stage) => Err(Exit::Usage(format!(
                "`{stage}` cannot be forced: what --only, --where and --seed ask for does not need it"
            ))),
            None => Ok(()),
        }
    }

    /// What the results of the experiment are read from.
    pub fn source<'a>(&'a self, store: Option<&'a Store>, data: &'a Path) -> Source<'a> {
        Source {
            experiment: &self.experiment,
            plan: &self.plan,
            registry: &self.registry,
            store,
            data,
        }
    }
}

/// The store for reading; none if there is no such folder yet, or nothing of a store in it.
pub fn store_if_any(folder: &Path) -> Result<Option<Store>, Exit> {
    let store = match Store::open_read_only(folder) {
        Err(StoreError::Missing(_)) => return Ok(None),
        store => store?,
    };
    sources::remember_with(store.source_memory());
    Ok(Some(store))
}

/// Prints a report as text or as one JSON document.
pub fn print(report: &(impl Serialize + Display), format: RunFormat) -> Result<(), Exit> {
    let mut out = stdout().lock();
    match format {
        RunFormat::Text => write!(out, "{report}")?,
        RunFormat::Json => {
            let text = serde_json::to_string_pretty(report).expect("a report is plain data");
            writeln!(out, "{text}")?;
        }
    }
    Ok(())
}
