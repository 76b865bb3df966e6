//! What the axes come from: covariances, or inner products where there are fewer points than features.

use crate::manifold::error::require_finite;
use crate::manifold::{ManifoldError, registers};
use crate::matrix::Matrix;
use faer::linalg::matmul::{matmul, triangular};
use faer::{Accum, Mat, MatMut, MatRef, Par};
use pulp::Arch;
use rayon::prelude::*;
use std::ops::Range;
use triangular::BlockStructure::{Rectangular, TriangularLower};

/// Fixed shares of the sums over rows, always added in the same order. Few, because each holds a sum of its own; where
/// there are more threads, they share its tiles.
const STRIPS: usize = 4;
/// Most rows of a product, which is summed in f32. So many of 700 features stay in a cache of 2 MB.
const BLOCK: usize = 512;
/// Features of a tile of the covariance, down and across. Products with AVX-512 take 96 rows at a time.
const TILE: usize = 96;

/// What one look through the data tells of its features.
pub struct Features {
    pub mean: Vec<f64>,
    /// Those that are not the same in all rows, ascending. Images have borders: a twelfth of MNIST's pixels never vary, and
    /// with them goes a sixth of the products.
    pub varying: Vec<usize>,
}

impl Features {
    /// Refuses data that have no mean.
    pub fn of(data: &Matrix) -> Result<Self, ManifoldError> {
        let (rows, cols) = (data.rows(), data.cols());
        if rows < 2 {
            return Err(ManifoldError::TooFewRows {
                what: "PCA",
                need: 2,
                rows,
            });
        }
        if cols == 0 {
            return Err(ManifoldError::NoColumns);
        }
        let (first, arch) = (data.row(0), Arch::new());
        let strips = data.data().par_chunks(rows.div_ceil(STRIPS) * cols);
        let looked: Vec<(Vec<f64>, Vec<u32>)> = strips
            .map(|strip| {
                let (mut sum, mut differing) = (vec![0.0; cols], vec![0_u32; cols]);
                arch.dispatch(|| {
                    for row in strip.chunks_exact(cols) {
                        sum.iter_mut().zip(row).for_each(|(s, v)| *s += f64::from(*v));
                        let bits = differing.iter_mut().zip(row).zip(first);
                        bits.for_each(|((d, v), f)| *d |= v.to_bits() ^ f.to_bits());
                    }
                });
                (sum, differing)
            })
            .collect();
        let of_column = |col: usize| looked.iter().map(|(sum, _)| sum[col]).sum::<f64>() / rows as f64;
        let mean: Vec<f64> = (0..cols).map(of_column).collect();
        // Sums of finite f32 stay finite in f64, so the data need be looked through only to name the place.
        if mean.iter().any(|m| !m.is_finite()) {
            require_finite(data)?;
        }
        let varies = |col: &usize| looked.iter().any(|(_, differing)| differing[*col] != 0);
        Ok(Self {
            mean,
            varying: (0..cols).filter(varies).collect(),
        })
    }
}

/// The lower triangle of the covariance of the varying features; when there are fewer points than features that of
/// XXᵀ/(N - 1), which has the same eigenvalues but zeros.
pub fn matrix(data: &Matrix, features: &Features) -> Mat<f64> {
    if data.rows() < data.cols() {
        inner_products(data, &features.mean)
    } else {
        covariance(data, &features.mean, &features.varying)
    }
}

/// The lower triangle of the covariance (denominator N - 1) of the named features. Every thread takes strips of rows, and
/// within its strip a block after the other, tile by tile, so that nobody waits before the end.
///
/// Products of a block of rows are summed in f32, which is twice as fast, and blocks in f64: within so few rows of centred
/// data the sum rounds no worse than the data were rounded. For the same reason the mean may be rounded to f32: moving
/// the centre by d adds N·d², far below a rounding of the data.
pub fn covariance(data: &Matrix, mean: &[f64], features: &[usize]) -> Mat<f64> {
    let cols = features.len();
    let centre: Vec<f32> = mean.iter().map(|m| *m as f32).collect();
    // Copied run by run: features that vary lie side by side.
    let runs: Vec<Range<usize>> = features
        .chunk_by(|a, b| a + 1 == *b)
        .map(|run| run[0]..run[0] + run.len())
        .collect();
    let strips = data.data().par_chunks(data.rows().div_ceil(STRIPS) * data.cols());
    let sums: Vec<Vec<Tile>> = strips
        .map(|strip| {
            let (mut tiles, rows) = (tiles(cols), strip.len() / data.cols());
            let block = rows.div_ceil(rows.div_ceil(BLOCK));
            let mut points = vec![0.0_f32; block * cols];
            for rows in strip.chunks(block * data.cols()) {
                let points = &mut points[..rows.len() / data.cols() * cols];
                centred(rows, data.cols(), &centre, &runs, points);
                let buffer = || vec![0.0; TILE * TILE];
                let tiles = tiles.par_iter_mut();
                tiles.for_each_init(buffer, |buffer, tile| tile.add(points, cols, buffer));
            }
            tiles
        })
        .collect();
    let mut covariance = Mat::zeros(cols, cols);
    for tile in sums.iter().flatten() {
        let (height, width) = (tile.rows.len(), tile.cols.len());
        let mut part = covariance
            .as_mut()
            .submatrix_mut(tile.rows.start, tile.cols.start, height, width);
        part += MatRef::from_column_major_slice(&tile.sum, height, width);
    }
    covariance *= faer::Scale(1.0 / (data.rows() - 1) as f64);
    covariance
}

/// Writes the values of some runs of columns, less their centre, to `points`.
fn centred(rows: &[f32], cols: usize, centre: &[f32], runs: &[Range<usize>], points: &mut [f32]) {
    let width = runs.iter().map(Range::len).sum::<usize>().max(1);
    Arch::new().dispatch(|| {
        for (point, row) in points.chunks_exact_mut(width).zip(rows.chunks_exact(cols)) {
            let mut rest = point;
            for run in runs {
                let (here, after) = rest.split_at_mut(run.len());
                let values = row[run.clone()].iter().zip(&centre[run.clone()]);
                here.iter_mut().zip(values).for_each(|(p, (v, m))| *p = v - m);
                rest = after;
            }
        }
    });
}

/// A part of the lower triangle of the covariance.
struct Tile {
    rows: Range<usize>,
    cols: Range<usize>,
    /// Column after column.
    sum: Vec<f64>,
}

/// The tiles of a covariance of so many features, all zero.
fn tiles(features: usize) -> Vec<Tile> {
    let ends = |first: usize| first..features.min(first + TILE);
    let row_of_tiles = |row: usize| {
        (0..=row).step_by(TILE).map(move |col| Tile {
            sum: vec![0.0; ends(row).len() * ends(col).len()],
            rows: ends(row),
            cols: ends(col),
        })
    };
    (0..features).step_by(TILE).flat_map(row_of_tiles).collect()
}

impl Tile {
    /// Adds the products of centred points.
    fn add(&mut self, points: &[f32], cols: usize, buffer: &mut [f32]) {
        let points = MatRef::from_row_major_slice(points, points.len() / cols, cols);
        let of = |features: &Range<usize>| points.subcols(features.start, features.len());
        let products = &mut buffer[..self.sum.len()];
        matmul(
            MatMut::from_column_major_slice_mut(products, self.rows.len(), self.cols.len()),
            Accum::Replace,
            of(&self.rows).transpose(),
            of(&self.cols),
            1.0,
            Par::Seq,
        );
        registers::release();
        let sums = self.sum.iter_mut().zip(&*products);
        Arch::new().dispatch(|| sums.for_each(|(s, p)| *s += f64::from(*p)));
    }
}

fn inner_products(data: &Matrix, mean: &[f64]) -> Mat<f64> {
    let mut points = Vec::with_capacity(data.rows() * data.cols());
    for row in (0..data.rows()).map(|i| data.row(i)) {
        points.extend(row.iter().zip(mean).map(|(v, m)| f64::from(*v) - m));
    }
    let points = MatRef::from_row_major_slice(&points, data.rows(), data.cols());
    let mut products = Mat::<f64>::zeros(data.rows(), data.rows());
    triangular::matmul(
        products.as_mut(),
        TriangularLower,
        Accum::Replace,
        points,
        Rectangular,
        points.transpose(),
        Rectangular,
        1.0 / (data.rows() - 1) as f64,
        Par::Seq,
    );
    registers::release();
    products
}
