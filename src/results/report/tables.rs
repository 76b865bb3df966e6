//! Tables that can be sorted.

use super::files::{download, slug};
use crate::error::ResultsError;
use crate::figure::{count_clusters, duration, tallies};
use crate::grid::Grid;
use crate::input::display;
use crate::mark::Mark;
use crate::render::{Format, Lines, render};
use crate::stored::Stored;
use crate::table::Table;
use maud::{Markup, html};
use moelab_engine::plan::{NodeId, SEED_AXIS};
use moelab_engine::store::Presence;
use moelab_stages::artifact;
use std::collections::{BTreeMap, BTreeSet};

/// Lines of the table per seed; a longer one is a file, not a page.
const MOST_LINES: usize = 500;

/// A column.
pub(super) struct Column {
    title: String,
    number: bool,
}

pub(super) fn text(title: &str) -> Column {
    Column {
        title: title.to_owned(),
        number: false,
    }
}

pub(super) fn number(title: &str) -> Column {
    Column {
        title: title.to_owned(),
        number: true,
    }
}

/// The first cell of a row names it. Rows after `ours` are apart: sorting leaves them at the end.
pub(super) fn table(caption: &str, columns: &[Column], ours: &[Vec<String>], apart: &[Vec<String>]) -> Markup {
    marked(caption, columns, ours, apart, &BTreeMap::new())
}

/// As [`table`], with marks on cells of `ours` by row and column.
fn marked(
    caption: &str,
    columns: &[Column],
    ours: &[Vec<String>],
    apart: &[Vec<String>],
    marks: &BTreeMap<(usize, usize), Mark>,
) -> Markup {
    let line = |row: &Vec<String>, mark: &dyn Fn(usize) -> Option<Mark>| {
        html! {
            tr {
                @for (i, (cell, column)) in row.iter().zip(columns).enumerate() {
                    @if i == 0 {
                        th scope="row" class=[column.number.then_some("number")] { (cell) }
                    } @else {
                        td class=[column.number.then_some("number")] {
                            @match mark(i) {
                                Some(Mark::Best) => strong { (cell) },
                                Some(Mark::NotWorse) => em { (cell) },
                                None => (cell),
                            }
                        }
                    }
                }
            }
        }
    };
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(caption) {
            table class="sortable" {
                caption { span { (caption) } }
                thead {
                    tr {
                        @for column in columns {
                            th scope="col" class=[column.number.then_some("number")] { (column.title) }
                        }
                    }
                }
                tbody {
                    @for (number, row) in ours.iter().enumerate() { (line(row, &|column| marks.get(&(number, column)).copied())) }
                }
                @if !apart.is_empty() { tbody class="apart" { @for row in apart { (line(row, &|_| None)) } } }
            }
        }
    }
}

/// The result table as the experiment asks for it, and the values of single seeds.
pub(super) fn results(results: &Table) -> Result<Markup, ResultsError> {
    let columns = |grid: &Grid| -> Vec<Column> {
        let column = |head: &crate::grid::Head| Column {
            title: head.line(),
            number: head.right(),
        };
        grid.heads.iter().map(column).collect()
    };
    let (grid, raw) = (Grid::pivot(results), Grid::raw(results));
    let csv = |lines| -> Result<String, ResultsError> {
        Ok(String::from_utf8_lossy(&render(results, Format::Csv, lines)?).into_owned())
    };
    Ok(html! {
        (marked("Results", &columns(&grid), &grid.ours, &grid.published, &grid.marks))
        @if let Some(legend) = &grid.legend { p class="note" { (legend.text("bold", "italic")) } }
        @if !grid.published.is_empty() { p class="note" { "Rows below the line are published results, with their source." } }
        @if !grid.notes.is_empty() {
            ul class="notes" { @for note in &grid.notes { li { (note) } } }
        }
        p { (download("results.csv", "text/csv", "table (CSV)", &csv(Lines::Cells)?)) " "
            (download("results-per-seed.csv", "text/csv", "values per seed (CSV)", &csv(Lines::Raw)?)) }
        @if raw.ours.len() <= MOST_LINES {
            details {
                summary { "Values of single seeds" }
                (table("Values of single seeds", &columns(&raw), &raw.ours, &[]))
            }
        }
    })
}

/// How many clusters every clustering found; none if the pipeline clusters nothing.
pub(super) fn clusters(stored: &Stored<'_>) -> Result<Option<Markup>, ResultsError> {
    let mut rows = Vec::new();
    let axes: Vec<&str> = stored.from.experiment.axes.iter().map(String::as_str).collect();
    for stage in &stored.from.experiment.pipeline.stages {
        let cells = stored.from.plan.cells.iter();
        let nodes: BTreeSet<NodeId> = cells
            .filter_map(|cell| cell.actions.get(&stage.name).copied())
            .collect();
        for node in nodes {
            let Some(manifest) = stored.manifest(node) else {
                continue;
            };
            let clustering = |output: &str| [artifact::CLUSTERS, artifact::ASSIGNMENTS].contains(&output);
            let outputs = manifest
                .outputs
                .iter()
                .filter(|(_, output)| clustering(&output.artifact));
            for (name, output) in outputs {
                if output.state == Presence::Evicted {
                    continue;
                }
                let (found, labelled, all) = count_clusters(&stored.path(node, name)?)?;
                let on = &stored.from.plan.graph[node].axes;
                let value = |axis: &str| on.get(axis).map(display).unwrap_or_default();
                let mut row = vec![stage.name.clone(), stage.kind.clone()];
                row.extend(axes.iter().map(|axis| value(axis)));
                row.extend([value(SEED_AXIS), found.to_string()]);
                row.push(format!("{:.1} %", 100.0 * labelled as f64 / all.max(1) as f64));
                rows.push(row);
            }
        }
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let mut columns = vec![text("stage"), text("kind")];
    columns.extend(axes.iter().map(|axis| text(axis)));
    columns.extend([number("seed"), number("K"), number("rows in clusters")]);
    Ok(Some(html! {
        (table("Clusters with at least one row, per clustering and seed", &columns, &rows, &[]))
        p { (csv("clusters", &columns, &rows)) }
    }))
}

/// What each stage took.
pub(super) fn times(stored: &Stored<'_>) -> Markup {
    let tallies = tallies(stored);
    let stages = stored.from.experiment.pipeline.stages.iter();
    let rows: Vec<Vec<String>> = stages
        .filter_map(|stage| {
            let tally = tallies.get(&stage.name)?;
            let mut row = vec![stage.name.clone(), stage.kind.clone()];
            row.extend([tally.done, tally.missing, tally.failed].map(|n| n.to_string()));
            row.push(format!("{:.1}", tally.seconds));
            Some(row)
        })
        .collect();
    let total = tallies.values().map(|tally| tally.seconds).sum();
    let columns = [
        text("stage"),
        text("kind"),
        number("done"),
        number("to run"),
        number("failed"),
        number("seconds"),
    ];
    html! {
        p { "All results together took " (duration(total)) " of computing." }
        (table("Actions and measured seconds per stage", &columns, &rows, &[]))
    }
}

/// A table as a file.
pub(super) fn csv(name: &str, columns: &[Column], rows: &[Vec<String>]) -> Markup {
    let line = |cells: Vec<&str>| {
        cells
            .into_iter()
            .map(crate::figure::field)
            .collect::<Vec<_>>()
            .join(",")
            + "\n"
    };
    let head = line(columns.iter().map(|column| column.title.as_str()).collect());
    let body = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    let text: String = std::iter::once(head).chain(body).collect();
    download(&format!("{}.csv", slug(name)), "text/csv", "table (CSV)", &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_caption_scopes_and_escaped_cells() {
        let rows = [vec!["a<b".to_owned(), "1".to_owned()]];
        let marks = BTreeMap::from([((0, 1), Mark::Best)]);
        let best = marked("Runs", &[text("name"), number("K")], &rows, &[], &marks).into_string();
        assert_eq!(best.matches("<strong>").count(), 1, "{best}");
        let html = table("Runs & seeds", &[text("name"), number("K")], &rows, &rows).into_string();
        assert!(html.contains("<caption><span>Runs &amp; seeds</span></caption>"));
        assert!(html.contains("<th scope=\"col\" class=\"number\">K</th>"));
        assert_eq!(html.matches("<th scope=\"row\">a&lt;b</th>").count(), 2);
        assert_eq!(
            html.matches("<tbody class=\"apart\">").count(),
            1,
            "published rows are not sorted among ours"
        );
    }

    #[test]
    fn a_table_is_a_file_too() {
        let link = csv(
            "k by seed",
            &[text("a,b"), number("K")],
            &[vec!["x".into(), "1".into()]],
        )
        .into_string();
        assert!(
            link.contains("download=\"k-by-seed.csv\"") && link.contains("%22a,b%22,K%0Ax,1%0A"),
            "{link}"
        );
    }
}
