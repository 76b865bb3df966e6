//! Picking actions: `--seed`, `--where`.

use super::part::LeftOut;
use super::{Axes, Cell, NodeId, Plan};
use crate::spec::{Experiment, Row, interpolate, matrix, words};
use petgraph::Direction;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Which cells are meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Any of them; every seed if there are none.
    pub seeds: Vec<u64>,
    /// Axes or parameters and the value each must have; of one named several times, any of the values.
    pub conditions: Vec<(String, Value)>,
}

/// Why a pick fails.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SelectError {
    #[error("the pipeline has no stage `{name}`{}", hint.as_ref().map_or(String::new(), |h| format!(" ({h})")))]
    UnknownStage { name: String, hint: Option<String> },
    #[error("`{text}` is not axis=value: {message}")]
    NotACondition { text: String, message: String },
    #[error("no axis or parameter is called `{name}`{}", hint.as_ref().map_or(String::new(), |h| format!(" ({h})")))]
    UnknownAxis { name: String, hint: Option<String> },
    #[error("nothing matches; {known}")]
    Nothing { known: String },
    #[error("stage `{stage}` has {} actions that match; choose one with --seed or --where:\n{}", matches.len(), lines(matches))]
    Several { stage: String, matches: Vec<Axes> },
    #[error("nothing is left to run: {why} needs cells that --seed and --where leave out")]
    LeftOut { why: LeftOut },
}

/// Matches shown in a message.
const SHOWN: usize = 20;

fn lines(matches: &[Axes]) -> String {
    let mut lines: Vec<String> = matches
        .iter()
        .take(SHOWN)
        .map(|axes| format!("  {}", describe(axes)))
        .collect();
    if matches.len() > SHOWN {
        lines.push(format!("  … and {} more", matches.len() - SHOWN));
    }
    lines.join("\n")
}

/// `alpha=10 seed=3`, as `--where` and `--seed` would take it.
pub fn describe(axes: &Axes) -> String {
    let said: Vec<String> = axes
        .iter()
        .map(|(name, value)| format!("{name}={}", words::plain(value)))
        .collect();
    if said.is_empty() {
        "(the only one)".into()
    } else {
        said.join(" ")
    }
}

impl Filter {
    /// From the options as typed; values are YAML.
    pub fn parse(seeds: impl IntoIterator<Item = u64>, conditions: &[String]) -> Result<Self, SelectError> {
        let mut filter = Self {
            seeds: seeds.into_iter().collect(),
            conditions: Vec::new(),
        };
        for text in conditions {
            let wrong = |message: String| SelectError::NotACondition {
                text: text.clone(),
                message,
            };
            let (name, value) = text.split_once('=').ok_or_else(|| wrong("there is no `=`".into()))?;
            let value = crate::spec::read_value(Path::new("--where"), value).map_err(|report| {
                wrong(
                    report
                        .problems
                        .iter()
                        .map(|p| p.message.as_str())
                        .collect::<Vec<_>>()
                        .join("; "),
                )
            })?;
            match name.trim() {
                super::SEED_AXIS => {
                    let seed = words::count(&value).ok_or_else(|| wrong("a seed is a whole number".into()))?;
                    filter.seeds.push(seed);
                }
                name => filter.conditions.push((name.to_owned(), value)),
            }
        }
        Ok(filter)
    }

    /// What of it is asked of an experiment that stands among others: what it knows, and what none of them does, for the
    /// error.
    pub fn of(&self, experiment: &Experiment, among: &[&Experiment]) -> Self {
        let asked = |name: &str| experiment.knows(name) || !among.iter().any(|other| other.knows(name));
        let mut part = self.clone();
        part.conditions.retain(|(name, _)| asked(name));
        part
    }

    fn check(&self, experiment: &Experiment) -> Result<(), SelectError> {
        for (name, wanted) in &self.conditions {
            if !experiment.knows(name) {
                let params = interpolate::names(&experiment.params).into_iter();
                let params: Vec<String> = params.filter(|name| !experiment.axes.contains(name)).collect();
                let known = experiment.axes.iter().chain(&params).map(String::as_str);
                return Err(SelectError::UnknownAxis {
                    name: name.clone(),
                    hint: words::suggest(name, known),
                });
            }
            let mut values = experiment.rows.iter().filter_map(|row| experiment.value(name, row));
            if !values.any(|value| matrix::same(&value, wanted)) {
                return Err(self.nothing(experiment));
            }
        }
        match self.seeds.iter().all(|seed| experiment.seeds.contains(seed)) {
            true => Ok(()),
            false => Err(self.nothing(experiment)),
        }
    }

    /// Says what there is to choose from: the axes, and what else was asked for.
    fn nothing(&self, experiment: &Experiment) -> SelectError {
        let asked = self.conditions.iter().map(|(name, _)| name);
        let names: BTreeSet<&String> = experiment.rows.iter().flat_map(Row::keys).chain(asked).collect();
        let mut said = Vec::new();
        for name in names {
            let mut known: Vec<Value> = Vec::new();
            for value in experiment.rows.iter().filter_map(|row| experiment.value(name, row)) {
                if !known.iter().any(|other| matrix::same(other, &value)) {
                    known.push(value);
                }
            }
            said.push((name.as_str(), known.iter().map(words::plain).collect::<Vec<_>>()));
        }
        said.push((super::SEED_AXIS, experiment.seeds.iter().map(u64::to_string).collect()));
        let said = said.iter().map(|(name, values)| {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            format!("{name} is {}", words::list(&values))
        });
        let known = said.collect::<Vec<_>>().join("; ");
        SelectError::Nothing { known }
    }

    fn takes(&self, cell: &Cell, experiment: &Experiment) -> bool {
        let fits = |(name, _): &(String, Value)| {
            let value = experiment.value(name, &cell.axes);
            value.is_some_and(|value| self.wants(name, &value))
        };
        (self.seeds.is_empty() || self.seeds.contains(&cell.seed)) && self.conditions.iter().all(fits)
    }

    /// Whether this axis or parameter may have this value.
    fn wants(&self, name: &str, value: &Value) -> bool {
        let mut wanted = self.conditions.iter().filter(|(other, _)| other == name).peekable();
        wanted.peek().is_none() || wanted.any(|(_, wanted)| matrix::same(value, wanted))
    }

    /// Whether a published row with these labels may stand beside the cells that are taken. What it does not say, it may
    /// be.
    pub fn suits(&self, labels: &BTreeMap<String, Value>) -> bool {
        labels.iter().all(|(name, value)| self.wants(name, value))
    }
}

impl Plan {
    /// The actions of a stage in the cells a filter takes, in order of the plan.
    pub fn matching(&self, experiment: &Experiment, stage: &str, filter: &Filter) -> Result<Vec<NodeId>, SelectError> {
        if experiment.pipeline.stage(stage).is_none() {
            let names = experiment.pipeline.stages.iter().map(|s| s.name.as_str());
            return Err(SelectError::UnknownStage {
                name: stage.to_owned(),
                hint: words::suggest(stage, names),
            });
        }
        let cells = self.cells_matching(experiment, filter)?;
        let nodes: BTreeSet<NodeId> = cells
            .iter()
            .filter_map(|cell| cell.actions.get(stage).copied())
            .collect();
        Ok(nodes.into_iter().collect())
    }

    /// The actions of these stages in all cells, also those that carry the name of an equal stage.
    pub fn of_stages(&self, stages: &[String]) -> BTreeSet<NodeId> {
        let mut nodes = BTreeSet::new();
        for stage in stages {
            nodes.extend(self.cells.iter().filter_map(|cell| cell.actions.get(stage).copied()));
        }
        nodes
    }

    /// The one action that is meant; several are listed in the error.
    pub fn pick(&self, experiment: &Experiment, stage: &str, filter: &Filter) -> Result<NodeId, SelectError> {
        match self.matching(experiment, stage, filter)?[..] {
            [node] => Ok(node),
            ref several => Err(SelectError::Several {
                stage: stage.to_owned(),
                matches: several.iter().map(|node| self.graph[*node].axes.clone()).collect(),
            }),
        }
    }

    /// The cells a filter takes: at least one.
    pub fn cells_matching(&self, experiment: &Experiment, filter: &Filter) -> Result<Vec<&Cell>, SelectError> {
        filter.check(experiment)?;
        let cells: Vec<&Cell> = self
            .cells
            .iter()
            .filter(|cell| filter.takes(cell, experiment))
            .collect();
        if cells.is_empty() {
            return Err(filter.nothing(experiment));
        }
        Ok(cells)
    }

    /// Keeps the cells a filter takes, for a reader of results; the actions stay, so that keys do.
    pub fn narrow(&mut self, experiment: &Experiment, filter: &Filter) -> Result<(), SelectError> {
        self.cells = self.cells_matching(experiment, filter)?.into_iter().cloned().collect();
        Ok(())
    }

    /// The actions that a run is about: those asked for and all they need, or all of the plan.
    pub fn wanted(&self, asked: Option<&BTreeSet<NodeId>>) -> BTreeSet<NodeId> {
        match asked {
            Some(asked) => self.with_ancestors(asked.iter().copied()),
            None => self.order().collect(),
        }
    }

    /// These actions and all they need.
    pub fn with_ancestors(&self, nodes: impl IntoIterator<Item = NodeId>) -> BTreeSet<NodeId> {
        let mut all: BTreeSet<NodeId> = BTreeSet::new();
        let mut open: Vec<NodeId> = nodes.into_iter().collect();
        while let Some(node) = open.pop() {
            if all.insert(node) {
                open.extend(self.graph.neighbors_directed(node, Direction::Incoming));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{planned, planned_on};
    use super::*;
    use crate::spec::fake::PIPELINE;

    const EXPERIMENT: &str = "seeds: 2\nmatrix: {axes: {k: [1, 2]}}\n";

    fn filter(seed: Option<u64>, conditions: &[&str]) -> Filter {
        let conditions: Vec<String> = conditions.iter().map(|c| (*c).to_owned()).collect();
        Filter::parse(seed, &conditions).unwrap()
    }

    #[test]
    fn one_action_is_picked_by_seed_and_axis() {
        let (experiment, plan) = planned(EXPERIMENT);
        let node = plan
            .pick(&experiment, "clusters", &filter(Some(1), &["k=2.0", "dataset=digits"]))
            .unwrap();
        assert_eq!(describe(&plan.graph[node].axes), "k=2 seed=1");
        assert!(plan.pick(&experiment, "images", &filter(Some(1), &[])).is_ok());
        assert_eq!(filter(None, &["seed=1"]), filter(Some(1), &[]));
    }

    #[test]
    fn a_stage_has_the_actions_it_shares_with_an_equal_one() {
        let twin = "  twin: {stage: train, inputs: {images: images}, latent_dim: 100, epochs: 5}\n";
        let (_, plan) = planned_on(&format!("{PIPELINE}{twin}"), EXPERIMENT);
        let of = |stage: &str| plan.of_stages(&[stage.to_owned()]);
        assert_eq!((of("twin"), of("twin").len()), (of("wide"), 2));
        assert!(plan.of_stages(&[]).is_empty());
    }

    #[test]
    fn several_matches_are_listed() {
        let (experiment, plan) = planned(EXPERIMENT);
        insta::assert_snapshot!(plan.pick(&experiment, "clusters", &filter(None, &["k=1"])).unwrap_err(), @r"
        stage `clusters` has 2 actions that match; choose one with --seed or --where:
          k=1 seed=0
          k=1 seed=1
        ");
    }

    #[test]
    fn a_narrowed_plan_has_the_cells_of_the_filter_and_all_actions() {
        let (experiment, mut plan) = planned(EXPERIMENT);
        let actions = plan.graph.node_count();
        plan.narrow(&experiment, &filter(Some(1), &["k=2"])).unwrap();
        let [cell] = &plan.cells[..] else {
            panic!("{} cells", plan.cells.len())
        };
        assert_eq!((cell.seed, &cell.axes["k"]), (1, &Value::from(2)));
        assert_eq!(plan.graph.node_count(), actions);
        assert!(plan.narrow(&experiment, &filter(Some(0), &[])).is_err());
    }

    #[test]
    fn of_several_experiments_each_is_asked_what_it_knows() {
        let (experiment, _) = planned(EXPERIMENT);
        let renamed = PIPELINE.replace("  k: 10", "  n: 10").replace("${k}", "${n}");
        let (other, _) = planned_on(&renamed, "");
        let asked = filter(Some(0), &["k=1", "n=10", "dataset=digits", "kk=3"]);
        let of = |one: &Experiment| asked.of(one, &[&experiment, &other]);
        assert_eq!(of(&experiment), filter(Some(0), &["k=1", "dataset=digits", "kk=3"]));
        assert_eq!(of(&other), filter(Some(0), &["n=10", "dataset=digits", "kk=3"]));
    }

    #[test]
    fn a_published_row_suits_unless_it_says_otherwise() {
        let labels = |of: &[(&str, i32)]| {
            of.iter()
                .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
                .collect()
        };
        let one_or_two = filter(Some(0), &["k=1", "k=2"]);
        assert!(one_or_two.suits(&labels(&[("k", 2), ("alpha", 5)])));
        assert!(one_or_two.suits(&labels(&[])));
        assert!(!one_or_two.suits(&labels(&[("k", 3)])));
    }

    #[test]
    fn what_does_not_exist_is_said_with_what_does() {
        let (experiment, plan) = planned(EXPERIMENT);
        let said = |stage: &str, f: &Filter| plan.pick(&experiment, stage, f).unwrap_err().to_string();
        assert_eq!(
            said("cluster", &filter(None, &[])),
            "the pipeline has no stage `cluster` (did you mean `clusters`?)"
        );
        assert_eq!(
            said("clusters", &filter(None, &["kk=1"])),
            "no axis or parameter is called `kk` (did you mean `k`?)"
        );
        assert_eq!(
            said("clusters", &filter(None, &["k=3"])),
            "nothing matches; k is 1, 2; seed is 0, 1"
        );
        // Also beside one that there is.
        assert!(said("clusters", &filter(Some(9), &["seed=0"])).contains("seed is 0, 1"));
        assert!(said("clusters", &filter(Some(0), &["k=1", "k=3"])).contains("k is 1, 2"));
        assert!(
            Filter::parse(None, &["k".to_owned()])
                .unwrap_err()
                .to_string()
                .contains("no `=`")
        );
        assert!(
            Filter::parse(None, &["k=010".to_owned()])
                .unwrap_err()
                .to_string()
                .contains("octal")
        );
    }
}
