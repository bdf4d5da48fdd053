//! Forms that this parser and kubectl's may read differently. Nobody writes them on purpose: they
//! are what a comment in the wrong place, a forgotten comma or a tab makes of a file.
//!
//! Of each key and value the text between it and the one before is looked at, which has nothing but
//! blanks, comments, indicators and anchors in it. A property compares what is left with kubectl's
//! own reader (`tests/it/kubectl.rs`).

use granit_parser::{Event, ScalarStyle, Span, StructureStyle};

/// A text, and how far it has been looked at.
pub(super) struct Form<'a> {
    text: &'a str,
    /// Where the last key or value ended.
    at: usize,
    /// In how many flow collections (`{}`, `[]`) the next one is.
    pub(super) flow: usize,
}

const TAB: &str = "has a tab where blanks belong; replace it";

const ESCAPE: &str = "has an escape of JSON (`\\/`, or a character in two halves as `\\ud83d\\ude00`) in a text in double quotes, which kubectl \
                      refuses in YAML; write the character itself";

/// Why a document is refused for the way in which it begins: `...` and directives, which kubectl
/// reads as its end.
pub(super) fn begins_strangely(text: &str) -> Option<&'static str> {
    let is_nothing = |line: &&str| {
        let line = line.trim_start();
        line.is_empty() || line.starts_with('#')
    };
    let first = text.lines().find(|line| !is_nothing(line))?;
    (first.starts_with("...") || first.starts_with('%'))
        .then_some("begins with `...` or a directive (%), where kubectl stops; take it out")
}

/// Whether an anchor has a name that every reader of YAML ends at the same letter.
pub(super) fn is_anchor(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

impl<'a> Form<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, flow: 0 }
    }

    /// What is wrong with a value, or with what stands before it.
    pub(super) fn node(&mut self, event: &Event<'_>, span: Span) -> Option<&'static str> {
        let style = match event {
            // Its first key or element begins at the same place.
            Event::MappingStart(StructureStyle::Block, ..)
            | Event::SequenceStart(StructureStyle::Block, ..) => {
                return None;
            }
            Event::Scalar(_, style, ..) => Some(*style),
            _ => None,
        };
        let is_block = matches!(style, Some(ScalarStyle::Literal | ScalarStyle::Folded));
        let gap = self.gap(span);
        let own = self.own(span);
        // That of a block scalar begins behind the indentation of its first line.
        let is_block_of_tab = is_block && own.starts_with('\t') && has_no_indentation(self.before(span));
        self.end(span);
        if matches!(event, Event::Alias(_)) && !self.is_apart(span) {
            return Some("has an alias (*) without a blank behind it");
        }
        if style == Some(ScalarStyle::DoubleQuoted) && has_foreign_escape(own) {
            return Some(ESCAPE);
        }
        if is_block_of_tab {
            return Some(
                "has a block text (| or >) that begins with a tab; begin it with blanks, or say how far it is indented (|2)",
            );
        }
        if style == Some(ScalarStyle::Plain) && self.flow > 0 {
            if own.contains('\n') {
                return Some(
                    "is a text over several lines between { } or [ ]; put it in quotes, and look for a missing comma before it",
                );
            }
            if own.contains('?') || own.starts_with(':') {
                return Some("has a text with `?` or `:` between { } or [ ]; put it in quotes");
            }
        }
        gap
    }

    /// What is wrong with a key, with what stands before it, or with its colon.
    pub(super) fn key(&mut self, event: &Event<'_>, span: Span) -> Option<&'static str> {
        let Event::Scalar(_, style, ..) = event else {
            return None;
        };
        let gap = self.gap(span);
        let own = self.own(span);
        self.end(span);
        if *style == ScalarStyle::DoubleQuoted && has_foreign_escape(own) {
            return Some(ESCAPE);
        }
        if own.contains('\n') {
            return Some("has a key over two lines; put a comment behind `#`, and a comma before the key");
        }
        let behind = self
            .text
            .get(self.at..)
            .unwrap_or_default()
            .trim_start_matches(' ');
        let Some(behind) = behind.strip_prefix(':') else {
            return Some("has a key whose `:` is not behind it in the same line; write `key: value`");
        };
        let is_quoted = *style != ScalarStyle::Plain;
        let is_apart = behind.is_empty() || behind.starts_with([' ', '\n']);
        if !(is_apart || is_quoted && self.flow > 0) {
            return Some("has a key without a blank behind its `:`; write `key: value`");
        }
        if self.flow > 0 && !is_quoted && (own.contains('?') || own.starts_with(':')) {
            return Some("has a key with `?` or `:` between { } or [ ]; put it in quotes");
        }
        gap
    }

    /// Whether an anchor or alias ends where every reader of YAML ends it.
    pub(super) fn is_apart(&self, span: Span) -> bool {
        let behind = span.end.byte_offset().and_then(|end| self.text.get(end..));
        behind.is_some_and(|behind| behind.is_empty() || behind.starts_with([' ', '\n', ',', ']', '}']))
    }

    /// A collection ends. One of block style has nothing there.
    pub(super) fn closed(&mut self, span: Span) {
        if self.flow > 0 {
            self.end(span);
        }
    }

    /// Nothing of what ends here is looked at any more.
    fn end(&mut self, span: Span) {
        if let Some(end) = span.end.byte_offset() {
            self.at = self.at.max(end);
        }
    }

    /// The text of a scalar as it is written.
    fn own(&self, span: Span) -> &'a str {
        let (start, end) = (span.start.byte_offset(), span.end.byte_offset());
        let own = start.zip(end).and_then(|(start, end)| self.text.get(start..end));
        own.unwrap_or_default().trim_end_matches([' ', '\t', '\n'])
    }

    /// What is wrong with what stands behind the last key or value.
    pub(super) fn rest(&self) -> Option<&'static str> {
        has_tab(self.text.get(self.at..)?).then_some(TAB)
    }

    /// What stands between this and the one before.
    fn before(&self, span: Span) -> &'a str {
        let start = span.start.byte_offset();
        start
            .and_then(|start| self.text.get(self.at..start))
            .unwrap_or_default()
    }

    /// What is wrong with what stands before this.
    fn gap(&self, span: Span) -> Option<&'static str> {
        let gap = self.before(span);
        (self.flow == 0 && has_tab(gap)).then_some(TAB)
    }
}

/// Whether a text in double quotes, as it is written, has an escape that JSON knows and kubectl's
/// reader of YAML does not.
fn has_foreign_escape(own: &str) -> bool {
    let mut letters = own.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            continue;
        }
        match letters.next() {
            Some('/') => return true,
            Some('u') => {
                let digits = letters.as_str().get(..4);
                let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
                if code.is_some_and(|code| char::from_u32(code).is_none()) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// Whether there is a tab outside of comments.
fn has_tab(gap: &str) -> bool {
    gap.lines().any(|line| {
        let comment = line.find('#').unwrap_or(line.len());
        line[..comment].contains('\t')
    })
}

/// Whether a block scalar leaves it to its first line how far it is indented. `before` ends with
/// its header.
fn has_no_indentation(before: &str) -> bool {
    let header = before.lines().rfind(|line| !line.trim().is_empty());
    let header = header
        .and_then(|line| line.split(" #").next())
        .unwrap_or_default();
    let indicators = header.rfind(['|', '>']).map_or("", |at| &header[at..]);
    !indicators.contains(|letter: char| letter.is_ascii_digit())
}
