//! Quantities that share a name and are not read from the same place.

use crate::input::{Input, Metric, Reading, Reduce};
use crate::source::distinct;

/// One note per name that experiments set beside each other read differently. What is written decides: stages of other
/// names may do the same, and stages of one name may not.
pub(crate) fn notes<'a>(inputs: impl Iterator<Item = &'a Input>) -> Vec<String> {
    let all: Vec<(&Input, &Metric)> = inputs
        .flat_map(|input| input.metrics.iter().map(move |metric| (input, metric)))
        .collect();
    let note = |name: String| {
        let of_name = || all.iter().filter(|(_, metric)| metric.name == name);
        let definitions = distinct(of_name().map(|(_, metric)| written(metric)).collect());
        let said = definitions.iter().map(|definition| {
            let meant = of_name().filter(|(_, metric)| written(metric) == *definition);
            let meant: Vec<&str> = meant.map(|(input, _)| input.experiment.as_str()).collect();
            format!("{definition} in {}", meant.join(", "))
        });
        let said: Vec<String> = said.collect();
        (said.len() > 1).then(|| format!("`{name}` is {}", said.join(" and ")))
    };
    let names = distinct(all.iter().map(|(_, metric)| metric.name.clone()).collect());
    names.into_iter().filter_map(note).collect()
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
