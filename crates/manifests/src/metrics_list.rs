//! The list of metrics in a ConfigMap that an `allowList` names.

use serde_json::Value;

use crate::text;

/// Reads `names` of such a list, YAML or JSON. `None` if it has none, which allows nothing.
///
/// A number or boolean in it is taken as its text, as `sigs.k8s.io/yaml` does for Go's `[]string`.
pub fn metrics_list(text: &str) -> Result<Option<Vec<String>>, String> {
    let (documents, unreadable) = text::documents(text);
    if let Some(unreadable) = unreadable.into_iter().next() {
        return Err(unreadable.reason);
    }
    let Some(document) = documents.into_iter().next() else {
        return Ok(None);
    };
    let Value::Object(mut list) = document.value else {
        return match document.value {
            Value::Null => Ok(None),
            _ => Err("it is not an object with 'names'".to_owned()),
        };
    };
    match list.remove("names") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(names)) => names.into_iter().map(name).collect::<Result<_, _>>().map(Some),
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
        for text in ["", "{}", "other: 1", "names:"] {
            assert_eq!(names(text), Ok(None), "{text:?}");
        }
        for text in ["names: a", "- a", "names: [[a]]", "names: [a"] {
            assert!(names(text).is_err(), "{text:?}");
        }
    }
}
