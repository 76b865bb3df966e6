//! Distances between the rows of a block and centres, for the processor at hand.

use pulp::NullaryFnOnce;

use super::super::lanes::{LANES, Lanes, distances};
use super::Held;

/// The squared distances from the rows of a block to a centre.
pub(super) struct ToBlock<'a> {
    pub block: &'a [Lanes],
    pub centre: &'a [f64],
}

impl NullaryFnOnce for ToBlock<'_> {
    type Output = Lanes;

    #[inline(always)]
    fn call(self) -> Lanes {
        distances(self.centre.iter().copied(), self.block)
    }
}

/// The squared distances from the rows of a block to the centres that hold them.
pub(super) struct ToOwn<'a> {
    pub block: &'a [Lanes],
    pub centres: &'a [Vec<f64>],
    pub held: &'a [Held],
}

impl NullaryFnOnce for ToOwn<'_> {
    type Output = Lanes;

    #[inline(always)]
    fn call(self) -> Lanes {
        let mut sums = [0.0; LANES];
        let own: [&[f64]; LANES] = std::array::from_fn(|lane| {
            let cluster = self.held.get(lane).map_or(0, |held| held.cluster);
            self.centres[cluster].as_slice()
        });
        // Column by column, because the sums of different rows need not wait for one another.
        for (col, column) in self.block.iter().enumerate() {
            for lane in 0..LANES {
                let apart = own[lane][col] - column[lane];
                sums[lane] += apart * apart;
            }
        }
        sums
    }
}

/// The nearest centre of each row of a block, and the squared distances to it and to the next one.
pub(super) struct Nearest {
    pub cluster: [usize; LANES],
    pub first: Lanes,
    pub second: Lanes,
}

pub(super) struct TwoNearest<'a> {
    pub block: &'a [Lanes],
    pub centres: &'a [Vec<f64>],
}

impl NullaryFnOnce for TwoNearest<'_> {
    type Output = Nearest;

    #[inline(always)]
    fn call(self) -> Nearest {
        let (mut first, mut second) = ([f64::INFINITY; LANES], [f64::INFINITY; LANES]);
        // As numbers of the width of the distances, so that one mask serves both.
        let mut cluster = [0_u64; LANES];
        for (index, centre) in self.centres.iter().enumerate() {
            let squares = distances(centre.iter().copied(), self.block);
            for lane in 0..LANES {
                let nearer = squares[lane] < first[lane];
                second[lane] = second[lane].min(if nearer { first[lane] } else { squares[lane] });
                first[lane] = if nearer { squares[lane] } else { first[lane] };
                cluster[lane] = if nearer { index as u64 } else { cluster[lane] };
            }
        }
        Nearest {
            cluster: cluster.map(|index| index as usize),
            first,
            second,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::blobs;
    use super::super::super::lanes::LaneRows;
    use super::super::super::squared;
    use super::*;

    #[test]
    fn the_two_nearest_are_those_of_a_full_scan() {
        let data = blobs(LANES, 3, 4, 5);
        let rows = LaneRows::new(LANES, 3, |i| data.row(i));
        let centres: Vec<Vec<f64>> = (0..7).map(|i| rows.row(3 * i).collect()).collect();
        let found = pulp::Arch::new().dispatch(TwoNearest {
            block: rows.block(0),
            centres: &centres,
        });
        for lane in 0..LANES {
            let row: Vec<f64> = rows.row(lane).collect();
            let mut squares: Vec<(f64, usize)> = (0..7).map(|c| (squared(&row, &centres[c]), c)).collect();
            squares.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            assert_eq!((found.first[lane], found.cluster[lane]), squares[0]);
            assert_eq!(found.second[lane], squares[1].0);
        }
    }
}
