//! What is wrong with an object, and what about it a person should know.
//!
//! No sentence here contains a value: what was written may be a password. Names, keys and paths are
//! told, at most `LONGEST_NAME` letters of each, and of many sentences the first `MAX_TOLD` and how
//! many there are besides: a file that is something else altogether makes no log that fills a disk.

use std::{borrow::Cow, fmt};

use crate::schema::Structure;

/// A path within an object: `spec.pod.spec.containers[0].image`, `data["a.b"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(String);

impl Path {
    /// The object itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// A field, or a key of the user's.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        let name = &*shown(name);
        let plain = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        Self(match (plain, self.0.is_empty()) {
            (true, true) => name.to_owned(),
            (true, false) => format!("{}.{name}", self.0),
            (false, _) => format!("{}[{name:?}]", self.0),
        })
    }

    /// An element of a list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// Whether it is the object itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a sentence belongs: `web.yaml, line 12: EdgeWorkload plant-a/web: spec.type`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, or what else the text came from.
    pub origin: String,
    /// Line in it where the object's document begins, from 1; `None` when it is about the whole of
    /// it.
    pub line: Option<usize>,
    /// The object, as far as it is known: `EdgeWorkload plant-a/web`. Empty if nothing is.
    pub object: String,
    /// Where in the object.
    pub path: Path,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if !self.object.is_empty() {
            write!(f, ": {}", self.object)?;
        }
        if !self.path.is_root() {
            write!(f, ": {}", self.path)?;
        }
        Ok(())
    }
}

/// Why something is refused. `Display` is the whole sentence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{place} {reason}")]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong, and what to do: the rest of a sentence that begins with the place.
    pub reason: String,
}

/// What was left out without being refused. `Display` is the whole sentence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// Where.
    pub place: Place,
    /// What was done: the rest of a sentence that begins with the place.
    pub reason: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.place, self.reason)
    }
}

/// What becomes of a field that nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownFields {
    /// It is a fault, as to kubectl: `deviceSelector: {matchLabel: ...}` is no selector of every
    /// device.
    #[default]
    Refuse,
    /// It is left out with a warning, as an API server does it.
    Warn,
}

/// What is found within one object, while it is looked at.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is refused.
    pub faults: Vec<(Path, String)>,
    /// How many more faults there are.
    pub more_faults: usize,
    /// What was left out.
    pub warnings: Vec<(Path, String)>,
    /// How many more warnings there are.
    pub more_warnings: usize,
    unknown_fields: UnknownFields,
}

/// Of faults, and of warnings, no more than this are told of one text or source.
pub(crate) const MAX_TOLD: usize = 50;
/// Of a name in a sentence no more letters than this are shown.
pub(crate) const LONGEST_NAME: usize = 100;

/// Fields that no schema has and that are no faults: in Flotta's own samples, or in what only an
/// API server or a controller writes.
const LEFT_OUT: [(&str, Option<&str>); 4] = [
    ("DataConfiguration", Some("paths")),
    ("EdgeConfigSpec", Some("timeoutSeconds")),
    ("EdgeDeviceStatus", None),
    ("ObjectMeta", None),
];

impl Findings {
    /// Nothing is found yet.
    pub fn new(unknown_fields: UnknownFields) -> Self {
        Self {
            unknown_fields,
            ..Self::default()
        }
    }

    /// Something is refused.
    pub fn fault(&mut self, path: &Path, reason: impl Into<String>) {
        tell(
            &mut self.faults,
            &mut self.more_faults,
            (path.clone(), reason.into()),
        );
    }

    /// Something was left out.
    pub fn warning(&mut self, path: &Path, reason: impl Into<String>) {
        tell(
            &mut self.warnings,
            &mut self.more_warnings,
            (path.clone(), reason.into()),
        );
    }

    /// A field is there that `structure` has not.
    pub(crate) fn unknown_field(&mut self, structure: &Structure, name: &str, path: &Path) {
        let left_out = LEFT_OUT
            .iter()
            .any(|(of, field)| *of == structure.name && field.is_none_or(|field| field == name));
        let path = path.field(name);
        let structure_name = structure.name;
        let similar = structure.fields.iter().find(|field| is_similar(field.name, name));
        // What API servers and other tools write there looks like none of its fields; `lables` does.
        let slip = structure_name == "ObjectMeta" && similar.is_some();
        if left_out && !slip || self.unknown_fields == UnknownFields::Warn {
            return self.warning(&path, format!("is no field of {structure_name}; it was left out"));
        }
        let remedy = match similar {
            Some(field) => format!("is {} meant?", field.name),
            None => "correct it, or take it out".to_owned(),
        };
        self.fault(&path, format!("is no field of {structure_name}; {remedy}"));
    }
}

/// Keeps the first `MAX_TOLD`, and counts the others.
pub(crate) fn tell<T>(told: &mut Vec<T>, more: &mut usize, one: T) {
    if told.len() < MAX_TOLD {
        told.push(one);
    } else {
        *more += 1;
    }
}

/// The sentence after those that were told, if there are more.
pub(crate) fn and_more(more: usize, what: &str) -> Option<String> {
    (more > 0).then(|| format!("and {more} more {what}, which are not listed"))
}

/// A name as it stands in a sentence: short, and nothing in it moves a terminal's cursor.
pub(crate) fn shown(name: &str) -> Cow<'_, str> {
    if name.len() <= LONGEST_NAME && !name.chars().any(char::is_control) {
        return Cow::Borrowed(name);
    }
    let mut shown = String::new();
    for letter in name.chars().take(LONGEST_NAME) {
        if letter.is_control() {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    if name.chars().nth(LONGEST_NAME).is_some() {
        shown.push_str("...");
    }
    Cow::Owned(shown)
}

/// Whether one is the other with a letter more, less or changed, with two neighbours exchanged, or
/// in another case.
fn is_similar(one: &str, other: &str) -> bool {
    let (one, other) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[same..], &other[same..]);
    let tail = |bytes: &[u8], skip: usize| bytes.get(skip..).map(<[u8]>::to_vec);
    let exchanged = matches!((one, other), ([a, b, ..], [c, d, ..]) if a == d && b == c);
    one == other
        || exchanged && tail(one, 2) == tail(other, 2)
        || tail(one, 1) == tail(other, 1) && !one.is_empty()
        || tail(one, 1).is_some_and(|rest| rest == other)
        || tail(other, 1).is_some_and(|rest| rest == one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_move_no_cursor() {
        assert_eq!(shown("a.b"), "a.b");
        assert_eq!(shown("a\u{1b}[2J\nb"), "a\\u{1b}[2J\\nb");
        assert_eq!(shown(&"é".repeat(101)), format!("{}...", "é".repeat(100)));
        assert_eq!(shown(&"é".repeat(100)), "é".repeat(100));
        let long = Path::root().field(&"x".repeat(1 << 20));
        assert!(long.to_string().len() < 200, "{long}");
    }

    #[test]
    fn similar_names_differ_by_a_letter_or_in_case() {
        for (one, other) in [
            ("matchLabels", "matchLabel"),
            ("matchLabels", "matchlabels"),
            ("containers", "container"),
            ("hostPort", "hostPorts"),
            ("image", "imaga"),
            ("labels", "lables"),
        ] {
            assert!(is_similar(one, other) && is_similar(other, one), "{one} {other}");
        }
        for (one, other) in [("image", "name"), ("image", ""), ("spec", "sp"), ("a", "bc")] {
            assert!(
                !is_similar(one, other) && !is_similar(other, one),
                "{one} {other}"
            );
        }
    }
}
