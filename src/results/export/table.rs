//! Tables for other programs: CSV with a column per number, or Parquet with lists.

use crate::error::ResultsError;
use crate::render::{csv, parquet};
use moelab_stages::frame::{list_values, read_parquet, whole};
use polars::prelude::*;
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableForm {
    Csv,
    Parquet,
}

/// A table on its way out.
pub struct Table(DataFrame);

impl Table {
    pub fn read(path: &Path) -> Result<Self, ResultsError> {
        let unreadable = |source| ResultsError::Unreadable {
            path: path.to_owned(),
            source: Box::new(source),
        };
        read_parquet(path).map(Self).map_err(unreadable)
    }

    /// What a model says of images, from an `assignments` artifact: the row, the file (where images came from files), the
    /// cluster, its probability, then p and the cost of every cluster.
    pub fn assigned(path: &Path, files: Option<Vec<String>>) -> Result<Self, ResultsError> {
        let Self(mut frame) = Self::read(path)?;
        let (p, width) = list_values(&frame, "manager_p")?;
        let clusters = whole(&frame, "cluster")?.i32()?.clone();
        let own = clusters.into_no_null_iter().enumerate();
        let probability: Vec<Option<f32>> = own
            .map(|(row, cluster)| {
                let cluster = usize::try_from(cluster).ok().filter(|cluster| *cluster < width)?;
                Some(p[row * width + cluster])
            })
            .collect();
        frame.insert_column(2, Column::new("probability".into(), probability))?;
        if let Some(files) = files {
            frame.insert_column(1, Column::new("file".into(), files))?;
        }
        Ok(Self(frame))
    }

    pub fn rows(&self) -> usize {
        self.0.height()
    }

    pub fn bytes(&self, form: TableForm) -> Result<Vec<u8>, ResultsError> {
        match form {
            TableForm::Csv => csv::render(&flat(&self.0)?),
            TableForm::Parquet => parquet::render(&self.0),
        }
    }
}

/// Lists become a column per place: `manager_p.0`, `manager_p.1`, ….
fn flat(frame: &DataFrame) -> Result<DataFrame, ResultsError> {
    let mut columns = vec![];
    for column in frame.columns() {
        if !matches!(column.dtype(), DataType::List(_)) {
            columns.push(column.clone());
            continue;
        }
        let (values, width) = list_values(frame, column.name())?;
        for place in 0..width {
            let of_place: Vec<f32> = values.iter().skip(place).step_by(width).copied().collect();
            columns.push(Column::new(format!("{}.{place}", column.name()).into(), of_place));
        }
    }
    Ok(DataFrame::new(frame.height(), columns)?)
}
