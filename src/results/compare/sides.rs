//! What A and B are: their samples, and which rows of one belong to which of the other.

use super::Question;
use crate::collect::Readings;
use crate::error::ResultsError;
use crate::gaps;
use crate::input::{Input, display};
use crate::rows::{Grid, Spelling, decide};
use crate::source::{Source, distinct};
use crate::survey::Survey;
use moelab_engine::plan::select::{Filter, describe};
use moelab_engine::spec::matrix::same;
use moelab_engine::spec::words;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Axis → value, in a spelling that both sides share.
pub(super) type Place = BTreeMap<String, String>;

/// The values of one row and metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// With the seed, where the value depends on it; by seeds.
    pub(super) values: Vec<(Option<u64>, f64)>,
    pub(super) expected: usize,
    pub(super) devices: BTreeSet<String>,
}

pub(super) struct Side {
    pub(super) experiment: String,
    /// For people.
    pub(super) name: String,
    /// Axes that tell its rows apart, and their values in order of appearance.
    axes: Vec<String>,
    places: Vec<Place>,
    pub(super) samples: BTreeMap<(Place, String), Sample>,
    /// Place → a cell of the plan that stands for it.
    cells: BTreeMap<Place, usize>,
    pub(super) notes: Vec<String>,
}

/// The metrics to compare: those that are named, or else those of A's table that B has too.
pub(super) fn metrics(question: &Question<'_>, named: &[String]) -> Result<Vec<String>, ResultsError> {
    let sources = match question {
        Question::Experiments(a, b) => vec![a, b],
        Question::Axis { source, .. } => vec![source],
    };
    let has = |source: &Source<'_>, name: &String| source.experiment.metrics.iter().any(|m| m.name == *name);
    for source in &sources {
        if let Some(unknown) = named.iter().find(|name| !has(source, name)) {
            return Err(ResultsError::unknown_metric(unknown, source.experiment));
        }
    }
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let columns = sources[0].experiment.table.columns.iter();
    let shared: Vec<String> = columns
        .filter(|name| sources.iter().all(|source| has(source, name)))
        .cloned()
        .collect();
    if shared.is_empty() {
        let names = |source: &Source<'_>| {
            let names: Vec<&str> = source.experiment.metrics.iter().map(|m| m.name.as_str()).collect();
            format!("`{}` has {}", source.experiment.name, words::list(&names))
        };
        let [a, b] = [sources[0], sources[sources.len() - 1]];
        return Err(ResultsError::NothingInCommon {
            a: a.experiment.name.clone(),
            b: b.experiment.name.clone(),
            why: format!("no metric has the same name: {}, {}", names(a), names(b)),
        });
    }
    Ok(shared)
}

/// Looks up both sides; within one experiment they are the same.
pub(super) fn survey<'a>(
    question: &Question<'a>,
    metrics: &[String],
) -> Result<[(Input, Survey<'a>); 2], ResultsError> {
    let [a, b] = match question {
        Question::Experiments(a, b) => [a, b],
        Question::Axis { source, .. } => [source, source],
    };
    // What tells rows of one apart may be a parameter of the other.
    let names: BTreeSet<&String> = [a, b]
        .iter()
        .flat_map(|source| source.experiment.axes.iter().chain(&source.experiment.table.rows))
        .collect();
    let rows = |source: &Source<'a>| -> Vec<String> {
        names
            .iter()
            .filter(|name| source.experiment.knows(name))
            .map(|name| (*name).clone())
            .collect()
    };
    Ok([a.input(metrics, &rows(a))?, b.input(metrics, &rows(b))?])
}

impl Side {
    pub(super) fn of(
        question: &Question<'_>,
        which: usize,
        inputs: [&Input; 2],
        found: &Readings,
        filter: &Filter,
    ) -> Result<Self, ResultsError> {
        let (input, spelling) = (inputs[which], Spelling::of(inputs.into_iter()));
        let source = match question {
            Question::Experiments(a, b) => [a, b][which],
            Question::Axis { source, .. } => source,
        };
        let mut filter = match question {
            Question::Experiments(a, b) => filter.of(source.experiment, &[a.experiment, b.experiment]),
            Question::Axis { .. } => filter.clone(),
        };
        let mut own = None;
        if let Question::Axis { axis, values, .. } = question {
            known_value(source, axis, &values[which])?;
            own = Some(axis);
            if filter.conditions.iter().any(|(name, _)| name == axis) {
                return Err(ResultsError::Compared { axis: axis.clone() });
            }
            filter.conditions.push((axis.clone(), values[which].clone()));
        }
        let taken = source.plan.cells_matching(source.experiment, &filter);
        let taken: BTreeSet<_> = taken?.iter().map(|cell| std::ptr::from_ref(*cell)).collect();
        let grid = Grid::of(input);
        // An axis that changes no metric tells no rows apart.
        let bare = Input {
            rows: Vec::new(),
            ..input.clone()
        };
        let (mut axes, _) = decide(&bare, &grid)?;
        axes.extend(
            input
                .rows
                .iter()
                .filter(|row| !axes.contains(row) && constant(input, row))
                .cloned()
                .collect::<Vec<_>>(),
        );
        axes.retain(|axis| Some(axis) != own);
        let mut side = Self {
            experiment: input.experiment.clone(),
            name: name(source, own, &filter),
            places: Vec::new(),
            samples: BTreeMap::new(),
            cells: BTreeMap::new(),
            notes: Vec::new(),
            axes,
        };
        let mut kept = Input {
            runs: Vec::new(),
            ..input.clone()
        };
        let mut seen = BTreeSet::new();
        for (index, run) in input.runs.iter().enumerate() {
            if !taken.contains(&std::ptr::from_ref(&source.plan.cells[index])) {
                continue;
            }
            kept.runs.push(run.clone());
            let value = |axis: &String| Some((axis.clone(), spelling.text(axis, run.axes.get(axis)?)));
            let place: Place = side.axes.iter().filter_map(value).collect();
            if !side.places.contains(&place) {
                side.places.push(place.clone());
                side.cells.insert(place.clone(), index);
            }
            for (metric, declared) in input.metrics.iter().enumerate() {
                let Some(&action) = run.actions.get(&declared.stage) else {
                    continue;
                };
                // Runs that share an action count once.
                if !seen.insert((place.clone(), metric, action)) {
                    continue;
                }
                let sample = side.samples.entry((place.clone(), declared.name.clone())).or_default();
                sample.expected += 1;
                if let Some(value) = found[&(action, metric)].value {
                    let seed = input.actions[action].seeded.then_some(run.seed);
                    sample.values.push((seed, value));
                    sample.devices.extend(input.actions[action].devices.iter().cloned());
                }
            }
        }
        side.samples
            .values_mut()
            .for_each(|sample| sample.values.sort_by_key(|(seed, _)| *seed));
        let rows: Vec<String> = side.axes.iter().chain(own).cloned().collect();
        side.notes = gaps::notes(&kept, &Grid::of(&kept), &rows, found);
        Ok(side)
    }
}

/// Whether an axis has one value in all runs.
fn constant(input: &Input, axis: &str) -> bool {
    let mut values = input.runs.iter().map(|run| run.axes.get(axis));
    let first = values.next().flatten();
    first.is_some_and(|first| values.all(|value| value.is_some_and(|value| same(value, first))))
}

/// An axis must vary, and have the value.
fn known_value(source: &Source<'_>, axis: &str, value: &Value) -> Result<(), ResultsError> {
    let experiment = source.experiment;
    if !experiment.axes.iter().any(|known| known == axis) {
        let known = experiment.axes.iter().map(String::as_str);
        return Err(ResultsError::NotAnAxis {
            axis: axis.to_owned(),
            experiment: experiment.name.clone(),
            hint: words::suggest(axis, known).unwrap_or_else(|| "its matrix has no axes".into()),
        });
    }
    let mut values: Vec<Value> = Vec::new();
    for known in experiment.rows.iter().filter_map(|row| experiment.value(axis, row)) {
        if !values.iter().any(|v| same(v, &known)) {
            values.push(known);
        }
    }
    if values.iter().any(|known| same(known, value)) {
        return Ok(());
    }
    let known: Vec<String> = values.iter().map(display).collect();
    Err(ResultsError::UnknownValue {
        axis: axis.to_owned(),
        value: display(value),
        experiment: experiment.name.clone(),
        known: known.join(", "),
    })
}

/// What a side is called: its value of the axis that is compared, or its experiment.
fn name(source: &Source<'_>, axis: Option<&String>, filter: &Filter) -> String {
    let of_axis = |(name, _): &&(String, Value)| Some(name) == axis;
    let said: BTreeMap<String, Value> = filter.conditions.iter().filter(of_axis).cloned().collect();
    if said.is_empty() {
        source.experiment.name.clone()
    } else {
        describe(&said)
    }
}

/// Rows that belong together.
pub(super) struct Joined {
    pub(super) axes: Vec<String>,
    /// The row, and where it stands on each side.
    pub(super) places: Vec<(Place, [Place; 2])>,
    /// A pair of cells of the plans for each row.
    pub(super) runs: Vec<[usize; 2]>,
    pub(super) notes: Vec<String>,
}

/// Rows belong together if all they both know has the same value. What never has the same value on both sides is no
/// reason to keep them apart as long as it has one value on each: then it is what is compared, or comes with it.
pub(super) fn join(a: &Side, b: &Side) -> Result<Joined, ResultsError> {
    let axes: Vec<String> = a
        .axes
        .iter()
        .chain(b.axes.iter().filter(|axis| !a.axes.contains(axis)))
        .cloned()
        .collect();
    let values = |side: &Side, axis: &String| -> Vec<String> {
        let values = side.places.iter().filter_map(|place| place.get(axis)).cloned();
        distinct(values.collect())
    };
    let (mut shared, mut apart, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for axis in &axes {
        let (of_a, of_b) = (values(a, axis), values(b, axis));
        if of_a.is_empty() || of_b.is_empty() {
            continue;
        }
        if of_a.iter().any(|value| of_b.contains(value)) {
            shared.push(axis);
        } else if of_a.len() == 1 && of_b.len() == 1 {
            apart.push(axis);
            notes.push(format!("warning: `{axis}` is {} in A and {} in B", of_a[0], of_b[0]));
        } else {
            return Err(ResultsError::NothingInCommon {
                a: a.name.clone(),
                b: b.name.clone(),
                why: format!(
                    "`{axis}` is {} in one and {} in the other",
                    of_a.join(", "),
                    of_b.join(", ")
                ),
            });
        }
    }
    let (mut places, mut runs) = (Vec::new(), Vec::new());
    let mut left: BTreeSet<&Place> = b.places.iter().collect();
    for of_a in &a.places {
        let fits = |of_b: &&Place| shared.iter().all(|axis| of_a.get(*axis) == of_b.get(*axis));
        let partners: Vec<&Place> = b.places.iter().filter(fits).collect();
        if partners.is_empty() {
            notes.push(format!("only A has {}", said(of_a)));
        }
        for of_b in partners {
            left.remove(of_b);
            let mut place = of_b.clone();
            place.extend(of_a.clone());
            place.retain(|axis, _| !apart.contains(&axis));
            places.push((place, [of_a.clone(), of_b.clone()]));
            runs.push([a.cells[of_a], b.cells[of_b]]);
        }
    }
    notes.extend(left.into_iter().map(|place| format!("only B has {}", said(place))));
    let axes = axes.iter().filter(|axis| !apart.contains(axis)).cloned().collect();
    Ok(Joined {
        axes,
        places,
        runs,
        notes,
    })
}

fn said(place: &Place) -> String {
    let said: Vec<String> = place.iter().map(|(axis, value)| format!("{axis}={value}")).collect();
    said.join(" ")
}
