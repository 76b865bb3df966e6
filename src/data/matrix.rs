//! Rows of numbers: what embeddings, features and latent codes are once they leave the device.

/// An N × D matrix of f32 in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    data: Vec<f32>,
}

impl Matrix {
    /// Wraps `data`, whose length must be `rows * cols`.
    ///
    /// # Panics
    /// If the length does not fit: shapes are checked where files are read, so this is a bug of ours.
    pub fn new(rows: usize, cols: usize, data: Vec<f32>) -> Self {
        assert_eq!(
            rows * cols,
            data.len(),
            "a {rows} × {cols} matrix needs {} values",
            rows * cols
        );
        Self { rows, cols, data }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn cols(&self) -> usize {
        self.cols
    }

    pub fn data(&self) -> &[f32] {
        &self.data
    }

    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.cols..(i + 1) * self.cols]
    }

    pub fn row_mut(&mut self, i: usize) -> &mut [f32] {
        &mut self.data[i * self.cols..(i + 1) * self.cols]
    }

    /// The rows named by `keep`, in that order.
    pub fn select(&self, keep: &[usize]) -> Self {
        let mut data = Vec::with_capacity(keep.len() * self.cols);
        for &i in keep {
            data.extend_from_slice(self.row(i));
        }
        Self::new(keep.len(), self.cols, data)
    }

    /// Row and column of the first value that is NaN or infinite.
    pub fn first_not_finite(&self) -> Option<(usize, usize)> {
        self.data
            .iter()
            .position(|v| !v.is_finite())
            .map(|p| (p / self.cols, p % self.cols))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn select_keeps_order_and_repeats() {
        let m = Matrix::new(3, 2, vec![0., 1., 2., 3., 4., 5.]);
        assert_eq!(m.select(&[2, 0, 2]).data(), &[4., 5., 0., 1., 4., 5.]);
    }

    #[test]
    fn first_not_finite_names_row_and_column() {
        let mut m = Matrix::new(2, 2, vec![0.; 4]);
        assert_eq!(m.first_not_finite(), None);
        m.row_mut(1)[0] = f32::NAN;
        assert_eq!(m.first_not_finite(), Some((1, 0)));
    }
}
