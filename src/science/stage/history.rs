//! Learning curves as a table.

use super::refuse;
use crate::train::fit::History;
use moelab_engine::job::Failure;
use moelab_stages::frame::write_parquet;
use polars::prelude::{Column, DataFrame, NamedFrom, Series};
use std::path::Path;

/// Epochs count from 1; `step` is the number of steps done by then.
pub fn write(history: &History, path: &Path) -> Result<(), Failure> {
    let epochs: Vec<u32> = (1..=history.rows.len() as u32).collect();
    let mut columns: Vec<Column> = vec![
        Series::new("epoch".into(), epochs).into(),
        Series::new("step".into(), history.steps.clone()).into(),
    ];
    for (c, name) in history.columns.iter().enumerate() {
        let values: Vec<f64> = history.rows.iter().map(|row| row[c]).collect();
        columns.push(Series::new(name.as_str().into(), values).into());
    }
    let mut frame = DataFrame::new(history.rows.len(), columns).map_err(refuse)?;
    write_parquet(&mut frame, path).map_err(refuse)
}
