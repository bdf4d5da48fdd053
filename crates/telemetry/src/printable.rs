//! What may text from outside look like where a person sees it: on a terminal, in a log, in an
//! error?
//!
//! A device can send anything in the names and messages that it reports: codes that erase what a
//! terminal shows, line breaks that make up a line of the log, marks that turn the direction of
//! what follows, a megabyte. Here such characters are written out, in Rust's form (`\n`, `\u{1b}`),
//! and what is too long is cut. Backslashes stay as they are: the form is for reading and is never
//! read back.

use std::{borrow::Cow, fmt::Write as _};

/// Stands for what was cut off.
const CUT: char = '…';

/// Whether a character changes how other text is shown: C0, DEL and C1, what breaks a line, what
/// sets a direction.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// The text as one line without any character that acts on a terminal.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.contains(acts) {
        Cow::Owned(escaped(text, |_| false))
    } else {
        Cow::Borrowed(text)
    }
}

/// The same of several lines that are meant to be: line feeds stay.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    if text.contains(|character| acts(character) && character != '\n') {
        Cow::Owned(escaped(text, |character| character == '\n'))
    } else {
        Cow::Borrowed(text)
    }
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if acts(character) && !stays(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// [`printable`], of which at most `longest` characters are shown; that something was cut off shows
/// as `…`. Cutting what was cut changes nothing.
pub fn brief(text: &str, longest: usize) -> String {
    let mut shown = String::new();
    let mut length = 0;
    for character in text.chars() {
        let escape = acts(character).then(|| character.escape_default());
        length += escape.as_ref().map_or(1, ExactSizeIterator::len);
        if length > longest {
            shown.push(CUT);
            break;
        }
        match escape {
            Some(escape) => shown.extend(escape),
            None => shown.push(character),
        }
    }
    shown
}

/// A JSON document that means the same and has no such character in its strings. Line feeds between
/// its parts stay.
pub fn printable_json(document: &str) -> Cow<'_, str> {
    let raw = |character: char| acts(character) && character != '\n';
    if !document.contains(raw) {
        return Cow::Borrowed(document);
    }
    let mut shown = String::with_capacity(document.len() + 16);
    for character in document.chars() {
        if raw(character) {
            // None of them is beyond the characters that one such escape can name.
            let _ = write!(shown, "\\u{:04x}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes of a terminal, line breaks of all kinds, C1's form of an escape, and a text that is
    /// read from the right.
    const HOSTILE: &str = "Running\u{1b}[2K\rall well\n\u{85}\u{2028}\u{2029}\u{9b}31m\u{7f}\0\t\u{202e}neve\u{2066}s\u{61c}\u{200f}";

    #[test]
    fn what_acts_on_a_terminal_is_written_out() {
        assert_eq!(
            printable(HOSTILE),
            r"Running\u{1b}[2K\rall well\n\u{85}\u{2028}\u{2029}\u{9b}31m\u{7f}\u{0}\t\u{202e}neve\u{2066}s\u{61c}\u{200f}"
        );
        for plain in ["", "médiathèque 日本 \\ \"quoted\" {braces}", "…"] {
            assert_eq!(printable(plain), plain);
        }
        assert_eq!(printable_lines("a\nb\u{1b}\r\n"), "a\nb\\u{1b}\\r\n");
    }

    #[test]
    fn nothing_that_acts_is_left_of_any_character() {
        let all: String = (char::MIN..=char::MAX).collect();
        assert!(!printable(&all).contains(acts));
        assert!(!brief(&all, usize::MAX).contains(acts));
        let json = serde_json::to_string(&all).unwrap();
        let shown = printable_json(&json);
        assert!(!shown.contains(acts));
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), all);
    }

    #[test]
    fn what_is_long_is_cut_between_two_characters() {
        assert_eq!(brief("abc", 3), "abc");
        assert_eq!(brief("abcd", 3), "abc…");
        assert_eq!(brief("ab\u{1b}", 7), "ab…", "no half of an escape");
        assert_eq!(brief("ab\u{1b}", 8), "ab\\u{1b}");
        let megabyte = "é".repeat(1 << 19);
        for longest in [0, 1, 200] {
            let once = brief(&megabyte, longest);
            assert_eq!(once.chars().count(), longest + 1);
            assert_eq!(brief(&once, longest), once);
        }
    }

    #[test]
    fn an_indented_document_keeps_its_lines() {
        let document = serde_json::json!({ "status": HOSTILE });
        let text = serde_json::to_string_pretty(&document).unwrap();
        let shown = printable_json(&text);
        assert_eq!(shown.lines().count(), text.split('\n').count());
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            document
        );
    }
}
