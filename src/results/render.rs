//! The table in the formats people and programs read.

pub mod csv;
pub(crate) mod json;
mod latex;
mod markdown;
pub mod parquet;
pub(crate) mod terminal;

use crate::error::ResultsError;
use crate::grid::Grid;
use crate::table::Table;
use polars::prelude::DataFrame;

/// What a table is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned text of at most so many characters a line.
    Terminal {
        width: usize,
    },
    Markdown,
    Latex,
    Csv,
    Json,
    Parquet,
}

impl Format {
    /// Whether the notes are part of the document; with the others they belong on standard error.
    pub fn holds_notes(self) -> bool {
        matches!(self, Self::Terminal { .. } | Self::Markdown | Self::Latex)
    }
}

/// Which lines are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lines {
    /// Over the seeds.
    #[default]
    Cells,
    /// One per seed.
    Raw,
}

/// Writes a table down. Everything but Parquet is UTF-8 that ends in a newline.
pub fn render(table: &Table, format: Format, lines: Lines) -> Result<Vec<u8>, ResultsError> {
    match lines {
        Lines::Cells => write(format, table.tidy(), || Grid::pivot(table)),
        Lines::Raw => write(format, table.raw(), || Grid::raw(table)),
    }
}

/// Writes for people from `grid`, for programs from `frame`.
pub(crate) fn write(format: Format, frame: &DataFrame, grid: impl Fn() -> Grid) -> Result<Vec<u8>, ResultsError> {
    Ok(match format {
        Format::Terminal { width } => terminal::render(&grid(), width).into_bytes(),
        Format::Markdown => markdown::render(&grid()).into_bytes(),
        Format::Latex => latex::render(&grid()).into_bytes(),
        Format::Csv => csv::render(frame)?,
        Format::Json => json::render(frame).into_bytes(),
        Format::Parquet => parquet::render(frame)?,
    })
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
