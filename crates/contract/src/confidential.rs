//! Text that is written on the wire and nowhere else.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::absent::{Field, null_or};
use crate::heap::HeapSize;

/// Text of a secret kind (a key, a password, a file that holds some): `Debug` does not show it, and
/// there is no `Display`.
///
/// Absent when empty, as any text on the wire.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Confidential(String);

impl Confidential {
    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Confidential {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Confidential {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Confidential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "(empty)" } else { "(not shown)" })
    }
}

impl HeapSize for Confidential {
    fn heap_size(&self) -> usize {
        self.0.heap_size()
    }
}

impl Field for Confidential {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        null_or(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_whether_but_not_what() {
        let key = Confidential::from("c2VjcmV0");
        assert_eq!(format!("{key:?}"), "(not shown)");
        assert_eq!(format!("{:?}", Confidential::default()), "(empty)");
        assert_eq!(key.expose(), "c2VjcmV0");
    }
}
