//! The one error of the manifold module: what is wrong, where, and what to do next.

use crate::matrix::Matrix;

/// Why a projection, a neighbour search or an embedding could not be computed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ManifoldError {
    #[error("{what} needs at least {need} points, but the data has {rows}; add data or ask for less")]
    TooFewRows {
        what: &'static str,
        need: usize,
        rows: usize,
    },

    #[error("the data has rows but no columns; check which feature was extracted")]
    NoColumns,

    #[error("row {row}, column {col} holds {value}; remove that row or repair the stage that wrote it")]
    NotFinite { row: usize, col: usize, value: f32 },

    #[error(
        "{k} neighbours (the point itself counts as one) were asked of {rows} points; set n_neighbors to at most {rows}"
    )]
    TooManyNeighbours { k: usize, rows: usize },

    #[error("{asked} components were asked of {rows} × {cols} data; at most {most} exist, lower n_components")]
    TooManyComponents {
        asked: usize,
        rows: usize,
        cols: usize,
        most: usize,
    },

    #[error("{left} has {left_cols} columns and {right} has {right_cols}; both must come from the same feature space")]
    ColumnMismatch {
        left: &'static str,
        left_cols: usize,
        right: &'static str,
        right_cols: usize,
    },

    #[error("{left} has {left_rows} rows and {right} has {right_rows}; both must describe the same points")]
    RowMismatch {
        left: &'static str,
        left_rows: usize,
        right: &'static str,
        right_rows: usize,
    },

    #[error("{name} = {value} is not allowed: {rule}")]
    Setting {
        name: &'static str,
        value: String,
        rule: &'static str,
    },

    #[error(
        "the eigenvalues of a {size} × {size} matrix did not converge; look for constant or enormous columns in the data"
    )]
    Eigen { size: usize },
}

/// Refuses data without columns and data with NaN or infinite values, naming the first one.
pub fn require_finite(data: &Matrix) -> Result<(), ManifoldError> {
    if data.rows() > 0 && data.cols() == 0 {
        return Err(ManifoldError::NoColumns);
    }
    match data.first_not_finite() {
        Some((row, col)) => Err(ManifoldError::NotFinite {
            row,
            col,
            value: data.row(row)[col],
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_that_is_not_finite_is_named_with_its_place() {
        let data = Matrix::new(2, 2, vec![0., 1., f32::INFINITY, 3.]);
        let message = require_finite(&data).unwrap_err().to_string();
        assert!(
            message.contains("row 1, column 0") && message.contains("inf"),
            "{message}"
        );
    }

    #[test]
    fn rows_without_columns_are_refused() {
        assert_eq!(
            require_finite(&Matrix::new(3, 0, vec![])),
            Err(ManifoldError::NoColumns)
        );
    }
}
