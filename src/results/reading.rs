//! From one action to one number per metric.

use crate::error::ResultsError;
use crate::history;
use crate::input::{Action, Done, Metric, Reading, State};
use polars::prelude::DataFrame;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Whether there is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Ok,
    Missing,
    /// The action failed, or it finished without a finite number: either way there is no measurement.
    Failed,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Failed => "failed",
        }
    }
}

/// What an action says of a metric.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// Finite, and there if and only if the status is `Ok`.
    pub(crate) value: Option<f64>,
    pub(crate) status: Status,
    /// Why there is no value, for people.
    pub(crate) message: Option<String>,
    /// The output holds nothing of that name, but these: most likely the name is wrong.
    pub(crate) unknown: Option<Vec<String>>,
}

impl Found {
    pub(crate) fn number(value: f64) -> Self {
        if value.is_finite() {
            Self {
                value: Some(value),
                status: Status::Ok,
                message: None,
                unknown: None,
            }
        } else {
            Self::failed(format!("the value is {value}"))
        }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self {
            value: None,
            status: Status::Failed,
            message: Some(message.into()),
            unknown: None,
        }
    }

    pub(crate) fn unknown(message: String, there: Vec<String>) -> Self {
        Self {
            unknown: Some(there),
            ..Self::failed(message)
        }
    }

    fn missing(message: Option<String>) -> Self {
        Self {
            value: None,
            status: Status::Missing,
            message,
            unknown: None,
        }
    }
}

/// The histories of one action, each read once however many metrics ask for it.
#[derive(Default)]
pub(crate) struct Histories(BTreeMap<PathBuf, DataFrame>);

impl Histories {
    fn get(&mut self, path: &PathBuf) -> Result<&DataFrame, ResultsError> {
        if !self.0.contains_key(path) {
            let frame = moelab_stages::frame::read_parquet(path).map_err(|e| ResultsError::Unreadable {
                path: path.clone(),
                source: Box::new(e),
            })?;
            self.0.insert(path.clone(), frame);
        }
        Ok(&self.0[path])
    }
}

/// Reads one metric from the action that serves its stage.
pub(crate) fn read(metric: &Metric, action: &Action, histories: &mut Histories) -> Result<Found, ResultsError> {
    let done = match &action.state {
        State::Missing(message) => return Ok(Found::missing(message.clone())),
        State::Failed(message) => return Ok(Found::failed(message.clone())),
        State::Done(done) => done,
    };
    match &metric.reading {
        Reading::Column { column, reduce } => match done.files.get(&metric.output) {
            Some(Some(path)) => Ok(history::reduce(histories.get(path)?, column, *reduce)?),
            Some(None) => Ok(Found::missing(Some(format!(
                "`{}.{}` was evicted from the store",
                metric.stage, metric.output
            )))),
            None => Ok(Found::missing(None)),
        },
        reading => Ok(from_json(metric, reading, done)),
    }
}

fn from_json(metric: &Metric, reading: &Reading, done: &Done) -> Found {
    // Outputs may differ from row to row with the settings, so a row without this one just has no value.
    let Some(document) = done.values.get(&metric.output) else {
        return Found::missing(None);
    };
    match (reading, document) {
        (Reading::Field(name), Value::Object(fields)) => match fields.get(name) {
            Some(value) => number(value, &format!("`{}.{name}`", metric.stage)),
            None => Found::unknown(
                format!("`{}.{}` holds no `{name}`", metric.stage, metric.output),
                fields.keys().cloned().collect(),
            ),
        },
        (Reading::Field(name), _) => Found::failed(format!(
            "`{}.{}` has no fields, so no `{name}`",
            metric.stage, metric.output
        )),
        _ => number(document, &format!("`{}.{}`", metric.stage, metric.output)),
    }
}

/// One number. A list has no agreed reduction (mean, sum, length?), so none is chosen behind the reader's back.
fn number(value: &Value, what: &str) -> Found {
    match value {
        Value::Number(n) => Found::number(n.as_f64().unwrap_or(f64::NAN)),
        Value::Null => Found::failed(format!("{what} is not defined for this run (null)")),
        Value::Array(items) => Found::failed(format!(
            "{what} is a list of {}, where one number is wanted",
            items.len()
        )),
        other => Found::failed(format!("{what} is {other}, where a number is wanted")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{action, column, done, field, history_file};
    use serde_json::json;

    fn of(metric: &Metric, action: &Action) -> Found {
        read(metric, action, &mut Histories::default()).unwrap()
    }

    fn value(document: Value) -> Found {
        let metric = Metric {
            reading: Reading::Value,
            output: "latent_dim".into(),
            ..field("k", "latent_size", "")
        };
        of(&metric, &done("latent_dim", document))
    }

    #[test]
    fn a_field_of_metrics_is_a_number() {
        let found = of(
            &field("acc", "evaluation", "acc"),
            &done("metrics", json!({"acc": 0.5})),
        );
        assert_eq!(found, Found::number(0.5));
    }

    #[test]
    fn a_value_output_is_a_number() {
        assert_eq!(value(json!(12)), Found::number(12.0));
    }

    #[test]
    fn a_list_is_not_silently_averaged() {
        let found = value(json!([10, 12]));
        assert_eq!((found.value, found.status), (None, Status::Failed));
        assert!(found.message.unwrap().contains("a list of 2"));
    }

    #[test]
    fn null_and_text_are_failures() {
        for (document, part) in [(json!(null), "null"), (json!("NaN"), "\"NaN\"")] {
            let found = value(document);
            assert_eq!(found.status, Status::Failed);
            assert!(found.message.unwrap().contains(part));
        }
    }

    #[test]
    fn numbers_that_are_not_finite_are_failures() {
        assert_eq!(Found::number(f64::NAN).status, Status::Failed);
        assert_eq!(Found::number(f64::INFINITY).status, Status::Failed);
    }

    #[test]
    fn an_unknown_field_tells_what_is_there() {
        let found = of(
            &field("acc", "evaluation", "acx"),
            &done("metrics", json!({"acc": 0.5, "nmi": 0.4})),
        );
        assert_eq!(found.unknown.unwrap(), ["acc", "nmi"]);
    }

    #[test]
    fn a_missing_and_a_failed_action_have_no_value() {
        let metric = field("acc", "evaluation", "acc");
        assert_eq!(of(&metric, &action(State::Missing(None))).status, Status::Missing);
        let failed = of(&metric, &action(State::Failed("out of memory".into())));
        assert_eq!(
            (failed.status, failed.message.as_deref()),
            (Status::Failed, Some("out of memory"))
        );
    }

    #[test]
    fn an_output_the_row_does_not_have_is_missing() {
        assert_eq!(
            of(&field("acc", "evaluation", "acc"), &done("other", json!(1))).status,
            Status::Missing
        );
    }

    #[test]
    fn a_history_is_read_and_an_evicted_one_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let path = history_file(dir.path(), &[3.0, 2.0]);
        let metric = column("rec", "moe", "loss", crate::input::Reduce::Last);
        let with = |file| {
            action(State::Done(Done {
                files: [("history".into(), file)].into(),
                ..Done::default()
            }))
        };
        assert_eq!(of(&metric, &with(Some(path))), Found::number(2.0));
        let evicted = of(&metric, &with(None));
        assert_eq!(evicted.status, Status::Missing);
        assert!(evicted.message.unwrap().contains("evicted"));
    }

    #[test]
    fn a_damaged_history_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("broken");
        std::fs::write(&path, "no parquet").unwrap();
        let files = [("history".to_owned(), Some(path))].into();
        let action = action(State::Done(Done {
            files,
            ..Done::default()
        }));
        let metric = column("rec", "moe", "loss", crate::input::Reduce::Last);
        let error = read(&metric, &action, &mut Histories::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("broken") && error.contains("moelab verify"), "{error}");
    }
}
