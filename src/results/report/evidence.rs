//! What the number of clusters rests on: the questions of `stable_split`, the candidates of `select` and `stability`.

use super::figures::{MOST_DRAWINGS, stages, tab};
use super::files::slug;
use super::html::tabs;
use super::tables::{Column, csv, number, table, text};
use crate::error::ResultsError;
use crate::figure::tick;
use crate::stored::Stored;
use maud::{Markup, html};
use moelab_engine::plan::NodeId;
use moelab_stages::artifact;
use moelab_stages::frame::read_parquet;
use polars::prelude::*;

/// Stages that decide or judge a number of clusters.
const KINDS: [&str; 3] = ["stable_split", "select", "stability"];

/// A table per action; none if no such stage has run.
pub(super) fn section(stored: &Stored<'_>) -> Result<Option<Markup>, ResultsError> {
    let mut body = Vec::new();
    for (stage, output, nodes) in stages(stored, &[artifact::REPORT]) {
        let kind = nodes.first().and_then(|node| stored.manifest(*node));
        if !kind.is_some_and(|manifest| KINDS.contains(&manifest.action.stage.as_str())) {
            continue;
        }
        let one = |node: &NodeId| Ok((tab(stored, *node), one(stored, *node, &output)?));
        let tables = nodes.iter().take(MOST_DRAWINGS).map(one);
        let tables = tables.collect::<Result<Vec<(String, Markup)>, ResultsError>>()?;
        body.push(html! {
            h3 { (stage) }
            @if nodes.len() > MOST_DRAWINGS { p class="note" { "The first " (MOST_DRAWINGS) " of " (nodes.len()) "." } }
            (tabs(&slug(&format!("evidence-{stage}")), &stage, &tables))
        });
    }
    Ok((!body.is_empty()).then(|| html! { @for part in &body { (part) } }))
}

fn one(stored: &Stored<'_>, node: NodeId, output: &str) -> Result<Markup, ResultsError> {
    let path = stored.path(node, output)?;
    let read = read_parquet(&path).and_then(|frame| lines(&frame));
    let (columns, rows) = read.map_err(|source| ResultsError::Unreadable {
        path,
        source: Box::new(source),
    })?;
    let action = stored.describe(node);
    let caption = match stored.finished(node)?.action.config["agreement"].as_f64() {
        Some(bound) => format!(
            "Questions of {action}: a part comes apart, and two clusters stay two, where the agreement reaches {}; all points \
             together always come apart",
            tick(bound)
        ),
        None => format!("Candidates of {action}"),
    };
    Ok(html! {
        (table(&caption, &columns, &rows, &[]))
        p { (csv(&action, &columns, &rows)) }
    })
}

/// The columns that are no lists, after the number of the row.
fn lines(frame: &DataFrame) -> PolarsResult<(Vec<Column>, Vec<Vec<String>>)> {
    let mut columns = vec![number("no.")];
    let mut rows: Vec<Vec<String>> = (1..=frame.height()).map(|row| vec![row.to_string()]).collect();
    for column in frame.columns() {
        if matches!(column.dtype(), DataType::List(_)) {
            continue;
        }
        let title = column.name().replace('_', " ");
        columns.push(match column.dtype() {
            DataType::String | DataType::Boolean => text(&title),
            _ => number(&title),
        });
        for (place, row) in rows.iter_mut().enumerate() {
            row.push(cell(&column.get(place)?));
        }
    }
    Ok((columns, rows))
}

fn cell(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => String::new(),
        AnyValue::Boolean(true) => "yes".to_owned(),
        AnyValue::Boolean(false) => "no".to_owned(),
        AnyValue::Float64(x) => tick(*x),
        AnyValue::String(text) => (*text).to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use moelab_stages::frame::list_column;

    #[test]
    fn a_report_is_a_table_without_its_lists() {
        let mut frame = df!(
            "other_rows" => [240_u32, 0], "agreement" => [0.8563, 1.0], "nearest" => [None, Some(0.1)],
            "apart" => [true, false], "size" => ["5", "9"]
        )
        .unwrap();
        frame.with_column(list_column("ari", &[1.0; 4], 2, 2)).unwrap();
        let (columns, rows) = lines(&frame).unwrap();
        assert_eq!(columns.len(), 6);
        assert_eq!(rows[0], ["1", "240", "0.8563", "", "yes", "5"]);
        assert_eq!(rows[1], ["2", "0", "1", "0.1", "no", "9"]);
        let html = table("Questions", &columns, &rows, &[]).into_string();
        assert!(html.contains("other rows") && !html.contains(">ari<"), "{html}");
    }
}
