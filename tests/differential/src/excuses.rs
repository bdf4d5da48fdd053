//! The allow-list: where ours is meant to differ from Flotta. One field under one condition, with a
//! reason.

use std::collections::BTreeMap;

use crate::compare::Difference;
use crate::fleet::Fleet;
use serde_json::Value;

/// One line of the allow-list.
pub struct Excuse {
    /// Its name in the report.
    pub name: &'static str,
    /// Why ours differs.
    pub reason: &'static str,
    /// The one field, as its path with `*` for a name or an index.
    pub field: &'static str,
    /// The condition.
    pub holds: fn(&Fleet, &str, &Difference) -> bool,
}

impl std::fmt::Debug for Excuse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The lines for configurations.
pub const EXCUSES: &[Excuse] = &[Excuse {
    name: "keys that go-yaml orders in a circle",
    reason: "Flotta writes such a ConfigMap in another order at each poll; ours keeps to one",
    field: "/workloads/*/configmaps/*",
    holds: |_, _, difference| {
        let (flotta, ours) = (difference.flotta.as_str(), difference.ours.as_str());
        let same_lines = |a: &str, b: &str| sorted_lines(a) == sorted_lines(b);
        flotta
            .zip(ours)
            .is_some_and(|(a, b)| same_lines(a, b) && circular_keys(a))
    },
}];

fn sorted_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// Whether the keys of a ConfigMap's document have no order in the eyes of go-yaml.
fn circular_keys(document: &str) -> bool {
    let Ok(document) = serde_yaml::from_str::<Value>(document) else {
        return false;
    };
    let keys: Vec<&String> = document["data"]
        .as_object()
        .into_iter()
        .flat_map(|data| data.keys())
        .collect();
    keys.iter().any(|a| {
        let mut above = keys.iter().filter(|b| go_less(a, b));
        above.any(|b| keys.iter().any(|c| go_less(b, c) && go_less(c, a)))
    })
}

/// `keyList.Less` of gopkg.in/yaml.v2 for two texts: letters by their code, digits as numbers, and
/// letters last.
fn go_less(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) else {
        return a.len() < b.len();
    };
    let (x, y) = (a[at], b[at]);
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x < y,
        (false, false) => {}
        (_, letter) => return letter,
    }
    // A number that has begun before the difference keeps its zeros.
    let begun = (x == '0' || y == '0')
        && a[..at]
            .iter()
            .rev()
            .take_while(|character| character.is_numeric())
            .any(|character| *character != '0');
    let number = |text: &[char]| {
        let digits = text[at..]
            .iter()
            .take_while(|character| character.is_ascii_digit());
        let mut value = i64::from(begun);
        let mut count = 0;
        for digit in digits {
            value = value
                .wrapping_mul(10)
                .wrapping_add(i64::from(u32::from(*digit) - u32::from('0')));
            count += 1;
        }
        (value, count)
    };
    (number(&a), x) < (number(&b), y)
}

/// The line that covers a difference.
pub fn excuse(fleet: &Fleet, device: &str, difference: &Difference) -> Option<&'static str> {
    EXCUSES
        .iter()
        .find(|line| covers(line.field, &difference.path) && (line.holds)(fleet, device, difference))
        .map(|line| line.name)
}

fn covers(field: &str, path: &str) -> bool {
    let (mut field, mut path) = (field.split('/'), path.split('/'));
    loop {
        match (field.next(), path.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == "*" || a == b => {}
            _ => return false,
        }
    }
}

/// How often each line was used.
#[derive(Debug, Default)]
pub struct Hits(BTreeMap<&'static str, usize>);

impl Hits {
    /// Counts a use.
    pub fn count(&mut self, name: &'static str) {
        *self.0.entry(name).or_default() += 1;
    }

    /// Uses of a line.
    pub fn of(&self, name: &str) -> usize {
        self.0.get(name).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_of_keys_is_seen() {
        assert!(go_less("1e3", "2") && go_less("2", "10") && go_less("10", "1e3"));
        assert!(circular_keys("data: {'1e3': a, '2': b, '10': c}"));
        assert!(!circular_keys(
            "data: {'1': a, '2': b, '10': c, a1: d, a10: e, a2: f}"
        ));
    }

    #[test]
    fn a_line_covers_one_field() {
        assert!(covers("/workloads/*/data", "/workloads/web/data"));
        assert!(!covers("/workloads/*/data", "/workloads/web/data/egress"));
        assert!(!covers("/workloads/*", "/configuration/os"));
    }
}
