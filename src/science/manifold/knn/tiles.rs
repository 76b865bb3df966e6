//! The search by matrix products, a tile of them at a time.
//!
//! Among the rows of one set a product serves both of its rows, so that half of the tiles are enough. In every round the
//! blocks of rows are paired anew, each with one other: a pair belongs to one thread, and nobody waits for a lock. In which
//! order rows are considered changes the work, never the answer.

use super::super::registers;
use super::bracket::{Candidates, Space};
use super::settle;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use pulp::{Arch, NullaryFnOnce};
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;

/// Rows on either side of a tile: a multiple of the 96 that products with AVX-512 take at a time, and so few that a tile
/// (576 KiB) stays in the cache until it has been looked through.
pub const BLOCK: usize = 384;
/// Products that are looked at together; most often none of them is near enough.
const LANES: usize = 16;

thread_local! {
    /// The products of a tile: fresh memory for each would cost as much as they do.
    static PRODUCTS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Consecutive rows and what is known of their neighbours.
#[derive(Default)]
struct Block {
    first: usize,
    candidates: Vec<Candidates>,
    /// [`Candidates::limit`] of each.
    limits: Vec<f32>,
}

impl Block {
    fn new(space: &Space<'_>, first: usize, count: usize, k: usize) -> Self {
        let candidates: Vec<Candidates> = (first..first + count).map(|row| space.candidates(row, k)).collect();
        Self {
            first,
            limits: candidates.iter().map(Candidates::limit).collect(),
            candidates,
        }
    }

    fn rows(&self) -> Range<usize> {
        self.first..self.first + self.candidates.len()
    }
}

/// The k nearest of every row among all rows.
pub fn among(mut space: Space<'_>, k: usize, indices: &mut [u32], distances: &mut [f32]) {
    let rows = indices.len() / k;
    // Rows find most of their neighbours in their own block then, and look at few of the others twice.
    let mut ids: Vec<u32> = (0..rows as u32).collect();
    sort(&space, &mut ids);
    space.put_in_order(&ids);
    let starts = (0..rows).step_by(BLOCK);
    let mut blocks: Vec<Block> = starts
        .map(|first| Block::new(&space, first, BLOCK.min(rows - first), k))
        .collect();
    blocks
        .par_iter_mut()
        .for_each(|block| tile(&space, block, block.rows(), None));
    for round in rounds(blocks.len()) {
        let mut take = |at: usize| std::mem::take(&mut blocks[at]);
        let mut pairs: Vec<(Block, Block)> = round.iter().map(|(a, b)| (take(*a), take(*b))).collect();
        pairs
            .par_iter_mut()
            .for_each(|(a, b)| tile(&space, a, b.rows(), Some(b)));
        for ((a, b), pair) in round.into_iter().zip(pairs) {
            (blocks[a], blocks[b]) = pair;
        }
    }
    let found = blocks.into_iter().flat_map(|block| block.candidates);
    let mut found: Vec<((u32, usize), Candidates)> = ids.into_iter().zip(0..).zip(found).collect();
    found.sort_unstable_by_key(|((id, _), _)| *id);
    let slots = indices.par_chunks_exact_mut(k).zip(distances.par_chunks_exact_mut(k));
    let all = found.into_par_iter().zip(slots).with_min_len(64);
    all.for_each(|(((id, place), candidates), (indices, distances))| {
        let near = candidates.finish(&space, place);
        settle(&space, id as usize, near, indices, distances);
    });
}

/// Halves the rows where they are spread most, until a half is a block.
fn sort(space: &Space<'_>, ids: &mut [u32]) {
    if ids.len() <= BLOCK {
        return;
    }
    let row = |id: u32| &space.reference_rows[id as usize * space.dims..][..space.dims];
    let mut sums = vec![(0.0_f64, 0.0_f64); space.dims];
    for id in ids.iter() {
        for ((sum, squares), value) in sums.iter_mut().zip(row(*id)) {
            *sum += f64::from(*value);
            *squares += f64::from(*value).powi(2);
        }
    }
    let spread = |(sum, squares): &(f64, f64)| squares - sum * sum / ids.len() as f64;
    let spreads = sums.iter().map(spread).enumerate();
    let (widest, _) = spreads.max_by(|a, b| a.1.total_cmp(&b.1)).expect("rows have columns");
    let middle = ids.len().div_ceil(BLOCK) / 2 * BLOCK;
    ids.select_nth_unstable_by(middle, |a, b| {
        row(*a)[widest].total_cmp(&row(*b)[widest]).then(a.cmp(b))
    });
    let (low, high) = ids.split_at_mut(middle);
    rayon::join(|| sort(space, low), || sort(space, high));
}

/// The k nearest reference rows of as many consecutive queries as there are slots for, the first of them `first`.
pub fn between(space: &Space<'_>, first: usize, k: usize, indices: &mut [u32], distances: &mut [f32]) {
    let mut block = Block::new(space, first, indices.len() / k, k);
    let total = space.reference_norms.len();
    for start in (0..total).step_by(BLOCK) {
        tile(space, &mut block, start..total.min(start + BLOCK), None);
    }
    let slots = indices.chunks_exact_mut(k).zip(distances.chunks_exact_mut(k));
    for ((query, candidates), (indices, distances)) in block.rows().zip(block.candidates).zip(slots) {
        let near = candidates.finish(space, query);
        settle(space, query, near, indices, distances);
    }
}

/// Blocks paired so that each meets each other once, and in a round none stands in two pairs: the circle of a tournament,
/// in which one stays where it is and the others move on by one place.
fn rounds(blocks: usize) -> impl Iterator<Item = Vec<(usize, usize)>> {
    let even = blocks.next_multiple_of(2);
    let circle = even.saturating_sub(1);
    (0..circle).map(move |round| {
        let place = |i: usize| (round + i) % circle;
        let pairs = (1..even / 2).map(|i| (place(i), place(circle - i)));
        let all = std::iter::once((place(0), even - 1)).chain(pairs);
        all.filter(|(a, b)| *a < blocks && *b < blocks).collect()
    })
}

/// Multiplies queries with reference rows and considers each as a neighbour of the other; of the reference rows only if
/// they are the `others`.
fn tile(space: &Space<'_>, queries: &mut Block, references: Range<usize>, others: Option<&mut Block>) {
    let (count, rows, dims) = (queries.candidates.len(), references.len(), space.dims);
    let values = &space.reference_rows[references.start * dims..references.end * dims];
    let query_values = &space.query_rows()[queries.first * dims..(queries.first + count) * dims];
    PRODUCTS.with_borrow_mut(|products| {
        products.resize(products.len().max(count * rows), 0.0);
        let products = &mut products[..count * rows];
        matmul(
            MatMut::from_column_major_slice_mut(&mut *products, rows, count),
            Accum::Replace,
            MatRef::from_row_major_slice(values, rows, dims),
            MatRef::from_row_major_slice(query_values, count, dims).transpose(),
            -2.0,
            Par::Seq,
        );
        registers::release();
        Arch::new().dispatch(Look {
            products,
            space,
            queries,
            first: references.start,
            others,
        });
    });
}

/// A tile to look through, with the widest vectors that the processor has.
struct Look<'a> {
    /// All of the first query before those of the next.
    products: &'a [f32],
    space: &'a Space<'a>,
    queries: &'a mut Block,
    /// The first reference row.
    first: usize,
    others: Option<&'a mut Block>,
}

impl NullaryFnOnce for Look<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self {
            products,
            space,
            queries,
            first,
            others,
        } = self;
        let norms = &space.reference_norms[first..][..products.len() / queries.candidates.len()];
        // Without others nothing is near enough to them.
        let mut nobody = vec![f32::NEG_INFINITY; if others.is_none() { norms.len() } else { 0 }];
        let (limits, others) = match others {
            Some(others) => (&mut others.limits[..], &mut others.candidates[..]),
            None => (&mut nobody[..], &mut [][..]),
        };
        let of_query = products.chunks_exact(norms.len()).zip(&mut queries.candidates);
        for (query, (products, candidates)) in (queries.first..).zip(of_query) {
            let norm = candidates.norm;
            let mut limit = candidates.limit();
            for start in (0..norms.len()).step_by(LANES) {
                let end = norms.len().min(start + LANES);
                let whole = end - start == LANES;
                if whole && !any_near(&products[start..], &norms[start..], &limits[start..], norm, limit) {
                    continue;
                }
                for lane in start..end {
                    let product = products[lane];
                    if product + norms[lane] <= limit {
                        candidates.consider((first + lane) as u32, product, space, query);
                        limit = candidates.limit();
                    }
                    if product + norm <= limits[lane] {
                        others[lane].consider(query as u32, product, space, first + lane);
                        limits[lane] = others[lane].limit();
                    }
                }
            }
        }
    }
}

/// Whether one of the next products brings its rows near enough to each other: the inner loop of the search, without a
/// branch.
#[inline(always)]
fn any_near(products: &[f32], norms: &[f32], limits: &[f32], norm: f32, limit: f32) -> bool {
    let lanes = |values: &[f32]| -> [f32; LANES] { values[..LANES].try_into().expect("as many as there are lanes") };
    let (products, norms, limits) = (lanes(products), lanes(norms), lanes(limits));
    let near = |lane: usize| (products[lane] + norms[lane] <= limit) | (products[lane] + norm <= limits[lane]);
    (0..LANES).fold(false, |any, lane| any | near(lane))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_block_meets_each_other_once_and_in_a_round_at_most_one() {
        for blocks in 0..10 {
            let mut met = BTreeSet::new();
            for round in rounds(blocks) {
                let players: BTreeSet<usize> = round.iter().flat_map(|(a, b)| [*a, *b]).collect();
                assert_eq!(players.len(), 2 * round.len());
                met.extend(round.into_iter().map(|(a, b)| (a.min(b), a.max(b))));
            }
            let all: BTreeSet<_> = (0..blocks).flat_map(|b| (0..b).map(move |a| (a, b))).collect();
            assert_eq!(met, all, "{blocks} blocks");
        }
    }
}
