//! Markdown: a pipe table; published rows below a row that says so.

use crate::grid::Grid;
use crate::mark::Mark;

pub(crate) fn render(grid: &Grid) -> String {
    let titles: Vec<String> = grid.heads.iter().map(|head| escape(&head.line())).collect();
    let title = grid.title.iter().map(|title| format!("{}\n\n", escape(title)));
    let mut text = title.collect::<String>() + &line(&titles);
    let rules: Vec<String> = grid
        .heads
        .iter()
        .map(|head| if head.right() { "---:" } else { "---" }.to_owned())
        .collect();
    text += &line(&rules);
    for (number, row) in grid.ours.iter().enumerate() {
        let cell = |(column, cell): (usize, &String)| match grid.marks.get(&(number, column)) {
            Some(Mark::Best) => format!("**{}**", escape(cell)),
            Some(Mark::NotWorse) => format!("*{}*", escape(cell)),
            None => escape(cell),
        };
        text += &line(&row.iter().enumerate().map(cell).collect::<Vec<_>>());
    }
    if !grid.published.is_empty() {
        let mut rule = vec![String::new(); grid.heads.len()];
        rule[0] = "*published*".to_owned();
        text += &line(&rule);
        let row = |row: &Vec<String>| line(&row.iter().map(|cell| escape(cell)).collect::<Vec<_>>());
        text.extend(grid.published.iter().map(row));
    }
    let legend = grid.legend.as_ref().map(|legend| legend.text("**bold**", "*italic*"));
    if legend.is_some() || !grid.notes.is_empty() {
        text.push('\n');
        // Notes hold code in backticks already; only what would start other markup is in the way.
        text.extend(
            legend
                .iter()
                .chain(&grid.notes)
                .map(|note| format!("- {}\n", flat(note).replace('<', "\\<"))),
        );
    }
    text
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// On one line: a newline would end the table.
fn flat(text: &str) -> String {
    text.split(['\n', '\r'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let flat = flat(text);
    let mut chars = flat.chars().peekable();
    while let Some(c) = chars.next() {
        // `&copy;` would be a sign.
        let entity = c == '&'
            && chars
                .peek()
                .is_some_and(|next| next.is_ascii_alphanumeric() || *next == '#');
        if entity || matches!(c, '|' | '\\' | '*' | '_' | '`' | '<' | '[' | ']' | '~' | '$') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_table_is_escaped() {
        assert_eq!(escape("a|b_c*d\\e"), r"a\|b\_c\*d\\e");
        assert_eq!(escape("two\nlines"), "two lines");
        assert_eq!(escape("R&D & &copy;"), r"R\&D & \&copy;");
        assert_eq!(escape("0.953 ± 0.012 (2/3)"), "0.953 ± 0.012 (2/3)");
    }
}
