//! The list of metrics in a ConfigMap that an `allowList` names.

use serde_json::Value;

use crate::text;

/// The key of the list.
const NAMES: &str = "names";

/// Reads `names` of such a list, YAML or JSON. `None` if it has none, which allows nothing.
///
/// As Go reads it (`sigs.k8s.io/yaml` into a struct): a number or boolean in it is taken as its
/// text, the key may be spelled in any case, and of two such keys the last counts. It is no
/// manifest that could be refused with a remedy: what a device has already goes on.
pub fn metrics_list(text: &str) -> Result<Option<Vec<String>>, String> {
    let document = text::leniently(text).map_err(|unreadable| unreadable.reason)?;
    let list = match document {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(list)) => list,
        Some(_) => return Err("it is not an object with 'names'".to_owned()),
    };
    let spelled = || list.iter().find(|(key, _)| key.eq_ignore_ascii_case(NAMES));
    match list.get(NAMES).or_else(|| spelled().map(|(_, names)| names)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(names)) => names
            .iter()
            .cloned()
            .map(name)
            .collect::<Result<_, _>>()
            .map(Some),
        Some(_) => Err("'names' is not a list".to_owned()),
    }
}

fn name(value: Value) -> Result<String, String> {
    match value {
        Value::String(name) => Ok(name),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Null => Ok(String::new()),
        Value::Array(_) | Value::Object(_) => Err("'names' holds something that is no text".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_or_none() {
        let names = |text| metrics_list(text);
        assert_eq!(
            names("names: [a, b]"),
            Ok(Some(vec!["a".to_owned(), "b".to_owned()]))
        );
        assert_eq!(names("{\"names\": []}"), Ok(Some(Vec::new())));
        assert_eq!(names("NAMES: [a]"), Ok(Some(vec!["a".to_owned()])));
        assert_eq!(names("{names: [a], Names: [b]}"), Ok(Some(vec!["a".to_owned()])));
        for text in ["", "{}", "other: 1", "names:"] {
            assert_eq!(names(text), Ok(None), "{text:?}");
        }
        for text in [
            "Names: [a]",
            "names: [b]\nnames: [a]\n",
            "{\"names\": [\"b\"], \"names\": [\"a\"]}",
        ] {
            assert_eq!(names(text), Ok(Some(vec!["a".to_owned()])), "{text:?}");
        }
        for text in ["names: a", "- a", "names: [[a]]", "names: [a"] {
            assert!(names(text).is_err(), "{text:?}");
        }
    }
}
