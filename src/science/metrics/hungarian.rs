//! The assignment problem on a table of counts (Kuhn 1955, Munkres 1957; shortest augmenting paths with potentials).

/// Matches rows of `counts` to columns, one to one, so that the sum of the matched counts is as large as it can be.
///
/// Gives the column of each row; with more rows than columns some rows stay without. O(s² · l) for the shorter side s
/// and the longer side l. Among equally good matchings the result is fixed by the order of rows and columns.
///
/// # Panics
/// If the rows have different lengths.
pub fn match_largest(counts: &[Vec<u64>]) -> Vec<Option<usize>> {
    let rows = counts.len();
    let cols = counts.first().map_or(0, Vec::len);
    assert!(
        counts.iter().all(|row| row.len() == cols),
        "a table has rows of one length"
    );
    if cols == 0 {
        return vec![None; rows];
    }
    let most = counts.iter().flatten().copied().max().unwrap_or(0) as i64;
    if rows <= cols {
        let column_of = cheapest(rows, cols, |i, j| most - counts[i][j] as i64);
        return column_of.into_iter().map(Some).collect();
    }
    let mut matched = vec![None; rows];
    for (column, row) in cheapest(cols, rows, |j, i| most - counts[i][j] as i64)
        .into_iter()
        .enumerate()
    {
        matched[row] = Some(column);
    }
    matched
}

/// The column of each row in a cheapest complete matching of `rows` ≤ `cols`.
///
/// Columns are numbered from 1 inside; column 0 stands for the row that is being inserted.
fn cheapest(rows: usize, cols: usize, cost: impl Fn(usize, usize) -> i64) -> Vec<usize> {
    let mut row_potential = vec![0_i64; rows + 1];
    let mut col_potential = vec![0_i64; cols + 1];
    let mut row_of = vec![0_usize; cols + 1];
    for row in 1..=rows {
        row_of[0] = row;
        let mut last = 0;
        let mut slack = vec![i64::MAX; cols + 1];
        let mut came_from = vec![0_usize; cols + 1];
        let mut reached = vec![false; cols + 1];
        while row_of[last] != 0 {
            reached[last] = true;
            let from = row_of[last];
            let (mut step, mut next) = (i64::MAX, 0);
            for col in 1..=cols {
                if reached[col] {
                    continue;
                }
                let reduced = cost(from - 1, col - 1) - row_potential[from] - col_potential[col];
                if reduced < slack[col] {
                    (slack[col], came_from[col]) = (reduced, last);
                }
                if slack[col] < step {
                    (step, next) = (slack[col], col);
                }
            }
            for col in 0..=cols {
                if reached[col] {
                    row_potential[row_of[col]] += step;
                    col_potential[col] -= step;
                } else if col > 0 {
                    slack[col] -= step;
                }
            }
            last = next;
        }
        while last != 0 {
            row_of[last] = row_of[came_from[last]];
            last = came_from[last];
        }
    }
    let mut column_of = vec![0; rows];
    for col in 1..=cols {
        if row_of[col] > 0 {
            column_of[row_of[col] - 1] = col - 1;
        }
    }
    column_of
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(counts: &[Vec<u64>], matched: &[Option<usize>]) -> u64 {
        matched
            .iter()
            .enumerate()
            .filter_map(|(i, j)| j.map(|j| counts[i][j]))
            .sum()
    }

    /// The best sum by trying every matching.
    fn exhaustive(counts: &[Vec<u64>], row: usize, used: &mut Vec<bool>) -> u64 {
        if row == counts.len() {
            return 0;
        }
        let mut best = exhaustive(counts, row + 1, used);
        for col in 0..used.len() {
            if !used[col] {
                used[col] = true;
                best = best.max(counts[row][col] + exhaustive(counts, row + 1, used));
                used[col] = false;
            }
        }
        best
    }

    #[test]
    fn greedy_choice_is_not_taken() {
        let counts = vec![vec![9, 8], vec![8, 0]];
        assert_eq!(match_largest(&counts), [Some(1), Some(0)]);
    }

    #[test]
    fn surplus_rows_stay_unmatched() {
        assert_eq!(match_largest(&[vec![1], vec![5], vec![2]]), [None, Some(0), None]);
    }

    #[test]
    fn surplus_columns_stay_unused() {
        assert_eq!(match_largest(&[vec![1, 5, 2]]), [Some(1)]);
    }

    #[test]
    fn empty_tables_match_nothing() {
        assert!(match_largest(&[]).is_empty());
        assert_eq!(match_largest(&[vec![], vec![]]), [None, None]);
    }

    proptest! {
        #[test]
        fn no_matching_is_better(
            counts in (1_usize..6, 1_usize..6)
                .prop_flat_map(|(r, c)| prop::collection::vec(prop::collection::vec(0_u64..20, c), r))
        ) {
            let matched = match_largest(&counts);
            let cols = counts[0].len();
            let mut used: Vec<_> = matched.iter().flatten().collect();
            used.sort_unstable();
            used.dedup();
            prop_assert_eq!(used.len(), counts.len().min(cols));
            prop_assert_eq!(value(&counts, &matched), exhaustive(&counts, 0, &mut vec![false; cols]));
        }
    }
}
