//! `resource.Quantity` of `k8s.io/apimachinery` 0.23.5: what Go reads, as it writes it again.
//!
//! Go keeps the text where it takes it for canonical already, which `+1Mi`, `01Mi` and `1.500` are;
//! otherwise the suffix is the largest without a fraction. Its oddities are kept: beyond the
//! largest suffix the zeros are lost (`1000E` becomes `1`).

use super::decimal::Digits;

/// Why a text is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoQuantity;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// `e6`
    DecimalExponent,
    /// `M`
    DecimalSi,
}

/// Below this power of ten Go rounds up.
const SMALLEST: i64 = -9;
/// Up to so many digits Go calculates with a machine number, and may keep the text.
const MACHINE_DIGITS: i64 = 18;

const DECIMAL_SUFFIXES: [(&str, i64); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const BINARY_SUFFIXES: [(&str, u32); 6] = [
    ("Ki", 10),
    ("Mi", 20),
    ("Gi", 30),
    ("Ti", 40),
    ("Pi", 50),
    ("Ei", 60),
];

/// A text split as `parseQuantityString` does it.
struct Parts<'a> {
    negative: bool,
    /// Before the point, without leading zeros, but `0` where nothing is left.
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
    /// Whether there is a digit before the suffix.
    any_digit: bool,
}

/// The quantity as Go writes it after reading it.
pub(super) fn canonical(text: &str) -> Result<String, NoQuantity> {
    let text = text.trim_matches(' ');
    let parts = Parts::of(text).ok_or(NoQuantity)?;
    let digits = format!("{}{}", parts.whole, parts.fraction);
    match unit(parts.suffix).ok_or(NoQuantity)? {
        Unit::Decimal(exponent, format) => {
            let scale = exponent - length(parts.fraction);
            let by_machine = length(&digits) <= MACHINE_DIGITS && scale >= SMALLEST;
            parts.check(by_machine)?;
            if by_machine && scale % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0') {
                return Ok(text.to_owned());
            }
            let mut digits = Digits::new(&digits);
            let scale = round_to_smallest(&mut digits, scale);
            Ok(parts.signed(&decimal(digits, scale, format)))
        }
        Unit::Binary(power) => {
            let precision = 15 - length(parts.whole) - i64::from(power * 3 / 10) - 1;
            let by_machine = parts.fraction.is_empty() && precision >= 0;
            parts.check(by_machine)?;
            let number = Digits::new(&digits);
            if by_machine && number.to_u64().is_some_and(|number| number % 8 != 0) {
                return Ok(text.to_owned());
            }
            let mut digits = number;
            digits.doubled(power);
            let scale = round_to_smallest(&mut digits, -length(parts.fraction));
            Ok(parts.signed(&binary(digits, scale)))
        }
    }
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let unpadded = unsigned.trim_start_matches('0');
        let (whole, rest) = split_digits(unpadded);
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => split_digits(rest),
            None => ("", rest),
        };
        let exponent = suffix.trim_start_matches(|letter| "eEinumkKMGTP".contains(letter));
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        exponent
            .bytes()
            .all(|digit| digit.is_ascii_digit())
            .then_some(Self {
                negative: text.starts_with('-'),
                whole: if whole.is_empty() { "0" } else { whole },
                fraction,
                suffix,
                any_digit: unpadded.len() < unsigned.len() || !whole.is_empty() || !fraction.is_empty(),
            })
    }

    /// Without a digit Go reads a zero, unless it has to calculate with more than a machine number.
    fn check(&self, by_machine: bool) -> Result<(), NoQuantity> {
        if by_machine || self.any_digit {
            Ok(())
        } else {
            Err(NoQuantity)
        }
    }

    fn signed(&self, canonical: &str) -> String {
        if self.negative && canonical != "0" {
            format!("-{canonical}")
        } else {
            canonical.to_owned()
        }
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

fn length(digits: &str) -> i64 {
    i64::try_from(digits.len()).unwrap_or(i64::MAX)
}

enum Unit {
    Decimal(i64, Format),
    Binary(u32),
}

/// `suffixHandler.interpret`
fn unit(suffix: &str) -> Option<Unit> {
    if let Some((_, exponent)) = DECIMAL_SUFFIXES.iter().find(|(known, _)| *known == suffix) {
        return Some(Unit::Decimal(*exponent, Format::DecimalSi));
    }
    if let Some((_, power)) = BINARY_SUFFIXES.iter().find(|(known, _)| *known == suffix) {
        return Some(Unit::Binary(*power));
    }
    let exponent: i64 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    // Go cuts it down to 32 bits without looking.
    let [a, b, c, d, ..] = exponent.to_le_bytes();
    let exponent = i32::from_le_bytes([a, b, c, d]);
    Some(Unit::Decimal(exponent.into(), Format::DecimalExponent))
}

/// Rounds away from zero what is below a billionth; the new scale.
fn round_to_smallest(digits: &mut Digits, scale: i64) -> i64 {
    let below = SMALLEST - scale;
    if below <= 0 || digits.is_zero() {
        return scale;
    }
    let (mut kept, dropped) = digits.clone().split(usize::try_from(below).unwrap_or(usize::MAX));
    if !dropped.is_zero() {
        kept.add_one();
    }
    *digits = kept;
    SMALLEST
}

/// `CanonicalizeBytes` for the decimal formats: no factor of ten in the number but what makes the
/// exponent a multiple of 3.
fn decimal(digits: Digits, scale: i64, format: Format) -> String {
    if digits.is_zero() {
        return "0".to_owned();
    }
    let (mut digits, zeros) = digits.without_trailing_zeros();
    let exponent = scale + i64::try_from(zeros).unwrap_or(i64::MAX);
    let beyond = exponent.rem_euclid(3);
    digits.append_zeros(usize::try_from(beyond).unwrap_or_default());
    let exponent = exponent - beyond;
    if format == Format::DecimalExponent && exponent != 0 {
        return format!("{digits}e{exponent}");
    }
    // No suffix where Go knows none.
    let suffix = DECIMAL_SUFFIXES.iter().find(|(_, known)| *known == exponent);
    format!("{digits}{}", suffix.map_or("", |(suffix, _)| suffix))
}

/// `CanonicalizeBytes` for the binary format: never more than an `i64` holds, decimal where there
/// is a fraction or little.
fn binary(digits: Digits, scale: i64) -> String {
    const MOST: u64 = i64::MAX.unsigned_abs();
    let (whole, fraction) = digits.clone().split(usize::try_from(-scale).unwrap_or_default());
    let number = match whole.to_u64() {
        Some(number) if number < MOST || (number == MOST && fraction.is_zero()) => {
            if number < 1024 || !fraction.is_zero() {
                return decimal(digits, scale, Format::DecimalSi);
            }
            number
        }
        _ => MOST,
    };
    let (mut number, mut thousands) = (number, 0);
    while number.is_multiple_of(1024) {
        number /= 1024;
        thousands += 1;
    }
    let suffix = BINARY_SUFFIXES.iter().find(|(_, power)| *power == thousands * 10);
    format!("{number}{}", suffix.map_or("", |(suffix, _)| suffix))
}
