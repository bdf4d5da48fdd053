//! Text to values, as `kubectl` reads it: several documents of YAML (as its reader knows it, which
//! is YAML 1.1), or JSON.
//!
//! Where `kubectl` reads something else than is written there (a key `on`, a second key of one
//! name), or might (a key over two lines), it is an error. Sizes, depths and what a value takes in
//! memory are bounded, so that a text of any kind takes a bounded time and memory.
//!
//! | Question | Module |
//! |---|---|
//! | Where does a document begin and end? | `stream` |
//! | What does a document of YAML say? | `yaml`; what a plain scalar means: `resolve` |
//! | What does JSON say? | `json` |
//! | What does a value take in memory? | `weight` |

mod json;
#[cfg(test)]
mod kubectl;
mod resolve;
mod stream;
#[cfg(test)]
mod tests;
mod weight;
mod yaml;

use serde_json::Value;

use crate::fault::shown;
use json::NoJson;

/// A text is at most so many bytes.
pub const MAX_BYTES: usize = 8 << 20;
/// Objects and lists are at most so deep in one another.
pub(crate) const MAX_DEPTH: usize = 96;
/// What a document becomes in memory is at most so many bytes. Lists of small objects, as `kubectl
/// get` writes them, become twenty-five times of their text; `[{a},{a},...` becomes two hundred
/// times of it.
const MAX_WEIGHT: usize = 256 << 20;
/// Of that its anchors and aliases make no more than this: what they say is not written.
const MAX_COPIED: usize = 32 << 20;

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

/// What comes of reading a text, one after the other.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A document.
    Document(Document),
    /// A document was left out, or reading ended early.
    Unreadable(Unreadable),
    /// So many faults of the document are not listed.
    MoreFaults(usize),
}

impl Unreadable {
    fn at(line: usize, reason: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            reason: reason.into(),
        }
    }
}

/// What a text may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// JSON alone: a file that says so by its name.
    Json,
    /// YAML or JSON.
    Any,
}

/// The first document of a text that others have read so far, as they read it.
pub(crate) fn leniently(text: &str) -> Result<Option<Value>, Unreadable> {
    if text.len() > MAX_BYTES {
        return Err(too_large());
    }
    yaml::leniently(text)
}

/// The value of a text that this project has written as YAML, such as the pod of a workload as
/// devices get it. `None` where it cannot be read.
pub fn written(text: &str) -> Option<Value> {
    leniently(text).ok().flatten()
}

fn too_large() -> Unreadable {
    Unreadable {
        line: None,
        reason: format!("is larger than {} MiB; split it", MAX_BYTES >> 20),
    }
}

/// Why a document that begins or goes on with other than an object or a list is refused.
pub(crate) const NO_OBJECT: &str = "is no object; begin it with `apiVersion`, `kind` and `metadata`";

fn too_heavy(line: usize) -> Unreadable {
    let reason = format!(
        "becomes larger than {} MiB in memory; it has too many values: split it",
        MAX_WEIGHT >> 20
    );
    Unreadable::at(line, reason)
}

fn too_many_copies(line: usize) -> Unreadable {
    let reason = format!(
        "becomes larger by {} MiB in memory by its anchors and aliases (&, *); write out what they say, in several files",
        MAX_COPIED >> 20
    );
    Unreadable::at(line, reason)
}

fn twice(key: &str) -> String {
    format!("has the key {:?} twice; take one of them out", shown(key))
}

/// Hands over the documents of a text, empty ones left out, and why reading ended early or left out
/// a document.
pub(crate) fn documents(text: &str, format: Format, take: &mut dyn FnMut(Outcome)) {
    if text.len() > MAX_BYTES {
        return take(Outcome::Unreadable(too_large()));
    }
    let mut take = |outcome: Outcome| {
        if !matches!(&outcome, Outcome::Document(document) if document.value.is_null()) {
            take(outcome);
        }
    };
    let without_mark = text.strip_prefix('\u{feff}').unwrap_or(text);
    let json = match format {
        Format::Json => json::documents(without_mark),
        // What begins with a byte order mark is no JSON to kubectl.
        Format::Any if text.trim_start().starts_with('{') => match json::documents(text) {
            Err(no_json) if may_be_yaml(text, &no_json) => {
                return yaml_after_all(text, no_json.unreadable, &mut take);
            }
            read => read,
        },
        Format::Any => return yaml::documents(without_mark, &mut take),
    };
    match json {
        Ok(documents) => documents
            .into_iter()
            .for_each(|document| take(Outcome::Document(document))),
        Err(no_json) => take(Outcome::Unreadable(no_json.unreadable)),
    }
}

/// Whether kubectl reads as YAML what begins like JSON: all of it, or what is behind a first
/// document.
fn may_be_yaml(text: &str, no_json: &NoJson<'_>) -> bool {
    let begins = text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{');
    let mut lines = no_json.rest.lines();
    let is_apart = lines
        .next()
        .is_none_or(|line| line.trim_matches([' ', '\t', '\r']).is_empty())
        && lines.next().is_some_and(|line| line.starts_with("---"));
    begins && (no_json.documents == 0 || no_json.documents == 1 && is_apart)
}

/// A text that begins like JSON and is none. If it is no YAML either, the former is what its author
/// has to hear.
fn yaml_after_all(text: &str, json: Unreadable, take: &mut dyn FnMut(Outcome)) {
    let mut is_yaml = true;
    yaml::documents(text, &mut |outcome| {
        is_yaml &= matches!(outcome, Outcome::Document(_));
    });
    if is_yaml {
        yaml::documents(text, take);
    } else {
        take(Outcome::Unreadable(json));
    }
}
