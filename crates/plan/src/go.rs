//! How Go reads what the Edge API reads: a value that looks fine and is not ends its process, or
//! changes nothing silently.

/// Whether Go's `time.ParseDuration` takes it: `5s`, `1h30m`, `0`, but not `5`.
pub(crate) fn is_duration(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    if text == "0" {
        return true;
    }
    let mut rest = text;
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let whole = digits(rest);
        let mut behind = &rest[whole..];
        let mut fraction = 0;
        if let Some(after) = behind.strip_prefix('.') {
            fraction = digits(after);
            behind = &after[fraction..];
        }
        // More than 18 digits are past what Go's nanoseconds hold, whatever the unit.
        if whole + fraction == 0 || whole > 18 {
            return false;
        }
        let unit = behind
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(behind.len());
        if !matches!(
            &behind[..unit],
            "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h"
        ) {
            return false;
        }
        rest = &behind[unit..];
    }
    true
}

/// What Go's `strconv.ParseBool` makes of it.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// What Go's `strconv.ParseUint` with base 0 makes of it, as far as people write numbers: decimal
/// or 0x.
pub(crate) fn unsigned(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hexadecimal) => (hexadecimal, 16),
        None => (text, 10),
    };
    // Rust takes a sign, Go does not.
    (digits.chars().all(|digit| digit.is_digit(radix)))
        .then(|| u64::from_str_radix(digits, radix).ok())
        .flatten()
}

fn digits(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for good in [
            "5s", "1h30m", "0", "1.5s", ".5s", "1.s", "100ms", "-3m", "+2us", "7µs",
        ] {
            assert!(is_duration(good), "{good}");
        }
        for bad in [
            "",
            "5",
            "s",
            "5 s",
            "5S",
            ".s",
            "1h30",
            "5d",
            "-",
            "--1s",
            "99999999999999999999s",
        ] {
            assert!(!is_duration(bad), "{bad}");
        }
    }

    #[test]
    fn booleans_and_numbers_are_those_of_go() {
        assert_eq!(boolean("T"), Some(true));
        assert_eq!(boolean("yes"), None);
        assert_eq!(unsigned("0x10"), Some(16));
        assert_eq!(unsigned("30"), Some(30));
        for bad in ["", "+3", "-1", "3.0", "0x", "thirty"] {
            assert_eq!(unsigned(bad), None, "{bad}");
        }
    }
}
