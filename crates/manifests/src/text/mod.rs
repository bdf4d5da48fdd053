//! Text to values, as `kubectl` reads it: several documents of YAML (as its reader knows it, which is YAML 1.1), or JSON.
//!
//! Where `kubectl` would read something else than is written there (a key `on`, a second key of one name) it is an error.
//! Sizes and depths are bounded, so that a text of any kind takes a bounded time and memory.

mod json;
mod resolve;
mod yaml;

use serde_json::Value;

/// A text is at most so many bytes.
pub(crate) const MAX_BYTES: usize = 8 << 20;
/// Objects and lists are at most so deep in one another.
pub(crate) const MAX_DEPTH: usize = 96;
/// What aliases make of a text is at most so many bytes, with 16 for each value.
const MAX_WEIGHT: usize = 32 << 20;

/// One document of a text.
#[derive(Debug)]
pub(crate) struct Document {
    /// Where it begins, from 1.
    pub(crate) line: usize,
    /// What it says.
    pub(crate) value: Value,
}

/// Why a text, or a document of it, cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// Line, from 1, if it is one place.
    pub(crate) line: Option<usize>,
    /// The rest of a sentence that begins with the place.
    pub(crate) reason: String,
}

impl Unreadable {
    fn at(line: usize, reason: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            reason: reason.into(),
        }
    }
}

/// The first document of a text that others have read so far, as they read it.
pub(crate) fn leniently(text: &str) -> Result<Option<Value>, Unreadable> {
    if text.len() > MAX_BYTES {
        return Err(too_large());
    }
    let (documents, faults) = yaml::leniently(text);
    match faults.into_iter().next() {
        Some(fault) => Err(fault),
        None => Ok(documents.into_iter().next().map(|document| document.value)),
    }
}

fn too_large() -> Unreadable {
    Unreadable {
        line: None,
        reason: format!("is larger than {} MiB; split it", MAX_BYTES >> 20),
    }
}

/// The documents of a text, empty ones left out, and why reading ended early or left out a document.
pub(crate) fn documents(text: &str) -> (Vec<Document>, Vec<Unreadable>) {
    if text.len() > MAX_BYTES {
        return (Vec::new(), vec![too_large()]);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut documents, faults) = if text.trim_start().starts_with('{') {
        match json::documents(text) {
            Ok(documents) => (documents, Vec::new()),
            Err(json) => match yaml::documents(text) {
                (documents, faults) if faults.is_empty() => (documents, faults),
                _ => (Vec::new(), vec![json]),
            },
        }
    } else {
        yaml::documents(text)
    };
    documents.retain(|document| !document.value.is_null());
    (documents, faults)
}
