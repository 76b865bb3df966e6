//! `{name}` in the words of a command: what stands for paths and numbers that are known when it runs.

use std::collections::BTreeMap;

/// Literal text or the name of a placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    Name(String),
}

/// Splits a word at its placeholders; `{{` and `}}` are the braces themselves.
pub fn pieces(word: &str) -> Result<Vec<Piece>, String> {
    let mut found = Vec::new();
    let mut literal = String::new();
    let mut rest = word;
    while let Some(at) = rest.find(['{', '}']) {
        literal += &rest[..at];
        let brace = &rest[at..=at];
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix(brace) {
            literal += brace;
            rest = after;
            continue;
        }
        let name = match (brace, after.find(['{', '}'])) {
            ("{", Some(end)) if after[end..].starts_with('}') => &after[..end],
            ("{", _) => return Err("`{` is not closed; write {{ for the text {".into()),
            _ => return Err("`}` closes nothing; write }} for the text }".into()),
        };
        if !literal.is_empty() {
            found.push(Piece::Text(std::mem::take(&mut literal)));
        }
        found.push(Piece::Name(name.to_owned()));
        rest = &after[name.len() + 1..];
    }
    literal += rest;
    if !literal.is_empty() || found.is_empty() {
        found.push(Piece::Text(literal));
    }
    Ok(found)
}

/// The words with the values put in. A placeholder that is a word of its own gives as many words as it has values.
pub fn fill<'w>(
    words: impl IntoIterator<Item = &'w str>,
    values: &BTreeMap<String, Vec<String>>,
) -> Result<Vec<String>, String> {
    let value = |name: &str| values.get(name).ok_or_else(|| format!("nothing is called {{{name}}}"));
    let mut filled = Vec::new();
    for word in words {
        let pieces = pieces(word)?;
        if let [Piece::Name(name)] = &pieces[..] {
            filled.extend(value(name)?.iter().cloned());
            continue;
        }
        let mut whole = String::new();
        for piece in &pieces {
            match piece {
                Piece::Text(text) => whole += text,
                Piece::Name(name) => match &value(name)?[..] {
                    [one] => whole += one,
                    _ => return Err(format!("{{{name}}} has several values within `{word}`")),
                },
            }
        }
        filled.push(whole);
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Piece {
        Piece::Name(name.to_owned())
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    #[test]
    fn placeholders_are_told_from_text_and_doubled_braces() {
        assert_eq!(pieces("{a}").unwrap(), [name("a")]);
        assert_eq!(
            pieces("--in={a}.x{b}").unwrap(),
            [text("--in="), name("a"), text(".x"), name("b")]
        );
        assert_eq!(pieces("awk {{print $1}}").unwrap(), [text("awk {print $1}")]);
        assert_eq!(pieces("{{{a}}}").unwrap(), [text("{"), name("a"), text("}")]);
        assert_eq!(pieces("").unwrap(), [text("")]);
        assert_eq!(pieces("é{ü}").unwrap(), [text("é"), name("ü")]);
    }

    #[test]
    fn a_brace_alone_is_refused() {
        for word in ["{", "a{b", "{a{b}", "}", "a}b", "{{a}"] {
            assert!(pieces(word).is_err(), "{word}");
        }
    }

    #[test]
    fn several_values_are_several_words_and_none_is_none() {
        let values = [("a", vec!["1"]), ("many", vec!["x", "y"]), ("none", vec![])];
        let values = values
            .into_iter()
            .map(|(name, all)| (name.to_owned(), all.into_iter().map(str::to_owned).collect()))
            .collect();
        assert_eq!(
            fill(["p", "-{a}", "{many}", "{none}", "{{"], &values).unwrap(),
            ["p", "-1", "x", "y", "{"]
        );
        assert!(fill(["-{many}"], &values).is_err());
        assert!(fill(["{b}"], &values).is_err());
    }
}
