//! Cells, projection and nodes: how an experiment becomes a DAG of actions.

use super::identity::{by_axes, identity, number_values};
use super::{Axes, Cell, Input, Node, Plan, SEED_AXIS, Source};
use crate::key::action_seed;
use crate::spec::report::{Problem, Report};
use crate::spec::variants::Variant;
use crate::spec::wiring::{self, Into, Wire};
use crate::spec::{Experiment, InputSpec, Part, Row, cells};
use crate::stage::{Output, Registry};
use petgraph::graph::{DiGraph, NodeIndex};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A set of axes; bit `i` is the experiment's axis `i`.
type Mask = u128;
/// The axis of seeds, above the 64 an experiment may have.
const SEED: Mask = 1 << 127;

/// What an action depends on: its axes, and the number of the value of each in this row; the seed last.
type Projection = (Mask, Vec<u32>);

/// Of a fan-in: what does not vary → what varies → a row and a seed where that member stands.
type Groups = BTreeMap<Projection, BTreeMap<Projection, (usize, usize)>>;

pub(super) fn build(experiment: &Experiment, registry: &Registry) -> Result<Plan, Report> {
    let mut builder = Builder::new(experiment, registry);
    builder.project();
    builder.check_fan_ins();
    Report::check(std::mem::take(&mut builder.problems))?;
    for stage in builder.order.clone() {
        builder.expand(stage);
    }
    Report::check(std::mem::take(&mut builder.problems))?;
    Ok(builder.finish())
}

struct Builder<'a> {
    experiment: &'a Experiment,
    registry: &'a Registry,
    /// Stages in topological order.
    order: Vec<usize>,
    /// What axes are in rows without them.
    defaults: Row,
    /// Per row and axis the number of the value; 0 where the axis is absent and has no one default.
    values: Vec<Vec<u32>>,
    /// Per stage and row the axes it depends on.
    masks: Vec<Vec<Mask>>,
    /// Per stage and cell (row by row, all seeds of a row together) its node.
    nodes: Vec<Vec<NodeIndex>>,
    graph: DiGraph<Node, ()>,
    identities: BTreeMap<String, NodeIndex>,
    problems: Vec<Problem>,
}

impl<'a> Builder<'a> {
    fn new(experiment: &'a Experiment, registry: &'a Registry) -> Self {
        let stages = experiment.pipeline.stages.len();
        let defaults = cells::defaults(&experiment.axes, &experiment.params);
        Self {
            experiment,
            registry,
            order: wiring::order(&experiment.pipeline),
            values: number_values(experiment, &defaults),
            defaults,
            masks: vec![Vec::new(); stages],
            nodes: vec![Vec::new(); stages],
            graph: DiGraph::new(),
            identities: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    fn producer(&self, input: &InputSpec) -> usize {
        let place = self.experiment.pipeline.place(&input.stage);
        place.expect("unknown stages have been refused")
    }

    fn variant(&self, stage: usize, row: usize) -> &'a Variant {
        self.experiment.variants.get(stage, row)
    }

    fn bits<'n>(&self, names: impl IntoIterator<Item = &'n String>) -> Mask {
        let bit = |name: &String| match self.experiment.axes.iter().position(|axis| axis == name) {
            Some(i) => 1 << i,
            None if name == SEED_AXIS => SEED,
            None => 0,
        };
        names.into_iter().map(bit).fold(0, |mask, bit| mask | bit)
    }

    /// Works out which axes each stage depends on.
    fn project(&mut self) {
        let mut below_seeds = vec![false; self.masks.len()];
        for stage in self.order.clone() {
            let inputs = &self.experiment.pipeline.stages[stage].inputs;
            below_seeds[stage] = inputs.iter().any(|input| {
                below_seeds[self.producer(input)] || input.over.iter().flatten().any(|axis| axis == SEED_AXIS)
            });
            let masks = (0..self.experiment.rows.len()).map(|row| {
                let variant = self.variant(stage, row);
                let mut mask = self.bits(&variant.uses);
                for input in inputs {
                    mask |= self.masks[self.producer(input)][row] & !self.bits(input.over.iter().flatten());
                }
                let draws = variant.draws && !below_seeds[stage];
                if draws { mask | SEED } else { mask }
            });
            self.masks[stage] = masks.collect();
        }
    }

    fn check_fan_ins(&mut self) {
        let pipeline = &self.experiment.pipeline;
        let mut problems = Vec::new();
        for (stage, spec) in pipeline.stages.iter().enumerate() {
            for input in &spec.inputs {
                let producer = self.producer(input);
                for (i, axis) in input.over.iter().flatten().enumerate() {
                    let at = i.to_string();
                    let path = ["inputs", &input.name, "over", &at];
                    let mut say = |message: String, hint: String| {
                        problems.push(pipeline.problem(&spec.name, &path, Part::Value, message).hint(hint));
                    };
                    let bit = self.bits([axis]);
                    if self.masks[producer].iter().all(|mask| mask & bit == 0) {
                        let name = &input.stage;
                        let reason = if axis == SEED_AXIS {
                            "nothing above it draws random numbers"
                        } else {
                            "neither it nor a stage above it uses it"
                        };
                        say(
                            format!("`{name}` does not depend on `{axis}`: {reason}"),
                            format!("leave `{axis}` out of `over`"),
                        );
                    }
                    if (0..self.experiment.rows.len()).any(|row| self.variant(stage, row).uses.contains(axis)) {
                        let message = format!(
                            "`{}` gathers `{axis}`, so its own settings cannot depend on it",
                            spec.name
                        );
                        say(message, format!("leave `{axis}` out of `over`, or out of the settings"));
                    }
                }
            }
        }
        self.problems = problems;
    }

    fn projection(&self, mask: Mask, row: usize, seed: usize) -> Projection {
        let axes = (0..self.experiment.axes.len()).filter(|i| mask & (1 << i) != 0);
        let mut values: Vec<u32> = axes.map(|i| self.values[row][i]).collect();
        if mask & SEED != 0 {
            values.push(u32::try_from(seed).expect("seeds are counted"));
        }
        (mask, values)
    }

    /// The axes of the mask that this row names, and the seed.
    fn axes(&self, mask: Mask, row: usize, seed: usize) -> Axes {
        let present = &self.experiment.rows[row];
        let mut axes: Axes = self
            .named(mask)
            .filter_map(|name| Some((name.clone(), present.get(name)?.clone())))
            .collect();
        if mask & SEED != 0 {
            axes.insert(SEED_AXIS.to_owned(), Value::from(self.experiment.seeds[seed]));
        }
        axes
    }

    /// The axes that tell a member of a fan-in from the others, those that its row leaves to their default too.
    fn member(&self, mask: Mask, row: usize, seed: usize) -> Axes {
        let mut axes = self.axes(mask, row, seed);
        for name in self.named(mask) {
            if let (Some(value), false) = (self.defaults.get(name), axes.contains_key(name)) {
                axes.insert(name.clone(), value.clone());
            }
        }
        axes
    }

    fn named(&self, mask: Mask) -> impl Iterator<Item = &'a String> {
        let axes = self.experiment.axes.iter().enumerate();
        axes.filter(move |(i, _)| mask & (1 << i) != 0).map(|(_, name)| name)
    }

    /// Makes the nodes of a stage, those it takes from being made.
    fn expand(&mut self, stage: usize) {
        let (rows, seeds) = (self.experiment.rows.len(), self.experiment.seeds.len());
        let mut wires: BTreeMap<(usize, usize), Wire> = BTreeMap::new();
        let groups: Vec<_> = self.experiment.pipeline.stages[stage]
            .inputs
            .iter()
            .map(|i| self.groups(i))
            .collect();
        let mut made: BTreeMap<Projection, NodeIndex> = BTreeMap::new();
        let mut nodes = Vec::with_capacity(rows * seeds);
        for row in 0..rows {
            let mask = self.masks[stage][row];
            // Without a seed of its own a row needs one look, however many seeds there are.
            let looks = if mask & SEED != 0 { seeds } else { 1 };
            for seed in 0..looks {
                let projection = self.projection(mask, row, seed);
                let node = match made.get(&projection) {
                    Some(node) => *node,
                    None => {
                        let Some(inputs) = self.inputs(stage, row, seed, &groups, &mut wires) else {
                            return;
                        };
                        let node = self.node(stage, row, seed, inputs);
                        made.insert(projection, node);
                        node
                    }
                };
                nodes.push(node);
            }
            let last = nodes[nodes.len() - 1];
            nodes.extend(std::iter::repeat_n(last, seeds - looks));
        }
        self.nodes[stage] = nodes;
    }

    /// For a fan-in: what does not vary → its members, each with a row and seed where it stands.
    fn groups(&self, input: &InputSpec) -> Groups {
        let mut groups = Groups::new();
        let Some(over) = &input.over else { return groups };
        let (over, producer) = (self.bits(over), self.producer(input));
        for (row, mask) in self.masks[producer].iter().enumerate() {
            let looks = if mask & SEED != 0 {
                self.experiment.seeds.len()
            } else {
                1
            };
            for seed in 0..looks {
                let kept = self.projection(mask & !over, row, seed);
                let members = groups.entry(kept).or_default();
                members
                    .entry(self.projection(mask & over, row, seed))
                    .or_insert((row, seed));
            }
        }
        groups
    }

    fn inputs(
        &mut self,
        stage: usize,
        row: usize,
        seed: usize,
        groups: &[Groups],
        wires: &mut BTreeMap<(usize, usize), Wire>,
    ) -> Option<Vec<Input>> {
        let experiment = self.experiment;
        let specs = &experiment.pipeline.stages[stage].inputs;
        let mut inputs = Vec::with_capacity(specs.len());
        for (i, spec) in specs.iter().enumerate() {
            let producer = self.producer(spec);
            let name = spec.name.clone();
            match &spec.over {
                None => {
                    let (wire, from) = self.source(stage, i, row, seed, wires)?;
                    inputs.push(match wire {
                        Into::Setting => Input::Setting { setting: name, from },
                        _ => Input::Port { port: name, from },
                    });
                }
                Some(over) => {
                    let over = self.bits(over);
                    let mask = self.masks[producer][row];
                    let kept = self.projection(mask & !over, row, seed);
                    let mut members = Vec::new();
                    for (member_row, member_seed) in groups[i][&kept].values() {
                        let (_, from) = self.source(stage, i, *member_row, *member_seed, wires)?;
                        let mask = self.masks[producer][*member_row] & over;
                        members.push((self.member(mask, *member_row, *member_seed), from));
                    }
                    members.sort_by(|a, b| by_axes(&a.0, &b.0));
                    inputs.push(Input::Gather { port: name, members });
                }
            }
        }
        // The order of the file means nothing.
        inputs.sort_by(|a, b| a.name().cmp(b.name()));
        Some(inputs)
    }

    /// Input `i` of a stage, from its producer in the given row and seed.
    fn source(
        &mut self,
        stage: usize,
        i: usize,
        row: usize,
        seed: usize,
        wires: &mut BTreeMap<(usize, usize), Wire>,
    ) -> Option<(Into, Source)> {
        let spec = &self.experiment.pipeline.stages[stage];
        let input = &spec.inputs[i];
        let producer = self.producer(input);
        let variant = self.experiment.variants.at[producer][row];
        let wire = match wires.get(&(i, variant)) {
            Some(wire) => wire.clone(),
            None => {
                let wire = self.connect(stage, input, &self.variant(producer, row).outputs)?;
                wires.entry((i, variant)).or_insert(wire).clone()
            }
        };
        let node = self.nodes[producer].get(row * self.experiment.seeds.len() + seed)?;
        Some((
            wire.into,
            Source {
                node: *node,
                output: wire.output,
                artifact: wire.artifact,
            },
        ))
    }

    /// Connects an input to outputs that its stage has in some row; a misfit is reported.
    fn connect(&mut self, stage: usize, input: &InputSpec, outputs: &[Output]) -> Option<Wire> {
        let pipeline = &self.experiment.pipeline;
        let spec = &pipeline.stages[stage];
        let kind = self.registry.get(&spec.kind).expect("unknown kinds have been refused");
        let report = |(message, hint): wiring::Wrong| {
            let path = ["inputs", input.name.as_str()];
            let problem = pipeline.problem(&spec.name, &path, Part::Value, message);
            self.problems.push(problem.maybe_hint(hint));
        };
        wiring::connect(input, kind, outputs).map_err(report).ok()
    }

    /// The node of these inputs: an equal one if there is one.
    fn node(&mut self, stage: usize, row: usize, seed: usize, inputs: Vec<Input>) -> NodeIndex {
        let spec = &self.experiment.pipeline.stages[stage];
        let variant = self.variant(stage, row);
        let mask = self.masks[stage][row];
        let user_seed = if mask & SEED != 0 {
            self.experiment.seeds[seed]
        } else {
            0
        };
        let seed_of_action = variant
            .draws
            .then(|| action_seed(user_seed, &spec.kind, variant.stream));
        let identity = identity(&spec.kind, variant, seed_of_action, &inputs);
        if let Some(node) = self.identities.get(&identity) {
            return *node;
        }
        let producers: BTreeSet<NodeIndex> = inputs
            .iter()
            .flat_map(Input::sources)
            .map(|source| source.node)
            .collect();
        let node = self.graph.add_node(Node {
            stage: spec.name.clone(),
            kind: spec.kind.clone(),
            settings: Arc::clone(&variant.settings),
            seed: seed_of_action,
            axes: self.axes(mask, row, seed),
            inputs,
        });
        for producer in producers {
            self.graph.add_edge(producer, node, ());
        }
        self.identities.insert(identity, node);
        node
    }

    fn finish(self) -> Plan {
        let seeds = &self.experiment.seeds;
        let stages = &self.experiment.pipeline.stages;
        let mut cells = Vec::with_capacity(self.experiment.rows.len() * seeds.len());
        for (r, row) in self.experiment.rows.iter().enumerate() {
            for (s, seed) in seeds.iter().enumerate() {
                let at = r * seeds.len() + s;
                let actions = stages
                    .iter()
                    .zip(&self.nodes)
                    .map(|(spec, nodes)| (spec.name.clone(), nodes[at]))
                    .collect();
                cells.push(Cell {
                    axes: row.clone(),
                    seed: *seed,
                    actions,
                });
            }
        }
        Plan {
            graph: self.graph,
            cells,
            project: self.experiment.pipeline.project(),
        }
    }
}
