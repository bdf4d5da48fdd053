//! Manifests as YAML that every reader understands alike: texts in double quotes, what not
//! everybody prints as an escape.
//!
//! Not `serde_yaml`: it leaves `yes` and `0o7` bare, which kubectl reads as something else than
//! text.

use std::fmt::Write as _;

use serde_json::Value;

/// In one line, as JSON.
pub(crate) fn flow(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{}: {}", quoted(key), flow(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(flow).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// In lines, as people write it.
pub(crate) fn block(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text
}

fn write(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let _ = write!(text, "{indent}{}:", plain(key));
                nested(value, depth, text);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                let _ = write!(text, "{indent}-");
                nested(element, depth, text);
            }
        }
        _ => {}
    }
}

fn nested(value: &Value, depth: usize, text: &mut String) {
    let deeper = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        _ => false,
    };
    if deeper {
        text.push('\n');
        write(value, depth + 1, text);
    } else {
        let _ = writeln!(text, " {}", flow(value));
    }
}

/// Keys that are words to every reader need no quotes.
fn plain(key: &str) -> String {
    const WORDS: [&str; 7] = [
        "apiVersion",
        "kind",
        "metadata",
        "spec",
        "name",
        "namespace",
        "containers",
    ];
    if WORDS.contains(&key) {
        key.to_owned()
    } else {
        quoted(key)
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            '\n' => quoted.push_str("\\n"),
            ' '..='~' | '\u{a1}'..='\u{2027}' | '\u{3000}'..='\u{d7ff}' | '\u{1f300}'..='\u{1f6ff}' => {
                quoted.push(character);
            }
            other => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(other));
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_are_read_as_what_they_are() -> anyhow::Result<()> {
        let value = json!({"a": ["yes", 1, null, {"b": "x\u{7f}\n\"", "c": []}], "1": {}, "e": [[1]]});
        for text in [flow(&value), block(&value)] {
            assert_eq!(serde_yaml::from_str::<Value>(&text)?, value, "{text}");
        }
        Ok(())
    }
}
