//! JSON, with one thing that `serde_json` does not do: two fields of one name are an error.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{Document, MAX_DEPTH, Unreadable};

/// The documents of a text, one after the other.
pub(super) fn documents(text: &str) -> Result<Vec<Document>, Unreadable> {
    let mut documents = Vec::new();
    let mut rest = text;
    loop {
        let line = 1 + text[..text.len() - rest.trim_start().len()].matches('\n').count();
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(documents);
        }
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Unique>();
        let value = match stream.next() {
            Some(Ok(Unique(value))) => value,
            Some(Err(error)) => return Err(unreadable(line, &error)),
            None => return Ok(documents),
        };
        documents.push(Document { line, value });
        rest = &rest[stream.byte_offset()..];
    }
}

fn unreadable(line: usize, error: &serde_json::Error) -> Unreadable {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default();
    Unreadable::at(
        line + error.line().saturating_sub(1),
        format!("is no JSON: {reason}"),
    )
}

struct Unique(Value);

impl<'de> serde::Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        At(0).deserialize(deserializer).map(Self)
    }
}

/// A value at this depth.
struct At(usize);

impl<'de> DeserializeSeed<'de> for At {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.0 > MAX_DEPTH {
            return Err(D::Error::custom(format!("it is deeper than {MAX_DEPTH} levels")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At {
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

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(At(self.0 + 1))? {
            list.push(element);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(At(self.0 + 1))?;
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!(
                    "field {key:?} is there twice; take one of them out"
                )));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}
