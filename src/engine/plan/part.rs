//! The part of a plan that `--only`, `--seed` and `--where` leave.

use super::select::{Filter, SelectError};
use super::{Axes, Input, NodeId, Plan, SEED_AXIS};
use crate::spec::{Experiment, words};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Actions that can run on their own, and what was asked for but cannot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// With all that each of them needs.
    pub nodes: BTreeSet<NodeId>,
    pub left_out: LeftOut,
}

/// Stages that would need cells nobody asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeftOut {
    /// Those that gather such cells themselves, and over which values, in order of the pipeline.
    pub gathering: Vec<(String, Axes)>,
    /// Those that need one of them.
    pub after: Vec<String>,
}

impl Plan {
    /// The actions of these stages (of all, if none is named) in the cells a filter takes, and all they need. What gathers
    /// other cells too is left out, and so is what needs it: one seed is not to run all.
    ///
    /// # Errors
    /// If a stage, an axis or a value does not exist, or nothing is left.
    pub fn part(&self, experiment: &Experiment, stages: &[String], filter: &Filter) -> Result<Part, SelectError> {
        let cells = self.cells_matching(experiment, filter)?;
        let inside: BTreeSet<NodeId> = cells.iter().flat_map(|cell| cell.actions.values().copied()).collect();
        let mut out: BTreeSet<NodeId> = BTreeSet::new();
        for node in self.order().filter(|node| inside.contains(node)) {
            let mut sources = self.graph[node].inputs.iter().flat_map(Input::sources);
            if sources.any(|from| !inside.contains(&from.node) || out.contains(&from.node)) {
                out.insert(node);
            }
        }
        let mut asked: BTreeSet<NodeId> = BTreeSet::new();
        for stage in stages {
            asked.extend(self.matching(experiment, stage, filter)?);
        }
        if stages.is_empty() {
            asked.clone_from(&inside);
        }
        let kept = asked.difference(&out).copied();
        let nodes = self.with_ancestors(kept);
        let mut left_out = LeftOut::default();
        for stage in &experiment.pipeline.stages {
            let of_stage = cells.iter().filter_map(|cell| cell.actions.get(&stage.name));
            let missing: BTreeSet<NodeId> = of_stage
                .copied()
                .filter(|node| out.contains(node) && asked.contains(node))
                .collect();
            let gathered: Vec<Axes> = missing
                .iter()
                .filter_map(|node| self.gathered(*node, &inside))
                .collect();
            match gathered.into_iter().next() {
                Some(over) => left_out.gathering.push((stage.name.clone(), over)),
                None if !missing.is_empty() => left_out.after.push(stage.name.clone()),
                None => {}
            }
        }
        match nodes.is_empty() {
            true => Err(SelectError::LeftOut { why: left_out }),
            false => Ok(Part { nodes, left_out }),
        }
    }

    /// The values, as lists, of the axes along which an action gathers more than what is `inside`.
    fn gathered(&self, node: NodeId, inside: &BTreeSet<NodeId>) -> Option<Axes> {
        let mut over = Axes::new();
        for input in &self.graph[node].inputs {
            let Input::Gather { members, .. } = input else { continue };
            if members.iter().all(|(_, from)| inside.contains(&from.node)) {
                continue;
            }
            let values = |taken: &dyn Fn(NodeId) -> bool| {
                let mut values: BTreeMap<&String, Vec<Value>> = BTreeMap::new();
                for (axes, _) in members.iter().filter(|(_, from)| taken(from.node)) {
                    for (axis, value) in axes {
                        let known = values.entry(axis).or_default();
                        if !known.contains(value) {
                            known.push(value.clone());
                        }
                    }
                }
                values
            };
            let (all, own) = (values(&|_| true), values(&|node| inside.contains(&node)));
            // Axes of which all values are inside are not what is missing.
            let wider = all.iter().filter(|(axis, values)| own.get(*axis) != Some(values));
            over.extend(wider.map(|(axis, values)| ((*axis).clone(), Value::Array(values.clone()))));
        }
        (!over.is_empty()).then_some(over)
    }
}

impl LeftOut {
    pub fn is_empty(&self) -> bool {
        self.gathering.is_empty()
    }
}

/// `agreement (gathers over seeds 0 to 4), and what needs it: report`.
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said: Vec<String> = self
            .gathering
            .iter()
            .map(|(stage, over)| {
                let over: Vec<String> = over.iter().map(|(axis, values)| range(axis, values)).collect();
                format!("{stage} (gathers over {})", over.join(" and "))
            })
            .collect();
        write!(f, "{}", said.join(", "))?;
        match &self.after[..] {
            [] => Ok(()),
            after => write!(f, ", and what needs that: {}", after.join(", ")),
        }
    }
}

/// `seeds 0 to 4`, or `k 1, 3`.
fn range(axis: &str, values: &Value) -> String {
    let values = values.as_array().map_or(&[][..], Vec::as_slice);
    let numbers: Option<Vec<u64>> = values.iter().map(Value::as_u64).collect();
    let name = if axis == SEED_AXIS { "seeds" } else { axis };
    match numbers.as_deref() {
        Some([first, .., last]) if values.len() > 2 && last - first + 1 == values.len() as u64 => {
            format!("{name} {first} to {last}")
        }
        _ => {
            let values: Vec<String> = values.iter().map(words::plain).collect();
            format!(
                "{name} {}",
                words::list(&values.iter().map(String::as_str).collect::<Vec<_>>())
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{planned, planned_on};
    use super::*;
    use crate::spec::fake::PIPELINE;

    const EXPERIMENT: &str = "seeds: 3\nmatrix: {axes: {k: [1, 2]}}\n";

    /// With a choice among the values of k, one among the seeds too, and a stage after that.
    fn gathering() -> (Experiment, Plan) {
        let stages = "
  best: {stage: choose, inputs: {candidates: {from: clusters, over: [k]}}}
  all: {stage: choose, inputs: {candidates: {from: clusters, over: [k, seed]}}}
  after: {stage: shell, inputs: {chosen: all}}
";
        planned_on(&format!("{PIPELINE}{stages}"), EXPERIMENT)
    }

    fn filter(seeds: &[u64], conditions: &[&str]) -> Filter {
        let conditions: Vec<String> = conditions.iter().map(|c| (*c).to_owned()).collect();
        Filter::parse(seeds.iter().copied(), &conditions).unwrap()
    }

    fn stages(plan: &Plan, part: &Part) -> BTreeSet<String> {
        part.nodes.iter().map(|node| plan.graph[*node].stage.clone()).collect()
    }

    #[test]
    fn a_stage_means_its_ancestors_too_and_nothing_asked_is_everything() {
        let (experiment, plan) = planned(EXPERIMENT);
        let part = plan.part(&experiment, &["vae".to_owned()], &filter(&[0], &[])).unwrap();
        let expected = ["images", "latent_size", "vae", "wide"].map(str::to_owned);
        assert_eq!((stages(&plan, &part), part.nodes.len()), (expected.into(), 4));
        let all = plan.part(&experiment, &[], &filter(&[], &[])).unwrap();
        assert_eq!(all.nodes.len(), plan.graph.node_count());
    }

    #[test]
    fn seeds_leave_out_what_gathers_over_other_seeds_and_what_needs_it() {
        let (experiment, plan) = gathering();
        let part = plan.part(&experiment, &[], &filter(&[1], &[])).unwrap();
        let seeds = |node: &NodeId| plan.graph[*node].axes.get(SEED_AXIS).cloned();
        assert!(part.nodes.iter().filter_map(seeds).all(|seed| seed == 1));
        assert!(stages(&plan, &part).contains("best"));
        assert_eq!(
            part.left_out.to_string(),
            "all (gathers over seeds 0 to 2), and what needs that: after"
        );
        let all = plan.part(&experiment, &[], &filter(&[2, 0, 1], &[])).unwrap();
        assert!(all.left_out.is_empty() && all.nodes.len() == plan.graph.node_count());
    }

    #[test]
    fn a_value_leaves_out_what_gathers_over_its_axis() {
        let (experiment, plan) = gathering();
        let part = plan.part(&experiment, &[], &filter(&[], &["k=1"])).unwrap();
        assert_eq!(
            part.left_out.to_string(),
            "best (gathers over k 1, 2), all (gathers over k 1, 2), and what needs that: after"
        );
        let error = plan.part(&experiment, &["best".to_owned()], &filter(&[0], &["k=1"]));
        assert_eq!(
            error.unwrap_err().to_string(),
            "nothing is left to run: best (gathers over k 1, 2) needs cells that --seed and --where leave out"
        );
    }

    #[test]
    fn several_values_of_an_axis_are_taken_each() {
        let (experiment, plan) = planned("seeds: 3\nmatrix: {axes: {k: [1, 2, 3], alpha: [0.1, 0.2]}}\n");
        let part = plan
            .part(
                &experiment,
                &["clusters".to_owned()],
                &filter(&[0, 2], &["k=1", "k=3", "alpha=0.1"]),
            )
            .unwrap();
        let clusters = part.nodes.iter().filter(|node| plan.graph[**node].stage == "clusters");
        assert_eq!(clusters.count(), 4);
    }
}
