//! Which moves the vertices make in one epoch: when entries are drawn, and the random vertices that push.

use std::ops::Range;

/// Marks a move towards a neighbour; a move away from a random vertex lacks it.
pub const PULL: u32 = 1 << 31;
/// Most epochs a calendar can hold.
pub const MOST_EPOCHS: usize = u16::MAX as usize - 1;
/// 1 as a rate.
const ONE: u32 = 1 << 31;

/// How often an entry is drawn, as a share of the epochs in units of 2⁻³¹: whole numbers, so that nothing is rounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(u32);

impl Rate {
    /// From draws per epoch in [0, 1].
    pub fn new(draws_per_epoch: f32) -> Self {
        Self((f64::from(draws_per_epoch) * f64::from(ONE)) as u32)
    }

    /// Draws until `epoch` ends, itself included.
    fn drawn(self, epoch: u32) -> u32 {
        ((u64::from(epoch) * u64::from(self.0)) >> 31) as u32
    }

    /// Negatives owed until `epoch` ends: one less than the first draw's share, as in umap-learn.
    fn owed(self, epoch: u32, per_draw: u64) -> u32 {
        (((u64::from(epoch) * u64::from(self.0) * per_draw) >> 31) as u32).saturating_sub(1)
    }

    /// The epoch of the first draw, or one that never comes.
    pub fn first(self) -> u16 {
        let epoch = ONE
            .checked_div(self.0)
            .map_or(u32::MAX, |whole| whole + u32::from(!ONE.is_multiple_of(self.0)));
        epoch.min(u32::from(u16::MAX)) as u16
    }

    /// The epochs of the draws before and after the one in `epoch` (0 when there was none before).
    fn around(self, epoch: u32) -> (u32, u32) {
        let draw = self.drawn(epoch);
        // Two draws lie ⌊1/r⌋ or ⌊1/r⌋ + 1 epochs apart.
        let period = ONE / self.0;
        let after = epoch + period + u32::from(self.drawn(epoch + period) <= draw);
        let before = epoch.saturating_sub(period);
        let earlier = before.saturating_sub(1);
        let before = if self.drawn(earlier) + 1 >= draw {
            earlier
        } else {
            before
        };
        (if draw == 1 { 0 } else { before }, after)
    }
}

/// Some entries of the graph and when each is drawn: the m-th time in the first epoch e with ⌊e·rate⌋ ≥ m.
pub struct Calendar<'a> {
    pub columns: &'a [u32],
    pub rates: &'a [Rate],
    /// The epoch of each entry's next draw.
    pub due: &'a mut [u16],
}

/// How the moves of one epoch are drawn.
pub struct Drawing {
    pub epoch: usize,
    /// Also make the moves that the opposite entries (j, i) owe the vertex i, which is their tail.
    pub as_tail: bool,
    /// Vertices that push for each pull.
    pub negative_sample_rate: usize,
    /// Vertices to choose them from, the moved one not counted.
    pub pushers: usize,
}

/// The moves of some vertices in one epoch, vertex after vertex.
#[derive(Default)]
pub struct Moves {
    /// The vertex moved towards (with [`PULL`]) or away from.
    pub others: Vec<u32>,
    /// Where each vertex's moves end.
    pub ends: Vec<usize>,
    due: Vec<usize>,
}

impl Moves {
    pub fn clear(&mut self) {
        self.others.clear();
        self.ends.clear();
    }

    /// Adds the moves of a vertex, whose entries are `range` of the calendar, and sets when those drawn are due again.
    ///
    /// `itself` is the vertex's number among those that push, if it is one of them; it never pushes itself.
    pub fn add(
        &mut self,
        calendar: &mut Calendar<'_>,
        range: Range<usize>,
        drawing: &Drawing,
        mut stream: Stream,
        itself: Option<u32>,
    ) {
        self.due.clear();
        find(&calendar.due[range.clone()], drawing.epoch as u16, &mut self.due);
        let (epoch, negatives) = (drawing.epoch as u32, drawing.negative_sample_rate as u64);
        let itself = itself.unwrap_or(u32::MAX);
        for (place, at) in self.due.iter().enumerate() {
            let at = range.start + at;
            let rate = calendar.rates[at];
            let (before, after) = rate.around(epoch);
            calendar.due[at] = after.min(u32::from(u16::MAX)) as u16;
            let pull = calendar.columns[at] | PULL;
            self.others.push(pull);
            let owed = rate.owed(epoch, negatives) - rate.owed(before, negatives);
            self.others.extend((0..owed).map(|_| {
                let pusher = stream.below(drawing.pushers);
                pusher + u32::from(pusher >= itself)
            }));
            if drawing.as_tail {
                // Half a round away from the entry itself: two pulls by one vertex in a row would overshoot it, and all of
                // them after the last push would leave the neighbours in a heap.
                let opposite = self.due[(place + self.due.len() / 2) % self.due.len()];
                self.others.push(calendar.columns[range.start + opposite] | PULL);
            }
        }
        self.ends.push(self.others.len());
    }
}

/// Adds the places where `due` holds `epoch`, in ascending order.
fn find(due: &[u16], epoch: u16, places: &mut Vec<usize>) {
    let (eights, rest) = due.as_chunks::<8>();
    for (number, eight) in eights.iter().enumerate() {
        // Eight comparisons at once; most eights hold none or one.
        let mut hits = u64::from_le_bytes(eight.map(|due| u8::from(due == epoch)));
        while hits != 0 {
            places.push(8 * number + hits.trailing_zeros() as usize / 8);
            hits &= hits - 1;
        }
    }
    let first = due.len() - rest.len();
    places.extend((0..rest.len()).filter(|i| rest[*i] == epoch).map(|i| first + i));
}

/// Uniform vertex numbers: SplitMix64 (Steele, Lea & Flood, 2014), keyed by (seed, epoch) and the vertex.
pub struct Stream(u64);

impl Stream {
    pub fn new(key: u64, vertex: u64) -> Self {
        Self(mix(key ^ vertex.wrapping_mul(0xd134_2543_de82_ef95)))
    }

    fn below(&mut self, n: usize) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (((mix(self.0) >> 32) * n as u64) >> 32) as u32
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The moves of vertex 3 among 50, with entries of these rates, epoch by epoch from 1.
    fn history(rates: &[f32], epochs: usize) -> Vec<Vec<u32>> {
        let rates: Vec<Rate> = rates.iter().map(|rate| Rate::new(*rate)).collect();
        let mut due: Vec<u16> = rates.iter().map(|rate| rate.first()).collect();
        let columns: Vec<u32> = (0..rates.len() as u32).collect();
        let one = |epoch| {
            let mut calendar = Calendar {
                columns: &columns,
                rates: &rates,
                due: &mut due,
            };
            let drawing = Drawing {
                epoch,
                as_tail: true,
                negative_sample_rate: 5,
                pushers: 49,
            };
            let mut moves = Moves::default();
            moves.add(
                &mut calendar,
                0..rates.len(),
                &drawing,
                Stream::new(epoch as u64, 0),
                Some(3),
            );
            assert_eq!(moves.ends, [moves.others.len()]);
            moves.others
        };
        (1..epochs).map(one).collect()
    }

    #[test]
    fn an_entry_is_drawn_once_per_period() {
        for (rate, wanted) in [(1.0, 99), (0.5, 49), (0.25, 24), (0.01, 0), (0.3, 29), (0.0, 0)] {
            let drawn = history(&[rate], 100).into_iter().filter(|moves| !moves.is_empty());
            assert_eq!(drawn.count(), wanted, "rate {rate}");
        }
    }

    #[test]
    fn every_due_entry_is_found_wherever_it_stands() {
        // More than two eights and a rest, every entry with a rate of its own.
        let rates: Vec<f32> = (0..21).map(|i| 1.0 / (1.0 + i as f32 / 3.0)).collect();
        for (epoch, moves) in (1..60).zip(history(&rates, 60)) {
            let mut pulled: Vec<u32> = moves.iter().filter(|m| **m & PULL != 0).map(|m| m & !PULL).collect();
            pulled.sort_unstable();
            let due = (0..21_u32).filter(|i| {
                let rate = Rate::new(rates[*i as usize]);
                rate.drawn(epoch) > rate.drawn(epoch - 1)
            });
            assert_eq!(pulled, due.flat_map(|i| [i, i]).collect::<Vec<_>>(), "epoch {epoch}");
        }
    }

    #[test]
    fn five_negatives_go_with_every_draw_but_four_with_the_first() {
        for rate in [1.0, 0.5, 0.125] {
            let draws = history(&[rate], 100).into_iter().filter(|moves| !moves.is_empty());
            let owed: Vec<usize> = draws.map(|moves| moves.len() - 2).collect();
            assert_eq!(owed[0], 4);
            assert!(owed[1..].iter().all(|n| *n == 5), "rate {rate}: {owed:?}");
        }
    }

    #[test]
    fn negatives_of_an_uneven_rate_add_up() {
        for rate in [0.3_f32, 0.71, 0.9, 0.041] {
            let epochs = history(&[rate], 200);
            let last = 1 + epochs.iter().rposition(|moves| !moves.is_empty()).unwrap();
            let pushed = epochs.concat().iter().filter(|m| **m & PULL == 0).count();
            assert_eq!(
                pushed,
                (last as f64 * f64::from(rate) * 5.0) as usize - 1,
                "rate {rate}"
            );
        }
    }

    #[test]
    fn any_other_vertex_may_push_and_never_the_moved_one() {
        let pushed = history(&[1.0; 8], 100).concat();
        let mut seen = [0; 50];
        pushed
            .iter()
            .filter(|m| **m & PULL == 0)
            .for_each(|m| seen[*m as usize] += 1);
        assert_eq!(seen[3], 0);
        assert!((0..50).filter(|v| *v != 3).all(|v| seen[v] > 30), "{seen:?}");
    }

    #[test]
    fn the_stream_is_uniform_and_differs_between_vertices() {
        let mut counts = [0_u32; 10];
        let mut stream = Stream::new(3, 5);
        (0..10_000).for_each(|_| counts[stream.below(10) as usize] += 1);
        assert!(counts.iter().all(|c| (850..1150).contains(c)), "{counts:?}");
        let five = |vertex| {
            let mut stream = Stream::new(3, vertex);
            [(); 5].map(|()| stream.below(1000))
        };
        assert_eq!(five(5), five(5));
        assert_ne!(five(5), five(6));
    }
}
