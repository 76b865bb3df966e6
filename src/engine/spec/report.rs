//! What is wrong with a spec: every problem with its place, its line and what to write instead.

use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// Problems shown in full by `Display`; a generated file may have thousands, and nobody reads on after these.
const SHOWN: usize = 50;
/// Longest part of a source line that is quoted.
const QUOTED: usize = 140;

/// One thing wrong in one file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The file, or the option (`--set a=b`), it stands in.
    pub file: PathBuf,
    /// From 1; absent if the problem has no place within the file (it cannot be read, say).
    pub line: Option<usize>,
    /// From 1, in characters.
    pub column: Option<usize>,
    /// How many characters from there on are meant.
    pub width: usize,
    /// The source line, unless it is very long.
    pub text: Option<String>,
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem of a file as a whole.
    pub fn of_file(file: &Path, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            column: None,
            width: 0,
            text: None,
            message: message.into(),
            hint: None,
        }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        let gutter = self.line.map_or(1, |line| line.to_string().len());
        write!(f, "{:gutter$}--> {}", "", self.file.display())?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
            if let Some(text) = &self.text {
                let (quoted, before, width) = excerpt(text, column - 1, self.width);
                write!(f, "\n{:gutter$} |\n{line} | {quoted}\n", "")?;
                write!(f, "{:gutter$} | {:before$}{}", "", "", "^".repeat(width))?;
            }
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n{:gutter$} = {hint}", "")?;
        }
        Ok(())
    }
}

/// The part of `text` around the marked characters, with the position and width of the mark in it.
fn excerpt(text: &str, start: usize, width: usize) -> (String, usize, usize) {
    let chars: Vec<char> = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let start = start.min(chars.len());
    if chars.len() <= QUOTED {
        return (
            chars.iter().collect(),
            start,
            width.clamp(1, (chars.len() - start).max(1)),
        );
    }
    let first = start.saturating_sub(QUOTED / 2);
    let last = (first + QUOTED).min(chars.len());
    let front = if first > 0 { "…" } else { "" };
    let back = if last < chars.len() { "…" } else { "" };
    let quoted: String = chars[first..last].iter().collect();
    (
        format!("{front}{quoted}{back}"),
        start - first + front.chars().count(),
        width.clamp(1, (last - start).max(1)),
    )
}

/// Everything wrong with an experiment and its pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub problems: Vec<Problem>,
}

impl Report {
    pub fn one(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }

    /// Sorts by place and drops what is said twice (the cells of a matrix repeat themselves).
    pub fn of(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self { problems }
    }

    /// `Ok` if there is nothing to report.
    pub fn check(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self::of(problems))
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().take(SHOWN).enumerate() {
            write!(f, "{}{problem}", if i > 0 { "\n\n" } else { "" })?;
        }
        match self.problems.len() {
            n if n > SHOWN => write!(f, "\n\n… and {} more", n - SHOWN),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Report {}

impl From<Problem> for Report {
    fn from(problem: Problem) -> Self {
        Self::one(problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem() -> Problem {
        Problem {
            line: Some(12),
            column: Some(12),
            width: 3,
            text: Some("    stage: lod".into()),
            ..Problem::of_file(Path::new("pipelines/moe.yaml"), "no stage kind is called `lod`")
        }
        .hint("did you mean `load`?")
    }

    #[test]
    fn a_problem_shows_its_line_with_a_caret() {
        insta::assert_snapshot!(problem(), @r"
        error: no stage kind is called `lod`
          --> pipelines/moe.yaml:12:12
           |
        12 |     stage: lod
           |            ^^^
           = did you mean `load`?
        ");
    }

    #[test]
    fn a_problem_without_a_place_names_the_file() {
        insta::assert_snapshot!(Problem::of_file(Path::new("x.yaml"), "cannot be read").hint("check it"), @r"
        error: cannot be read
         --> x.yaml
          = check it
        ");
    }

    #[test]
    fn a_long_line_is_quoted_around_the_mark() {
        let long = Problem {
            column: Some(1001),
            text: Some("é".repeat(3000)),
            ..problem()
        };
        let shown = long.to_string();
        assert!(shown.lines().all(|line| line.chars().count() < 160), "{shown}");
        assert!(shown.contains("^^^"));
    }

    #[test]
    fn a_mark_beyond_the_line_does_not_panic() {
        let odd = Problem {
            column: Some(400),
            width: 0,
            ..problem()
        };
        assert!(odd.to_string().contains('^'));
    }

    #[test]
    fn equal_problems_are_told_once_and_in_the_order_of_the_file() {
        let later = Problem {
            line: Some(40),
            ..problem()
        };
        let report = Report::of(vec![later.clone(), problem(), problem()]);
        assert_eq!(report.problems, [problem(), later]);
    }

    #[test]
    fn thousands_of_problems_are_counted_not_shown() {
        let many = (1..2000)
            .map(|line| Problem {
                line: Some(line),
                ..problem()
            })
            .collect();
        let shown = Report::of(many).to_string();
        assert!(shown.ends_with("… and 1949 more") && shown.lines().count() < 400);
    }
}
