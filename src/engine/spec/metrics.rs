//! The metrics of an experiment: numbers read from what stages produce.

use super::fields::{self, Item};
use super::pipeline::Pipeline;
use super::report::Problem;
use super::variants::Variants;
use super::words;
use crate::stage::Output;
use serde_json::Value;

/// A named number per run.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub name: String,
    pub stage: String,
    pub output: String,
    pub reading: Reading,
}

/// How the number is read from the output.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A field of a `metrics` document.
    Field(String),
    /// A column of a `history`, reduced to one number.
    Column { column: String, reduce: Reduce },
    /// The value itself: a number, or a list whose reduction is the reader's.
    Value,
}

/// From a column of a history to one number; `At` is an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    Last,
    Min,
    Max,
    MeanLast(u64),
    At(u64),
}

const REDUCTIONS: &str = "last, min, max, {mean_last: 10} or {at: 50}";

/// Reads `metrics`, checking each against the outputs its stage has.
pub fn read(
    item: Option<Item<'_>>,
    pipeline: &Pipeline,
    variants: &Variants,
    problems: &mut Vec<Problem>,
) -> Vec<Metric> {
    let Some(item) = item else { return Vec::new() };
    let mut found = Vec::new();
    for entry in item.entries("a mapping from names to metrics", problems) {
        if !fields::is_name(entry.name()) {
            let message = format!("`{}` cannot name a metric", words::shorten(entry.name()));
            problems.push(entry.key_problem(message).hint(fields::NAME));
            continue;
        }
        found.extend(metric(&entry, pipeline, variants, problems));
    }
    found
}

fn metric(item: &Item<'_>, pipeline: &Pipeline, variants: &Variants, problems: &mut Vec<Problem>) -> Option<Metric> {
    let (of, reduce) = match item.value {
        Value::Object(_) => {
            item.fields("a metric", &["of", "reduce"], problems);
            (item.require("of", "a metric", problems)?, item.get("reduce"))
        }
        _ => (item.clone(), None),
    };
    let text = of.text("stage.metric, or {of: stage.history.column, reduce: last}", problems)?;
    let steps: Vec<&str> = text.split('.').collect();
    let (stage, rest) = match &steps[..] {
        [stage, rest @ ..] if !rest.is_empty() && steps.iter().all(|step| !step.is_empty()) => (*stage, rest),
        _ => {
            let problem = of.problem(format!("`{}` is not `stage.metric`", words::shorten(&text)));
            problems.push(problem.hint("like evaluation.acc, or moe.history.loss"));
            return None;
        }
    };
    let Some(index) = pipeline.place(stage) else {
        // A stage that could not be read has been reported.
        if !pipeline.source.holds(&["stages", stage]) {
            let problem = of.problem(format!("the pipeline has no stage `{stage}`"));
            problems.push(problem.maybe_hint(words::suggest(stage, pipeline.names())));
        }
        return None;
    };
    // What a stage gives may differ from row to row: one that has the output is enough, the others show as missing.
    let mut wrong = None;
    for variant in &variants.all[index] {
        match locate(stage, rest, &variant.outputs) {
            Ok((output, place)) => {
                let reading = reading(place, item, &of, reduce.as_ref(), problems)?;
                return Some(Metric {
                    name: item.name().to_owned(),
                    stage: stage.to_owned(),
                    output,
                    reading,
                });
            }
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    if let Some((message, hint)) = wrong {
        problems.push(of.problem(message).maybe_hint(hint));
    }
    None
}

enum Located {
    Field(String),
    Column(String),
    Value,
}

/// Finds the output that is meant and what of it.
fn locate(stage: &str, rest: &[&str], outputs: &[Output]) -> Result<(String, Located), (String, Option<String>)> {
    let (first, within) = (rest[0], rest[1..].join("."));
    if let Some(output) = outputs.iter().find(|o| o.name == first) {
        let name = output.name.to_string();
        return match (output.artifact, within.is_empty()) {
            ("metrics", false) => field(stage, output, within),
            ("metrics", true) => Err((
                format!("`{stage}.{first}` holds many metrics"),
                Some(format!("name one: {stage}.acc, say")),
            )),
            ("history", false) if output.may_hold(&within) => Ok((name, Located::Column(within))),
            ("history", false) => Err((
                format!("`{stage}.{first}` has no column `{within}`"),
                nearest(output, &within),
            )),
            ("history", true) => Err((
                format!("`{stage}.{first}` is a history"),
                Some(format!("name a column: {stage}.{first}.loss, say")),
            )),
            (_, true) if output.value => Ok((name, Located::Value)),
            (_, false) if output.value => {
                Err((format!("`{stage}.{first}` is a single value, without `{within}`"), None))
            }
            (artifact, _) => Err((
                format!("`{stage}.{first}` is {artifact}: no metric can be read from it"),
                None,
            )),
        };
    }
    let metrics: Vec<&Output> = outputs.iter().filter(|o| o.artifact == "metrics").collect();
    match metrics[..] {
        [one] => field(stage, one, rest.join(".")),
        _ => {
            let readable = outputs
                .iter()
                .filter(|o| o.value || o.artifact == "history")
                .map(|o| match o.artifact {
                    "history" => format!("{stage}.{}.COLUMN", o.name),
                    "metrics" => format!("{stage}.{}.NAME", o.name),
                    _ => format!("{stage}.{}", o.name),
                });
            let readable = readable.collect::<Vec<_>>().join(", ");
            let hint = if readable.is_empty() {
                "it gives no numbers".to_owned()
            } else {
                format!("write {readable}")
            };
            Err((
                format!("stage `{stage}` has no metric `{}`", rest.join(".")),
                Some(hint),
            ))
        }
    }
}

/// A field of a `metrics` output, which must be one that the stage tells of, if it does.
fn field(stage: &str, output: &Output, name: String) -> Result<(String, Located), (String, Option<String>)> {
    if output.may_hold(&name) {
        return Ok((output.name.to_string(), Located::Field(name)));
    }
    Err((
        format!("stage `{stage}` has no metric `{name}`"),
        nearest(output, &name),
    ))
}

fn nearest(output: &Output, name: &str) -> Option<String> {
    words::suggest(name, output.fields.iter().map(|(told, _)| *told))
}

fn reading(
    place: Located,
    item: &Item<'_>,
    of: &Item<'_>,
    reduce: Option<&Item<'_>>,
    problems: &mut Vec<Problem>,
) -> Option<Reading> {
    match (place, reduce) {
        (Located::Column(column), Some(reduce)) => {
            reduction(reduce, problems).map(|reduce| Reading::Column { column, reduce })
        }
        (Located::Column(_), None) => {
            let text = of.value.as_str().unwrap_or_default();
            let problem = of.problem(format!("`{text}` has one number per epoch: say which one is meant"));
            problems.push(problem.hint(format!("write {{of: {text}, reduce: R}} with R = {REDUCTIONS}")));
            None
        }
        (_, Some(reduce)) => {
            problems.push(reduce.key_problem(format!("`{}` is a single number: nothing to reduce", item.name())));
            None
        }
        (Located::Field(field), None) => Some(Reading::Field(field)),
        (Located::Value, None) => Some(Reading::Value),
    }
}

fn reduction(item: &Item<'_>, problems: &mut Vec<Problem>) -> Option<Reduce> {
    match item.value {
        Value::String(text) => match text.as_str() {
            "last" => return Some(Reduce::Last),
            "min" => return Some(Reduce::Min),
            "max" => return Some(Reduce::Max),
            _ => {}
        },
        Value::Object(map) if map.len() == 1 => {
            if let Some(k) = item.get("mean_last") {
                return k.count("a number of epochs", 1, problems).map(Reduce::MeanLast);
            }
            if let Some(epoch) = item.get("at") {
                return epoch.count("an epoch", 0, problems).map(Reduce::At);
            }
        }
        _ => {}
    }
    problems.push(item.problem("this is no reduction").hint(format!("write {REDUCTIONS}")));
    None
}

#[cfg(test)]
mod tests {
    use super::super::fake::load;
    use super::*;

    fn read(metric: &str) -> Result<Metric, String> {
        load(&format!("metrics:\n  m: {metric}\n")).map(|mut e| e.metrics.remove(0))
    }

    #[test]
    fn an_evaluation_metric_is_a_field_of_its_metrics() {
        for text in ["evaluation.acc", "evaluation.metrics.acc"] {
            let metric = read(text).unwrap();
            assert_eq!(
                (metric.output.as_str(), metric.reading),
                ("metrics", Reading::Field("acc".into())),
                "{text}"
            );
        }
    }

    #[test]
    fn histories_are_reduced() {
        for (reduce, wanted) in [
            ("last", Reduce::Last),
            ("min", Reduce::Min),
            ("max", Reduce::Max),
            ("{mean_last: 10}", Reduce::MeanLast(10)),
            ("{at: 3}", Reduce::At(3)),
        ] {
            let metric = read(&format!("{{of: vae.history.loss, reduce: {reduce}}}")).unwrap();
            assert_eq!(
                metric.reading,
                Reading::Column {
                    column: "loss".into(),
                    reduce: wanted
                }
            );
        }
    }

    #[test]
    fn a_column_per_expert_is_known_by_its_number() {
        let metric = read("{of: vae.history.share_12, reduce: last}").unwrap();
        assert!(matches!(metric.reading, Reading::Column { column, .. } if column == "share_12"));
    }

    #[test]
    fn a_history_without_reduction_asks_for_one() {
        insta::assert_snapshot!(read("vae.history.loss").unwrap_err(), @r"
        error: `vae.history.loss` has one number per epoch: say which one is meant
         --> experiments/e.yaml:4:6
          |
        4 |   m: vae.history.loss
          |      ^^^^^^^^^^^^^^^^
          = write {of: vae.history.loss, reduce: R} with R = last, min, max, {mean_last: 10} or {at: 50}
        ");
    }

    #[test]
    fn a_value_is_a_metric() {
        assert_eq!(read("latent_size.latent_dim").unwrap().reading, Reading::Value);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for (metric, part) in [
            ("evaluaton.acc", "did you mean `evaluation`?"),
            ("evaluation", "is not `stage.metric`"),
            ("evaluation..acc", "is not `stage.metric`"),
            ("evaluation.accc", "did you mean `acc`?"),
            ("evaluation.metrics.purity", "known: acc, nmi, ari"),
            ("evaluation.metrics", "holds many metrics"),
            ("vae.history", "name a column"),
            ("{of: vae.history.los, reduce: last}", "no column `los`"),
            ("{of: vae.history.los, reduce: last}", "did you mean `loss`?"),
            ("{of: vae.history.share_x, reduce: last}", "no column `share_x`"),
            ("{of: vae.history.share_, reduce: last}", "no column `share_`"),
            ("vae.loss", "write vae.history.COLUMN"),
            ("images.acc", "it gives no numbers"),
            ("vae.model.x", "no metric can be read"),
            ("latent_size.latent_dim.x", "a single value"),
            ("{of: evaluation.acc, reduce: last}", "nothing to reduce"),
            ("{of: vae.history.loss, reduce: mean}", "no reduction"),
            (
                "{of: vae.history.loss, reduce: {mean_last: 0}}",
                "expects a number of epochs, got 0",
            ),
            ("{of: vae.history.loss, reduce: {at: 1, mean_last: 2}}", "no reduction"),
            ("{reduce: last}", "needs a field `of`"),
            ("3", "expects stage.metric"),
        ] {
            let said = read(metric).unwrap_err();
            assert!(said.contains(part), "{metric}: {said}");
        }
    }
}
