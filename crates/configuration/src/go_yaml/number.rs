//! Texts that yaml.v2 takes for numbers, by the rules of Go's `strconv`.

/// Integer or float, underscores anywhere (the `D` and `S` hints of `resolve`).
pub(super) fn is_number(text: &str) -> bool {
    let plain = text.replace('_', "");
    is_integer(&plain) || is_float(&plain) || is_signed_binary(&plain)
}

/// `strconv.ParseInt` or `ParseUint` with base 0 and 64 bits, without underscores.
fn is_integer(plain: &str) -> bool {
    let (sign, digits) = split_sign(plain);
    let (radix, digits) = split_prefix(digits);
    match magnitude(digits, radix) {
        None => false,
        Some(magnitude) => match sign {
            // Without a sign up to what an unsigned integer holds.
            None => true,
            Some(b'-') => magnitude <= 1 << 63,
            Some(_) => magnitude < 1 << 63,
        },
    }
}

/// The binary integers that `ParseInt` with base 0 refuses: `resolve` cuts `0b` off and leaves a
/// sign behind it.
fn is_signed_binary(plain: &str) -> bool {
    plain.strip_prefix("0b").is_some_and(|rest| {
        let (sign, digits) = split_sign(rest);
        let limit = if sign == Some(b'-') {
            1 << 63
        } else {
            (1 << 63) - 1
        };
        sign.is_some() && magnitude(digits, 2).is_some_and(|magnitude| magnitude <= limit)
    })
}

fn split_sign(text: &str) -> (Option<u8>, &str) {
    match text.as_bytes().first() {
        Some(sign @ (b'+' | b'-')) => (Some(*sign), &text[1..]),
        _ => (None, text),
    }
}

/// Go's base 0: `0b`, `0o`, `0x` in either case, a mere `0` for octal.
fn split_prefix(digits: &str) -> (u32, &str) {
    match digits.as_bytes() {
        [b'0', b'b' | b'B', _, ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &digits[2..]),
        [b'0', b'x' | b'X', _, ..] => (16, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    }
}

fn magnitude(digits: &str, radix: u32) -> Option<u64> {
    // Rust's own parser accepts a sign here.
    let digits_only = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    digits_only
        .then(|| u64::from_str_radix(digits, radix).ok())
        .flatten()
}

/// `yamlStyleFloat`: `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`, and not too large for
/// `ParseFloat`.
fn is_float(plain: &str) -> bool {
    let (_, unsigned) = split_sign(plain);
    let (mantissa, exponent) = split_exponent(unsigned);
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let well_formed = all_digits(whole)
        && fraction.is_none_or(all_digits)
        && !(whole.is_empty() && fraction.is_none_or(str::is_empty))
        && exponent.is_none_or(is_exponent);
    well_formed && is_in_range(plain)
}

/// `strconv.ParseFloat` for a text that starts with a point: underscores between digits.
pub(super) fn go_parses_float(text: &str) -> bool {
    let between_digits = text.bytes().enumerate().all(|(at, byte)| {
        let is_digit = |at: Option<usize>| {
            at.and_then(|at| text.as_bytes().get(at))
                .is_some_and(|byte| byte.is_ascii_digit() || *byte == b'_')
        };
        byte != b'_' || (is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)))
    });
    between_digits && !text.contains("__") && is_float(&text.replace('_', ""))
}

fn split_exponent(unsigned: &str) -> (&str, Option<&str>) {
    match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    }
}

fn is_exponent(exponent: &str) -> bool {
    let (_, digits) = split_sign(exponent);
    !digits.is_empty() && all_digits(digits)
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Go calls a number that rounds to infinity an error, one that rounds to zero none.
fn is_in_range(plain: &str) -> bool {
    plain.parse::<f64>().is_ok_and(f64::is_finite)
}

/// `^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$`
pub(super) fn is_base_60(text: &str) -> bool {
    let (_, unsigned) = split_sign(text);
    let (integer, fraction) = match unsigned.split_once('.') {
        Some((integer, fraction)) => (integer, fraction),
        None => (unsigned, ""),
    };
    let Some((first, groups)) = integer.split_once(':') else {
        return false;
    };
    let is_group = |group: &str| match group.as_bytes() {
        [digit] | [b'0'..=b'5', digit] => digit.is_ascii_digit(),
        _ => false,
    };
    let digits_or_underscores = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    first.starts_with(|first: char| first.is_ascii_digit())
        && digits_or_underscores(first)
        && groups.split(':').all(is_group)
        && digits_or_underscores(fraction)
}
