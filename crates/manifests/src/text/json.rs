//! JSON, with two things that `serde_json` does not do: two fields of one name are an error, and so
//! is what becomes too large in memory.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{Document, MAX_DEPTH, MAX_WEIGHT, Unreadable, too_heavy, weight};
use crate::fault::shown;

/// Where and why a text is no JSON.
pub(super) struct NoJson<'a> {
    pub(super) unreadable: Unreadable,
    /// How many documents are before it.
    pub(super) documents: usize,
    /// What follows them.
    pub(super) rest: &'a str,
}

/// The documents of a text, one after the other.
pub(super) fn documents(text: &str) -> Result<Vec<Document>, NoJson<'_>> {
    let mut documents = Vec::new();
    let left = Cell::new(MAX_WEIGHT);
    let (mut rest, mut line) = (text, 1);
    loop {
        let begin = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        line += rest[..rest.len() - begin.len()].matches('\n').count();
        if begin.is_empty() {
            return Ok(documents);
        }
        let mut reader = serde_json::Deserializer::from_str(begin);
        let at = At {
            depth: 0,
            left: &left,
        };
        // What a stream of documents is asked for has no seed, so that each is read by itself.
        let value = match at.deserialize(&mut reader) {
            Ok(value) => value,
            Err(error) => {
                return Err(NoJson {
                    unreadable: unreadable(line, &error, &left),
                    documents: documents.len(),
                    rest,
                });
            }
        };
        documents.push(Document { line, value });
        let read = reader.into_iter::<serde::de::IgnoredAny>().byte_offset();
        line += begin[..read].matches('\n').count();
        rest = &begin[read..];
    }
}

fn unreadable(line: usize, error: &serde_json::Error, left: &Cell<usize>) -> Unreadable {
    let line = line + error.line().saturating_sub(1);
    if left.get() == 0 {
        return too_heavy(line);
    }
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default();
    Unreadable::at(line, format!("is no JSON: {reason}"))
}

/// A value at this depth, and how much memory may still be taken.
#[derive(Clone, Copy)]
struct At<'a> {
    depth: usize,
    left: &'a Cell<usize>,
}

impl At<'_> {
    fn deeper(self) -> Self {
        Self {
            depth: self.depth + 1,
            ..self
        }
    }

    fn take<E: Error>(self, weight: usize) -> Result<(), E> {
        match self.left.get().checked_sub(weight) {
            Some(left) if left > 0 => {
                self.left.set(left);
                Ok(())
            }
            _ => {
                self.left.set(0);
                Err(E::custom("it becomes too large"))
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.depth > MAX_DEPTH {
            return Err(D::Error::custom(format!("it is deeper than {MAX_DEPTH} levels")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.take(weight::text(value.len()))?;
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(self.deeper())? {
            self.take(weight::ELEMENT + if list.is_empty() { weight::LIST } else { 0 })?;
            list.push(element);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self.deeper())?;
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!(
                    "field {:?} is there twice; take one of them out",
                    shown(&key)
                )));
            }
            let first = if object.is_empty() { weight::OBJECT } else { 0 };
            self.take(weight::entry(key.len()) + first)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}
