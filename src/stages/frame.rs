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

/// Most values of all columns together, those within lists counted: a few bytes can stand for any number of equal ones.
const MOST_VALUES: u64 = 1 << 31;

pub fn read_parquet(path: &Path) -> PolarsResult<DataFrame> {
    let mut reader = ParquetReader::new(File::open(path)?);
    let chunks = reader
        .get_metadata()?
        .row_groups
        .iter()
        .flat_map(|group| group.parquet_columns());
    // A negative number becomes one that is too large.
    let values = chunks.fold(0u64, |sum, chunk| sum.saturating_add(chunk.num_values() as u64));
    polars_ensure!(
        values <= MOST_VALUES,
        ComputeError: "{}: its header announces {values} values, at most {MOST_VALUES} are read", path.display()
    );
    reader.finish()
}

/// A column without missing values.
pub fn whole<'a>(frame: &'a DataFrame, name: &str) -> PolarsResult<&'a Column> {
    let column = frame.column(name)?;
    polars_ensure!(column.null_count() == 0, ComputeError: "the column {name} holds missing values");
    Ok(column)
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
            list.null_count() == 0,
            ComputeError: "the lists of column {name} hold missing values"
        );
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
    fn missing_values_are_refused_and_not_taken_for_zeros() {
        let column = |name: &str, values: &[Option<f32>]| Column::new(name.into(), values);
        let frame = DataFrame::new(
            2,
            vec![column("a", &[Some(1.0), None]), column("b", &[Some(1.0), Some(2.0)])],
        )
        .unwrap();
        assert!(whole(&frame, "a").unwrap_err().to_string().contains("missing values"));
        assert_eq!(whole(&frame, "b").unwrap().len(), 2);
        let list = |values: &[Option<f32>]| {
            let inner = Series::new("".into(), values);
            DataFrame::new(1, vec![Column::new("p".into(), [inner])]).unwrap()
        };
        assert!(list_values(&list(&[Some(1.0), None]), "p").is_err());
        assert_eq!(list_values(&list(&[Some(1.0), Some(2.0)]), "p").unwrap().1, 2);
    }

    #[test]
    fn what_is_no_parquet_or_cut_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        write_parquet(&mut frame(), &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for end in [0, 4, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..end]).unwrap();
            assert!(read_parquet(&path).is_err(), "{end} bytes");
        }
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
