//! LaTeX: a `tabular` in the manner of booktabs; notes are comments.

use crate::grid::Grid;
use crate::mark::Mark;

pub(crate) fn render(grid: &Grid) -> String {
    let columns: String = grid
        .heads
        .iter()
        .map(|head| if head.right() { 'r' } else { 'l' })
        .collect();
    let titles: Vec<String> = grid.heads.iter().map(|head| escape(&head.title)).collect();
    let mut text = String::from("% \\usepackage{booktabs}\n");
    text.extend(
        grid.title
            .iter()
            .map(|title| format!("% {}\n", title.replace(['\n', '\r'], " "))),
    );
    text += &format!("\\begin{{tabular}}{{{columns}}}\n\\toprule\n");
    text += &groups(grid);
    text += &format!("{}\\midrule\n", line(&titles));
    for (number, row) in grid.ours.iter().enumerate() {
        let cell = |(column, cell): (usize, &String)| match grid.marks.get(&(number, column)) {
            Some(Mark::Best) => format!("\\textbf{{{}}}", escape(cell)),
            Some(Mark::NotWorse) => format!("\\underline{{{}}}", escape(cell)),
            None => escape(cell),
        };
        text += &line(&row.iter().enumerate().map(cell).collect::<Vec<_>>());
    }
    if !grid.published.is_empty() {
        text += "\\midrule\n";
        let row = |row: &Vec<String>| line(&row.iter().map(|cell| escape(cell)).collect::<Vec<_>>());
        text.extend(grid.published.iter().map(row));
    }
    text += "\\bottomrule\n\\end{tabular}\n";
    let legend = grid.legend.as_ref().map(|legend| legend.text("bold", "underlined"));
    // Every line of a note begins with its own %, or it would be typeset.
    text.extend(
        legend
            .iter()
            .chain(&grid.notes)
            .flat_map(|note| note.split(['\n', '\r']))
            .map(|part| format!("% {part}\n")),
    );
    text
}

/// The line above the titles: what neighbouring columns share, with a rule below it.
fn groups(grid: &Grid) -> String {
    if grid.heads.iter().all(|head| head.group.is_none()) {
        return String::new();
    }
    let (mut cells, mut rules, mut column) = (Vec::new(), String::new(), 0);
    for run in grid.heads.chunk_by(|a, b| a.group.is_some() && a.group == b.group) {
        let last = column + run.len();
        match &run[0].group {
            Some(group) => {
                cells.push(format!("\\multicolumn{{{}}}{{c}}{{{}}}", run.len(), escape(group)));
                rules += &format!("\\cmidrule(lr){{{}-{last}}}\n", column + 1);
            }
            None => cells.push(String::new()),
        }
        column = last;
    }
    line(&cells) + &rules
}

fn line(cells: &[String]) -> String {
    // A row that begins with [ would be read as the optional argument of the \\ before it.
    let guard = if cells.first().is_some_and(|cell| cell.starts_with('[')) {
        "{}"
    } else {
        ""
    };
    format!("{guard}{} \\\\\n", cells.join(" & ").trim_end())
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '|' => escaped.push_str("\\textbar{}"),
            '"' => escaped.push_str("\\textquotedbl{}"),
            '±' => escaped.push_str("$\\pm$"),
            '–' => escaped.push_str("--"),
            '−' => escaped.push_str("$-$"),
            '…' => escaped.push_str("\\ldots{}"),
            '_' | '%' | '&' | '#' | '$' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_special_character_is_escaped() {
        assert_eq!(escape("_ % & # $ { }"), r"\_ \% \& \# \$ \{ \}");
        assert_eq!(
            escape(r"~ ^ \"),
            r"\textasciitilde{} \textasciicircum{} \textbackslash{}"
        );
        assert_eq!(escape("a<b>c|d"), r"a\textless{}b\textgreater{}c\textbar{}d");
    }

    #[test]
    fn plus_minus_and_dashes_are_set_as_such() {
        assert_eq!(escape("0.953 ± 0.012"), r"0.953 $\pm$ 0.012");
        assert_eq!(escape("– (0/3)"), "-- (0/3)");
    }

    #[test]
    fn a_newline_does_not_end_a_cell() {
        assert_eq!(escape("a\nb"), "a b");
    }

    #[test]
    fn a_row_that_begins_with_a_bracket_is_guarded() {
        assert_eq!(line(&["[10, 20]".into(), "1".into()]), "{}[10, 20] & 1 \\\\\n");
    }

    #[test]
    fn a_note_of_two_lines_is_two_comments() {
        let grid = Grid {
            notes: vec!["one\n\\input{two}".into()],
            ..Grid::default()
        };
        assert!(render(&grid).ends_with("% one\n% \\input{two}\n"));
    }
}
