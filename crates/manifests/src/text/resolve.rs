//! What a plain scalar of YAML means to `kubectl`: the rules of `gopkg.in/yaml.v2` 2.4
//! (`resolve.go`), which are those of YAML 1.1 with exceptions of its own.

use serde_json::{Number, Value};

use crate::{fault::shown, schema::scalars};

/// The value of a plain scalar. An error is the rest of a sentence that begins with the place.
pub(super) fn plain(text: &str) -> Result<Value, &'static str> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Ok(Value::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Ok(Value::Bool(false));
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => return Err("is a number that JSON has not; put it in quotes"),
        _ => {}
    }
    let number = match text.bytes().next() {
        Some(b'.') => is_float(text).then(|| float(text)).flatten(),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            let digits = text.replace('_', "");
            integer(&digits).or_else(|| is_float(&digits).then(|| float(&digits)).flatten())
        }
        _ => None,
    };
    Ok(number.map_or_else(|| Value::from(text), Value::Number))
}

/// `strconv.ParseInt` and `ParseUint` with base 0.
fn integer(text: &str) -> Option<Number> {
    let (negative, signed, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, true, &text[1..]),
        b'+' => (false, true, &text[1..]),
        _ => (false, false, text),
    };
    let lower = unsigned.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    // `from_str_radix` takes a sign; a second one is no number to Go.
    if !digits.bytes().next()?.is_ascii_alphanumeric() {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(magnitude).map(Number::from);
    }
    // `ParseUint` takes no sign.
    (!signed || i64::try_from(magnitude).is_ok()).then(|| Number::from(magnitude))
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let before = digits(text);
    let rest = &text[before..];
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => {
            let after = digits(fraction);
            if before + after == 0 {
                return false;
            }
            &fraction[after..]
        }
        None if before == 0 => return false,
        None => rest,
    };
    let Some(exponent) = rest.strip_prefix(['e', 'E']) else {
        return rest.is_empty();
    };
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    !exponent.is_empty() && digits(exponent) == exponent.len()
}

/// On its way to JSON `1.0` becomes `1`.
fn float(text: &str) -> Option<Number> {
    let number = text.parse().ok().and_then(Number::from_f64)?;
    Some(scalars::whole(&number).map_or(number, Number::from))
}

/// The name of a field. `kubectl` makes a text of a number or truth value; where that is another
/// text than was written, it is an error.
pub(super) fn key(text: &str) -> Result<String, String> {
    let read = match plain(text) {
        Ok(Value::String(read)) => return Ok(read),
        Ok(Value::Bool(truth)) => truth.to_string(),
        Ok(Value::Number(number)) if !number.is_f64() => number.to_string(),
        Ok(_) | Err(_) => {
            return Err(format!(
                "has a key {:?} that is no text; put it in quotes",
                shown(text)
            ));
        }
    };
    if read == text {
        return Ok(read);
    }
    Err(format!(
        "has a key {} that kubectl reads as {:?}; put it in quotes",
        shown(text),
        shown(&read)
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn as_kubectl_reads_it() {
        for (text, value) in [
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("0777", json!(511)),
            ("08", json!(8)),
            ("0o17", json!(15)),
            ("-0x1f", json!(-31)),
            ("1_000", json!(1000)),
            ("+5", json!(5)),
            ("+-5", json!("+-5")),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("1.10", json!(1.1)),
            (".5", json!(0.5)),
            ("1e3", json!(1000)),
            ("-1.0", json!(-1)),
            ("1e300", json!(1e300)),
            ("1.2.3", json!("1.2.3")),
            ("2022-10-14", json!("2022-10-14")),
            ("100m", json!("100m")),
            ("-", json!("-")),
            (".", json!(".")),
            ("0x", json!("0x")),
            ("é", json!("é")),
            ("0é", json!("0é")),
            ("~", json!(null)),
        ] {
            assert_eq!(plain(text), Ok(value), "{text}");
        }
        assert!(plain(".inf").is_err());
    }

    #[test]
    fn keys_are_what_is_written_or_an_error() {
        for text in ["a", "1", "true", "-5", "a.b"] {
            assert_eq!(key(text).as_deref(), Ok(text));
        }
        for text in ["on", "0777", "1.5", "~", "1_0", "Yes"] {
            assert!(key(text).is_err(), "{text}");
        }
    }
}
