//! The forms that settings of `command` take.

use crate::artifact;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::Value;
use std::borrow::Cow;
use std::time::Duration;

/// Text. A number or a truth value is taken for the text it is written as, so that `${epochs}` can stand by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Word(pub String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            Value::Bool(truth) => Ok(Self(truth.to_string())),
            // 100.0 is 100 and 1e-4 is 0.0001: one spelling per number.
            Value::Number(number) => Ok(Self(match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (None, None, Some(float)) => float.to_string(),
                _ => number.to_string(),
            })),
            other => Err(D::Error::custom(format!("expects text, got {other}"))),
        }
    }
}

impl JsonSchema for Word {
    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean"]})
    }
}

/// An artifact type by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Type(pub &'static str);

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = artifact::ALL.iter().find(|known| **known == name);
        known
            .map(|known| Self(known))
            .ok_or_else(|| D::Error::custom(format!("no artifact type is called `{name}`")))
    }
}

impl JsonSchema for Type {
    fn schema_name() -> Cow<'static, str> {
        "Type".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": artifact::ALL})
    }
}

/// A time limit: seconds, or text like `90s`, `10m`, `2h`, `1d`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Limit {
    Seconds(f64),
    Text(String),
}

impl Limit {
    /// None if it is no time, or not above zero.
    pub fn duration(&self) -> Option<Duration> {
        let seconds = match self {
            Self::Seconds(seconds) => *seconds,
            Self::Text(text) => {
                let text = text.trim();
                let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
                let factor = match unit {
                    "s" => 1.0,
                    "m" => 60.0,
                    "h" => 3600.0,
                    "d" => 86_400.0,
                    _ => return None,
                };
                number.trim().parse::<f64>().ok()? * factor
            }
        };
        Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|limit| !limit.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn word(value: Value) -> String {
        serde_json::from_value::<Word>(value).unwrap().0
    }

    #[test]
    fn numbers_and_truth_values_are_words_of_one_spelling() {
        assert_eq!(word(json!("a")), "a");
        assert_eq!(word(json!(4)), "4");
        assert_eq!(word(json!(100.0)), "100");
        assert_eq!(word(json!(1e-4)), "0.0001");
        assert_eq!(word(json!(u64::MAX)), u64::MAX.to_string());
        assert_eq!(word(json!(true)), "true");
        assert!(serde_json::from_value::<Word>(json!([])).is_err());
        assert!(serde_json::from_value::<Word>(json!(null)).is_err());
    }

    #[test]
    fn a_limit_is_seconds_or_text_with_a_unit() {
        let limit = |value: Value| serde_json::from_value::<Limit>(value).unwrap().duration();
        assert_eq!(limit(json!(600)), Some(Duration::from_secs(600)));
        assert_eq!(limit(json!(0.5)), Some(Duration::from_millis(500)));
        assert_eq!(limit(json!("90s")), Some(Duration::from_secs(90)));
        assert_eq!(limit(json!("1.5m")), Some(Duration::from_secs(90)));
        assert_eq!(limit(json!("2 h")), Some(Duration::from_secs(7200)));
        assert_eq!(limit(json!("1d")), Some(Duration::from_secs(86_400)));
        for none in [
            json!(0),
            json!(-1),
            json!(1e300),
            json!(""),
            json!("10"),
            json!("h"),
            json!("nanm"),
            json!("é"),
        ] {
            assert_eq!(limit(none.clone()), None, "{none}");
        }
    }
}
