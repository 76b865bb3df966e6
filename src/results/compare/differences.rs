//! In which settings the two sides of a comparison differ.

use super::Question;
use crate::input::{Input, display};
use crate::source::Source;
use crate::survey::Survey;
use moelab_engine::plan::Input as Wire;
use moelab_engine::plan::why::leaves;
use moelab_engine::spec::matrix::same;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Differences that are told one by one.
const TOLD: usize = 12;

/// `stage.setting` → its values; a stage that is gathered may have several.
type Settings = BTreeMap<String, BTreeSet<String>>;

/// What differs in some row.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Differences {
    /// `stage.setting` → (in A, in B), for stages that both have.
    settings: BTreeMap<String, BTreeSet<(String, String)>>,
    /// Stages that one side alone has.
    only: [BTreeSet<String>; 2],
}

impl Differences {
    /// Of all stages behind the metrics, in the rows that are compared. What a stage found out is no setting.
    pub(super) fn between(question: &Question<'_>, surveyed: &[(Input, Survey<'_>); 2], rows: &[[usize; 2]]) -> Self {
        let sources = match question {
            Question::Experiments(a, b) => [a, b],
            Question::Axis { source, .. } => [source, source],
        };
        let mut found = Self::default();
        for cells in rows {
            let side = |i: usize| settings(sources[i], &surveyed[i], cells[i]);
            let [(stages_a, a), (stages_b, b)] = [side(0), side(1)];
            found.only[0].extend(stages_a.difference(&stages_b).cloned());
            found.only[1].extend(stages_b.difference(&stages_a).cloned());
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let stage = name.split('.').next().unwrap_or_default();
                let values = [a.get(name), b.get(name)].map(|values| values.map_or("–".to_owned(), joined));
                if values[0] != values[1] && stages_a.contains(stage) && stages_b.contains(stage) {
                    let [a, b] = values;
                    found.settings.entry(name.clone()).or_default().insert((a, b));
                }
            }
        }
        found
    }

    pub(super) fn notes(&self, question: &Question<'_>) -> Vec<String> {
        let read = |text: &String| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
        let asked = |(a, b): &(String, String)| match question {
            Question::Axis { values, .. } => differ_by(&read(a), &read(b), values),
            Question::Experiments(..) => false,
        };
        let told = |values: &BTreeSet<(String, String)>| {
            let values: Vec<String> = values.iter().map(|(a, b)| format!("{a} → {b}")).collect();
            values.join(", ")
        };
        let other = self.settings.iter().filter(|(_, values)| !values.iter().all(asked));
        // In the order of the pipeline: what was loaded is told first.
        let (Question::Experiments(source, _) | Question::Axis { source, .. }) = question;
        let stages = &source.experiment.pipeline.stages;
        let place = |name: &str| {
            stages
                .iter()
                .position(|stage| Some(stage.name.as_str()) == name.split('.').next())
        };
        let mut other: Vec<_> = other.collect();
        other.sort_by_key(|(name, _)| place(name));
        let told = |(name, values)| format!("{name} {}", told(values));
        let mut parts: Vec<String> = other.into_iter().map(told).collect();
        if parts.len() > TOLD {
            let more = parts.len() - TOLD;
            parts.truncate(TOLD);
            parts.push(format!("and {more} more"));
        }
        for (side, stages) in ["A", "B"].iter().zip(&self.only) {
            if !stages.is_empty() {
                let names: Vec<&str> = stages.iter().map(String::as_str).collect();
                parts.push(format!("only {side} has {}", names.join(", ")));
            }
        }
        if parts.is_empty() {
            return Vec::new();
        }
        let parts = parts.join("; ");
        vec![match question {
            Question::Axis { axis, .. } => format!("warning: more than `{axis}` differs: {parts}"),
            Question::Experiments(..) => format!("what differs: {parts}"),
        }]
    }
}

/// Whether two settings differ as these values do, be it in parts of a list, as the arguments of a command. A setting of 1.0
/// is the axis' 1, and an argument is its text.
fn differ_by(a: &Value, b: &Value, values: &[Value; 2]) -> bool {
    let is = |found: &Value, value: &Value| same(found, value) || found.as_str() == Some(display(value).as_str());
    let whole = is(a, &values[0]) && is(b, &values[1]);
    let in_part = || match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b) || differ_by(a, b, values))
        }
        _ => false,
    };
    whole || in_part()
}

fn joined(values: &BTreeSet<String>) -> String {
    values.iter().cloned().collect::<Vec<_>>().join("|")
}

/// The stages behind the metrics of a cell, and their settings with versions and sources.
fn settings(source: &Source<'_>, (input, survey): &(Input, Survey<'_>), cell: usize) -> (BTreeSet<String>, Settings) {
    let wanted = input
        .metrics
        .iter()
        .filter_map(|metric| source.plan.cells[cell].actions.get(&metric.stage));
    let (mut stages, mut settings) = (BTreeSet::new(), Settings::new());
    for id in source.plan.with_ancestors(wanted.copied()) {
        let node = &source.plan.graph[id];
        stages.insert(node.stage.clone());
        let Some(manifest) = survey.manifest(id) else { continue };
        let fed = |name: &str| {
            node.inputs
                .iter()
                .any(|wire| matches!(wire, Wire::Setting { setting, .. } if setting == name))
        };
        let mut say = |name: &str, value: String| {
            settings
                .entry(format!("{}.{name}", node.stage))
                .or_default()
                .insert(value);
        };
        let action = &manifest.action;
        for (name, value) in leaves(&action.config).iter().filter(|(name, _)| !fed(name)) {
            say(name, display(value));
        }
        say("(kind)", action.stage.clone());
        say("(version)", action.version.to_string());
        action
            .sources
            .iter()
            .for_each(|(role, digest)| say(&format!("({role})"), format!("{}…", digest.short())));
    }
    (stages, settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_that_differ_as_the_axis_does_are_no_other_difference() {
        let pair = [json!(1), json!(2)];
        let by_axis = |a: Value, b: Value| differ_by(&a, &b, &pair);
        assert!(by_axis(json!(1.0), json!(2)) && by_axis(json!("1"), json!("2")));
        assert!(by_axis(json!(["prog", "1", "{out}"]), json!(["prog", "2", "{out}"])));
        assert!(!by_axis(json!(["prog", "1"]), json!(["other", "2"])));
        assert!(!by_axis(json!(["1"]), json!(["2", "2"])) && !by_axis(json!(2), json!(1)));
    }
}
