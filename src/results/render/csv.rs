//! CSV: the tidy table; empty where there is no value.

use crate::error::ResultsError;
use polars::prelude::*;

/// All digits are kept, so that reading it back gives the same numbers.
pub fn render(frame: &DataFrame) -> Result<Vec<u8>, ResultsError> {
    let mut bytes = Vec::new();
    CsvWriter::new(&mut bytes).finish(&mut frame.clone())?;
    Ok(bytes)
}
