//! The cheap bracket around a distance, the candidates it leaves, and the exact measure that decides between them.

use super::Metric;
use crate::matrix::Matrix;

/// Reference rows whose lower ends are compared with the threshold at once.
const LANES: usize = 16;

/// Both point sets, centred and scaled (Euclidean) or on the unit sphere (cosine), in f32 for the matrix product.
pub struct Space<'a> {
    /// Columns of the prepared rows.
    pub dims: usize,
    /// Reference rows as prepared, row-major.
    pub reference_rows: Vec<f32>,
    /// (1 - 2ε)·‖y‖² of every prepared reference row, with ε the bound below.
    pub reference_norms: Vec<f32>,
    /// Prepared query rows; None when the queries are the reference.
    queries_prepared: Option<(Vec<f32>, Vec<f32>)>,
    reference: &'a Matrix,
    queries: &'a Matrix,
    inverse_lengths: Option<(Vec<f64>, Vec<f64>)>,
    /// |computed - true| of a squared distance is at most 2ε(‖x‖² + ‖y‖²).
    epsilon: f32,
}

impl<'a> Space<'a> {
    /// Prepares both sets; `same` says that the queries are the reference, prepared once.
    pub fn new(reference: &'a Matrix, queries: &'a Matrix, metric: Metric, same: bool) -> Self {
        let (prepared, prepared_queries, inverse_lengths, dims) = match metric {
            Metric::Euclidean => {
                let (centre, scale) = centre_and_scale(reference, queries);
                let of = |m: &Matrix| centred(m, &centre, scale);
                (of(reference), (!same).then(|| of(queries)), None, reference.cols())
            }
            Metric::Cosine => {
                let (a, b) = (inverse_lengths(reference), inverse_lengths(queries));
                let rows = unit(reference, &a);
                (
                    rows,
                    (!same).then(|| unit(queries, &b)),
                    Some((a, b)),
                    reference.cols() + 1,
                )
            }
        };
        // A dot product of D terms errs by less than (D + 1)·2⁻²⁴·|x||y|; the norms and the rounding of the prepared
        // rows add a few units more, and f32::EPSILON is twice 2⁻²⁴.
        let epsilon = (dims as f32 + 12.0) * f32::EPSILON;
        let norms = |rows: &[f32]| -> Vec<f32> {
            rows.chunks_exact(dims)
                .map(|r| r.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() as f32)
                .collect()
        };
        let reference_norms = norms(&prepared);
        let queries_prepared = prepared_queries.map(|rows| {
            let norms = norms(&rows);
            (rows, norms)
        });
        let mut space = Self {
            dims,
            reference_rows: prepared,
            reference_norms,
            queries_prepared,
            reference,
            queries,
            inverse_lengths,
            epsilon,
        };
        let shrink = 1.0 - 2.0 * epsilon;
        space.reference_norms.iter_mut().for_each(|n| *n *= shrink);
        if let Some((_, norms)) = &mut space.queries_prepared {
            norms.iter_mut().for_each(|n| *n *= shrink);
        }
        space
    }

    /// Prepared query rows, row-major.
    pub fn query_rows(&self) -> &[f32] {
        self.queries_prepared
            .as_ref()
            .map_or(&self.reference_rows, |(rows, _)| rows)
    }

    /// An empty set of candidates for query `i`.
    pub fn candidates(&self, i: usize, k: usize) -> Candidates {
        let norms = self
            .queries_prepared
            .as_ref()
            .map_or(&self.reference_norms, |(_, norms)| norms);
        // upper - lower = 4ε(‖x‖² + ‖y‖²); the norms at hand are shrunk by (1 - 2ε), 5 covers that.
        Candidates {
            k,
            norm: norms[i],
            spread: 5.0 * self.epsilon,
            threshold: f32::INFINITY,
            kept: Vec::new(),
            cap: 2 * k + 64,
        }
    }

    /// The rows among `nearest` that may be among the k nearest of `query`, or None if there may be others.
    ///
    /// `nearest` holds (2x·y - n, row) of the greatest such values of all reference rows, descending; n is the shrunk ‖y‖².
    pub fn shortlisted(&self, query: usize, k: usize, nearest: &[(f32, u32)]) -> Option<Vec<u32>> {
        let Candidates { norm, spread, .. } = self.candidates(query, k);
        let lower = |value: f32| norm - value;
        let upper = |(value, row): &(f32, u32)| {
            lower(*value) + spread * (norm + self.reference_norms[*row as usize]) + f32::MIN_POSITIVE
        };
        let mut uppers: Vec<f32> = nearest.iter().map(upper).collect();
        let threshold = *uppers.select_nth_unstable_by(k - 1, f32::total_cmp).1;
        let within = nearest.partition_point(|(value, _)| lower(*value) <= threshold);
        let all = within < nearest.len() || nearest.len() == self.reference_norms.len();
        all.then(|| nearest[..within].iter().map(|(_, row)| *row).collect())
    }

    /// The exact squared distance (Euclidean) or cosine distance in f64, from differences of the original values.
    pub fn measure(&self, query: usize, reference: u32) -> f64 {
        let j = reference as usize;
        let (x, y) = (self.queries.row(query), self.reference.row(j));
        match &self.inverse_lengths {
            None => squared_difference(x, y, 1.0, 1.0),
            Some((reference, queries)) => {
                let (a, b) = (queries[query], reference[j]);
                match (a == 0.0, b == 0.0) {
                    (true, true) => 0.0,
                    (true, false) | (false, true) => 1.0,
                    // 1 - cos = ‖x/|x| - y/|y|‖² / 2, without the cancellation of 1 - cos.
                    (false, false) => squared_difference(x, y, a, b) / 2.0,
                }
            }
        }
    }

    /// The distance for people: root of the squared one, or the cosine distance as it is.
    pub fn distance(&self, measure: f64) -> f32 {
        let distance = if self.inverse_lengths.is_some() {
            measure
        } else {
            measure.sqrt()
        };
        distance.min(f64::from(f32::MAX)) as f32
    }
}

/// Σ(x - y)² in f64.
pub fn squared_distance(x: &[f32], y: &[f32]) -> f64 {
    squared_difference(x, y, 1.0, 1.0)
}

/// Σ(a·x - b·y)² in eight running sums, so that the compiler may use vector registers.
fn squared_difference(x: &[f32], y: &[f32], a: f64, b: f64) -> f64 {
    let mut lanes = [0.0_f64; 8];
    let (xs, ys) = (x.chunks_exact(8), y.chunks_exact(8));
    let tail: f64 = xs
        .remainder()
        .iter()
        .zip(ys.remainder())
        .map(|(x, y)| (f64::from(*x) * a - f64::from(*y) * b).powi(2))
        .sum();
    for (x, y) in xs.zip(ys) {
        for l in 0..8 {
            let d = f64::from(x[l]) * a - f64::from(y[l]) * b;
            lanes[l] += d * d;
        }
    }
    lanes.iter().sum::<f64>() + tail
}

/// Mean of the reference and the factor that brings every centred value of both sets into [-1, 1].
fn centre_and_scale(reference: &Matrix, queries: &Matrix) -> (Vec<f64>, f64) {
    let mut centre = vec![0.0_f64; reference.cols()];
    for i in 0..reference.rows() {
        centre
            .iter_mut()
            .zip(reference.row(i))
            .for_each(|(c, v)| *c += f64::from(*v));
    }
    centre.iter_mut().for_each(|c| *c /= reference.rows() as f64);
    let mut largest = 0.0_f64;
    for m in [reference, queries] {
        for i in 0..m.rows() {
            largest = m
                .row(i)
                .iter()
                .zip(&centre)
                .fold(largest, |a, (v, c)| a.max((f64::from(*v) - c).abs()));
        }
    }
    (centre, if largest > 0.0 { 1.0 / largest } else { 1.0 })
}

fn centred(m: &Matrix, centre: &[f64], scale: f64) -> Vec<f32> {
    let rows = m.data().chunks_exact(m.cols().max(1));
    rows.flat_map(|row| {
        row.iter()
            .zip(centre)
            .map(|(v, c)| ((f64::from(*v) - c) * scale) as f32)
    })
    .collect()
}

/// 1/‖x‖ of every row, 0 for a zero row.
fn inverse_lengths(m: &Matrix) -> Vec<f64> {
    let squares = (0..m.rows()).map(|i| m.row(i).iter().map(|v| f64::from(*v).powi(2)).sum::<f64>());
    squares.map(|s| if s > 0.0 { 1.0 / s.sqrt() } else { 0.0 }).collect()
}

/// Rows on the unit sphere with one more axis, which only zero rows use: they are then alike, and at a right angle to
/// all others.
fn unit(m: &Matrix, inverse_lengths: &[f64]) -> Vec<f32> {
    let mut out = Vec::with_capacity(m.rows() * (m.cols() + 1));
    for (i, inverse) in inverse_lengths.iter().enumerate() {
        out.extend(m.row(i).iter().map(|v| (f64::from(*v) * inverse) as f32));
        out.push(if *inverse == 0.0 { 1.0 } else { 0.0 });
    }
    out
}

/// The reference rows that may be among the k nearest of one query.
pub struct Candidates {
    k: usize,
    norm: f32,
    spread: f32,
    /// k rows are known to be at most this far.
    threshold: f32,
    /// (lower end, upper end, row).
    kept: Vec<(f32, f32, u32)>,
    cap: usize,
}

impl Candidates {
    /// Considers rows `start..`, given -2x·y and the shrunk ‖y‖² of each.
    pub fn offer(&mut self, start: usize, products: &[f32], norms: &[f32]) {
        let mut at = start;
        for (products, norms) in products.chunks(LANES).zip(norms.chunks(LANES)) {
            // Most chunks hold nothing near; this test is the inner loop of the search and has no branch inside.
            let near = products
                .iter()
                .zip(norms)
                .fold(false, |any, (p, n)| any | (self.norm + n + p <= self.threshold));
            if near {
                for (i, (p, n)) in products.iter().zip(norms).enumerate() {
                    let lower = self.norm + n + p;
                    if lower <= self.threshold {
                        self.kept.push((
                            lower,
                            lower + self.spread * (self.norm + n) + f32::MIN_POSITIVE,
                            (at + i) as u32,
                        ));
                    }
                }
                if self.kept.len() >= self.cap {
                    self.compact();
                }
            }
            at += products.len();
        }
    }

    /// Lowers the threshold to the k-th smallest upper end and forgets what lies above it.
    fn compact(&mut self) {
        if self.kept.len() > self.k {
            self.kept.select_nth_unstable_by(self.k - 1, |a, b| a.1.total_cmp(&b.1));
            self.threshold = self.kept[self.k - 1].1;
            self.kept.retain(|c| c.0 <= self.threshold);
        }
        // With many ties nothing is forgotten; growing keeps the cost of compaction proportional.
        self.cap = (2 * self.kept.len()).max(2 * self.k + 64);
    }

    /// The rows that remain, in no particular order.
    pub fn finish(mut self) -> impl Iterator<Item = u32> {
        self.compact();
        self.kept.into_iter().map(|c| c.2)
    }
}
