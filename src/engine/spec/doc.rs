//! One YAML file: its value, and the way from a path in the value back to line and column.

use super::marks::{self, COLLECTION_KEY, Failed, Marked, Place, Tree};
use super::report::{Problem, Report};
use super::trap;
use serde_json::Value;
use std::cell::LazyCell;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Largest spec file read, in bytes: a thousand times any spec written by hand.
const LARGEST_FILE: u64 = 4 << 20;
/// Longest line that problems quote, in bytes: each holds a copy of its line.
const LONGEST_LINE: usize = 1 << 10;

/// A parsed file.
#[derive(Debug)]
pub struct Doc {
    pub source: Arc<Source>,
    pub value: Value,
}

/// A file that was parsed, without its value: enough to say what is wrong in it.
#[derive(Debug)]
pub struct Source {
    pub file: PathBuf,
    text: String,
    /// Made for the first problem: a file without any needs no places, and they take more memory than its value.
    places: OnceLock<Places>,
}

#[derive(Debug)]
struct Places {
    marks: Arc<Marked>,
    lines: Vec<String>,
}

/// Which part of an entry a problem is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Key,
    Value,
}

impl Doc {
    pub fn read(file: &Path) -> Result<Self, Report> {
        let trouble = |message: String| Report::one(Problem::of_file(file, message));
        let mut bytes = Vec::new();
        File::open(file)
            .and_then(|open| open.take(LARGEST_FILE + 1).read_to_end(&mut bytes))
            .map_err(|error| trouble(format!("the file cannot be read: {error}")))?;
        if bytes.len() as u64 > LARGEST_FILE {
            return Err(trouble(format!(
                "the file is larger than {} MiB: this is no spec",
                LARGEST_FILE >> 20
            )));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(file, &text),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let line = error.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1;
                let problem = Problem::of_file(
                    file,
                    format!("the file is not UTF-8 text: byte {at} (line {line}) is wrong"),
                );
                Err(problem.hint("save it as UTF-8").into())
            }
        }
    }

    /// Both parsers read the text: one for the value, the other for the marks; where they differ nobody should rely on
    /// either, so that is an error too.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Report> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = LazyCell::new(|| lines(text));
        let problem = |at: Place, message: String| locate(file, &lines, at, message);
        let marks = marks::parse(text).map_err(|failed| {
            // Where an unquoted `${…}` within braces breaks the syntax, in ways whose messages help nobody.
            let broken = match &failed {
                Failed::Syntax(at, _) => Some(at.line),
                Failed::Refused(all) => all.last().filter(|r| r.message == COLLECTION_KEY).map(|r| r.at.line),
            };
            let problems = match failed {
                Failed::Refused(all) => all
                    .into_iter()
                    .map(|r| problem(r.at, r.message).maybe_hint(r.hint))
                    .collect(),
                Failed::Syntax(at, message) => vec![problem(at, format!("this is not YAML: {message}"))],
            };
            let trap = broken.and_then(|line| trap::unquoted_reference(text).filter(|(at, _)| at.line <= line));
            match trap {
                Some((at, name)) => Report::one(
                    problem(at, format!("`{name}` stands unquoted inside {{…}} or […]")).hint(format!(
                        "write \"{name}\": YAML takes its braces for a mapping otherwise"
                    )),
                ),
                None => Report::of(problems),
            }
        })?;
        let value = read_value(text).map_err(|(at, message)| match at {
            Some(at) => problem(at, format!("this is not YAML: {message}")),
            None => Problem::of_file(file, format!("this is not YAML: {message}")),
        })?;
        let source = Source {
            file: file.to_owned(),
            text: text.to_owned(),
            places: OnceLock::new(),
        };
        match difference(&value, &marks) {
            None => Ok(Self {
                source: Arc::new(source),
                value,
            }),
            Some(mut path) => {
                path.reverse();
                let problem = source.problem(&path, Part::Value, "two YAML readers understand this differently");
                Err(problem.hint("put it in quotes or write it more simply").into())
            }
        }
    }
}

impl Source {
    fn places(&self) -> &Places {
        self.places.get_or_init(|| Places {
            marks: marks::parse(&self.text).ok().expect("it was parsed before"),
            lines: lines(&self.text),
        })
    }

    /// Whether anything is written at `path`.
    pub fn holds<S: AsRef<str>>(&self, path: &[S]) -> bool {
        let mut here: &Marked = &self.places().marks;
        path.iter().all(|step| match here.child(step.as_ref()) {
            Some((_, child)) => {
                here = child;
                true
            }
            None => false,
        })
    }

    /// A problem at `path`, or at the nearest place above it that is written down.
    pub fn problem<S: AsRef<str>>(&self, path: &[S], part: Part, message: impl Into<String>) -> Problem {
        let Places { marks, lines } = self.places();
        let (mut here, mut at): (&Marked, Place) = (marks, marks.at);
        for (i, step) in path.iter().enumerate() {
            let Some((key, child)) = here.child(step.as_ref()) else {
                break;
            };
            let last = i + 1 == path.len();
            at = match key {
                // Collections start at their first child, which is the wrong thing to point at.
                Some(key) if (last && part == Part::Key) || !matches!(child.tree, Tree::Scalar(_)) => key,
                _ => child.at,
            };
            here = child;
        }
        locate(&self.file, lines, at, message.into())
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn locate(file: &Path, lines: &[String], at: Place, message: String) -> Problem {
    let text = lines.get(at.line - 1).map_or("", String::as_str);
    let text = (text.len() <= LONGEST_LINE).then(|| text.to_owned());
    let rest = text
        .as_ref()
        .map_or(1, |text| text.trim_end().chars().count().saturating_sub(at.column - 1));
    Problem {
        line: Some(at.line),
        column: Some(at.column),
        width: at.width.min(rest).max(1),
        text,
        ..Problem::of_file(file, message)
    }
}

fn read_value(text: &str) -> Result<Value, (Option<Place>, String)> {
    serde_yaml::from_str(text).map_err(|error| {
        let at = error.location().map(|l| Place {
            line: l.line().max(1),
            column: l.column().max(1),
            width: 1,
        });
        (at, error.to_string())
    })
}

/// Steps to the first place where the two parsers differ, in type of number too; the innermost first.
fn difference(value: &Value, marked: &Marked) -> Option<Vec<String>> {
    let within = |step: String, value: &Value, marked: &Marked| {
        let mut path = difference(value, marked)?;
        path.push(step);
        Some(path)
    };
    match (value, &marked.tree) {
        (Value::Object(x), Tree::Map(y)) if x.len() == y.len() => {
            x.iter()
                .zip(y)
                .find_map(|((name, value), (key, _, marked))| match name == key {
                    true => within(key.clone(), value, marked),
                    false => Some(Vec::new()),
                })
        }
        (Value::Array(x), Tree::List(y)) if x.len() == y.len() => x
            .iter()
            .zip(y)
            .enumerate()
            .find_map(|(i, (v, w))| within(i.to_string(), v, w)),
        (value, Tree::Scalar(scalar)) if value == scalar => None,
        _ => Some(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(text: &str) -> Result<Doc, Report> {
        Doc::parse(Path::new("x.yaml"), text)
    }

    fn error(text: &str) -> String {
        parse(text).expect_err("refused").to_string()
    }

    #[test]
    fn a_problem_points_to_the_value_or_its_key() {
        let doc = parse("stages:\n  a:\n    alpha: 10\n").unwrap();
        let path = ["stages", "a", "alpha"];
        let value = doc.source.problem(&path, Part::Value, "m");
        let key = doc.source.problem(&path, Part::Key, "m");
        assert_eq!((value.line, value.column, value.width), (Some(3), Some(12), 2));
        assert_eq!((key.line, key.column, key.width), (Some(3), Some(5), 5));
    }

    #[test]
    fn a_path_that_is_not_written_points_to_what_is_above() {
        let doc = parse("stages:\n  a:\n    alpha: 10\n").unwrap();
        let line = |path: &[&str]| doc.source.problem(path, Part::Value, "m").line;
        assert_eq!((line(&["stages", "a", "beta"]), line(&["nothing"])), (Some(2), Some(1)));
    }

    #[test]
    fn broken_yaml_says_where() {
        insta::assert_snapshot!(error("a: [1, 2\nb: 3\n"), @r"
        error: this is not YAML: illegal placement of ':' indicator
         --> x.yaml:2:2
          |
        2 | b: 3
          |  ^
        ");
    }

    #[test]
    fn an_unquoted_reference_in_braces_says_that_it_wants_quotes() {
        for text in [
            "a:\n  d: {x: ${y}}\n",
            "a: [${y}, 1]\n",
            "a: {x: ${y.z} }\n",
            "a: [\n  ${y}\n]\n",
        ] {
            let said = error(text);
            assert!(
                said.contains("stands unquoted inside") && said.contains("write \"${y"),
                "{said}"
            );
        }
        insta::assert_snapshot!(error("a:\n  d: {x: ${y}}\n"), @r#"
        error: `${y}` stands unquoted inside {…} or […]
         --> x.yaml:2:10
          |
        2 |   d: {x: ${y}}
          |          ^^^^
          = write "${y}": YAML takes its braces for a mapping otherwise
        "#);
        assert!(parse("a: {x: \"${y}\"}\nb: ${y}\nc: text ${y} more\n").is_ok());
    }

    #[test]
    fn broken_yaml_elsewhere_is_not_blamed_on_a_good_reference() {
        for text in [
            "a: ${y}\nb: [1, \"${z}\"\nc: 1\n",
            "b: 010\na: [sh, \"{\n  ${y}\"]\n",
            "a: [\"'\", 'it''s ${y}']\nb: 1\nb: 2\n",
            "a:\n  - | # the script\n    [ ${y} = 1 ]\nb: [\n",
            "b: [1\nc: 2\na: {x: ${y}}\n",
        ] {
            assert!(!error(text).contains("unquoted"), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_give_their_offset() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"a: 1\nb: \xff\n").unwrap();
        let said = Doc::read(file.path()).unwrap_err().to_string();
        assert!(said.contains("byte 8 (line 2)"), "{said}");
    }

    #[test]
    fn a_missing_or_huge_file_is_refused() {
        assert!(Doc::read(Path::new("/no/such/file")).is_err());
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 30).unwrap();
        assert!(
            Doc::read(file.path())
                .unwrap_err()
                .to_string()
                .contains("larger than 4 MiB")
        );
    }

    #[test]
    fn a_line_of_megabytes_is_not_copied_into_every_problem() {
        let text = format!("a: [{}!x 1]\n", "1, ".repeat(50_000));
        let report = parse(&text).unwrap_err();
        assert_eq!((report.problems[0].line, &report.problems[0].text), (Some(1), &None));
        assert!(report.to_string().contains("x.yaml:1:150005"), "{report}");
    }

    #[test]
    fn a_zero_byte_is_refused() {
        for text in ["a\0b: 1\n", "a: \0\n", "\0", "a: \"x\0y\"\n"] {
            assert!(error(text).contains("this is not YAML"), "{text:?}");
        }
    }

    #[test]
    fn both_parsers_agree_on_what_specs_hold() {
        let text = "a: 1e-4\nb: [5e-4, 1.0, 1, -0.5]\nc: yes\nd: |\n  two\n  lines\ne: >\n  folded\n  text\nf: &x {g: 'it''s'}\nh: *x\ni:\nj: ~\n\
                    k: ${a.b}\nl: text # comment\nm: \"\\u00e9\\n\"\nn: é\n";
        let doc = parse(text).unwrap();
        assert_eq!(doc.value["b"], json!([5e-4, 1.0, 1, -0.5]));
        assert_eq!(doc.value["k"], json!("${a.b}"));
    }

    #[test]
    fn a_value_that_is_not_as_marked_is_found_with_its_path() {
        let steps = |text: &str, value: Value| difference(&value, &marks::parse(text).ok().unwrap());
        let text = "a: {b: [1, x]}\nc: 2\n";
        assert_eq!(steps(text, json!({"a": {"b": [1, "x"]}, "c": 2})), None);
        for (value, path) in [
            (json!({"a": {"b": [1, "y"]}, "c": 2}), &["1", "b", "a"][..]),
            (json!({"a": {"b": [1.0, "x"]}, "c": 2}), &["0", "b", "a"]),
            (json!({"a": {"b": [1]}, "c": 2}), &["b", "a"]),
            (json!({"a": {"B": [1, "x"]}, "c": 2}), &["a"]),
            (json!({"a": null, "c": 2}), &["a"]),
            (json!({"a": {"b": [1, "x"]}}), &[]),
        ] {
            assert_eq!(steps(text, value.clone()).unwrap(), path, "{value}");
        }
    }

    #[test]
    fn what_is_written_is_known_without_the_value() {
        let source = parse("stages:\n  a: {run: [x]}\n  b:\n").unwrap().source;
        assert!(source.holds(&["stages", "a", "run", "0"]) && source.holds(&["stages", "b"]));
        assert!(!source.holds(&["stages", "c"]) && !source.holds(&["stages", "a", "run", "1"]));
    }

    #[test]
    fn a_byte_order_mark_and_windows_line_ends_are_read() {
        assert_eq!(
            parse("\u{feff}a: 1\r\nb: 2\r\n").unwrap().value,
            json!({"a": 1, "b": 2})
        );
    }

    #[test]
    fn the_order_of_keys_is_kept() {
        let doc = parse("z: 1\na: 2\n").unwrap();
        assert_eq!(doc.value.as_object().unwrap().keys().collect::<Vec<_>>(), ["z", "a"]);
    }
}
