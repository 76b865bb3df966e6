//! Parquet: the tidy table with its types.

use crate::error::ResultsError;
use polars::prelude::DataFrame;
use std::path::Path;

/// Writes to a file.
pub fn write(frame: &DataFrame, path: &Path) -> Result<(), ResultsError> {
    Ok(moelab_stages::frame::write_parquet(&mut frame.clone(), path)?)
}

/// The bytes of such a file. They go through a temporary one, so that Parquet is written in one place with one setting.
pub fn render(frame: &DataFrame) -> Result<Vec<u8>, ResultsError> {
    let file = tempfile::NamedTempFile::new()?;
    write(frame, file.path())?;
    Ok(std::fs::read(file.path())?)
}
