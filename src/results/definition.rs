//! Quantities that share a name and are not read from the same place.

use crate::input::{Input, Metric, Reading, Reduce};

/// One note per name that experiments set beside each other read differently. What is written decides: stages of other
/// names may do the same, and stages of one name may not.
pub(crate) fn notes<'a>(inputs: impl Iterator<Item = &'a Input>) -> Vec<String> {
    // Name → definition → experiments, all in order of appearance.
    let mut names: Vec<(&str, Vec<(String, Vec<&str>)>)> = Vec::new();
    for (input, metric) in inputs.flat_map(|input| input.metrics.iter().map(move |metric| (input, metric))) {
        let definitions = entry(&mut names, metric.name.as_str());
        entry(definitions, written(metric)).push(&input.experiment);
    }
    let differing = names.iter().filter(|(_, definitions)| definitions.len() > 1);
    let said = differing.map(|(name, definitions)| {
        let said = definitions
            .iter()
            .map(|(what, at)| format!("{what} in {}", at.join(", ")));
        format!("`{name}` is {}", said.collect::<Vec<_>>().join(" and "))
    });
    said.collect()
}

/// The value at a key, which is new and empty if need be.
fn entry<K: PartialEq, V>(known: &mut Vec<(K, Vec<V>)>, key: K) -> &mut Vec<V> {
    let at = known.iter().position(|(other, _)| *other == key).unwrap_or_else(|| {
        known.push((key, Vec::new()));
        known.len() - 1
    });
    &mut known[at].1
}

/// `evaluation.acc`, `moe.history.loss (last)`.
fn written(metric: &Metric) -> String {
    let Metric {
        stage, output, reading, ..
    } = metric;
    match reading {
        Reading::Field(field) if output == "metrics" => format!("{stage}.{field}"),
        Reading::Field(field) => format!("{stage}.{output}.{field}"),
        Reading::Value => format!("{stage}.{output}"),
        Reading::Column { column, reduce } => {
            let reduce = match reduce {
                Reduce::Last => "last".to_owned(),
                Reduce::Min => "min".to_owned(),
                Reduce::Max => "max".to_owned(),
                Reduce::MeanLast(k) => format!("mean of the last {k}"),
                Reduce::At(epoch) => format!("at epoch {epoch}"),
            };
            format!("{stage}.{output}.{column} ({reduce})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{column, field};

    fn input(experiment: &str, metrics: Vec<Metric>) -> Input {
        Input {
            experiment: experiment.into(),
            metrics,
            ..Input::default()
        }
    }

    #[test]
    fn one_name_for_two_quantities_is_told_with_who_means_which() {
        let k = |stage: &str| vec![field("K", stage, "clusters"), field("acc", "scores", "acc")];
        let inputs = [input("a", k("scores")), input("b", k("found")), input("c", k("scores"))];
        assert_eq!(
            notes(inputs.iter()),
            ["`K` is scores.clusters in a, c and found.clusters in b"]
        );
        assert_eq!(notes(inputs[..1].iter()), [""; 0]);
    }

    #[test]
    fn other_reductions_are_other_quantities() {
        let loss = |reduce| vec![column("loss", "moe", "loss", reduce)];
        let inputs = [input("a", loss(Reduce::Last)), input("b", loss(Reduce::MeanLast(3)))];
        assert_eq!(
            notes(inputs.iter()),
            ["`loss` is moe.history.loss (last) in a and moe.history.loss (mean of the last 3) in b"]
        );
    }
}
