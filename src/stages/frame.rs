//! Parquet, written and read in one place with fixed settings, so that equal tables are equal bytes.

use polars::prelude::*;
use std::fs::File;
use std::path::Path;

/// Writes `frame` to `path`: one row group, zstd, statistics off, nothing that depends on time or threads.
pub fn write_parquet(frame: &mut DataFrame, path: &Path) -> PolarsResult<()> {
    let file = File::create(path)?;
    frame.rechunk_mut();
    ParquetWriter::new(file)
        .with_compression(ParquetCompression::Zstd(None))
        .with_statistics(StatisticsOptions::empty())
        .with_row_group_size(None)
        .set_parallel(false)
        .finish(frame)?;
    Ok(())
}

pub fn read_parquet(path: &Path) -> PolarsResult<DataFrame> {
    ParquetReader::new(File::open(path)?).finish()
}

/// A column whose cells are lists of equal length: row `i` holds `values[i * width..(i + 1) * width]`.
pub fn list_column(name: &str, values: &[f32], width: usize, rows: usize) -> Column {
    let mut builder = polars::chunked_array::builder::ListPrimitiveChunkedBuilder::<Float32Type>::new(
        name.into(),
        rows,
        values.len(),
        DataType::Float32,
    );
    for row in 0..rows {
        builder.append_slice(&values[row * width..(row + 1) * width]);
    }
    builder.finish().into_column()
}

/// The flat values and the width of a list column whose lists have equal length.
pub fn list_values(frame: &DataFrame, name: &str) -> PolarsResult<(Vec<f32>, usize)> {
    let lists = frame.column(name)?.list()?;
    let mut values = Vec::new();
    let mut width = None;
    for list in lists.amortized_iter() {
        let list = list.ok_or_else(|| polars_err!(ComputeError: "column {name} holds a missing list"))?;
        let list = list.as_ref().f32()?;
        polars_ensure!(
            *width.get_or_insert(list.len()) == list.len(),
            ComputeError: "the lists of column {name} differ in length"
        );
        values.extend(list.into_no_null_iter());
    }
    Ok((values, width.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> DataFrame {
        let rows = Column::new("row".into(), [0_u32, 1]);
        DataFrame::new(2, vec![rows, list_column("p", &[0.25, 0.75, 1.0, 0.0], 2, 2)]).unwrap()
    }

    #[test]
    fn a_frame_reads_back_as_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.parquet");
        write_parquet(&mut frame(), &path).unwrap();
        let read = read_parquet(&path).unwrap();
        assert!(read.equals(&frame()));
        assert_eq!(list_values(&read, "p").unwrap(), (vec![0.25, 0.75, 1.0, 0.0], 2));
    }

    #[test]
    fn equal_frames_are_equal_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        write_parquet(&mut frame(), &a).unwrap();
        let mut chunked = frame().slice(0, 1);
        chunked.vstack_mut(&frame().slice(1, 1)).unwrap();
        write_parquet(&mut chunked, &b).unwrap();
        assert_eq!(std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
    }
}
