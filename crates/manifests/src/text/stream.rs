//! Where documents of YAML begin and end in a text: as `kubectl` cuts it, which is before it knows
//! anything of YAML.
//!
//! A line that begins with `---` ends a document, in whatever it stands (`YAMLReader` of
//! k8s.io/apimachinery). So each document is read by itself here as well; a mistake in one hides no
//! other.
//!
//! Some characters are no text to `kubectl`, or end a line (YAML 1.1) where nobody sees one end.
//! They are refused wherever they stand, as is a lone carriage return.

use std::borrow::Cow;

use super::Unreadable;

const SEPARATOR: &str = "---";

/// One document, still text.
pub(super) struct Chunk<'a> {
    /// Its first line in the whole text, from 1.
    pub(super) line: usize,
    /// Its lines, each ended by a line feed alone.
    pub(super) text: Cow<'a, str>,
}

/// The documents of a text.
pub(super) fn chunks(text: &str) -> Chunks<'_> {
    Chunks { rest: text, line: 1 }
}

/// What is left of a text.
pub(super) struct Chunks<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<Chunk<'a>, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(behind) = self.rest.strip_prefix(SEPARATOR) {
            let end = behind.find('\n').map_or(behind.len(), |at| at + 1);
            let (behind, rest) = behind.split_at(end);
            let line = self.line;
            self.rest = rest;
            self.line += 1;
            // A comment directly behind it makes a text of both.
            let text = behind.trim_matches([' ', '\t', '\r', '\n']);
            if !text.is_empty() && (!text.starts_with('#') || behind.starts_with('#')) {
                let reason = "has something behind `---`; begin the document on the next line";
                return Some(Err(Unreadable::at(line, reason)));
            }
        }
        if self.rest.is_empty() {
            return None;
        }
        // Of two separators in a row the second is begun with by the next call.
        let end = if self.rest.starts_with(SEPARATOR) {
            0
        } else {
            self.rest.find("\n---").map_or(self.rest.len(), |at| at + 1)
        };
        let (chunk, rest) = self.rest.split_at(end);
        let line = self.line;
        self.rest = rest;
        self.line += chunk.matches('\n').count();
        Some(
            lines(chunk)
                .map(|text| Chunk { line, text })
                .map_err(|(at, reason)| Unreadable::at(line + chunk[..at].matches('\n').count(), reason)),
        )
    }
}

/// The text with line feeds alone, or where and why it is no text to kubectl.
fn lines(chunk: &str) -> Result<Cow<'_, str>, (usize, &'static str)> {
    for (at, letter) in chunk.char_indices() {
        let reason = match letter {
            '\t' | '\n' | ' '..='~' => continue,
            '\r' if chunk[at + 1..].starts_with('\n') => continue,
            '\r' => "has a carriage return without a line feed; end lines with line feeds",
            '\u{85}' | '\u{2028}' | '\u{2029}' => {
                "has a character (U+0085, U+2028 or U+2029) that ends a line to kubectl; take it out, or write it as an escape in \
                 double quotes"
            }
            '\u{feff}' => {
                "has a byte order mark (U+FEFF) in it; take it out, as between files that were put together"
            }
            '\u{fffe}' | '\u{ffff}' => UNPRINTABLE,
            letter if letter.is_control() => UNPRINTABLE,
            _ => continue,
        };
        return Err((at, reason));
    }
    let mut text = Cow::Borrowed(chunk);
    if chunk.contains('\r') {
        text = Cow::Owned(chunk.replace("\r\n", "\n"));
    }
    if !chunk.is_empty() && !chunk.ends_with('\n') {
        text.to_mut().push('\n');
    }
    Ok(text)
}

const UNPRINTABLE: &str =
    "has a character that kubectl takes in no text; take it out, or write it as an escape in double quotes";

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<Result<(usize, String), usize>> {
        let cut = chunks(text).map(|chunk| match chunk {
            Ok(chunk) => Ok((chunk.line, chunk.text.into_owned())),
            Err(unreadable) => Err(unreadable.line.unwrap_or_default()),
        });
        cut.collect()
    }

    #[test]
    fn a_line_that_begins_with_three_dashes_ends_a_document() {
        assert_eq!(cut(""), []);
        assert_eq!(cut("a"), [Ok((1, "a\n".to_owned()))]);
        assert_eq!(
            cut("a\n--- # b\nc\n---\n---\nd"),
            [
                Ok((1, "a\n".to_owned())),
                Ok((3, "c\n".to_owned())),
                Ok((5, String::new())),
                Ok((6, "d\n".to_owned())),
            ]
        );
        assert_eq!(cut("---\r\na\r\n"), [Ok((2, "a\n".to_owned()))]);
        assert_eq!(
            cut("a\n---b\nc"),
            [Ok((1, "a\n".to_owned())), Err(2), Ok((3, "c\n".to_owned()))]
        );
        assert_eq!(cut("---#\n"), [Err(1)]);
        assert_eq!(cut(" ---\n"), [Ok((1, " ---\n".to_owned()))]);
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_line() {
        for text in [
            "a\n\u{85}",
            "a\n\r",
            "a\n\u{2028}",
            "a\n\u{feff}b",
            "a\n\u{1b}",
            "a\n\u{7f}",
            "a\n\u{ffff}",
        ] {
            assert_eq!(cut(text), [Err(2)], "{text:?}");
        }
        assert_eq!(
            cut("a\u{a0}é\u{1f600}"),
            [Ok((1, "a\u{a0}é\u{1f600}\n".to_owned()))]
        );
    }
}
