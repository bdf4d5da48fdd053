//! Characters onto the page: column, indentation and the four styles of a scalar (`emitterc.go`
//! from `yaml_emitter_write_indent` on).

use std::fmt::Write as _;

use super::scalar::{Place, Style, is_break, is_printable};

/// Beyond this column a quoted or plain text continues on the next line (`best_width`, never
/// changed by Flotta).
const BEST_WIDTH: usize = 80;
/// Spaces per level (`best_indent`).
const BEST_INDENT: usize = 2;

/// The output so far and what yaml.v2's emitter remembers of it.
#[derive(Debug)]
pub(super) struct Writer {
    text: String,
    /// Characters since the last line break.
    column: usize,
    /// `None` outside of everything; yaml.v2's -1.
    indent: Option<usize>,
    /// Whether the last thing written counts as white space.
    whitespace: bool,
    /// Whether there is nothing but indentation, `-`, `?` and `:` on this line.
    indention: bool,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self {
            text: String::new(),
            column: 0,
            indent: None,
            whitespace: true,
            indention: true,
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    pub(super) fn in_indention(&self) -> bool {
        self.indention
    }

    /// Runs this one level deeper (`yaml_emitter_increase_indent`).
    pub(super) fn indented(&mut self, flow: bool, indentless: bool, inner: impl FnOnce(&mut Self)) {
        let outer = self.indent;
        self.indent = Some(match outer {
            None if flow => BEST_INDENT,
            None => 0,
            Some(indent) if indentless => indent,
            Some(indent) => indent + BEST_INDENT,
        });
        inner(self);
        self.indent = outer;
    }

    /// Onto a new line, unless on one, and up to the indentation.
    pub(super) fn write_indent(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.line_break('\n');
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    pub(super) fn indicator(
        &mut self,
        indicator: &str,
        need_whitespace: bool,
        is_whitespace: bool,
        is_indention: bool,
    ) {
        if need_whitespace && !self.whitespace {
            self.put(' ');
        }
        indicator.chars().for_each(|character| self.put(character));
        self.whitespace = is_whitespace;
        self.indention &= is_indention;
    }

    pub(super) fn scalar(&mut self, text: &str, style: Style, place: Place) {
        let may_break = place == Place::Value;
        match style {
            Style::Plain => self.plain(text, may_break),
            Style::SingleQuoted => self.single_quoted(text, may_break),
            Style::DoubleQuoted => self.double_quoted(text, may_break),
            Style::Literal => self.literal(text),
        }
    }

    /// `yaml_emitter_write_plain_scalar`; a text with line breaks is never plain.
    pub(super) fn plain(&mut self, text: &str, may_break: bool) {
        if !self.whitespace {
            self.put(' ');
        }
        let mut after_space = false;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let fold = character == ' '
                && may_break
                && !after_space
                && self.column > BEST_WIDTH
                && characters.peek() != Some(&' ');
            if fold {
                self.write_indent();
            } else {
                self.put(character);
            }
            after_space = character == ' ';
            if !after_space {
                self.indention = false;
            }
        }
        self.whitespace = false;
        self.indention = false;
    }

    /// `yaml_emitter_write_single_quoted_scalar`. The only line breaks in one are U+2028 and
    /// U+2029.
    fn single_quoted(&mut self, text: &str, may_break: bool) {
        self.indicator("'", true, false, false);
        let mut after_space = false;
        let mut after_break = false;
        let mut first = true;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            if character == ' ' {
                let fold = may_break
                    && !after_space
                    && self.column > BEST_WIDTH
                    && !first
                    && characters.peek().is_some_and(|next| *next != ' ');
                if fold {
                    self.write_indent();
                } else {
                    self.put(' ');
                }
                after_space = true;
            } else if is_break(character) {
                self.line_break(character);
                self.indention = true;
                after_break = true;
            } else {
                if after_break {
                    self.write_indent();
                }
                if character == '\'' {
                    self.put('\'');
                }
                self.put(character);
                self.indention = false;
                after_space = false;
                after_break = false;
            }
            first = false;
        }
        self.indicator("'", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    /// `yaml_emitter_write_double_quoted_scalar`. Its `is_bom` looks at the start of the text
    /// whatever the position, so a text that starts with U+FEFF is escaped from end to end.
    fn double_quoted(&mut self, text: &str, may_break: bool) {
        let escape_all = text.starts_with('\u{feff}');
        self.indicator("\"", true, false, false);
        let mut after_space = false;
        let mut first = true;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            if escape_all
                || !is_printable(character)
                || is_break(character)
                || matches!(character, '"' | '\\')
            {
                self.escape(character);
                after_space = false;
            } else if character == ' ' {
                let next = characters.peek();
                if may_break && !after_space && self.column > BEST_WIDTH && !first && next.is_some() {
                    self.write_indent();
                    if next == Some(&' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(' ');
                }
                after_space = true;
            } else {
                self.put(character);
                after_space = false;
            }
            first = false;
        }
        self.indicator("\"", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn escape(&mut self, character: char) {
        let mut escaped = String::from("\\");
        match character {
            '\0' => escaped.push('0'),
            '\u{7}' => escaped.push('a'),
            '\u{8}' => escaped.push('b'),
            '\t' => escaped.push('t'),
            '\n' => escaped.push('n'),
            '\u{b}' => escaped.push('v'),
            '\u{c}' => escaped.push('f'),
            '\r' => escaped.push('r'),
            '\u{1b}' => escaped.push('e'),
            '"' | '\\' => escaped.push(character),
            '\u{85}' => escaped.push('N'),
            '\u{a0}' => escaped.push('_'),
            '\u{2028}' => escaped.push('L'),
            '\u{2029}' => escaped.push('P'),
            _ => {
                let code = u32::from(character);
                // Writing to a string does not fail.
                let _ = match code {
                    0..=0xff => write!(escaped, "x{code:02X}"),
                    0x100..=0xffff => write!(escaped, "u{code:04X}"),
                    _ => write!(escaped, "U{code:08X}"),
                };
            }
        }
        escaped.chars().for_each(|character| self.put(character));
    }

    /// `yaml_emitter_write_literal_scalar`, with the hints of
    /// `yaml_emitter_write_block_scalar_hints`.
    fn literal(&mut self, text: &str) {
        self.indicator("|", true, false, false);
        if text.starts_with(|first| first == ' ' || is_break(first)) {
            self.indicator("2", false, false, false);
        }
        let mut backwards = text.chars().rev();
        match (backwards.next().map(is_break), backwards.next().map(is_break)) {
            (Some(true), Some(false)) => {}
            (Some(true), _) => self.indicator("+", false, false, false),
            _ => self.indicator("-", false, false, false),
        }
        self.line_break('\n');
        self.indention = true;
        self.whitespace = true;
        let mut after_break = true;
        for character in text.chars() {
            if is_break(character) {
                self.line_break(character);
                self.indention = true;
                after_break = true;
            } else {
                if after_break {
                    self.write_indent();
                }
                self.put(character);
                self.indention = false;
                after_break = false;
            }
        }
    }

    fn put(&mut self, character: char) {
        self.text.push(character);
        self.column += 1;
    }

    fn line_break(&mut self, character: char) {
        self.text.push(character);
        self.column = 0;
    }
}
