//! Odd but possible spellings of one value, and the comparison that allows for the one difference
//! that is meant.

use proptest::{prelude::*, sample};
use serde_json::{Map, Value};

/// Dates as a device may tell them; the Edge API reads them all.
const DATES: [&str; 12] = [
    "",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00.000Z",
    "2022-10-06T13:32:29",
    "2022-10-06T13:32:29.5",
    "2022-10-06T13:32:29Z",
    "2022-10-06T13:32:29.1Z",
    "2022-10-06T13:32:29.999999999Z",
    "2022-10-06T13:32:29.123456+05:30",
    "2022-10-06T13:32:29-00:00",
    "1969-12-31T23:59:59.9996-11:00",
    "9999-12-31T23:59:59.999+24:00",
];

/// What cannot be read, by Go or by us.
const NO_DATES: [&str; 4] = ["2022-10-06", "yesterday", "2022-10-06T25:00:00Z", "0"];

/// One change to one place of a value.
#[derive(Clone, Debug)]
pub(crate) enum Oddity {
    /// The field is `null`.
    Null,
    /// The field is missing.
    Missing,
    /// A field is there that no model knows.
    Unknown,
    /// The list has a `null` element.
    NullElement,
    /// The date is spelled so.
    Date(&'static str),
    /// The field has another JSON type.
    WrongType,
}

impl Oddity {
    /// Any.
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            2 => Just(Self::Null),
            1 => Just(Self::Missing),
            1 => Just(Self::Unknown),
            2 => Just(Self::NullElement),
            3 => sample::select(&DATES[..]).prop_map(Self::Date),
            1 => sample::select(&NO_DATES[..]).prop_map(Self::Date),
            1 => Just(Self::WrongType),
        ]
    }

    /// Makes the change to a place chosen from those that it fits; none may.
    pub(crate) fn apply(&self, value: &mut Value, choice: sample::Index) {
        let mut places = Vec::new();
        self.places(value, "", &mut places);
        if places.is_empty() {
            return;
        }
        let place = choice.get(&places);
        let (parent, name) = place.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/").replace("~0", "~");
        match (self, value.pointer_mut(parent).unwrap()) {
            (Self::Null, Value::Object(fields)) => fields[&name] = Value::Null,
            (Self::Missing, Value::Object(fields)) => _ = fields.remove(&name),
            (Self::Unknown, Value::Object(fields)) => _ = fields.insert("x-unknown".into(), Value::from("?")),
            (Self::NullElement, Value::Object(fields)) => {
                if let Value::Array(list) = &mut fields[&name] {
                    list.insert(0, Value::Null);
                }
            }
            (Self::Date(text), Value::Object(fields)) => fields[&name] = Value::from(*text),
            (Self::WrongType, Value::Object(fields)) => {
                let wrong = match &fields[&name] {
                    Value::String(_) => Value::from(7),
                    Value::Object(_) => Value::from(vec![1]),
                    _ => Value::from("text"),
                };
                fields[&name] = wrong;
            }
            _ => unreachable!("all places are fields of objects"),
        }
    }

    /// JSON pointers to the fields that the change fits, envelopes' free content left alone.
    fn places(&self, value: &Value, at: &str, places: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                    if self.fits(name, field) {
                        places.push(place.clone());
                    }
                    // Keys of these are names, not fields; the contents of the last two are
                    // anything.
                    let free = [
                        "labels",
                        "annotations",
                        "containers",
                        "log-collection",
                        "content",
                        "metadata",
                    ];
                    if !free.contains(&name.as_str()) {
                        self.places(field, &place, places);
                    }
                }
            }
            Value::Array(list) => {
                for (index, element) in list.iter().enumerate() {
                    self.places(element, &format!("{at}/{index}"), places);
                }
            }
            _ => {}
        }
    }

    fn fits(&self, name: &str, field: &Value) -> bool {
        let date = ["last_data_upload", "sent"].contains(&name);
        let free = ["content", "metadata"].contains(&name);
        match self {
            Self::Null | Self::Missing | Self::Unknown => true,
            Self::WrongType => !free && !date,
            // Not of a list of texts: there Go reads `null` as an empty text, and the Edge API
            // never sends one.
            Self::NullElement => {
                !free
                    && field
                        .as_array()
                        .is_some_and(|list| list.first().is_some_and(Value::is_object))
            }
            Self::Date(_) => date,
        }
    }
}

/// The value with what is equal by intention made equal: lists without their `null` elements (we
/// drop them), an error without a message as an empty message, and numbers that are the same as the
/// same kind of number.
pub(crate) fn essence(value: Value) -> Value {
    match value {
        Value::Array(list) => Value::Array(
            list.into_iter()
                .filter(|element| !element.is_null())
                .map(essence)
                .collect(),
        ),
        Value::Object(fields) => {
            let mut fields: Map<_, _> = fields
                .into_iter()
                .map(|(name, field)| (name, essence(field)))
                .collect();
            // Two lists of a configuration are left out when empty, and may have become so by
            // dropping. A heartbeat, known by its events, has a list of the same name that is not.
            if !fields.contains_key("events") {
                fields.retain(|name, field| {
                    !(["workloads", "secrets"].contains(&name.as_str())
                        && field.as_array().is_some_and(Vec::is_empty))
                });
            }
            // The one field that is no integer; Go writes the digits of a large one as if it were.
            if let Some(frequency) = fields
                .get_mut("frequency")
                .filter(|frequency| frequency.is_number())
            {
                *frequency = Value::from(frequency.as_f64());
            }
            if fields.len() == 1 && fields.get("message") == Some(&Value::Null) {
                fields["message"] = Value::from("");
            }
            Value::Object(fields)
        }
        Value::Number(number) if number.is_f64() => number.as_f64().map_or(Value::Null, integral_as_integer),
        other => other,
    }
}

/// 3600.0 as 3600, where both are exact: Go writes no fraction that is zero.
#[allow(clippy::cast_possible_truncation, reason = "checked to be exact")]
fn integral_as_integer(number: f64) -> Value {
    let exact = number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
    if exact {
        Value::from(number as i64)
    } else {
        Value::from(number)
    }
}
