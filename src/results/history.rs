//! Declared reductions of histories.

use crate::error::ResultsError;
use crate::input::Reduce;
use crate::reading::Found;
use polars::prelude::*;

/// Columns of every history that are positions, not quantities.
const POSITIONS: [&str; 2] = ["epoch", "step"];

/// One number from a column of a history.
///
/// Records that lack the quantity (it is logged less often) are left out. A reduction that meets a value that is not
/// finite fails: the minimum over the epochs before a training diverged would hide that it did.
pub(crate) fn reduce(frame: &DataFrame, column: &str, reduce: Reduce) -> Result<Found, ResultsError> {
    let Ok(values) = frame.column(column) else {
        let names = frame.get_column_names();
        let there = names
            .into_iter()
            .map(ToString::to_string)
            .filter(|name| !POSITIONS.contains(&name.as_str()))
            .collect();
        return Ok(Found::unknown(format!("the history has no column `{column}`"), there));
    };
    let values = values.cast(&DataType::Float64)?;
    let mut records: Vec<(Option<u64>, f64)> = Vec::with_capacity(values.len());
    let epochs = frame
        .column("epoch")
        .ok()
        .map(|epochs| epochs.cast(&DataType::UInt64))
        .transpose()?;
    for (row, value) in values.f64()?.iter().enumerate() {
        if let Some(value) = value {
            let epoch = epochs
                .as_ref()
                .map(|epochs| epochs.u64())
                .transpose()?
                .and_then(|epochs| epochs.get(row));
            // An epoch with several records counts with its last.
            match records.last_mut() {
                Some(last) if epoch.is_some() && last.0 == epoch => last.1 = value,
                _ => records.push((epoch, value)),
            }
        }
    }
    Ok(pick(&records, column, reduce))
}

fn pick(records: &[(Option<u64>, f64)], column: &str, reduce: Reduce) -> Found {
    let used = match reduce {
        _ if records.is_empty() => return Found::failed(format!("the history records no `{column}`")),
        Reduce::Last => &records[records.len() - 1..],
        Reduce::Min | Reduce::Max => records,
        Reduce::MeanLast(k) => {
            let Some(first) = usize::try_from(k).ok().and_then(|k| records.len().checked_sub(k)) else {
                let there = records.len();
                return Found::failed(format!(
                    "the mean of the last {k} `{column}` is wanted, but there are {there}"
                ));
            };
            &records[first..]
        }
        Reduce::At(epoch) => match records.iter().rposition(|(at, _)| *at == Some(epoch)) {
            Some(row) => &records[row..=row],
            None => return Found::failed(format!("the history has no `{column}` at epoch {epoch}")),
        },
    };
    if let Some((epoch, value)) = used.iter().find(|(_, value)| !value.is_finite()) {
        let at = epoch.map_or(String::new(), |epoch| format!(" at epoch {epoch}"));
        return Found::failed(format!("`{column}` is {value}{at}"));
    }
    let values = used.iter().map(|(_, value)| *value);
    Found::number(match reduce {
        Reduce::Min => values.fold(f64::INFINITY, f64::min),
        Reduce::Max => values.fold(f64::NEG_INFINITY, f64::max),
        _ => values.sum::<f64>() / used.len() as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Status;

    fn history(losses: &[Option<f64>]) -> DataFrame {
        let epochs: Vec<u32> = (1..=losses.len() as u32).collect();
        df!("epoch" => &epochs, "step" => &vec![0_u64; losses.len()], "loss" => losses).unwrap()
    }

    fn of(losses: &[f64], how: Reduce) -> Found {
        let losses: Vec<_> = losses.iter().map(|&x| Some(x)).collect();
        reduce(&history(&losses), "loss", how).unwrap()
    }

    #[test]
    fn each_reduction_gives_its_number() {
        for (how, wanted) in [
            (Reduce::Last, 4.0),
            (Reduce::Min, 1.0),
            (Reduce::Max, 8.0),
            (Reduce::MeanLast(2), 3.0),
            (Reduce::MeanLast(4), 3.75),
            (Reduce::At(3), 2.0),
        ] {
            assert_eq!(of(&[8.0, 1.0, 2.0, 4.0], how), Found::number(wanted), "{how:?}");
        }
    }

    #[test]
    fn a_mean_over_more_records_than_there_are_fails() {
        let found = of(&[1.0, 2.0], Reduce::MeanLast(3));
        assert_eq!(found.status, Status::Failed);
        assert!(
            found
                .message
                .unwrap()
                .contains("last 3 `loss` is wanted, but there are 2")
        );
    }

    #[test]
    fn an_epoch_that_was_not_reached_fails() {
        assert!(of(&[1.0], Reduce::At(2)).message.unwrap().contains("at epoch 2"));
    }

    #[test]
    fn the_last_record_of_an_epoch_counts() {
        let frame = df!("epoch" => [1_u32, 1, 2], "loss" => [5.0, 6.0, 7.0]).unwrap();
        for (how, wanted) in [(Reduce::At(1), 6.0), (Reduce::Min, 6.0), (Reduce::MeanLast(2), 6.5)] {
            assert_eq!(reduce(&frame, "loss", how).unwrap(), Found::number(wanted), "{how:?}");
        }
    }

    #[test]
    fn a_diverged_history_has_no_minimum_and_no_mean() {
        for how in [Reduce::Min, Reduce::Max, Reduce::MeanLast(2), Reduce::Last] {
            let found = of(&[1.0, 2.0, f64::NAN], how);
            assert_eq!(
                (found.status, found.message.as_deref()),
                (Status::Failed, Some("`loss` is NaN at epoch 3"))
            );
        }
        assert_eq!(of(&[f64::NAN, 2.0], Reduce::Last), Found::number(2.0));
    }

    #[test]
    fn records_without_the_quantity_are_left_out() {
        let frame = history(&[Some(1.0), Some(3.0), None]);
        assert_eq!(reduce(&frame, "loss", Reduce::Last).unwrap(), Found::number(3.0));
        assert_eq!(reduce(&frame, "loss", Reduce::MeanLast(2)).unwrap(), Found::number(2.0));
        assert_eq!(
            reduce(&history(&[None]), "loss", Reduce::Last).unwrap().status,
            Status::Failed
        );
    }

    #[test]
    fn an_unknown_column_tells_the_quantities_there_are() {
        assert_eq!(
            reduce(&history(&[Some(1.0)]), "los", Reduce::Last)
                .unwrap()
                .unknown
                .unwrap(),
            ["loss"]
        );
    }

    #[test]
    fn single_precision_and_integers_are_read_too() {
        let frame = df!("epoch" => [1_u32], "a" => [0.5_f32], "b" => [3_i64]).unwrap();
        assert_eq!(reduce(&frame, "a", Reduce::Last).unwrap(), Found::number(0.5));
        assert_eq!(reduce(&frame, "b", Reduce::Last).unwrap(), Found::number(3.0));
    }
}
