//! Values that an OpenAPI schema admits: every field of it turns up sooner or later.

use serde_json::{Map, Value, json};

use super::odd;
use crate::dice::Dice;

/// Below this depth only required fields are written.
const DEEPEST: usize = 9;

/// A value for a schema. At depth 0 few of the optional fields are chosen, further down many.
pub(crate) fn value(schema: &Value, depth: usize, dice: &mut Dice) -> Value {
    if schema["x-kubernetes-int-or-string"] == true {
        return if schema["pattern"].is_string() {
            odd::quantity(dice)
        } else {
            json!(dice.number(0..100))
        };
    }
    if let Some(choices) = schema["enum"].as_array() {
        return dice.pick(choices).clone();
    }
    match schema["type"].as_str() {
        Some("string") => json!(odd::text(dice)),
        Some("integer") => json!(integer(schema, dice)),
        Some("number") => json!(1.5),
        Some("boolean") => json!(dice.percent(50)),
        Some("array") => array(schema, depth, dice),
        _ => object(schema, depth, dice),
    }
}

fn integer(schema: &Value, dice: &mut Dice) -> i64 {
    let from = schema["minimum"].as_i64().unwrap_or(-2);
    let to = schema["maximum"].as_i64().unwrap_or(i64::from(i32::MAX));
    match dice.count(0..4) {
        0 => from.max(0),
        1 => to,
        _ => dice.number(from..(from + 3000).min(to)),
    }
}

fn array(schema: &Value, depth: usize, dice: &mut Dice) -> Value {
    // A list with keys must have no two elements alike.
    let longest = if schema["x-kubernetes-list-type"] == "map" {
        2
    } else {
        3
    };
    let count = dice.count(0..longest);
    (0..count)
        .map(|_| value(&schema["items"], depth + 1, dice))
        .collect()
}

fn object(schema: &Value, depth: usize, dice: &mut Dice) -> Value {
    let mut fields = Map::new();
    let values = &schema["additionalProperties"];
    if values.is_object() {
        for _ in 0..dice.count(0..3) {
            let key = odd::label_key(dice).to_owned();
            fields.insert(key, value(values, depth + 1, dice));
        }
    }
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    let chance = match depth {
        0 => 12,
        1 => 35,
        2..DEEPEST => 50,
        _ => 0,
    };
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if required.iter().any(|required| required == name) {
            fields.insert(name.clone(), value(property, depth + 1, dice));
        } else if dice.percent(chance) {
            // An API server takes a null out, as if nothing was written.
            let null = dice.percent(2);
            let value = value(property, depth + 1, dice);
            fields.insert(name.clone(), if null { Value::Null } else { value });
        }
    }
    Value::Object(fields)
}
