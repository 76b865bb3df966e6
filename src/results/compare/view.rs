//! The rows and columns of a comparison.

use super::outcome::{Kind, Outcome};
use super::{Comparison, Row};
use crate::collect::axis_column;
use crate::grid::{Grid, Head, NOTHING, Role};
use crate::number::Digits;
use crate::statistics::{ALPHA, LEVEL, mean, power, variance};
use polars::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The comparison as people read it.
pub(super) fn grid(comparison: &Comparison) -> Grid {
    let mut heads: Vec<Head> = comparison.axes.iter().map(|axis| Head::new(axis, Role::Key)).collect();
    heads.push(Head::new("metric", Role::Key));
    let interval = format!("{} % interval", 100.0 * LEVEL);
    let numbers = ["A", "B", "B − A", &interval, "p", "Holm", "d", "seeds", "needed"];
    heads.extend(numbers.map(|title| Head::new(title, Role::Number)));
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for row in &comparison.rows {
        let samples = row.samples.iter().flat_map(|sample| &sample.values);
        values
            .entry(&row.metric)
            .or_default()
            .extend(samples.map(|(_, value)| *value));
    }
    let line = |row: &Row| {
        let digits = Digits::of(values[row.metric.as_str()].iter().copied());
        let mut cells: Vec<String> = comparison
            .axes
            .iter()
            .map(|axis| row.place.get(axis).cloned().unwrap_or_default())
            .collect();
        cells.push(row.metric.clone());
        cells.extend(row.samples.iter().map(|sample| {
            let (mean, std) = moments(&sample.values);
            let text = mean.map_or_else(|| NOTHING.to_owned(), |mean| digits.with_spread(mean, std));
            let gap = sample.values.len() < sample.expected;
            if gap {
                format!("{text} ({}/{})", sample.values.len(), sample.expected)
            } else {
                text
            }
        }));
        cells.extend(said(&row.outcome, row.holm, digits));
        cells
    };
    Grid {
        title: Some(format!("A: {}; B: {}", comparison.names[0], comparison.names[1])),
        heads,
        ours: comparison.rows.iter().map(line).collect(),
        notes: comparison.notes.clone(),
        ..Grid::default()
    }
}

fn said(outcome: &Outcome, holm: Option<f64>, digits: Digits) -> [String; 7] {
    let nothing = || NOTHING.to_owned();
    let p = |p: Option<f64>| {
        p.map_or_else(nothing, |p| {
            if p < 1e-4 {
                format!("{p:.1e}")
            } else {
                format!("{p:.4}")
            }
        })
    };
    let interval = outcome
        .student
        .map(|estimate| format!("[{}, {}]", digits.signed(estimate.low), digits.signed(estimate.high)));
    [
        outcome
            .difference
            .map_or_else(nothing, |difference| digits.signed(difference)),
        interval.unwrap_or_else(nothing),
        p(outcome.p()),
        p(holm),
        outcome.effect.map_or_else(nothing, |effect| format!("{:.2}", effect.d)),
        match (outcome.kind, outcome.pairs) {
            (Kind::Paired, Some(pairs)) => pairs.to_string(),
            (kind, _) => kind.name().to_owned(),
        },
        match (outcome.needed, outcome.effect) {
            (Some(needed), _) => needed.to_string(),
            (None, Some(_)) => "> 100000".to_owned(),
            (None, None) => nothing(),
        },
    ]
}

/// How the columns are to be read, and what so few seeds cannot show.
pub(super) fn reading(rows: &[Row]) -> Vec<String> {
    let kinds: BTreeSet<Kind> = rows.iter().map(|row| row.outcome.kind).collect();
    let exact = rows
        .iter()
        .filter_map(|row| row.outcome.permutation)
        .all(|test| test.exact);
    let how = if exact {
        "exact"
    } else {
        "exact where few, else with 99,999 random arrangements"
    };
    let (level, power) = (100.0 * LEVEL, 100.0 * power::POWER);
    let mut notes = Vec::new();
    if kinds.contains(&Kind::Paired) {
        notes.push(format!(
            "paired on shared seeds. p: two-sided sign-flip test ({how}); interval: paired t, {level} %; d: Cohen's, of \
             the paired differences; needed: seeds for {power} % power at the observed d"
        ));
    }
    if kinds.contains(&Kind::Unpaired) {
        notes.push(format!(
            "unpaired where no seed is shared. p: two-sided permutation test of two samples ({how}); interval: Welch's t, \
             {level} %; d: Cohen's, pooled; needed: seeds a side"
        ));
    }
    if kinds.contains(&Kind::Fixed) {
        notes.push("fixed: neither side depends on the seed, so there is nothing to test".into());
    }
    let tested: Vec<&Row> = rows.iter().filter(|row| row.holm.is_some()).collect();
    if tested.len() > 1 {
        notes.push(format!("Holm: p adjusted for the {} tests of this table", tested.len()));
    }
    notes.extend(too_few(&tested));
    let mut mixed = rows.iter().filter(|row| {
        let [a, b] = &row.samples;
        !a.values.is_empty() && !b.values.is_empty() && a.devices != b.devices
    });
    if let Some(row) = mixed.next() {
        let kinds = row
            .samples
            .each_ref()
            .map(|sample| sample.devices.iter().cloned().collect::<Vec<_>>().join("+"));
        notes.push(format!("warning: A was computed on {}, B on {}", kinds[0], kinds[1]));
    }
    let left_out = |row: &&Row| {
        let pairs = row.outcome.pairs.unwrap_or(usize::MAX);
        row.outcome.kind == Kind::Paired && row.samples.iter().any(|s| s.values.len() > pairs.max(1))
    };
    if rows.iter().any(|row| left_out(&row)) {
        notes.push("warning: seeds that only one side has count in its mean and not in the difference".into());
    }
    notes
}

/// Says that no p below the level is possible, and how many seeds it takes.
fn too_few(tested: &[&Row]) -> Option<String> {
    // 2 / 2^n in the least of `tests` tests.
    let pairs = |tests: usize| (1 - (ALPHA / tests as f64).log2().floor() as i64).max(1);
    let least = |row: &Row| row.outcome.permutation.map_or(0.0, |test| test.least);
    let smallest = tested.iter().map(|row| least(row)).reduce(f64::min)?;
    let (short, tests) = (tested.iter().filter(|row| least(row) > ALPHA).count(), tested.len());
    let takes = |tests| format!("pairs take {} seeds", pairs(tests));
    let holm = if tests > 1 {
        format!(", {} after Holm", pairs(tests))
    } else {
        String::new()
    };
    let said = if short == tests {
        format!(
            "no row can be significant at {ALPHA}, since its smallest possible p is {smallest}; {}{holm}",
            takes(1)
        )
    } else if short > 0 {
        format!(
            "{short} of {tests} rows cannot be significant at {ALPHA}; {}{holm}",
            takes(1)
        )
    } else if smallest * tests as f64 > ALPHA {
        let least = format!("{:.3}", (smallest * tests as f64).min(1.0));
        format!(
            "after Holm no row can be significant at {ALPHA}, since the smallest possible p is {least}; {}",
            takes(tests)
        )
    } else {
        return None;
    };
    Some(format!("too few seeds: {said}"))
}

fn moments(values: &[(Option<u64>, f64)]) -> (Option<f64>, Option<f64>) {
    let values: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
    let mean = (!values.is_empty()).then(|| mean(&values));
    (mean, (values.len() > 1).then(|| variance(&values).sqrt()))
}

/// One line per row and metric, with all digits.
pub(super) fn frame(comparison: &Comparison) -> PolarsResult<DataFrame> {
    let rows = &comparison.rows;
    let mut columns: Vec<Column> = comparison
        .axes
        .iter()
        .map(|axis| {
            let texts: Vec<Option<&str>> = rows.iter().map(|row| row.place.get(axis).map(String::as_str)).collect();
            Column::new(axis_column(axis).into(), texts)
        })
        .collect();
    let text = |name: &str, of: &dyn Fn(&Row) -> String| {
        Column::new(name.into(), rows.iter().map(of).collect::<Vec<String>>())
    };
    let number = |name: &str, of: &dyn Fn(&Row) -> Option<f64>| {
        Column::new(name.into(), rows.iter().map(of).collect::<Vec<Option<f64>>>())
    };
    let count = |name: &str, of: &dyn Fn(&Row) -> Option<usize>| {
        let counts = rows.iter().map(|row| of(row).and_then(|n| u32::try_from(n).ok()));
        Column::new(name.into(), counts.collect::<Vec<Option<u32>>>())
    };
    columns.extend([
        text("metric", &|row| row.metric.clone()),
        text("a", &|_| comparison.names[0].clone()),
        text("b", &|_| comparison.names[1].clone()),
        text("pairing", &|row| row.outcome.kind.name().to_owned()),
        count("n_a", &|row| Some(row.samples[0].values.len())),
        count("n_b", &|row| Some(row.samples[1].values.len())),
        count("expected_a", &|row| Some(row.samples[0].expected)),
        count("expected_b", &|row| Some(row.samples[1].expected)),
        count("pairs", &|row| row.outcome.pairs),
        number("mean_a", &|row| moments(&row.samples[0].values).0),
        number("std_a", &|row| moments(&row.samples[0].values).1),
        number("mean_b", &|row| moments(&row.samples[1].values).0),
        number("std_b", &|row| moments(&row.samples[1].values).1),
        number("difference", &|row| row.outcome.difference),
        number("ci_low", &|row| row.outcome.student.map(|t| t.low)),
        number("ci_high", &|row| row.outcome.student.map(|t| t.high)),
        number("p", &|row| row.outcome.p()),
        number("p_least", &|row| row.outcome.permutation.map(|test| test.least)),
        number("p_holm", &|row| row.holm),
        number("p_t", &|row| row.outcome.student.map(|t| t.p)),
        number("d", &|row| row.outcome.effect.map(|effect| effect.d)),
        number("g", &|row| row.outcome.effect.map(|effect| effect.g)),
        count("seeds_needed", &|row| row.outcome.needed.map(|n| n as usize)),
    ]);
    DataFrame::new(rows.len(), columns)
}
