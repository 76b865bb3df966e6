//! The marked parse: what stands where in a YAML text, and what we refuse in one.

use super::scalar;
use super::words;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Nodes of a document, aliases expanded: enough for twenty thousand stages, far below what hurts.
const MOST_NODES: usize = 300_000;
/// Bytes of text that count as one node more: an alias may repeat a long text too.
const TEXT_PER_NODE: usize = 64;
/// Refusals after which reading ends.
const MOST_REFUSALS: usize = 100;
const DEEPEST: usize = 64;

/// A stretch of one line; line and column from 1, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
    pub width: usize,
}

/// A value with its place.
#[derive(Debug)]
pub struct Marked {
    pub at: Place,
    pub tree: Tree,
    /// The entries of a mapping in the order of their keys, to find one among thousands.
    by_key: Vec<usize>,
    /// Nodes in it and levels below it, aliases expanded.
    size: usize,
    depth: usize,
}

/// The children of a value. Behind aliases subtrees are shared, hence `Arc`.
#[derive(Debug)]
pub enum Tree {
    Scalar(Value),
    List(Vec<Arc<Marked>>),
    Map(Vec<(String, Place, Arc<Marked>)>),
}

impl Marked {
    /// The child at a key or index, and the place of its key.
    pub fn child(&self, step: &str) -> Option<(Option<Place>, &Marked)> {
        match &self.tree {
            Tree::Scalar(_) => None,
            Tree::List(items) => Some((None, items.get(step.parse::<usize>().ok()?)?)),
            Tree::Map(entries) => {
                let found = self.by_key.binary_search_by(|i| entries[*i].0.as_str().cmp(step));
                let (_, key, value) = &entries[self.by_key[found.ok()?]];
                Some((Some(*key), value))
            }
        }
    }
}

/// Something refused, with its place and advice.
#[derive(Debug, PartialEq)]
pub struct Refusal {
    pub at: Place,
    pub message: String,
    pub hint: Option<String>,
}

impl Refusal {
    fn new(at: Place, message: impl Into<String>, hint: &str) -> Self {
        Self {
            at,
            message: message.into(),
            hint: (!hint.is_empty()).then(|| hint.to_owned()),
        }
    }
}

/// What is said of `{[1]: 2}`.
pub const COLLECTION_KEY: &str = "a list or mapping cannot be a key";

/// The text is not YAML, or not YAML we read on; everything refused is told at once where parsing could go on.
pub enum Failed {
    Syntax(Place, String),
    Refused(Vec<Refusal>),
}

/// A collection that is still open.
struct Open {
    at: Place,
    anchor: usize,
    tree: Tree,
    /// A key that waits for its value.
    key: Option<(String, Place)>,
    size: usize,
    depth: usize,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Arc<Marked>>,
    root: Option<Arc<Marked>>,
    documents: usize,
    refused: Vec<Refusal>,
}

/// Parses one document.
pub fn parse(text: &str) -> Result<Arc<Marked>, Failed> {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| syntax(&error))?;
        if let Err(fatal) = builder.event(event, place(&span)) {
            builder.refused.push(fatal);
            return Err(Failed::Refused(builder.refused));
        }
        if builder.refused.len() >= MOST_REFUSALS {
            return Err(Failed::Refused(builder.refused));
        }
    }
    if builder.refused.is_empty() {
        let null = Marked {
            at: Place {
                line: 1,
                column: 1,
                width: 1,
            },
            tree: Tree::Scalar(Value::Null),
            by_key: Vec::new(),
            size: 1,
            depth: 0,
        };
        Ok(builder.root.unwrap_or_else(|| Arc::new(null)))
    } else {
        Err(Failed::Refused(builder.refused))
    }
}

fn syntax(error: &ScanError) -> Failed {
    let mark = error.marker();
    Failed::Syntax(
        Place {
            line: mark.line().max(1),
            column: mark.col() + 1,
            width: 1,
        },
        error.info().to_owned(),
    )
}

fn place(span: &Span) -> Place {
    let one_line = span.end.line() == span.start.line();
    // A scalar over several lines is marked to the end of its first; the reader of the mark cuts it there.
    let width = if one_line {
        span.end.col().saturating_sub(span.start.col())
    } else {
        usize::MAX
    };
    Place {
        line: span.start.line().max(1),
        column: span.start.col() + 1,
        width: width.max(1),
    }
}

impl Builder {
    /// Takes one event in; an error means that going on makes no sense.
    fn event(&mut self, event: Event<'_>, at: Place) -> Result<(), Refusal> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Refusal::new(
                        at,
                        "a second document begins here",
                        "a spec is one document: use two files",
                    ));
                }
            }
            Event::Alias(id) => {
                let Some(shared) = self.anchors.get(&id).cloned() else {
                    return Err(Refusal::new(at, "this alias stands inside its own anchor", ""));
                };
                if self.waits_for_key() {
                    return Err(Refusal::new(at, "an alias cannot be a key", "write the key out"));
                }
                // A mark within the shared part points to where it is written, which is where it must be mended.
                self.put(shared, at)?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), at);
                self.scalar(&text, style == ScalarStyle::Plain, anchor, at)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), at);
                self.begin(Tree::List(Vec::new()), anchor, at)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), at);
                self.begin(Tree::Map(Vec::new()), anchor, at)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(at)?,
            _ => {}
        }
        Ok(())
    }

    fn refuse_tag(&mut self, tagged: bool, at: Place) {
        if tagged {
            self.refused
                .push(Refusal::new(at, "YAML tags (`!…`) are not read", "leave the tag out"));
        }
    }

    fn waits_for_key(&self) -> bool {
        self.open
            .last()
            .is_some_and(|open| matches!(open.tree, Tree::Map(_)) && open.key.is_none())
    }

    fn scalar(&mut self, text: &str, plain: bool, anchor: usize, at: Place) -> Result<(), Refusal> {
        if self.waits_for_key() {
            return self.key(text, plain, at);
        }
        let value = match plain {
            false => Value::String(text.to_owned()),
            true => scalar::read(text).unwrap_or_else(|message| {
                self.refused.push(Refusal::new(at, message, ""));
                Value::Null
            }),
        };
        let marked = Arc::new(Marked {
            at,
            tree: Tree::Scalar(value),
            by_key: Vec::new(),
            size: 1 + text.len() / TEXT_PER_NODE,
            depth: 0,
        });
        self.finish(marked, anchor, at)
    }

    fn key(&mut self, text: &str, plain: bool, at: Place) -> Result<(), Refusal> {
        if plain && text == "<<" {
            self.refused.push(Refusal::new(
                at,
                "merge keys (`<<`) are not read",
                "write the fields out",
            ));
        } else if plain && !matches!(scalar::read(text), Ok(Value::String(_))) {
            self.refused.push(Refusal::new(
                at,
                format!("the key `{}` is not text", words::shorten(text)),
                "put it in quotes",
            ));
        }
        let open = self.open.last_mut().expect("a key has a mapping around it");
        open.size += text.len() / TEXT_PER_NODE;
        open.key = Some((text.to_owned(), at));
        Ok(())
    }

    fn begin(&mut self, tree: Tree, anchor: usize, at: Place) -> Result<(), Refusal> {
        if self.waits_for_key() {
            return Err(Refusal::new(
                at,
                COLLECTION_KEY,
                "if `{…}` or `[…]` is meant as text, put it in quotes; write ${name} with the dollar sign first",
            ));
        }
        if self.open.len() >= DEEPEST {
            return Err(Refusal::new(at, format!("nested more than {DEEPEST} levels deep"), ""));
        }
        self.open.push(Open {
            at,
            anchor,
            tree,
            key: None,
            size: 1,
            depth: 0,
        });
        Ok(())
    }

    fn end(&mut self, at: Place) -> Result<(), Refusal> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let by_key = self.by_key(&open.tree);
        let marked = Arc::new(Marked {
            at: open.at,
            tree: open.tree,
            by_key,
            size: open.size,
            depth: open.depth,
        });
        self.finish(marked, open.anchor, at)
    }

    /// The entries of a mapping in the order of their keys; a key that comes again is refused.
    fn by_key(&mut self, tree: &Tree) -> Vec<usize> {
        let Tree::Map(entries) = tree else { return Vec::new() };
        let mut order: Vec<usize> = (0..entries.len()).collect();
        // Equal keys stay in the order of the text.
        order.sort_by(|a, b| entries[*a].0.cmp(&entries[*b].0));
        for equal in order.chunk_by(|a, b| entries[*a].0 == entries[*b].0) {
            for again in &equal[1..] {
                if self.refused.len() >= MOST_REFUSALS {
                    return order;
                }
                let ((name, at, _), line) = (&entries[*again], entries[equal[0]].1.line);
                let name = words::shorten(name);
                let message = format!("`{name}` stands twice in this mapping, first in line {line}");
                self.refused.push(Refusal::new(*at, message, "keep one of the two"));
            }
        }
        order
    }

    fn finish(&mut self, marked: Arc<Marked>, anchor: usize, at: Place) -> Result<(), Refusal> {
        if anchor > 0 {
            self.anchors.insert(anchor, marked.clone());
        }
        self.put(marked, at)
    }

    /// Hangs a finished value into the collection around it.
    fn put(&mut self, marked: Arc<Marked>, at: Place) -> Result<(), Refusal> {
        let levels = self.open.len();
        let total: usize = self.open.iter().map(|open| open.size).sum::<usize>() + marked.size;
        if total > MOST_NODES {
            return Err(Refusal::new(
                at,
                format!("more than {MOST_NODES} values, aliases counted as often as used"),
                "",
            ));
        }
        if levels + marked.depth > DEEPEST {
            return Err(Refusal::new(at, format!("nested more than {DEEPEST} levels deep"), ""));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(marked);
            return Ok(());
        };
        open.size += marked.size;
        open.depth = open.depth.max(marked.depth + 1);
        match &mut open.tree {
            Tree::List(items) => items.push(marked),
            Tree::Map(entries) => {
                let (key, place) = open.key.take().expect("the parser gives a key before each value");
                entries.push((key, place, marked));
            }
            Tree::Scalar(_) => unreachable!("only collections are open"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
