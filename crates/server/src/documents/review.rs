//! What new manifests would take away, and whether that waits for a person.
//!
//! A workload that is no longer selected is removed from the device with its data. So before manifests are taken over,
//! every approved device's selection is computed as it is and as it would be.

use std::{collections::BTreeSet, fmt};

use contract::DeviceId;

/// A share in whole percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u8);

impl Share {
    /// One in ten.
    pub const TENTH: Self = Self(10);

    /// So many percent, at most 100.
    pub fn percent(percent: u8) -> Option<Self> {
        (percent <= 100).then_some(Self(percent))
    }

    /// Whether `part` of `whole` is more than this share.
    fn is_exceeded_by(self, part: usize, whole: usize) -> bool {
        part.saturating_mul(100) > whole.saturating_mul(usize::from(self.0))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// What a change takes from the approved devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Approved devices.
    devices: usize,
    /// Those that would lose a workload.
    losing: Vec<DeviceId>,
    /// Those that would lose their last one.
    emptied: Vec<DeviceId>,
}

impl Loss {
    /// Counts one device with the workloads that are selected for it and those that would be.
    pub fn count(&mut self, id: &DeviceId, before: &BTreeSet<String>, after: &BTreeSet<String>) {
        self.devices += 1;
        if before.is_subset(after) {
            return;
        }
        self.losing.push(id.clone());
        if after.is_empty() {
            self.emptied.push(id.clone());
        }
    }

    /// Why a person has to confirm it, if so.
    pub fn objection(&self, allowed: Share) -> Option<String> {
        if allowed == Share(100) {
            return None;
        }
        if let Some(first) = self.emptied.first() {
            return Some(format!(
                "{} of {} devices would lose their last workload, device {first} among them",
                self.emptied.len(),
                self.devices
            ));
        }
        let first = self.losing.first()?;
        allowed.is_exceeded_by(self.losing.len(), self.devices).then(|| {
            format!(
                "{} of {} devices would lose a workload, device {first} among them; up to {allowed} needs no confirmation",
                self.losing.len(),
                self.devices
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: usize) -> DeviceId {
        DeviceId::parse(&format!("device-{number}")).unwrap()
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn ten() -> Share {
        Share::percent(10).unwrap()
    }

    /// A fleet of `whole` devices with two workloads, of which `part` lose one.
    fn loss(part: usize, whole: usize) -> Loss {
        let mut loss = Loss::default();
        for number in 0..whole {
            let after = if number < part {
                set(&["a"])
            } else {
                set(&["a", "b"])
            };
            loss.count(&id(number), &set(&["a", "b"]), &after);
        }
        loss
    }

    #[test]
    fn a_tenth_may_lose_one_and_one_more_may_not() {
        assert_eq!(loss(10, 100).objection(ten()), None);
        let objection = loss(11, 100).objection(ten()).unwrap();
        assert!(
            objection.starts_with("11 of 100 devices would lose a workload"),
            "{objection}"
        );
        assert_eq!(loss(0, 0).objection(ten()), None);
    }

    #[test]
    fn nobody_loses_the_last_one_unasked() {
        let mut loss = loss(0, 1_000);
        loss.count(&id(1_000), &set(&["a"]), &set(&[]));
        let objection = loss.objection(ten()).unwrap();
        assert!(
            objection.starts_with("1 of 1001 devices would lose their last workload"),
            "{objection}"
        );
        assert_eq!(loss.objection(Share::percent(100).unwrap()), None);
    }

    #[test]
    fn having_none_is_no_loss() {
        let mut loss = Loss::default();
        loss.count(&id(0), &set(&[]), &set(&[]));
        loss.count(&id(1), &set(&["a"]), &set(&["a", "b"]));
        assert_eq!(loss.objection(Share::percent(0).unwrap()), None);
    }

    proptest! {
        #[test]
        fn the_threshold_is_the_share(percent in 0u8..100, whole in 1usize..300, part in 0usize..300) {
            let part = part.min(whole);
            let asked = loss(part, whole).objection(Share::percent(percent).unwrap()).is_some();
            #[allow(clippy::cast_precision_loss, reason = "small numbers")]
            let exceeds = part as f64 / whole as f64 > f64::from(percent) / 100.0 + 1e-9;
            prop_assert_eq!(asked, exceeds);
        }
    }
}
