//! Rows laid out for vectors: blocks of [`LANES`] rows, each block column by column.
//!
//! Distances are straight loops over the lanes of a block, which compile to vectors. Each lane sums over the columns in their
//! order, so results have the same bits whatever the width of the vectors.

/// Rows per block.
pub(crate) const LANES: usize = 32;

/// One value for each row of a block. The last block may have fewer rows than lanes.
pub(crate) type Lanes = [f64; LANES];

/// N rows in f64.
#[derive(Clone, Debug)]
pub(crate) struct LaneRows {
    len: usize,
    cols: usize,
    /// Lanes without a row are infinite: far from everything.
    columns: Vec<Lanes>,
}

impl LaneRows {
    /// The rows that `row` gives for 0..len, each of `cols` values.
    pub fn new<'a>(len: usize, cols: usize, row: impl Fn(usize) -> &'a [f32]) -> Self {
        let mut columns = vec![[f64::INFINITY; LANES]; len.div_ceil(LANES) * cols];
        for index in 0..len {
            let block = &mut columns[index / LANES * cols..][..cols];
            for (column, &value) in block.iter_mut().zip(row(index)) {
                column[index % LANES] = f64::from(value);
            }
        }
        Self { len, cols, columns }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn cols(&self) -> usize {
        self.cols
    }

    pub fn blocks(&self) -> usize {
        self.len.div_ceil(LANES)
    }

    /// One [`Lanes`] per column.
    pub fn block(&self, block: usize) -> &[Lanes] {
        &self.columns[block * self.cols..][..self.cols]
    }

    pub fn row(&self, index: usize) -> impl Iterator<Item = f64> {
        self.block(index / LANES)
            .iter()
            .map(move |column| column[index % LANES])
    }
}

/// The squared distances from `row` to the rows of a block.
///
/// In the order of the columns, as in [`squared`](super::squared), so d(x, y) = d(y, x) to the bit.
#[inline(always)]
pub(crate) fn distances(row: impl Iterator<Item = f64>, block: &[Lanes]) -> Lanes {
    let mut sums = [0.0; LANES];
    for (column, x) in block.iter().zip(row) {
        for (sum, y) in sums.iter_mut().zip(column) {
            *sum += (x - y) * (x - y);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::blobs;
    use super::super::squared;
    use super::*;

    #[test]
    fn distances_to_a_block_are_those_to_its_rows() {
        let data = blobs(100, 3, 2, 9);
        let rows = LaneRows::new(100, 3, |i| data.row(i));
        assert_eq!((rows.len(), rows.cols(), rows.blocks()), (100, 3, 4));
        let row = |i: usize| data.row(i).iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
        assert_eq!(rows.row(40).collect::<Vec<f64>>(), row(40));
        for (lane, &distance) in distances(rows.row(5), rows.block(3)).iter().enumerate() {
            let index = 3 * LANES + lane;
            let expected = match index < 100 {
                true => squared(&row(5), &row(index)),
                false => f64::INFINITY,
            };
            assert_eq!(distance, expected);
        }
    }
}
