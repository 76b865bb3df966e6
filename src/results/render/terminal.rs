//! Aligned text that fits the width of the terminal.

use crate::grid::{Grid, Head, Role};

const GAP: usize = 2;
/// Shortest a key is cut to.
const LEAST: usize = 8;

/// What does not fit is moved, in this order: sources to footnotes, long keys are cut, columns go into a second table.
pub(crate) fn render(grid: &Grid, width: usize) -> String {
    let mut grid = grid.clone();
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
    let mut text = String::new();
    for (number, block) in blocks(&grid, &keys, width).iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        text += &one(&grid, block);
    }
    for line in footnotes {
        text += &wrapped(&line, "    ", width);
    }
    for note in &grid.notes {
        text += &wrapped(&format!("note: {note}"), "      ", width);
    }
    text
}

/// Sets the columns of one block.
fn one(grid: &Grid, columns: &[usize]) -> String {
    let titles: Vec<String> = grid.heads.iter().map(|head| head.title.clone()).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = columns
            .iter()
            .map(|&column| pad(&row[column], widest(grid, column), &grid.heads[column]))
            .collect();
        format!("{}\n", cells.join(&" ".repeat(GAP)).trim_end())
    };
    let rule = format!("{}\n", "─".repeat(total(grid, columns)));
    let mut text = line(&titles) + &rule;
    text.extend(grid.ours.iter().map(line));
    if !grid.published.is_empty() {
        text += &rule;
        text.extend(grid.published.iter().map(line));
    }
    text
}

/// The keys with as many other columns as fit, as often as it takes.
fn blocks(grid: &Grid, keys: &[usize], width: usize) -> Vec<Vec<usize>> {
    let mut blocks: Vec<Vec<usize>> = Vec::new();
    let mut block = keys.to_vec();
    for column in (0..grid.heads.len()).filter(|column| !keys.contains(column)) {
        let mut longer = block.clone();
        longer.push(column);
        // A column that does not even fit by itself is shown all the same.
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
        for row in grid.ours.iter_mut().chain(&mut grid.published) {
            row[column] = cut(&row[column], each);
        }
    }
}

fn cut(text: &str, most: usize) -> String {
    if chars(text) <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

fn widest(grid: &Grid, column: usize) -> usize {
    let cells = grid.ours.iter().chain(&grid.published).map(|row| chars(&row[column]));
    cells.max().unwrap_or(0).max(chars(&grid.heads[column].title))
}

fn total(grid: &Grid, columns: &[usize]) -> usize {
    let widths: usize = columns.iter().map(|&column| widest(grid, column)).sum();
    widths + GAP * columns.len().saturating_sub(1)
}

fn pad(text: &str, width: usize, head: &Head) -> String {
    let space = " ".repeat(width - chars(text));
    if head.right() {
        space + text
    } else {
        text.to_owned() + &space
    }
}

/// Broken between words; a word longer than a line stays whole, so that paths can be copied.
fn wrapped(text: &str, indent: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.trim().is_empty() && chars(&line) + 1 + chars(word) > width {
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

    fn grid(metrics: usize, key: &str) -> Grid {
        let mut heads = vec![Head {
            title: "dataset".into(),
            role: Role::Key,
        }];
        heads.extend((0..metrics).map(|m| Head {
            title: format!("metric{m}"),
            role: Role::Number,
        }));
        let mut row = vec![key.to_owned()];
        row.extend((0..metrics).map(|_| "0.953 ± 0.012".to_owned()));
        Grid {
            heads,
            ours: vec![row],
            published: vec![],
            notes: vec![],
        }
    }

    fn longest(text: &str) -> usize {
        text.lines().map(chars).max().unwrap_or(0)
    }

    #[test]
    fn what_fits_is_one_table() {
        let text = render(&grid(3, "mnist"), 80);
        assert_eq!((text.lines().count(), longest(&text) <= 80), (3, true));
    }

    #[test]
    fn what_does_not_fit_goes_into_a_second_table_with_the_keys() {
        let text = render(&grid(8, "mnist"), 60);
        assert!(longest(&text) <= 60, "{text}");
        assert!(text.lines().filter(|line| line.starts_with("mnist")).count() > 1);
        assert!((0..8).all(|m| text.contains(&format!("metric{m}"))));
    }

    #[test]
    fn a_long_key_is_cut() {
        let text = render(&grid(2, &"x".repeat(200)), 60);
        assert!(longest(&text) <= 60 && text.contains("x…"), "{text}");
    }

    #[test]
    fn a_terminal_of_no_width_does_not_panic() {
        for width in 0..20 {
            assert!(render(&grid(2, "mnist"), width).contains("metric1"));
        }
    }

    #[test]
    fn long_notes_are_broken_between_words() {
        let noted = Grid {
            notes: vec!["word ".repeat(40)],
            ..grid(1, "mnist")
        };
        assert!(longest(&render(&noted, 50)) <= 50);
    }
}
