//! What a report says, row by row: why a clustering was split or chosen.

use crate::error::ResultsError;
use crate::grid::{Grid, Head, NOTHING, Role};
use crate::number::Digits;
use crate::render::terminal;
use moelab_engine::store::{Store, StoredOutput};
use moelab_stages::frame::read_parquet;
use polars::prelude::*;

/// Rows of a report that people read; a longer one is for programs.
const MOST_ROWS: usize = 40;

/// The rows as text of so many columns, or why they are not shown.
pub(super) fn lines(store: &Store, output: &StoredOutput, width: usize) -> Vec<String> {
    let read = || -> Result<DataFrame, ResultsError> {
        let path = store.verified_path(&output.digest)?;
        read_parquet(&path).map_err(|source| ResultsError::Unreadable {
            path,
            source: Box::new(source),
        })
    };
    let text = match read() {
        Ok(frame) if frame.height() > MOST_ROWS => {
            format!("{} rows; `moelab export` writes them as .csv", frame.height())
        }
        Ok(frame) => grid(&frame).map_or_else(|error| error.to_string(), |grid| terminal::render(&grid, width)),
        Err(error) => error.to_string(),
    };
    text.lines().map(str::to_owned).collect()
}

/// All columns but lists, which hold a number per row again.
fn grid(frame: &DataFrame) -> PolarsResult<Grid> {
    let mut grid = Grid {
        ours: vec![Vec::new(); frame.height()],
        ..Grid::default()
    };
    for column in frame.columns() {
        let (role, cells) = match column.dtype() {
            DataType::List(_) => continue,
            dtype if dtype.is_primitive_numeric() => (Role::Number, numbers(column)?),
            _ => (Role::Key, texts(column)?),
        };
        grid.heads.push(Head::new(column.name(), role));
        for (row, cell) in grid.ours.iter_mut().zip(cells) {
            row.push(cell.unwrap_or_else(|| NOTHING.to_owned()));
        }
    }
    Ok(grid)
}

fn numbers(column: &Column) -> PolarsResult<Vec<Option<String>>> {
    let values = column.cast(&DataType::Float64)?;
    let values: Vec<Option<f64>> = values.f64()?.iter().collect();
    let digits = Digits::of(values.iter().flatten().copied());
    let text = |value: Option<f64>| value.map(|value| digits.with_spread(value, None));
    Ok(values.into_iter().map(text).collect())
}

fn texts(column: &Column) -> PolarsResult<Vec<Option<String>>> {
    let values = column.cast(&DataType::String)?;
    Ok(values.str()?.iter().map(|text| text.map(str::to_owned)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use moelab_stages::frame::list_column;

    #[test]
    fn a_report_is_a_table_without_its_lists() {
        let mut frame = df!(
            "size" => ["0.01", "0.02"],
            "clusters" => [10_u32, 9],
            "agreement" => [Some(0.98765), None],
            "apart" => [true, false],
        )
        .unwrap();
        let lists = list_column("ari", &[1.0, 0.5, 0.5, 1.0], 2, 2);
        frame.with_column(lists).unwrap();
        insta::assert_snapshot!(terminal::render(&grid(&frame).unwrap(), 80), @"
        size  clusters  agreement  apart
        ────────────────────────────────
        0.01        10      0.988  true
        0.02         9          –  false
        ");
    }

    #[test]
    fn a_long_report_and_one_that_cannot_be_read_say_so() {
        let dir = tempfile::tempdir().unwrap();
        let bench = crate::bench::Bench::new(crate::bench::EXPERIMENT);
        let path = dir.path().join("report");
        let mut frame = df!("rows" => vec![1_u32; MOST_ROWS + 1]).unwrap();
        moelab_stages::frame::write_parquet(&mut frame, &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let output = StoredOutput {
            digest: moelab_engine::digest::Digest::of(&bytes),
            size: bytes.len() as u64,
            artifact: "report".into(),
            state: moelab_engine::store::Presence::Present,
        };
        let object = bench.store.object_path(&output.digest);
        let long = ["41 rows; `moelab export` writes them as .csv"];
        assert_ne!(lines(&bench.store, &output, 80), long, "it is not there");
        std::fs::create_dir_all(object.parent().unwrap()).unwrap();
        std::fs::write(object, bytes).unwrap();
        assert_eq!(lines(&bench.store, &output, 80), long);
    }
}
