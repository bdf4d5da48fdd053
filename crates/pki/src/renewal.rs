//! When a certificate of ours has to be replaced: by its age, by its names, by its CA.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::ServerName;

use crate::certificate::Facts;

/// When a certificate is due for renewal: at two thirds of its life.
pub fn renewal_time(facts: &Facts) -> Timestamp {
    let life = facts.not_before.duration_until(facts.not_after);
    // Whole seconds, which certificates count in; a life that is negative is due at once.
    let due = SignedDuration::from_secs(life.as_secs() / 3 * 2);
    facts.not_before.saturating_add(due).unwrap_or(facts.not_after)
}

/// Whether a certificate is due for renewal.
pub fn renewal_due(facts: &Facts, now: Timestamp) -> bool {
    now >= renewal_time(facts)
}

/// Whether a certificate has other names than these: more, fewer or different ones. Order and case
/// do not matter.
pub fn names_differ(facts: &Facts, names: &[ServerName<'_>]) -> bool {
    let held: BTreeSet<_> = facts.names.iter().map(|name| name.to_ascii_lowercase()).collect();
    let wanted: BTreeSet<_> = names
        .iter()
        .map(|name| name.to_str().to_ascii_lowercase())
        .collect();
    held != wanted
}
