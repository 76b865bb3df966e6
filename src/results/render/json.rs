//! JSON: the tidy table as one array with an object per line.

use polars::prelude::*;
use serde_json::{Map, Value, json};

pub(crate) fn render(frame: &DataFrame) -> String {
    let line = |row: usize| {
        let fields = frame
            .columns()
            .iter()
            .map(|column| (column.name().to_string(), value(column, row)));
        Value::Object(fields.collect::<Map<_, _>>()).to_string()
    };
    let lines: Vec<String> = (0..frame.height()).map(|row| format!("  {}", line(row))).collect();
    if lines.is_empty() {
        "[]\n".to_owned()
    } else {
        format!("[\n{}\n]\n", lines.join(",\n"))
    }
}

/// One value of a table, whose columns are text, counts and numbers.
pub(crate) fn value(column: &Column, row: usize) -> Value {
    match column.get(row) {
        Ok(AnyValue::String(text)) => json!(text),
        Ok(AnyValue::StringOwned(text)) => json!(text.as_str()),
        Ok(AnyValue::Float64(x)) => json!(x),
        Ok(AnyValue::UInt32(n)) => json!(n),
        Ok(AnyValue::UInt64(n)) => json!(n),
        _ => Value::Null,
    }
}
