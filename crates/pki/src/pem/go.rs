//! Which blocks of a PEM file does Go read?
//!
//! A translation of `Decode` of Go's `encoding/pem` (1.26), faults and all, for the two questions
//! that need it: what would the Edge API make of a file, and what does a server that has nothing
//! else begin with? Everywhere else a file that is read in part is refused (module `strict`).
//! `tests/go_pem` holds it against Go.

use base64::{
    Engine as _, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"\n-----END ";
const DASHES: &[u8] = b"-----";

/// Go takes base64 whose last digit has bits that stand for nothing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// A block that Go reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// What stands behind BEGIN.
    pub(crate) label: Vec<u8>,
    /// Whether there are header lines. Go skips certificates that have some.
    pub(crate) headers: bool,
    /// What its base64 stands for.
    pub(crate) content: Vec<u8>,
}

/// The blocks of a file that Go reads, in their order.
pub(crate) fn blocks(file: &[u8]) -> impl Iterator<Item = Block> {
    let mut rest = file;
    std::iter::from_fn(move || {
        let (block, behind) = decode(rest)?;
        rest = behind;
        Some(block)
    })
}

/// The first block and what comes behind it.
fn decode(data: &[u8]) -> Option<(Block, &[u8])> {
    let mut rest = data;
    loop {
        // The first END, and the last BEGIN before it.
        let end = find(rest, END)?;
        let label_of_end = end + END.len();
        let begin = rest[..end]
            .windows(BEGIN.len())
            .rposition(|window| window == BEGIN);
        let at_start_of_line = |at: usize| at == 0 || rest[at - 1] == b'\n';
        let Some(begin) = begin.filter(|&begin| at_start_of_line(begin)) else {
            rest = &rest[label_of_end..];
            continue;
        };
        let (first, mut at) = line(rest, begin + BEGIN.len());
        let Some(label) = first.strip_suffix(DASHES) else {
            rest = &rest[label_of_end..];
            continue;
        };
        let mut headers = false;
        loop {
            if at == rest.len() {
                return None;
            }
            let (header, next) = line(rest, at);
            if !header.contains(&b':') {
                break;
            }
            headers = true;
            at = next;
        }
        match block(rest, at, end, label, headers) {
            Some(found) => return Some(found),
            // An END line with a colon was taken for a header.
            None if label_of_end < at => return None,
            None => rest = &rest[label_of_end..],
        }
    }
}

/// The block between a position and an END, if it is one.
fn block<'a>(
    rest: &'a [u8],
    at: usize,
    end: usize,
    label: &[u8],
    headers: bool,
) -> Option<(Block, &'a [u8])> {
    if headers && end < at {
        return None;
    }
    let label_of_end = end + END.len();
    let behind = rest[label_of_end..].strip_prefix(label)?.strip_prefix(DASHES)?;
    let (nothing, _) = line(behind, 0);
    if !nothing.is_empty() {
        return None;
    }
    let digits = rest.get(at..end).unwrap_or_default();
    let digits: Vec<u8> = digits
        .iter()
        .copied()
        .filter(|digit| !b" \t\r\n".contains(digit))
        .collect();
    let block = Block {
        label: label.to_vec(),
        headers,
        content: BASE64.decode(digits).ok()?,
    };
    let (_, next) = line(rest, label_of_end - 1);
    Some((block, &rest[next..]))
}

/// A line without spaces, tabs and its end, and where the next begins.
fn line(text: &[u8], at: usize) -> (&[u8], usize) {
    let text_from = &text[at..];
    let (mut line, next) = match find(text_from, b"\n") {
        None => (text_from, text.len()),
        Some(end) => {
            let line = &text_from[..end];
            (line.strip_suffix(b"\r").unwrap_or(line), at + end + 1)
        }
    };
    while let [rest @ .., b' ' | b'\t'] = line {
        line = rest;
    }
    (line, next)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
