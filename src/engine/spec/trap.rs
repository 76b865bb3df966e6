//! Finds an unquoted `${…}` inside `{…}` or `[…]`, which YAML takes for something else.

use super::marks::Place;

/// The first such reference and its place. A rough reading of YAML, asked only once the text has failed to parse.
pub fn unquoted_reference(text: &str) -> Option<(Place, String)> {
    let mut depth = 0_usize;
    let mut quote: Option<char> = None;
    let mut block: Option<usize> = None;
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        // Lines of a block scalar are text, whatever stands in them.
        if let Some(parent) = block {
            if line.trim().is_empty() || indent > parent {
                continue;
            }
            block = None;
        }
        if depth == 0 && quote.is_none() && opens_block(line) {
            block = Some(indent);
        }
        if let Some((column, name)) = scan(line, &mut depth, &mut quote) {
            return Some((
                Place {
                    line: number + 1,
                    column,
                    width: name.chars().count(),
                },
                name,
            ));
        }
    }
    None
}

/// Whether the line ends in `|` or `>`, perhaps with an indicator, before its comment.
fn opens_block(line: &str) -> bool {
    let line = line.split_once(" #").map_or(line, |(text, _)| text);
    let last = line.split_whitespace().next_back().unwrap_or("");
    last.starts_with(['|', '>']) && last[1..].chars().all(|c| matches!(c, '-' | '+' | '0'..='9'))
}

/// The collections that are open, and the quote, go on from line to line.
fn scan(line: &str, depth: &mut usize, quote: &mut Option<char>) -> Option<(usize, String)> {
    let chars: Vec<char> = line.chars().collect();
    // At the start of a value, where brackets open a collection and quotes open a text.
    let mut fresh = true;
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        match *quote {
            Some('"') if c == '\\' => i += 1,
            // Doubled it stands for itself.
            Some('\'') if c == '\'' && chars.get(i + 1) == Some(&'\'') => i += 1,
            Some(q) if c == q => *quote = None,
            Some(_) => {}
            None => match c {
                '#' if i == 0 || chars[i - 1].is_whitespace() => return None,
                '"' | '\'' if fresh => *quote = Some(c),
                '$' if chars.get(i + 1) == Some(&'{') => {
                    let end = (i..chars.len()).find(|j| chars[*j] == '}').unwrap_or(chars.len() - 1);
                    if *depth > 0 {
                        return Some((i + 1, chars[i..=end].iter().collect()));
                    }
                    i = end;
                }
                '{' | '[' if fresh || *depth > 0 => *depth += 1,
                '}' | ']' => *depth = depth.saturating_sub(1),
                _ => {}
            },
        }
        let c = chars.get(i).copied().unwrap_or(' ');
        fresh = matches!(c, ':' | ',' | '{' | '[' | '-' | '?') || (fresh && c.is_whitespace());
        i += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(usize, usize)> {
        unquoted_reference(text).map(|(at, _)| (at.line, at.column))
    }

    #[test]
    fn references_in_flow_collections_are_found() {
        assert_eq!(found("a: {x: ${y}}"), Some((1, 8)));
        assert_eq!(found("b: 1\na: [1,\n  ${y}]"), Some((3, 3)));
        assert_eq!(unquoted_reference("a: [${y.z}]").unwrap().1, "${y.z}");
    }

    #[test]
    fn quoted_commented_and_block_references_are_not() {
        for text in [
            "a: {x: \"${y}\"}",
            "a: {x: '${y}'}",
            "a: ${y}",
            "a: [1] # ${y}",
            "a: |\n  [ ${y}\nb: 1",
            "a: x[${y}",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn odd_ends_do_not_panic() {
        for text in ["a: [${", "a: {$", "a: [\"\\", "", "a: ]]]", "a: {${é"] {
            let _ = unquoted_reference(text);
        }
    }
}
