//! Differences between two JSON values, each at its own path.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// One place where two answers differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Names and indices from the top, joined by `/`.
    pub path: String,
    /// What Flotta says; null where it says nothing.
    pub flotta: Value,
    /// What ours says; null where it says nothing.
    pub ours: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: flotta {} ours {}", self.path, self.flotta, self.ours)
    }
}

/// Where two values differ, as deep as they have the same shape.
pub fn differences(flotta: &Value, ours: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    descend("", flotta, ours, &mut found);
    found
}

fn descend(path: &str, flotta: &Value, ours: &Value, found: &mut Vec<Difference>) {
    match (flotta, ours) {
        _ if flotta == ours => {}
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let step = format!("{path}/{key}");
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => descend(&step, a, b, found),
                    // An explicit null and nothing at all are two things on the wire.
                    (a, b) => found.push(Difference {
                        path: step,
                        flotta: a.cloned().unwrap_or("(absent)".into()),
                        ours: b.cloned().unwrap_or("(absent)".into()),
                    }),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                descend(&format!("{path}/{index}"), a, b, found);
            }
        }
        _ => found.push(Difference {
            path: path.to_owned(),
            flotta: flotta.clone(),
            ours: ours.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_difference_has_its_own_path() {
        let found = differences(
            &json!({"a": [1, {"b": 2}], "c": null, "d": []}),
            &json!({"a": [1, {"b": 3}], "d": [1]}),
        );
        let paths: Vec<&str> = found.iter().map(|difference| difference.path.as_str()).collect();
        assert_eq!(paths, ["/a/1/b", "/c", "/d"]);
    }
}
