//! The cheap bracket around a distance, the candidates it leaves, and the exact measure that decides between them.

use super::Metric;
use crate::matrix::Matrix;
use std::cmp::Ordering;

/// Rows kept for a query beyond four times k before exact measures decide among them: each costs memory.
const MOST_BRACKETED: usize = 256;

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
    /// The row of the data that each prepared row is; none as long as they stand in its order.
    order: Option<Vec<u32>>,
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
            order: None,
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

    /// Whether the queries are the reference.
    pub fn itself(&self) -> bool {
        self.queries_prepared.is_none()
    }

    /// Sorts the prepared rows, which are the queries too; `measure` goes on taking row numbers of the data.
    pub fn put_in_order(&mut self, ids: &[u32]) {
        debug_assert!(self.itself());
        let row = |id: &u32| &self.reference_rows[*id as usize * self.dims..][..self.dims];
        self.reference_rows = ids.iter().flat_map(row).copied().collect();
        self.reference_norms = ids.iter().map(|id| self.reference_norms[*id as usize]).collect();
        self.order = Some(ids.to_vec());
    }

    /// The row of the data that a prepared row is.
    pub fn id(&self, row: u32) -> u32 {
        self.order.as_ref().map_or(row, |ids| ids[row as usize])
    }

    /// An empty set of candidates for query `i`.
    pub fn candidates(&self, i: usize, k: usize) -> Candidates {
        let norms = self
            .queries_prepared
            .as_ref()
            .map_or(&self.reference_norms, |(_, norms)| norms);
        // upper - lower = 4ε(‖x‖² + ‖y‖²); the norms at hand are shrunk by (1 - 2ε), 5 covers that.
        Candidates::new(k, norms[i], 5.0 * self.epsilon)
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

    /// Where a reference row stands among the neighbours of a query: the query itself first, then by distance, then by row
    /// number. Rows are those of the data.
    pub fn rank(&self, query: usize, reference: u32) -> Rank {
        let other = !(self.itself() && reference as usize == query);
        Rank {
            other,
            measure: self.measure(query, reference),
            row: reference,
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

/// See [`Space::rank`].
pub struct Rank {
    other: bool,
    pub measure: f64,
    pub row: u32,
}

impl Rank {
    pub fn compare(&self, other: &Self) -> Ordering {
        let nearer = self
            .other
            .cmp(&other.other)
            .then(self.measure.total_cmp(&other.measure));
        nearer.then(self.row.cmp(&other.row))
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
    /// The shrunk ‖x‖² of the query.
    pub norm: f32,
    spread: f32,
    /// k rows are known to be at most this far.
    threshold: f32,
    /// (lower end, row).
    kept: Vec<(f32, u32)>,
}

impl Candidates {
    fn new(k: usize, norm: f32, spread: f32) -> Self {
        Self {
            k,
            norm,
            spread,
            threshold: f32::INFINITY,
            kept: Vec::with_capacity(k + Self::slack(k)),
        }
    }

    /// Rows kept beyond the k nearest before those that are too far are forgotten.
    fn slack(k: usize) -> usize {
        (k / 2).max(32)
    }

    /// A row is not considered when its -2x·y, added to its shrunk ‖y‖², is greater than this. The margin covers that the
    /// lower end is added up in another order.
    pub fn limit(&self) -> f32 {
        (self.threshold - self.norm) + 32.0 * f32::EPSILON * (self.threshold + self.norm)
    }

    /// Considers a row, given -2x·y and the shrunk ‖y‖² of every row.
    pub fn consider(&mut self, row: u32, product: f32, space: &Space<'_>, query: usize) {
        let lower = self.norm + space.reference_norms[row as usize] + product;
        if lower > self.threshold {
            return;
        }
        if self.kept.len() == self.kept.capacity() {
            self.compact(space, query);
        }
        self.kept.push((lower, row));
    }

    /// Lowers the threshold to the k-th smallest upper end and forgets what lies above it.
    fn compact(&mut self, space: &Space<'_>, query: usize) {
        if self.kept.len() > self.k {
            let (norm, spread, norms) = (self.norm, self.spread, &space.reference_norms);
            let upper = |(lower, row): &(f32, u32)| lower + spread * (norm + norms[*row as usize]) + f32::MIN_POSITIVE;
            let by_upper = |a: &(f32, u32), b: &(f32, u32)| upper(a).total_cmp(&upper(b));
            let (_, nth, _) = self.kept.select_nth_unstable_by(self.k - 1, by_upper);
            self.threshold = upper(nth);
            self.kept.retain(|(lower, _)| *lower <= self.threshold);
        }
        if self.kept.len() > MOST_BRACKETED + 4 * self.k {
            self.decide(space, query);
        }
        // With many ties nothing is forgotten; growing keeps the cost of compaction proportional.
        let room = (self.kept.len().saturating_sub(self.k)).max(Self::slack(self.k));
        self.kept.reserve_exact(room);
    }

    /// Keeps the k nearest alone, by their exact measures: where very many rows are alike, or a single one is so far from
    /// all others that the brackets are wider than the distances among these.
    #[cold]
    fn decide(&mut self, space: &Space<'_>, query: usize) {
        let rank = |kept: (f32, u32)| (space.rank(space.id(query as u32) as usize, space.id(kept.1)), kept);
        let mut ranked: Vec<_> = self.kept.drain(..).map(rank).collect();
        ranked.select_nth_unstable_by(self.k - 1, |a, b| a.0.compare(&b.0));
        self.kept.extend(ranked[..self.k].iter().map(|(_, kept)| *kept));
    }

    /// The rows of the data that remain, in no particular order.
    pub fn finish(mut self, space: &Space<'_>, query: usize) -> impl Iterator<Item = u32> {
        self.compact(space, query);
        self.kept.into_iter().map(|(_, row)| space.id(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Draws;
    use rand::RngExt;

    fn one_row(data: &Matrix, norm: f32) -> Space<'_> {
        Space {
            reference_norms: vec![norm],
            ..Space::new(data, data, Metric::Euclidean, true)
        }
    }

    #[test]
    fn ties_beyond_all_need_are_decided_and_not_kept() {
        let data = Matrix::new(5000, 1, vec![0.5; 5000]);
        let space = Space::new(&data, &data, Metric::Euclidean, true);
        let mut candidates = space.candidates(4999, 3);
        for row in 0..5000 {
            candidates.consider(row, 0.0, &space, 4999);
            assert!(candidates.kept.len() < 1000, "row {row}");
        }
        let mut left: Vec<u32> = candidates.finish(&space, 4999).collect();
        left.sort_unstable();
        assert!(left.starts_with(&[0, 1]) && left.ends_with(&[4999]), "{left:?}");
    }

    #[test]
    fn the_limit_passes_by_no_row_that_would_be_kept() {
        let mut rng = Draws::new(5).at("test", 0, 0);
        let data = Matrix::new(1, 1, vec![0.0]);
        for _ in 0..200_000 {
            let [norm, other] = [0, 1].map(|_| rng.random::<f32>() * 10f32.powi(rng.random_range(-6..2)));
            let product = 2.0 * (norm * other).sqrt() * (2.0 * rng.random::<f32>() - 1.0);
            let mut candidates = Candidates::new(1, norm, 0.0);
            // The worst case: the row is just as far as the threshold.
            candidates.threshold = norm + other + product;
            if candidates.threshold > 0.0 {
                assert!(product + other <= candidates.limit(), "{norm} {other} {product}");
                candidates.consider(0, product, &one_row(&data, other), 0);
                assert_eq!(candidates.kept.len(), 1);
            }
        }
    }
}
