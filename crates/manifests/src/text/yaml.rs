//! YAML documents. Aliases and merge keys (`<<`) are followed; tags other than those of plain JSON are errors.
//!
//! The only place that names the parser (`docs/decisions/0029-yaml-of-users.md`).

use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Value};

use super::{Document, MAX_DEPTH, MAX_WEIGHT, Unreadable, resolve};
use crate::fault::{MAX_TOLD, MORE};

/// The documents of a text. After an error of syntax nothing more is read; after any other the next document is.
pub(super) fn documents(text: &str) -> (Vec<Document>, Vec<Unreadable>) {
    read(text, Twice::Fault)
}

/// The same for a text that others have read so far: of a key that is there twice the last counts, as in Go.
pub(super) fn leniently(text: &str) -> (Vec<Document>, Vec<Unreadable>) {
    read(text, Twice::LastCounts)
}

/// What a second key of one name is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Twice {
    Fault,
    LastCounts,
}

fn read(text: &str, twice: Twice) -> (Vec<Document>, Vec<Unreadable>) {
    let mut options = Options::default();
    // On if any other crate of the build asks for the feature.
    options.set_emit_comments(false);
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        weight: 0,
        faults: Vec::new(),
        twice,
    };
    let mut documents = Vec::new();
    let end = loop {
        match reader.next() {
            Ok((Event::DocumentStart(..), _)) => {
                reader.anchors.clear();
                let faults = reader.faults.len();
                match reader.document() {
                    Ok((line, node)) if reader.faults.len() == faults => documents.push(Document {
                        line,
                        value: node.value,
                    }),
                    Ok(_) => {}
                    Err(end) => break Some(end),
                }
            }
            Ok((Event::StreamEnd, _)) => break None,
            Ok(_) => {}
            Err(end) => break Some(end),
        }
    };
    reader.faults.extend(end);
    (documents, reader.faults)
}

/// A value, what it weighs with all that is in it, and how deep it is.
#[derive(Clone)]
struct Node {
    value: Value,
    weight: usize,
    depth: usize,
}

impl Node {
    fn scalar(value: Value) -> Self {
        let weight = 16 + value.as_str().map_or(0, str::len);
        Self {
            value,
            weight,
            depth: 0,
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    weight: usize,
    faults: Vec<Unreadable>,
    twice: Twice,
}

const UNSUPPORTED_TAG: &str = "has a tag (!) that is not supported; take it out";

type Step<T> = Result<T, Unreadable>;

fn line(span: Span) -> usize {
    span.start.line()
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Step<(Event<'a>, Span)> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let reason = format!("is no YAML: {}", error.info());
                Err(Unreadable::at(error.marker().line(), reason))
            }
            None => Err(Unreadable {
                line: None,
                reason: "is no YAML: it ends early".to_owned(),
            }),
        }
    }

    fn fault(&mut self, span: Span, reason: impl Into<String>) {
        match self.faults.len() {
            0..MAX_TOLD => self.faults.push(Unreadable::at(line(span), reason)),
            MAX_TOLD => self.faults.push(Unreadable::at(line(span), MORE)),
            _ => {}
        }
    }

    fn document(&mut self) -> Step<(usize, Node)> {
        let (event, span) = self.next()?;
        Ok((line(span), self.node(event, span, 0)?))
    }

    /// The value that begins with this event, at this depth.
    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Step<Node> {
        if depth > MAX_DEPTH {
            return Err(Unreadable::at(
                line(span),
                format!("is deeper than {MAX_DEPTH} levels"),
            ));
        }
        let (anchor, node) = match event {
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(Unreadable::at(line(span), "has an alias of what contains it"));
                };
                if depth + node.depth > MAX_DEPTH {
                    return Err(Unreadable::at(
                        line(span),
                        format!("is deeper than {MAX_DEPTH} levels"),
                    ));
                }
                self.add(node.weight, span)?;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(&text, style, tag.as_deref(), span);
                let node = Node::scalar(value);
                self.add(node.weight, span)?;
                (anchor, node)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", span);
                (anchor, self.sequence(span, depth)?)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", span);
                (anchor, self.mapping(span, depth)?)
            }
            _ => return Err(Unreadable::at(line(span), "is no YAML: a value is missing")),
        };
        if anchor != 0 {
            self.add(node.weight, span)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn add(&mut self, weight: usize, span: Span) -> Step<()> {
        self.weight = self.weight.saturating_add(weight);
        if self.weight > MAX_WEIGHT {
            return Err(Unreadable::at(
                line(span),
                "becomes too large; it has too many values or aliases",
            ));
        }
        Ok(())
    }

    fn sequence(&mut self, start: Span, depth: usize) -> Step<Node> {
        self.add(16, start)?;
        let (mut list, mut weight, mut deepest) = (Vec::new(), 16, 0);
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            let node = self.node(event, span, depth + 1)?;
            weight += node.weight;
            deepest = deepest.max(node.depth);
            list.push(node.value);
        }
        Ok(Node {
            value: Value::Array(list),
            weight,
            depth: deepest + 1,
        })
    }

    fn mapping(&mut self, start: Span, depth: usize) -> Step<Node> {
        self.add(16, start)?;
        let (mut own, mut merged) = (Map::new(), Map::new());
        let (mut weight, mut deepest) = (16, 0);
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, ScalarStyle::Plain, 0, None) if text == "<<" => None,
                Event::Scalar(text, ScalarStyle::Plain, _, None) => match resolve::key(&text) {
                    Ok(key) => Some(key),
                    Err(reason) => {
                        self.fault(span, reason);
                        Some(text.into_owned())
                    }
                },
                Event::Scalar(text, _, _, tag) => {
                    if tag.is_some_and(|tag| tag.core_suffix() != Some("str")) {
                        self.fault(span, UNSUPPORTED_TAG);
                    }
                    Some(text.into_owned())
                }
                event => {
                    self.node(event, span, depth + 1)?;
                    self.fault(span, "has a key that is no text");
                    Some(String::new())
                }
            };
            let (event, value_span) = self.next()?;
            let node = self.node(event, value_span, depth + 1)?;
            weight += node.weight + key.as_ref().map_or(0, String::len);
            deepest = deepest.max(node.depth);
            match key {
                None => self.merge(&own, &mut merged, node.value, span),
                Some(key) if self.twice == Twice::Fault && own.contains_key(&key) => {
                    self.fault(span, format!("has the key {key:?} twice; take one of them out"));
                }
                Some(key) => {
                    own.insert(key, node.value);
                }
            }
        }
        merged.extend(own);
        Ok(Node {
            value: Value::Object(merged),
            weight,
            depth: deepest + 1,
        })
    }

    /// Of several mappings the earlier one counts, and what stands beside `<<` counts more than any of them.
    fn merge(&mut self, own: &Map<String, Value>, merged: &mut Map<String, Value>, value: Value, span: Span) {
        let mappings = match value {
            Value::Array(mappings) => mappings,
            mapping => vec![mapping],
        };
        for mapping in mappings {
            let Value::Object(mapping) = mapping else {
                return self.fault(span, "merges (<<) what is no mapping");
            };
            for (key, value) in mapping {
                if own.contains_key(&key) {
                    // To kubectl's reader the later one counts, to the specification of YAML the one that is written out.
                    self.fault(
                        span,
                        format!("merges (<<) the key {key:?} after it was given; begin with <<"),
                    );
                }
                merged.entry(key).or_insert(value);
            }
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Value {
        let resolved = match tag.map(Tag::core_suffix) {
            None if style != ScalarStyle::Plain => return Value::from(text),
            Some(Some("str")) => return Value::from(text),
            None | Some(Some("int" | "bool" | "float" | "null")) => resolve::plain(text),
            Some(_) => Err(UNSUPPORTED_TAG),
        };
        resolved.unwrap_or_else(|reason| {
            self.fault(span, reason);
            Value::Null
        })
    }

    fn collection_tag(&mut self, tag: Option<&Tag>, wanted: &str, span: Span) {
        if tag.is_some_and(|tag| tag.core_suffix() != Some(wanted)) {
            self.fault(span, UNSUPPORTED_TAG);
        }
    }
}
