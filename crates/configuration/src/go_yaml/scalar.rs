//! What is special about a text (`yaml_emitter_analyze_scalar`), and the style that follows from it
//! (`stringv` in `encode.go`, then `yaml_emitter_select_scalar_style`).

use super::resolve;

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// As it is.
    Plain,
    /// In `'`.
    SingleQuoted,
    /// In `"`.
    DoubleQuoted,
    /// After `|`.
    Literal,
}

/// Where a scalar stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Before `: ` on the same line: neither broken nor literal.
    SimpleKey,
    /// Anywhere else.
    Value,
}

/// What the styles depend on. None of the flow styles' conditions: only empty lists and maps are
/// written in flow style.
#[derive(Clone, Copy, Debug, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent findings, as in yaml.v2"
)]
pub(super) struct Analysis {
    line_breaks: bool,
    not_plain: bool,
    not_single_quoted: bool,
    not_literal: bool,
}

impl Analysis {
    pub(super) fn of(text: &str) -> Self {
        let mut leading = false;
        let mut trailing_space = false;
        let mut trailing_break = false;
        let mut break_space = false;
        let mut space_break = false;
        let mut line_breaks = false;
        let mut special = false;
        let mut indicators = text.starts_with("---") || text.starts_with("...");

        let mut before = None;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let after = characters.peek().copied();
            indicators |= is_indicator(before, character, after);
            special |= !is_printable(character);
            if character == ' ' {
                leading |= before.is_none();
                trailing_space |= after.is_none();
                break_space |= before.is_some_and(is_break);
            } else if is_break(character) {
                line_breaks = true;
                leading |= before.is_none();
                trailing_break |= after.is_none();
                space_break |= before == Some(' ');
            }
            before = Some(character);
        }
        let unquotable = space_break || special;
        Self {
            line_breaks,
            not_plain: leading
                || trailing_space
                || trailing_break
                || break_space
                || unquotable
                || line_breaks
                || indicators,
            not_single_quoted: break_space || unquotable,
            not_literal: text.is_empty() || trailing_space || unquotable,
        }
    }

    /// yaml.v2's `multiline`.
    pub(super) fn has_line_breaks(self) -> bool {
        self.line_breaks
    }

    /// The style that yaml.v2 chooses for this text.
    pub(super) fn style(self, text: &str, place: Place) -> Style {
        let wanted = if text.contains('\n') {
            Style::Literal
        } else if resolve::is_text(text) {
            Style::Plain
        } else {
            Style::DoubleQuoted
        };
        match wanted {
            Style::Literal if self.not_literal || place == Place::SimpleKey => Style::DoubleQuoted,
            _ if place == Place::SimpleKey && self.line_breaks => Style::DoubleQuoted,
            Style::Plain if self.not_plain && self.not_single_quoted => Style::DoubleQuoted,
            Style::Plain if self.not_plain => Style::SingleQuoted,
            wanted => wanted,
        }
    }
}

/// Whether a plain text would mean something else with this character, given its neighbours
/// (`block_indicators`).
fn is_indicator(before: Option<char>, character: char, after: Option<char>) -> bool {
    let at_end_of_word = after.is_none_or(is_blank);
    match (before, character) {
        (
            None,
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`',
        ) => true,
        (None, '?' | ':' | '-') | (Some(_), ':') => at_end_of_word,
        (Some(before), '#') => is_blank(before) || is_break(before) || before == '\0',
        _ => false,
    }
}

/// yaml.v2's `is_printable`; for it a tab is not, nor is anything beyond the Basic Multilingual
/// Plane.
pub(super) fn is_printable(character: char) -> bool {
    matches!(character, '\n' | ' '..='~' | '\u{a0}'..='\u{fffd}') && character != '\u{feff}'
}

/// yaml.v2's `is_break`.
pub(super) fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}
