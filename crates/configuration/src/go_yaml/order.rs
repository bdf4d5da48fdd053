//! The order of keys (`keyList` in `sorter.go`): by character, letters after everything else, runs
//! of digits by number.
//!
//! That is no order for some sets of keys: `10` comes before `1c`, that before `9`, and that before
//! `10`. Go sorts such a set differently from one time to the next, because it starts from the
//! order in which it happens to walk a map. Here it is sorted from the order of bytes, always with
//! the same outcome and, up to [`INSERTED`] keys, with one that Go has too. The standard library's
//! sort may panic on such keys.

use std::cmp::Ordering;

use serde_json::{Map, Value};
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// Up to so many entries are put in place one by one, as Go does it; longer runs are merged.
const INSERTED: usize = 12;

type Entry<'a> = (Vec<char>, &'a str, &'a Value);

/// The entries in that order.
pub(super) fn sorted(map: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    let mut entries: Vec<Entry<'_>> = map
        .iter()
        .map(|(key, value)| (key.chars().collect(), key.as_str(), value))
        .collect();
    entries.sort_by_key(|(_, key, _)| *key);
    sort(entries).into_iter().map(|(_, key, value)| (key, value))
}

fn sort(mut entries: Vec<Entry<'_>>) -> Vec<Entry<'_>> {
    if entries.len() > INSERTED {
        let right = entries.split_off(entries.len() / 2);
        return merge(sort(entries), sort(right));
    }
    for next in 1..entries.len() {
        let mut at = next;
        while at > 0 && compare(&entries[at].0, &entries[at - 1].0).is_lt() {
            entries.swap(at, at - 1);
            at -= 1;
        }
    }
    entries
}

fn merge<'a>(left: Vec<Entry<'a>>, right: Vec<Entry<'a>>) -> Vec<Entry<'a>> {
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let mut left = left.into_iter().peekable();
    for entry in right {
        while let Some(smaller) = left.next_if(|candidate| !compare(&entry.0, &candidate.0).is_lt()) {
            merged.push(smaller);
        }
        merged.push(entry);
    }
    merged.extend(left);
    merged
}

fn compare(a: &[char], b: &[char]) -> Ordering {
    let Some(at) = a.iter().zip(b).position(|(a, b)| a != b) else {
        return a.len().cmp(&b.len());
    };
    match (is_letter(a[at]), is_letter(b[at])) {
        (true, true) => return a[at].cmp(&b[at]),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A zero inside a number is a digit like any other; one at its front is not counted.
    let inside_number = (a[at] == '0' || b[at] == '0')
        && a[..at]
            .iter()
            .rev()
            .take_while(|digit| is_digit(**digit))
            .any(|digit| *digit != '0');
    let (number_of_a, end_of_a) = number(&a[at..], inside_number);
    let (number_of_b, end_of_b) = number(&b[at..], inside_number);
    number_of_a
        .cmp(&number_of_b)
        .then(end_of_a.cmp(&end_of_b))
        .then(a[at].cmp(&b[at]))
}

/// The number at the start, with a 1 put before it if wanted, and how many digits it has. It
/// overflows as in Go.
fn number(text: &[char], one_before: bool) -> (i64, usize) {
    let digits = text.iter().take_while(|digit| is_digit(**digit));
    digits.fold((i64::from(one_before), 0), |(number, length), digit| {
        let value = i64::from(u32::from(*digit)) - i64::from(u32::from('0'));
        (number.wrapping_mul(10).wrapping_add(value), length + 1)
    })
}

/// Go's `unicode.IsLetter`, by the same version of Unicode.
fn is_letter(character: char) -> bool {
    character.general_category_group() == GeneralCategoryGroup::Letter
}

/// Go's `unicode.IsDigit`.
fn is_digit(character: char) -> bool {
    character.general_category() == GeneralCategory::DecimalNumber
}
