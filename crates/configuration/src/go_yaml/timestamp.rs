//! Texts that yaml.v2 takes for a point in time (`parseTimestamp` in `resolve.go`), by the rules of
//! Go's `time.Parse`.

/// Whether this is one of `2006-1-2T15:4:5.999999999Z07:00` (also with a small `t`), `2006-1-2
/// 15:4:5.999999999` and `2006-1-2`. The zone of the first is needed, the fraction is not and may
/// follow a comma.
pub(super) fn is_timestamp(text: &str) -> bool {
    parse(text).is_some()
}

fn parse(text: &str) -> Option<()> {
    let year_length = text.bytes().take_while(u8::is_ascii_digit).count();
    if year_length != 4 {
        return None;
    }
    let (year, rest) = text.split_at(4);
    let (month, rest) = number(rest.strip_prefix('-')?)?;
    let (day, rest) = number(rest.strip_prefix('-')?)?;
    if day < 1 || day > days_in(year.parse().ok()?, month)? {
        return None;
    }
    if rest.is_empty() {
        return Some(());
    }
    match rest.strip_prefix(['T', 't']) {
        Some(time) => zone(clock(time)?),
        // Go passes over any number of spaces where its layout has one.
        None => clock(rest.strip_prefix(' ')?.trim_start_matches(' '))?
            .is_empty()
            .then_some(()),
    }
}

/// One digit or two (`getnum`).
fn number(text: &str) -> Option<(u32, &str)> {
    let length = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(length);
    Some((digits.parse().ok()?, rest))
}

/// Hour, minute, second and perhaps a fraction; what follows them.
fn clock(text: &str) -> Option<&str> {
    let (hour, rest) = number(text)?;
    let (minute, rest) = number(rest.strip_prefix(':')?)?;
    let (second, rest) = number(rest.strip_prefix(':')?)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let fraction = rest.strip_prefix(['.', ',']).unwrap_or_default();
    let without = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
    if without.len() == fraction.len() {
        Some(rest)
    } else {
        Some(without)
    }
}

/// `Z`, or an offset of up to 24 hours and 60 minutes.
fn zone(text: &str) -> Option<()> {
    if text == "Z" {
        return Some(());
    }
    let (hours, minutes) = text.strip_prefix(['+', '-'])?.split_once(':')?;
    let two_digits = |text: &str| -> Option<u32> {
        let well_formed = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
        well_formed.then(|| text.parse().ok()).flatten()
    };
    (two_digits(hours)? <= 24 && two_digits(minutes)? <= 60).then_some(())
}

fn days_in(year: u32, month: u32) -> Option<u32> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if leap { 29 } else { 28 }),
        _ => None,
    }
}
