//! From events to values.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, StructureStyle, Tag};
use serde_json::{Map, Value};

use super::{Care, Step, Unreadable, form::Form, line};
use crate::{
    fault::shown,
    text::{MAX_COPIED, MAX_DEPTH, MAX_WEIGHT, resolve, too_heavy, too_many_copies, twice, weight},
};

/// A value, what it weighs with all that is in it, and how deep it is.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    weight: usize,
    depth: usize,
}

pub(super) struct Reader<'a> {
    pub(super) parser: Parser<'a, StrInput<'a>>,
    pub(super) form: Form<'a>,
    pub(super) anchors: HashMap<usize, Node>,
    pub(super) weight: usize,
    /// How much of it is copies.
    pub(super) copied: usize,
    pub(super) faults: Vec<Unreadable>,
    pub(super) more_faults: usize,
    pub(super) care: Care,
}

const UNSUPPORTED_TAG: &str = "has a tag (!) that is not supported; take it out";

/// What a mapping has by its own keys, and by `<<`.
#[derive(Default)]
struct Fields {
    own: Map<String, Value>,
    merged: Option<Map<String, Value>>,
}

impl<'a> Reader<'a> {
    /// The value that begins with this event, at this depth.
    pub(super) fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Step<Node> {
        Self::depth(depth, span)?;
        self.check(|form| form.node(&event, span), span);
        let (anchor, node) = match event {
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(Unreadable::at(line(span), "has an alias of what contains it"));
                };
                let (weight, deepest) = (node.weight, node.depth);
                Self::depth(depth + deepest, span)?;
                self.copy(weight, span)?;
                return match self.anchors.get(&anchor) {
                    Some(node) => Ok(node.clone()),
                    None => Err(Unreadable::at(line(span), "has an alias of what contains it")),
                };
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(&text, style, tag.as_deref(), span);
                let weight = weight::text(value.as_str().map_or(0, str::len));
                self.add(weight, span)?;
                let node = Node {
                    value,
                    weight,
                    depth: 0,
                };
                (anchor, node)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", span);
                (anchor, self.within(style, |reader| reader.sequence(depth))?)
            }
            Event::MappingStart(style, anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", span);
                (anchor, self.within(style, |reader| reader.mapping(depth))?)
            }
            _ => return Err(Unreadable::at(line(span), "is no YAML: a value is missing")),
        };
        if anchor != 0 {
            self.copy(node.weight, span)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn within(&mut self, style: StructureStyle, read: impl FnOnce(&mut Self) -> Step<Node>) -> Step<Node> {
        let is_flow = style == StructureStyle::Flow;
        self.form.flow += usize::from(is_flow);
        let node = read(self);
        self.form.flow -= usize::from(is_flow);
        node
    }

    fn depth(depth: usize, span: Span) -> Step<()> {
        if depth > MAX_DEPTH {
            return Err(Unreadable::at(
                line(span),
                format!("is deeper than {MAX_DEPTH} levels"),
            ));
        }
        Ok(())
    }

    fn add(&mut self, weight: usize, span: Span) -> Step<()> {
        self.weight = self.weight.saturating_add(weight);
        if self.weight > MAX_WEIGHT {
            return Err(too_heavy(line(span)));
        }
        Ok(())
    }

    fn copy(&mut self, weight: usize, span: Span) -> Step<()> {
        self.copied = self.copied.saturating_add(weight);
        if self.copied > MAX_COPIED {
            return Err(too_many_copies(line(span)));
        }
        self.add(weight, span)
    }

    /// Has the form looked at, if this is a text that kubectl reads as well.
    fn check(&mut self, look: impl FnOnce(&mut Form<'a>) -> Option<&'static str>, span: Span) {
        if self.care == Care::Manifest
            && let Some(reason) = look(&mut self.form)
        {
            self.fault(span, reason);
        }
    }

    fn sequence(&mut self, depth: usize) -> Step<Node> {
        let (mut list, mut weight, mut deepest) = (Vec::new(), 0, 0);
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                self.form.closed(span);
                break;
            }
            let node = self.node(event, span, depth + 1)?;
            let place = weight::ELEMENT + if list.is_empty() { weight::LIST } else { 0 };
            self.add(place, span)?;
            weight += node.weight + place;
            deepest = deepest.max(node.depth);
            list.push(node.value);
        }
        Ok(Node {
            value: Value::Array(list),
            weight,
            depth: deepest + 1,
        })
    }

    fn mapping(&mut self, depth: usize) -> Step<Node> {
        let mut fields = Fields::default();
        let (mut weight, mut deepest) = (0, 0);
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                self.form.closed(span);
                break;
            }
            let key = self.key(event, span, depth)?;
            let (event, value_span) = self.next()?;
            let is_alias = matches!(event, Event::Alias(_));
            let node = self.node(event, value_span, depth + 1)?;
            let first = if weight == 0 { weight::OBJECT } else { 0 };
            let place = first + weight::entry(key.as_ref().map_or(0, String::len));
            self.add(place, span)?;
            weight += node.weight + place;
            deepest = deepest.max(node.depth);
            match key {
                None if is_alias && node.value.is_array() && self.care == Care::Manifest => {
                    self.fault(span, "merges (<<) an alias of a list; write the list there");
                }
                None => self.merge(&mut fields, node.value, span),
                Some(key) if self.care == Care::Manifest && fields.own.contains_key(&key) => {
                    self.fault(span, twice(&key));
                }
                Some(key) => {
                    fields.own.insert(key, node.value);
                }
            }
        }
        let mut value = fields.merged.unwrap_or_default();
        if value.is_empty() {
            value = fields.own;
        } else {
            value.extend(fields.own);
        }
        Ok(Node {
            value: Value::Object(value),
            weight,
            depth: deepest + 1,
        })
    }

    /// The name of a field; `None` for `<<`.
    fn key(&mut self, event: Event<'a>, span: Span, depth: usize) -> Step<Option<String>> {
        self.check(|form| form.key(&event, span), span);
        Ok(match event {
            Event::Scalar(text, ScalarStyle::Plain, 0, None) if text == "<<" => None,
            Event::Scalar(text, ScalarStyle::Plain, _, None) => {
                if text == "<<" && self.care == Care::Manifest {
                    self.fault(span, "has an anchor (&) at `<<`; take it out");
                }
                if let Err(reason) = resolve::key(&text) {
                    self.fault(span, reason);
                }
                Some(text.into_owned())
            }
            Event::Scalar(text, _, _, tag) => {
                if tag.is_some_and(|tag| self.care == Care::Manifest || tag.core_suffix() != Some("str")) {
                    self.fault(span, UNSUPPORTED_TAG);
                }
                Some(text.into_owned())
            }
            event => {
                self.node(event, span, depth + 1)?;
                self.fault(span, "has a key that is no text");
                Some(String::new())
            }
        })
    }

    /// Of the mappings in one `<<` the earlier one counts, and what stands beside `<<` counts more
    /// than any of them. Of two `<<` kubectl lets the later one count.
    fn merge(&mut self, fields: &mut Fields, value: Value, span: Span) {
        if fields.merged.is_some() && self.care == Care::Manifest {
            return self.fault(span, "has `<<` twice; give one of them a list of both");
        }
        let merged = fields.merged.get_or_insert_default();
        let mappings = match value {
            Value::Array(mappings) => mappings,
            mapping => vec![mapping],
        };
        for mapping in mappings {
            let Value::Object(mapping) = mapping else {
                return self.fault(span, "merges (<<) what is no mapping");
            };
            for (key, value) in mapping {
                if fields.own.contains_key(&key) {
                    // To kubectl's reader the later one counts, to the specification of YAML the
                    // one that is written out.
                    self.fault(
                        span,
                        format!(
                            "merges (<<) the key {:?} after it was given; begin with <<",
                            shown(&key)
                        ),
                    );
                }
                merged.entry(key).or_insert(value);
            }
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Value {
        let resolved = match tag.map(Tag::core_suffix) {
            None if style != ScalarStyle::Plain => return Value::from(text),
            None => resolve::plain(text),
            Some(Some("str")) if self.care == Care::Stored || self.form.flow == 0 && !text.is_empty() => {
                return Value::from(text);
            }
            Some(Some("str" | "int" | "bool" | "float" | "null")) if self.care == Care::Stored => {
                resolve::plain(text)
            }
            Some(_) => Err(UNSUPPORTED_TAG),
        };
        resolved.unwrap_or_else(|reason| {
            self.fault(span, reason);
            Value::Null
        })
    }

    fn collection_tag(&mut self, tag: Option<&Tag>, wanted: &str, span: Span) {
        if tag.is_some_and(|tag| self.care == Care::Manifest || tag.core_suffix() != Some(wanted)) {
            self.fault(span, UNSUPPORTED_TAG);
        }
    }
}
