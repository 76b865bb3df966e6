//! The marked parse, both what it reads and what it refuses.

use super::*;
use serde_json::json;

impl Marked {
    fn to_value(&self) -> Value {
        match &self.tree {
            Tree::Scalar(value) => value.clone(),
            Tree::List(items) => items.iter().map(|item| item.to_value()).collect(),
            Tree::Map(entries) => Value::Object(entries.iter().map(|(k, _, v)| (k.clone(), v.to_value())).collect()),
        }
    }
}

fn value(text: &str) -> Value {
    parse(text).unwrap_or_else(|e| panic!("{}", said(&e))).to_value()
}

fn said(failed: &Failed) -> String {
    match failed {
        Failed::Syntax(at, message) => format!("{}:{} {message}", at.line, at.column),
        Failed::Refused(all) => all
            .iter()
            .map(|r| format!("{}:{} {}", r.at.line, r.at.column, r.message))
            .collect::<Vec<_>>()
            .join("; "),
    }
}

fn refused(text: &str) -> String {
    said(&parse(text).err().unwrap_or_else(|| panic!("{text} was read")))
}

#[test]
fn values_keys_and_places_are_read() {
    let doc = parse("a: 1\nlong_key:\n  - x\n  - {b: 1e-4}\n").ok().unwrap();
    assert_eq!(doc.to_value(), json!({"a": 1, "long_key": ["x", {"b": 1e-4}]}));
    let (key, list) = doc.child("long_key").unwrap();
    assert_eq!(
        key,
        Some(Place {
            line: 2,
            column: 1,
            width: 8
        })
    );
    let (_, item) = list.child("1").unwrap();
    let (key, b) = item.child("b").unwrap();
    assert_eq!(
        key,
        Some(Place {
            line: 4,
            column: 6,
            width: 1
        })
    );
    assert_eq!(
        b.at,
        Place {
            line: 4,
            column: 9,
            width: 4
        }
    );
}

#[test]
fn one_of_thousands_of_entries_is_found_and_a_key_that_comes_again_is_refused_not_too_often() {
    let text: String = (0..5000).map(|i| format!("k{}: {i}\n", i * 7 % 5000)).collect();
    let doc = parse(&text).ok().unwrap();
    let (key, value) = doc.child("k21").unwrap();
    assert_eq!((key.unwrap().line, value.to_value()), (4, json!(3)));
    assert!(doc.child("k5000").is_none());
    let said = refused(&format!("{text}{text}"));
    assert_eq!(said.matches("stands twice").count(), MOST_REFUSALS, "{said}");
}

#[test]
fn aliases_are_expanded() {
    assert_eq!(value("a: &x [1, 2]\nb: *x\n"), json!({"a": [1, 2], "b": [1, 2]}));
}

#[test]
fn an_empty_file_is_null() {
    assert_eq!(value("# nothing\n"), json!(null));
}

#[test]
fn a_billion_laughs_are_refused() {
    let mut text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
    for i in 1..12 {
        let before = format!("*a{}", i - 1);
        text += &format!("a{i}: &a{i} [{}]\n", vec![before; 10].join(", "));
    }
    assert!(refused(&text).contains("more than 300000 values"), "{}", refused(&text));
}

#[test]
fn a_long_text_or_key_that_aliases_repeat_is_refused() {
    let repeated = |length: usize, anchored: &str| {
        let long = "x".repeat(length);
        refused(&format!(
            "a: &a {}\nb: [{}]\n",
            anchored.replace('x', &long),
            vec!["*a"; 1000].join(", ")
        ))
    };
    for anchored in ["x", "{x: 1}"] {
        assert!(
            repeated(30_000, anchored).contains("more than 300000 values"),
            "{anchored}"
        );
        let short = format!("a: &a {anchored}\nb: [{}]\n", vec!["*a"; 1000].join(", "));
        assert!(parse(&short).is_ok(), "{anchored}");
    }
}

#[test]
fn reading_ends_after_a_hundred_refusals() {
    assert_eq!(refused(&"- !x 1\n".repeat(5000)).split("; ").count(), 100);
}

#[test]
fn deep_nesting_is_refused_also_through_aliases() {
    assert!(refused(&format!("{}{}", "[".repeat(100), "]".repeat(100))).contains("nested more than"));
    assert!(parse(&"[".repeat(100_000)).is_err() && parse(&"- ".repeat(100_000)).is_err());
    let mut text = "a0: &a0 [1]\n".to_owned();
    for i in 1..80 {
        text += &format!("a{i}: &a{i} [*a{}]\n", i - 1);
    }
    assert!(refused(&text).contains("nested more than"));
}

#[test]
fn an_alias_inside_its_anchor_is_refused() {
    assert!(refused("a: &x [*x]\n").contains("inside its own anchor"));
}

#[test]
fn duplicate_keys_merges_tags_and_octals_come_together() {
    let all = refused("a: 1\na: 2\n<<: {b: 1}\nc: !!str 3\nd: 010\n1: x\n");
    for part in [
        "2:1 `a` stands twice",
        "3:1 merge keys",
        "tags",
        "5:4 `010` looks octal",
        "6:1 the key `1`",
    ] {
        assert!(all.contains(part), "{part} in {all}");
    }
}

#[test]
fn quoted_scalars_stay_text() {
    assert_eq!(
        value("[\"010\", '1', \"<<\", \"true\"]"),
        json!(["010", "1", "<<", "true"])
    );
    assert_eq!(value("\"<<\": 1"), json!({"<<": 1}));
}

#[test]
fn a_second_document_and_odd_keys_are_refused() {
    assert!(refused("a: 1\n---\nb: 2\n").contains("2:1 a second document"));
    assert!(refused("? [1, 2]\n: 3\n").contains("cannot be a key"));
    assert!(refused("a: &x 1\n*x : 3\n").contains("cannot be a key"));
}
