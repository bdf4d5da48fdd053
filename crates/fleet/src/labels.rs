//! The labels of a device, by origin. Each origin keeps its own and deletes no other's; they are
//! joined when asked for.

use std::collections::BTreeMap;

/// The label that makes a device a member of an EdgeDeviceSet, as in Flotta.
pub const MEMBER_OF: &str = "flotta/member-of";

/// Labels with this beginning follow from hardware and from nothing else.
pub const HARDWARE_PREFIX: &str = "device.";

/// Labels by key.
pub type Labels = BTreeMap<String, String>;

/// Whether only hardware may give this label.
pub fn is_of_hardware(key: &str) -> bool {
    key.starts_with(HARDWARE_PREFIX)
}

/// All labels of a device. Of one key the administrator's value counts before the manifest's, that
/// before the one given at approval; keys with [`HARDWARE_PREFIX`] are the hardware's, and it has
/// no others.
#[must_use]
pub fn join(hardware: &Labels, approval: &Labels, manifest: &Labels, administrator: &Labels) -> Labels {
    let given = [approval, manifest, administrator].into_iter().flatten();
    hardware
        .iter()
        .filter(|(key, _)| is_of_hardware(key))
        .chain(given.filter(|(key, _)| !is_of_hardware(key)))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The labels that an approval for this set gives.
pub(crate) fn of_set(set: Option<&str>) -> Labels {
    set.filter(|set| !set.is_empty())
        .map(|set| (MEMBER_OF.to_owned(), set.to_owned()))
        .into_iter()
        .collect()
}
