//! Whether a plain text would be read as a text (`resolve` in `resolve.go`, and the base 60 rule of
//! `encode.go`).

use super::{number, timestamp};

/// What yaml.v2 has in its `resolveMap` (but for `<<`, which its hint never leads to).
const WORDS: &[&str] = &[
    "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "n", "N", "no", "No", "NO",
    "false", "False", "FALSE", "off", "Off", "OFF", "", "~", "null", "Null", "NULL", ".nan", ".NaN", ".NAN",
    ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF",
];

/// Whether yaml.v2 reads this, unquoted, as a text, and older readers do not take it for a number
/// of base 60.
pub(super) fn is_text(text: &str) -> bool {
    if WORDS.contains(&text) {
        return false;
    }
    match text.as_bytes().first() {
        Some(b'.') => !number::go_parses_float(text),
        Some(b'+' | b'-' | b'0'..=b'9') => {
            !(timestamp::is_timestamp(text) || number::is_number(text) || number::is_base_60(text))
        }
        _ => true,
    }
}
