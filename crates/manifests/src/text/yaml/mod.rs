//! YAML documents. Aliases and one merge key (`<<`) for each mapping are followed; every tag but
//! `!!str` is an error.
//!
//! The only folder that names the parser (`docs/decisions/0029-yaml-of-users.md`). It reads YAML
//! 1.2 and `kubectl` 1.1, so what the two may read differently is an error here: `form`, and
//! `docs/decisions/0047-no-doubtful-yaml.md`.

mod form;
mod reader;

use std::collections::HashMap;

use granit_parser::{Event, Parser, Span, options};
use serde_json::Value;

use super::{
    Document, Outcome, Unreadable,
    stream::{self, Chunk},
};
use crate::{fault::tell, text::NO_OBJECT};
use form::Form;
use reader::Reader;

/// Hands over the documents of a text. A mistake in one hides no other.
pub(super) fn documents(text: &str, take: &mut dyn FnMut(Outcome)) {
    for chunk in stream::chunks(text) {
        match chunk {
            Ok(chunk) => document(&chunk, take),
            Err(unreadable) => take(Outcome::Unreadable(unreadable)),
        }
    }
}

fn document(chunk: &Chunk<'_>, take: &mut dyn FnMut(Outcome)) {
    if let Some(reason) = form::begins_strangely(&chunk.text) {
        return take(Outcome::Unreadable(Unreadable::at(chunk.line, reason)));
    }
    let mut reader = Reader::new(&chunk.text, Care::Manifest);
    let document = reader.only_document();
    // The reader counts lines from the first of the chunk.
    let in_text = |line: usize| line + chunk.line - 1;
    let is_whole = reader.faults.is_empty();
    let (faults, end, document) = match document {
        Ok(document) => (reader.faults, None, document),
        Err(end) => (reader.faults, Some(end), None),
    };
    for fault in faults.into_iter().chain(end) {
        take(Outcome::Unreadable(Unreadable {
            line: fault.line.map(in_text),
            ..fault
        }));
    }
    if reader.more_faults > 0 {
        take(Outcome::MoreFaults(reader.more_faults));
    }
    if let Some((line, value)) = document.filter(|_| is_whole) {
        let line = in_text(line);
        take(Outcome::Document(Document { line, value }));
    }
}

/// The first document of a text that others have read so far: of a key that is there twice the last
/// counts, as in Go, and what may be read in two ways is read in one of them.
pub(super) fn leniently(text: &str) -> Result<Option<Value>, Unreadable> {
    let mut reader = Reader::new(text, Care::Stored);
    let first = reader.first_document()?;
    match reader.faults.into_iter().next() {
        Some(fault) => Err(fault),
        None => Ok(first),
    }
}

/// How carefully a text is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Care {
    /// What is not surely what kubectl reads is an error.
    Manifest,
    /// It was read before, and what follows from it goes on.
    Stored,
}

type Step<T> = Result<T, Unreadable>;

fn line(span: Span) -> usize {
    span.start.line()
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, care: Care) -> Self {
        let mut options = options! {
            disallow_directives: care == Care::Manifest,
            emit_anchor_events: care == Care::Manifest,
        };
        // On if any other crate of the build asks for the feature.
        options.set_emit_comments(false);
        Self {
            parser: Parser::new_from_str_with_options(text, options),
            form: Form::new(text),
            anchors: HashMap::new(),
            weight: 0,
            copied: 0,
            faults: Vec::new(),
            more_faults: 0,
            care,
        }
    }

    /// The document of a text that has one at most, and the line where it begins.
    fn only_document(&mut self) -> Step<Option<(usize, Value)>> {
        let mut only = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, span) => {
                    if let Some(reason) = self.form.rest() {
                        self.fault(span, reason);
                    }
                    return Ok(only);
                }
                (Event::DocumentStart(..), span) if only.is_some() => {
                    return Err(Unreadable::at(
                        line(span),
                        "goes on after `...`, where kubectl stops; begin the next document with `---`",
                    ));
                }
                (Event::DocumentStart(..), _) => {
                    let (event, span) = self.next()?;
                    let value = self.node(event, span, 0)?.value;
                    if !(value.is_object() || value.is_array() || value.is_null()) {
                        return Err(Unreadable::at(line(span), NO_OBJECT));
                    }
                    only = Some((line(span), value));
                }
                _ => {}
            }
        }
    }

    /// The first document of a text whose other documents can be read as well.
    fn first_document(&mut self) -> Step<Option<Value>> {
        let mut first = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(first),
                (Event::DocumentStart(..), _) => {
                    self.anchors.clear();
                    (self.weight, self.copied) = (0, 0);
                    let (event, span) = self.next()?;
                    let document = self.node(event, span, 0)?.value;
                    first.get_or_insert(document);
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Step<(Event<'a>, Span)> {
        loop {
            match self.parser.next_event() {
                Some(Ok((Event::Anchor(_, name), span))) => {
                    if !form::is_anchor(&name) || !self.form.is_apart(span) {
                        self.fault(
                            span,
                            "has an anchor (&) of other than letters, digits, `-` and `_`, or without a blank behind it",
                        );
                    }
                }
                Some(Ok(event)) => return Ok(event),
                Some(Err(error)) => {
                    let reason = format!("is no YAML: {}", error.info());
                    return Err(Unreadable::at(error.marker().line(), reason));
                }
                None => {
                    return Err(Unreadable {
                        line: None,
                        reason: "is no YAML: it ends early".to_owned(),
                    });
                }
            }
        }
    }

    fn fault(&mut self, span: Span, reason: impl Into<String>) {
        tell(
            &mut self.faults,
            &mut self.more_faults,
            Unreadable::at(line(span), reason),
        );
    }
}
