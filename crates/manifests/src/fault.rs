//! What is wrong with an object, and what about it a person should know.
//!
//! No sentence here contains a value: what was written may be a password. Names, keys and paths are told.

use std::fmt;

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
    /// Line in it where the object's document begins, from 1; `None` when it is about the whole of it.
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

/// What is found within one object, while it is looked at.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is refused.
    pub faults: Vec<(Path, String)>,
    /// What was left out.
    pub warnings: Vec<(Path, String)>,
}

/// Of one object, and of the syntax of one text, no more faults and no more warnings than this are told.
pub(crate) const MAX_TOLD: usize = 200;
/// What is told after [`MAX_TOLD`].
pub(crate) const MORE: &str = "and more like this, which are not listed";

impl Findings {
    /// Something is refused.
    pub fn fault(&mut self, path: &Path, reason: impl Into<String>) {
        tell(&mut self.faults, path, reason.into());
    }

    /// Something was left out.
    pub fn warning(&mut self, path: &Path, reason: impl Into<String>) {
        tell(&mut self.warnings, path, reason.into());
    }
}

fn tell(told: &mut Vec<(Path, String)>, path: &Path, reason: String) {
    match told.len() {
        0..MAX_TOLD => told.push((path.clone(), reason)),
        MAX_TOLD => told.push((Path::root(), MORE.to_owned())),
        _ => {}
    }
}
