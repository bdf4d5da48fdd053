//! Whether a single value fits. The sentences name types, never the value.

use base64::{
    Engine as _, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Number, Value};

use super::Schema;

/// As Go reads it: bits that are left over in the last letter may be set.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Whether `value` is what `schema` allows; if not, the rest of a sentence that begins with its
/// path.
pub(super) fn check(value: &Value, schema: Schema) -> Result<(), String> {
    match (schema, value) {
        (Schema::Text([]) | Schema::IntOrString, Value::String(_))
        | (Schema::Boolean, Value::Bool(_))
        | (Schema::Any | Schema::Ignored, _) => Ok(()),
        (Schema::Text(allowed), Value::String(text)) => {
            one_of(text, allowed).ok_or_else(|| format!("must be {}", allowed.join(" or ")))
        }
        (Schema::Integer(minimum, maximum), Value::Number(number)) => match whole(number) {
            Some(number) if (minimum..=maximum).contains(&number) => Ok(()),
            Some(_) if maximum == i64::MAX => Err(format!("must be {minimum} or more")),
            Some(_) => Err(format!("must be a number from {minimum} to {maximum}")),
            None => Err("must be a whole number".to_owned()),
        },
        (Schema::IntOrString, Value::Number(number)) => whole(number)
            .and_then(|number| i32::try_from(number).ok())
            .map(drop)
            .ok_or_else(|| "must be a whole number of 32 bits, or a text".to_owned()),
        (Schema::Quantity, Value::Number(number)) if whole(number).is_some() => Ok(()),
        (Schema::Quantity, Value::String(text)) => is_quantity(text)
            .then_some(())
            .ok_or_else(|| "is no quantity; write it as 2, 100m, 1.5 or 64Mi".to_owned()),
        (Schema::Base64, Value::String(text)) => BASE64
            .decode(text)
            .map(drop)
            .map_err(|_| "is not base64; encode it with `base64 -w0`".to_owned()),
        (Schema::DateTime, Value::String(text)) => is_date_time(text)
            .then_some(())
            .ok_or_else(|| "is no time of RFC 3339; write it as 2022-10-14T08:00:00Z".to_owned()),
        (_, value) => Err(wrong_type(value, schema)),
    }
}

/// The number, if it is a whole one of 64 bits.
pub(crate) fn whole(number: &Number) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation, reason = "the bounds were compared before")]
    let of_float = |number: f64| {
        (number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0).then_some(number as i64)
    };
    number
        .as_i64()
        .or_else(|| number.as_f64().filter(|_| number.is_f64()).and_then(of_float))
}

fn one_of(text: &str, allowed: &[&str]) -> Option<()> {
    allowed.contains(&text).then_some(())
}

fn wrong_type(value: &Value, schema: Schema) -> String {
    let wanted = match schema {
        Schema::Object(_) | Schema::Map(_) => "an object",
        Schema::List(_) | Schema::KeyedList(..) | Schema::NonEmptyList(_) => "a list",
        Schema::Text(_) => "a text",
        Schema::Base64 => "base64 text",
        Schema::DateTime => "a time as text",
        Schema::Integer(..) => "a whole number",
        Schema::Boolean => "true or false",
        Schema::Quantity => "a quantity",
        Schema::IntOrString => "a whole number or a text",
        Schema::Any | Schema::Ignored => "anything",
    };
    let (is, remedy) = match value {
        Value::Null => ("null", ""),
        Value::Bool(_) => ("a truth value", "; put it in quotes"),
        Value::Number(_) => ("a number", "; put it in quotes"),
        Value::String(_) => ("a text", "; leave the quotes away"),
        Value::Array(_) => ("a list", ""),
        Value::Object(_) => ("an object", ""),
    };
    let fits = match value {
        Value::Bool(_) | Value::Number(_) => {
            matches!(
                schema,
                Schema::Text(_) | Schema::Base64 | Schema::DateTime | Schema::Quantity
            )
        }
        Value::String(_) => matches!(schema, Schema::Integer(..) | Schema::Boolean),
        _ => false,
    };
    format!(
        "is {is}, and {wanted} is wanted{}",
        if fits { remedy } else { "" }
    )
}

const SUFFIXES: [&str; 16] = [
    "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
];

/// `resource.Quantity` as the definition's pattern has it.
fn is_quantity(text: &str) -> bool {
    let number = |text: &str| -> Option<usize> {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let before = digits(text);
        let dot = text[before..].starts_with('.');
        let after = if dot { digits(&text[before + 1..]) } else { 0 };
        (before + after > 0).then_some(before + usize::from(dot) + after)
    };
    let unsigned = |text: &str| {
        text.strip_prefix(['+', '-'])
            .map_or_else(|| text.to_owned(), str::to_owned)
    };
    let text = unsigned(text);
    let Some(length) = number(&text) else { return false };
    let suffix = &text[length..];
    let exponent = || {
        let rest = suffix.strip_prefix(['e', 'E'])?;
        let rest = unsigned(rest);
        (number(&rest)? == rest.len()).then_some(())
    };
    SUFFIXES.contains(&suffix) || exponent().is_some()
}

/// Whether it is a time of RFC 3339. (The parser takes more than that: no seconds, a blank, a zone
/// in brackets.)
fn is_date_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20
        && matches!(bytes[10], b'T' | b't')
        && bytes[16] == b':'
        && !text.contains('[')
        && text.parse::<jiff::Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_those_of_the_definition() {
        for text in [
            "1", "+1.5", "-.5", "1.", "100m", "64Mi", "1e3", "1E-3", "1e+.5", "2E", "0.1Ki",
        ] {
            assert!(is_quantity(text), "{text}");
        }
        for text in [
            "", ".", "+", "1K", "1mi", "1e", "e3", "1 Mi", "++1", "1e+-3", "0x1", "1é", "é",
        ] {
            assert!(!is_quantity(text), "{text}");
        }
    }

    #[test]
    fn times_are_those_of_rfc_3339() {
        for text in ["2022-10-14T08:00:00Z", "2022-10-14t08:00:00.5+02:00"] {
            assert!(is_date_time(text), "{text}");
        }
        for text in [
            "",
            "2022-10-14",
            "2022-10-14 08:00:00Z",
            "2022-10-14T08:00:00",
            "2022-10-14T08:00:00Z[UTC]",
            "2022-13-14T08:00:00Z",
        ] {
            assert!(!is_date_time(text), "{text}");
        }
    }
}
