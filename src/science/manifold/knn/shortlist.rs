//! The same search with the products made elsewhere: an accelerator names a few near rows for each query, and these are
//! bracketed and measured here, so that the answer is that of [`super::exact`] to the bit.

use super::bracket::Space;
use super::{ManifoldError, Metric, Neighbours, check, settle, tiles};
use crate::matrix::Matrix;
use rayon::prelude::*;
use std::ops::Range;

/// Rows as the products want them: the k nearest of query x are nearly those of greatest 2x·y - n.
pub struct Prepared<'a> {
    pub rows: usize,
    pub dims: usize,
    /// rows × dims, row-major.
    pub values: &'a [f32],
    /// n of every row: ‖y‖², a little less.
    pub norms: &'a [f32],
}

/// Something that multiplies fast, in single precision.
pub trait Shortlist {
    /// Queries it takes at once.
    fn batch(&self) -> usize;

    /// For each of these rows as a query x, in order: the `length` rows y of greatest 2x·y - n, greatest first, as that
    /// value and the row's number. Sums must be accumulated in f32 or better.
    fn nearest(&mut self, queries: Range<usize>, length: usize) -> Vec<(f32, u32)>;
}

/// As [`super::exact`], with a shortlist that `open` makes of the prepared rows. A query whose shortlist turns out too
/// short is searched for here.
pub fn exact_by<S: Shortlist>(
    data: &Matrix,
    k: usize,
    metric: Metric,
    open: impl FnOnce(&Prepared<'_>) -> S,
) -> Result<Neighbours, ManifoldError> {
    check(data, data, k)?;
    let space = Space::new(data, data, metric, true);
    let mut shortlist = open(&Prepared {
        rows: data.rows(),
        dims: space.dims,
        values: &space.reference_rows,
        norms: &space.reference_norms,
    });
    // The brackets of a few rows beyond the k-th usually overlap with its own.
    let length = (k + k / 8 + 16).min(data.rows());
    let batch = shortlist.batch().max(1);
    let mut indices = vec![0_u32; data.rows() * k];
    let mut distances = vec![0.0_f32; data.rows() * k];
    let batches = indices.chunks_mut(batch * k).zip(distances.chunks_mut(batch * k));
    for (number, (indices, distances)) in batches.enumerate() {
        let first = number * batch;
        let nearest = shortlist.nearest(first..first + indices.len() / k, length);
        let each = indices.par_chunks_mut(k).zip(distances.par_chunks_mut(k));
        each.zip(nearest.par_chunks(length))
            .enumerate()
            .for_each(|(q, ((indices, distances), nearest))| {
                let query = first + q;
                match space.shortlisted(query, k, nearest) {
                    Some(rows) => settle(&space, query, rows.into_iter(), indices, distances),
                    None => tiles::between(&space, query, k, indices, distances),
                }
            });
    }
    Ok(Neighbours { k, indices, distances })
}

#[cfg(test)]
mod tests {
    use super::super::exact;
    use super::super::tests::random;
    use super::*;

    /// Multiplies in f64 and, like a device, rounds; `blur` is an error of its own.
    struct Plain {
        dims: usize,
        values: Vec<f32>,
        norms: Vec<f32>,
        blur: f32,
    }

    impl Plain {
        fn of(prepared: &Prepared<'_>, blur: f32) -> Self {
            Self {
                dims: prepared.dims,
                values: prepared.values.to_vec(),
                norms: prepared.norms.to_vec(),
                blur,
            }
        }

        fn row(&self, i: usize) -> &[f32] {
            &self.values[i * self.dims..(i + 1) * self.dims]
        }
    }

    impl Shortlist for Plain {
        fn batch(&self) -> usize {
            37
        }

        fn nearest(&mut self, queries: Range<usize>, length: usize) -> Vec<(f32, u32)> {
            let one = |q: usize| {
                let value = |j: usize| {
                    let product: f32 = self.row(q).iter().zip(self.row(j)).map(|(x, y)| x * y).sum();
                    2.0 * product - self.norms[j] + self.blur * ((j * 7) % 5) as f32
                };
                let mut all: Vec<_> = (0..self.norms.len()).map(|j| (value(j), j as u32)).collect();
                all.sort_by(|a, b| b.0.total_cmp(&a.0));
                all.truncate(length);
                all
            };
            queries.flat_map(one).collect()
        }
    }

    #[test]
    fn a_shortlist_gives_the_bytes_of_the_search_without_one() {
        for (data, k) in [
            (random(500, 6, 0.0), 9),
            (random(300, 20, 1000.0), 5),
            (random(40, 3, 0.0), 40),
        ] {
            for metric in [Metric::Euclidean, Metric::Cosine] {
                for blur in [0.0, 1e-7] {
                    let found = exact_by(&data, k, metric, |prepared| Plain::of(prepared, blur)).unwrap();
                    assert_eq!(
                        found,
                        exact(&data, k, metric).unwrap(),
                        "k {k}, {metric:?}, blur {blur}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_shortlist_full_of_ties_is_not_trusted() {
        // 90 copies of one row among 120: no shortlist of 20 can hold them all, and the lowest row numbers must win.
        let mut data = random(120, 2, 0.0);
        (10..100).for_each(|i| data.row_mut(i).fill(0.5));
        let found = exact_by(&data, 4, Metric::Euclidean, |prepared| Plain::of(prepared, 0.0)).unwrap();
        assert_eq!(found, exact(&data, 4, Metric::Euclidean).unwrap());
        assert_eq!(found.row(70).0, [70, 10, 11, 12]);
    }

    #[test]
    fn bad_requests_are_errors_before_anything_is_opened() {
        let none = exact_by(&random(4, 2, 0.0), 5, Metric::Euclidean, |_| -> Plain {
            unreachable!()
        });
        assert!(matches!(none, Err(ManifoldError::TooManyNeighbours { k: 5, rows: 4 })));
    }
}
