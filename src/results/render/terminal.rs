//! Aligned text that fits the width of the terminal.

use crate::grid::{Grid, Head, Role};
use crate::mark::Mark;
use std::collections::BTreeSet;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

const GAP: usize = 2;
/// Shortest a key is cut to.
const LEAST: usize = 8;

/// What does not fit is moved, in this order: sources to footnotes, long keys are cut, a table of few rows is turned on its
/// side, columns go into further tables below, each row stands by itself. No line is left for the terminal to break.
pub(crate) fn render(grid: &Grid, width: usize) -> String {
    let mut grid = marked(grid);
    let mut footnotes = Vec::new();
    let all: Vec<usize> = (0..grid.heads.len()).collect();
    if total(&grid, &all) > width {
        footnotes = sources_to_footnotes(&mut grid);
    }
    let keys: Vec<usize> = all
        .iter()
        .copied()
        .filter(|&column| grid.heads[column].role == Role::Key)
        .collect();
    if total(&grid, &all) > width {
        cut_keys(&mut grid, &keys, width / 2);
    }
    let rows = grid.ours.len() + grid.published.len();
    let columns = all.len() - keys.len();
    let mut text = if total(&grid, &all) <= width {
        one(&grid, &all)
    } else if rows <= columns && sides(&grid, width).len() == 1 {
        on_its_side(&grid, width)
    } else {
        let blocks = blocks(&grid, &keys, width);
        if blocks.iter().all(|block| total(&grid, block) <= width) {
            let tables: Vec<String> = blocks.iter().map(|block| one(&grid, block)).collect();
            tables.join("\n")
        } else {
            on_its_side(&grid, width)
        }
    };
    if let Some(title) = &grid.title {
        text.insert_str(0, &(wrapped(title, "   ", width) + "\n"));
    }
    for line in footnotes {
        text += &wrapped(&line, "    ", width);
    }
    if let Some(legend) = &grid.legend {
        text += &wrapped(&legend.text("*", "~"), "   ", width);
    }
    for note in &grid.notes {
        text += &wrapped(&format!("note: {note}"), "      ", width);
    }
    text
}

/// Marks become signs behind the numbers, which stay aligned.
fn marked(grid: &Grid) -> Grid {
    let mut grid = grid.clone();
    let columns: std::collections::BTreeSet<usize> = grid.marks.keys().map(|(_, column)| *column).collect();
    for column in columns {
        for (number, row) in grid.ours.iter_mut().enumerate() {
            row[column] += match grid.marks.get(&(number, column)) {
                Some(Mark::Best) => " *",
                Some(Mark::NotWorse) => " ~",
                None => "  ",
            };
        }
        for row in &mut grid.published {
            row[column] += "  ";
        }
    }
    grid
}

/// Sets these columns side by side.
fn one(grid: &Grid, columns: &[usize]) -> String {
    let titles: Vec<String> = grid.heads.iter().map(|head| head.title.clone()).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = columns
            .iter()
            .map(|&column| pad(&row[column], widest(grid, column), grid.heads[column].right()))
            .collect();
        format!("{}\n", cells.join(&" ".repeat(GAP)).trim_end())
    };
    let rule = format!("{}\n", "─".repeat(total(grid, columns)));
    let mut text = groups(grid, columns) + &line(&titles) + &rule;
    text.extend(grid.ours.iter().map(line));
    if !grid.published.is_empty() {
        text += &rule;
        text.extend(grid.published.iter().map(line));
    }
    text
}

/// The line above the titles, with what neighbouring columns share.
fn groups(grid: &Grid, columns: &[usize]) -> String {
    let group = |column: &usize| grid.heads[*column].group.as_deref();
    if columns.iter().all(|column| group(column).is_none()) {
        return String::new();
    }
    let runs = columns.chunk_by(|a, b| group(a).is_some() && group(a) == group(b));
    let cell = |run: &[usize]| {
        let width = total(grid, run);
        match group(&run[0]) {
            None => " ".repeat(width),
            Some(name) => {
                let name = cut(&format!(" {name} "), width);
                let rest = width - name.width();
                format!("{}{name}{}", "─".repeat(rest / 2), "─".repeat(rest - rest / 2))
            }
        }
    };
    let cells: Vec<String> = runs.map(cell).collect();
    format!("{}\n", cells.join(&" ".repeat(GAP)).trim_end())
}

/// The keys with as many other columns as fit, as often as it takes.
fn blocks(grid: &Grid, keys: &[usize], width: usize) -> Vec<Vec<usize>> {
    let mut blocks: Vec<Vec<usize>> = Vec::new();
    let mut block = keys.to_vec();
    for column in (0..grid.heads.len()).filter(|column| !keys.contains(column)) {
        let mut longer = block.clone();
        longer.push(column);
        if total(grid, &longer) > width && block.len() > keys.len() {
            blocks.push(std::mem::replace(&mut block, keys.to_vec()));
            block.push(column);
        } else {
            block = longer;
        }
    }
    blocks.push(block);
    blocks
}

/// Rows as columns, as many beside each other as fit.
fn on_its_side(grid: &Grid, width: usize) -> String {
    let labels = labels(grid);
    let first = labels.iter().map(|label| label.width()).max().unwrap_or(0);
    let table = |rows: &Vec<&Vec<String>>| {
        let widths: Vec<usize> = rows.iter().map(|row| tallest(row)).collect();
        let line = |column: usize| {
            let cells = rows.iter().zip(&widths);
            let cells: String = cells
                .map(|(row, width)| " ".repeat(GAP) + &pad(&row[column], *width, true))
                .collect();
            format!("{}\n", (pad(&labels[column], first, false) + &cells).trim_end())
        };
        let rule = format!(
            "{}\n",
            "─".repeat(first + widths.iter().map(|width| GAP + width).sum::<usize>())
        );
        let keys = (0..labels.len()).filter(|&column| grid.heads[column].role == Role::Key);
        let others = (0..labels.len()).filter(|&column| grid.heads[column].role != Role::Key);
        keys.map(line).collect::<String>() + &rule + &others.map(line).collect::<String>()
    };
    sides(grid, width).iter().map(table).collect::<Vec<_>>().join("\n")
}

/// Rows that fit beside each other when they stand as columns; at least one at a time.
fn sides(grid: &Grid, width: usize) -> Vec<Vec<&Vec<String>>> {
    let first = labels(grid).iter().map(|label| label.width()).max().unwrap_or(0);
    let mut sides: Vec<Vec<&Vec<String>>> = vec![Vec::new()];
    let mut used = first;
    for row in grid.ours.iter().chain(&grid.published) {
        let needed = GAP + tallest(row);
        let side = sides.last_mut().expect("there is always one");
        if used + needed > width && !side.is_empty() {
            sides.push(vec![row]);
            used = first + needed;
        } else {
            side.push(row);
            used += needed;
        }
    }
    sides
}

fn labels(grid: &Grid) -> Vec<String> {
    grid.heads.iter().map(Head::line).collect()
}

fn tallest(row: &[String]) -> usize {
    row.iter().map(|cell| cell.width()).max().unwrap_or(0)
}

fn sources_to_footnotes(grid: &mut Grid) -> Vec<String> {
    let Some(source) = grid.heads.iter().position(|head| head.role == Role::Source) else {
        return Vec::new();
    };
    let mut sources: Vec<String> = Vec::new();
    for row in &mut grid.published {
        let known = sources.iter().position(|known| *known == row[source]);
        let number = known.unwrap_or_else(|| {
            sources.push(row[source].clone());
            sources.len() - 1
        });
        row[source] = format!("[{}]", number + 1);
    }
    sources
        .iter()
        .enumerate()
        .map(|(i, source)| format!("[{}] {source}", i + 1))
        .collect()
}

fn cut_keys(grid: &mut Grid, keys: &[usize], width: usize) {
    let each = (width / keys.len().max(1)).saturating_sub(GAP).max(LEAST);
    for &column in keys {
        grid.heads[column].title = cut(&grid.heads[column].title, each);
        let distinct = |of: &dyn Fn(&String) -> String| -> usize {
            let rows = grid.ours.iter().chain(&grid.published);
            rows.map(|row| of(&row[column])).collect::<BTreeSet<_>>().len()
        };
        // Long paths often differ in their ends alone.
        let at_the_end = distinct(&|text| cut(text, each)) == distinct(&String::clone);
        for row in grid.ours.iter_mut().chain(&mut grid.published) {
            row[column] = match at_the_end {
                true => cut(&row[column], each),
                false => cut(&row[column].chars().rev().collect::<String>(), each)
                    .chars()
                    .rev()
                    .collect(),
            };
        }
    }
}

fn cut(text: &str, most: usize) -> String {
    if text.width() <= most {
        return text.to_owned();
    }
    let mut used = 1;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= most
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

fn widest(grid: &Grid, column: usize) -> usize {
    let cells = grid.ours.iter().chain(&grid.published).map(|row| row[column].width());
    cells.max().unwrap_or(0).max(grid.heads[column].title.width())
}

fn total(grid: &Grid, columns: &[usize]) -> usize {
    let widths: usize = columns.iter().map(|&column| widest(grid, column)).sum();
    widths + GAP * columns.len().saturating_sub(1)
}

fn pad(text: &str, width: usize, right: bool) -> String {
    let space = " ".repeat(width.saturating_sub(text.width()));
    if right { space + text } else { text.to_owned() + &space }
}

/// Broken between words; a word longer than a line stays whole, so that paths can be copied.
fn wrapped(text: &str, indent: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.trim().is_empty() && line.width() + 1 + word.width() > width {
            lines += &line;
            lines.push('\n');
            line = indent.to_owned() + word;
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line += word;
        }
    }
    lines + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(rows: usize, metrics: usize, key: &str) -> Grid {
        let mut heads = vec![Head::new("dataset", Role::Key)];
        heads.extend((0..metrics).map(|m| Head::new(&format!("metric{m}"), Role::Number)));
        let mut row = vec![key.to_owned()];
        row.extend((0..metrics).map(|_| "0.953 ± 0.012".to_owned()));
        Grid {
            heads,
            ours: vec![row; rows],
            ..Grid::default()
        }
    }

    fn longest(text: &str) -> usize {
        text.lines().map(|line| line.width()).max().unwrap_or(0)
    }

    #[test]
    fn what_fits_is_one_table() {
        let text = render(&grid(1, 3, "mnist"), 80);
        assert_eq!((text.lines().count(), longest(&text) <= 80), (3, true));
    }

    #[test]
    fn what_does_not_fit_goes_into_a_second_table_with_the_keys() {
        let text = render(&grid(9, 8, "mnist"), 60);
        assert!(longest(&text) <= 60, "{text}");
        assert!(text.lines().filter(|line| line.starts_with("mnist")).count() > 1);
        assert!((0..8).all(|m| text.contains(&format!("metric{m}"))));
    }

    #[test]
    fn a_long_key_is_cut() {
        let text = render(&grid(9, 2, &"x".repeat(200)), 60);
        assert!(longest(&text) <= 60 && text.contains("x…"), "{text}");
    }

    #[test]
    fn long_keys_that_differ_in_their_ends_keep_these() {
        let mut both = grid(2, 2, "");
        for (row, end) in both.ours.iter_mut().zip(["one", "two"]) {
            row[0] = "x".repeat(200) + end;
        }
        let text = render(&both, 60);
        assert!(
            longest(&text) <= 60 && text.contains("xone") && text.contains("xtwo"),
            "{text}"
        );
    }

    #[test]
    fn a_terminal_of_no_width_does_not_panic() {
        for width in 0..20 {
            assert!(render(&grid(1, 2, "mnist"), width).contains("metric1"));
        }
    }

    #[test]
    fn long_notes_are_broken_between_words() {
        let noted = Grid {
            notes: vec!["word ".repeat(40)],
            ..grid(1, 1, "mnist")
        };
        assert!(longest(&render(&noted, 50)) <= 50);
    }

    #[test]
    fn few_rows_of_many_columns_are_turned_on_their_side() {
        insta::assert_snapshot!(render(&grid(2, 5, "mnist"), 60), @"
dataset          mnist          mnist
─────────────────────────────────────
metric0  0.953 ± 0.012  0.953 ± 0.012
metric1  0.953 ± 0.012  0.953 ± 0.012
metric2  0.953 ± 0.012  0.953 ± 0.012
metric3  0.953 ± 0.012  0.953 ± 0.012
metric4  0.953 ± 0.012  0.953 ± 0.012
");
    }

    #[test]
    fn a_row_that_does_not_fit_stands_by_itself() {
        let text = render(&grid(9, 8, &"x".repeat(30)), 24);
        assert!(longest(&text) <= 24, "{text}");
        assert_eq!(text.matches("dataset").count(), 9);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_whatever_the_table() {
        for (rows, metrics, width) in (1..12)
            .flat_map(|rows| (1..9).map(move |metrics| (rows, metrics)))
            .flat_map(|(rows, metrics)| [30, 40, 61, 80, 133].map(|width| (rows, metrics, width)))
        {
            let text = render(&grid(rows, metrics, "a data set"), width);
            assert!(longest(&text) <= width, "{rows} {metrics} {width}\n{text}");
            assert_eq!(text.matches("0.953").count(), rows * metrics);
        }
    }

    #[test]
    fn wide_letters_count_as_two() {
        let text = render(&grid(1, 1, "手書き数字"), 60);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2].width(), lines[1].width());
    }

    #[test]
    fn shared_titles_span_their_columns_and_marks_stand_behind_the_numbers() {
        let mut grid = grid(2, 4, "mnist");
        for (column, head) in grid.heads.iter_mut().enumerate().skip(1) {
            head.group = Some(if column < 3 { "[0,1]" } else { "[3,8]" }.to_owned());
        }
        grid.marks = [((0, 1), Mark::Best), ((1, 1), Mark::NotWorse)].into();
        insta::assert_snapshot!(render(&grid, 90), @"
                     ─────────── [0,1] ────────────  ────────── [3,8] ───────────
            dataset          metric0        metric1        metric2        metric3
            ─────────────────────────────────────────────────────────────────────
            mnist    0.953 ± 0.012 *  0.953 ± 0.012  0.953 ± 0.012  0.953 ± 0.012
            mnist    0.953 ± 0.012 ~  0.953 ± 0.012  0.953 ± 0.012  0.953 ± 0.012
            ");
    }
}
