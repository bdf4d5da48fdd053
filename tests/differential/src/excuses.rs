//! The allow-list: where ours is meant to differ from Flotta. One field under one condition, with a reason.

use std::collections::BTreeMap;

use crate::compare::Difference;
use crate::fleet::Fleet;

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
pub const EXCUSES: &[Excuse] = &[];

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
    fn a_line_covers_one_field() {
        assert!(covers("/workloads/*/data", "/workloads/web/data"));
        assert!(!covers("/workloads/*/data", "/workloads/web/data/egress"));
        assert!(!covers("/workloads/*", "/configuration/os"));
    }
}
