//! What new manifests would take away, and whether that waits for a person.
//!
//! A workload that is no longer selected is removed from the device with its data, and so is what
//! is no longer in its pod. So before manifests are taken over, what every approved device is to
//! have is computed as it is and as it would be.

use std::fmt;

use configuration::{Holdings, Lost, lost};
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

    /// Whether there is a loss that is more than this share.
    pub fn asks(self) -> bool {
        self != Self(100)
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

/// What a change takes from the approved devices that are configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Approved devices that are configured and have something. The others would make any share
    /// small: who may enrol can invent as many as he likes.
    devices: usize,
    /// How many would lose something.
    losing: usize,
    /// The first of them, with the first that it would lose.
    first_losing: Option<(DeviceId, Lost)>,
    /// How many get their first configuration and nobody knows what they have.
    unknown: usize,
    /// The first of them.
    first_unknown: Option<DeviceId>,
    /// The first of those that cannot be read, with what it might lose.
    first_unreadable: Option<(String, Lost)>,
    /// How many would lose their last workload.
    emptied: usize,
    /// The first of them.
    first_emptied: Option<DeviceId>,
}

impl Loss {
    /// Counts one device with what it has and what it would be to have.
    pub fn count(&mut self, id: &DeviceId, before: &Holdings, after: &Holdings) {
        if before.is_empty() {
            return;
        }
        self.devices += 1;
        let Some(first) = lost(before, after).into_iter().next() else {
            return;
        };
        self.losing += 1;
        self.first_losing.get_or_insert_with(|| (id.clone(), first));
        if after.is_empty() {
            self.emptied += 1;
            self.first_emptied.get_or_insert_with(|| id.clone());
        }
    }

    /// Counts one that gets its first configuration and of which nobody knows what it has. It is
    /// none of those that keep theirs.
    pub fn count_unknown(&mut self, id: &DeviceId) {
        self.unknown += 1;
        self.first_unknown.get_or_insert_with(|| id.clone());
    }

    /// Counts one that cannot be read, with what it might lose, whichever device it is. It need not
    /// get errors for ever: it may be in memory, or only the disk's word of a moment.
    pub fn count_unreadable(&mut self, id: &str, may_lose: Option<Lost>) {
        self.devices += 1;
        if let Some(what) = may_lose {
            self.first_unreadable.get_or_insert_with(|| (id.to_owned(), what));
        }
    }

    /// The first thing that the first device would or may lose, if any.
    pub fn first(&self) -> Option<String> {
        if let Some((device, what)) = &self.first_losing {
            return Some(format!("{what} (on device {device})"));
        }
        if let Some((device, what)) = &self.first_unreadable {
            return Some(format!(
                "{what}, perhaps (of device {}, which cannot be read)",
                device.escape_debug()
            ));
        }
        let device = self.first_unknown.as_ref()?;
        Some(format!("what device {device} runs, perhaps: that is not known"))
    }

    /// Why a person has to confirm it, if so.
    pub fn objection(&self, allowed: Share) -> Option<String> {
        if !allowed.asks() {
            return None;
        }
        if let Some(first) = &self.first_emptied {
            return Some(format!(
                "{} of {} devices would lose their last workload, device {first} among them",
                self.emptied, self.devices
            ));
        }
        if let Some((device, what)) = &self.first_unreadable {
            return Some(format!(
                "device {} cannot be read, so that it may lose {what}, and that may be its last workload; 'edge-config-server device \
                 list' shows such devices",
                device.escape_debug()
            ));
        }
        let (first, what) = self.first_losing.as_ref()?;
        allowed.is_exceeded_by(self.losing, self.devices).then(|| {
            let objection = format!(
                "{} of {} devices would lose a workload, container or volume, device {first} among them ({what})",
                self.losing, self.devices
            );
            match allowed {
                Share(0) => objection,
                _ => format!("{objection}; up to {allowed} needs no confirmation"),
            }
        })
    }

    /// The same of an act. It comes once, as one stream that may have been cut, and its author is
    /// there to be asked: so about any loss, and about what nobody knows.
    pub fn objection_to_act(&self, allowed: Share) -> Option<String> {
        if !allowed.asks() {
            return None;
        }
        self.objection(Share(0)).or_else(|| {
            let first = self.first_unknown.as_ref()?;
            Some(format!(
                "what {} devices run, and would lose, is not known before their next heartbeat, device {first} among them",
                self.unknown
            ))
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

    fn set(names: &[&str]) -> Holdings {
        names.iter().map(|name| ((*name).to_owned(), None)).collect()
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
            objection.starts_with("11 of 100 devices would lose a workload, container or volume, device device-0 among them (workload b)"),
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
    fn an_act_is_asked_about_any_loss_and_about_what_nobody_knows() {
        let mut loss = loss(0, 100);
        assert_eq!(loss.objection_to_act(ten()), None);
        loss.count_unknown(&id(100));
        loss.count_unknown(&id(101));
        assert_eq!(loss.objection(ten()), None, "it has to rest");
        assert_eq!(
            loss.objection_to_act(ten()).as_deref(),
            Some(
                "what 2 devices run, and would lose, is not known before their next heartbeat, device device-100 among them"
            )
        );
        assert_eq!(loss.objection_to_act(Share::percent(100).unwrap()), None);
        loss.count(&id(102), &set(&["a", "b"]), &set(&["a"]));
        assert_eq!(loss.objection(ten()), None);
        let objection = loss.objection_to_act(ten()).unwrap();
        assert!(
            objection.starts_with("1 of 101 devices would lose"),
            "{objection}"
        );
    }

    #[test]
    fn what_one_that_cannot_be_read_may_lose_waits_however_many_there_are() {
        let mut loss = loss(0, 1_000);
        loss.count_unreadable("x\u{1b}", None);
        assert_eq!((loss.first(), loss.objection(ten())), (None, None));
        let what = Lost {
            workload: "a".to_owned(),
            part: None,
        };
        loss.count_unreadable("x\u{1b}", Some(what));
        let objection = loss.objection(ten()).unwrap();
        assert!(
            objection.starts_with("device x\\u{1b} cannot be read, so that it may lose workload a"),
            "{objection}"
        );
        assert!(loss.first().is_some());
        assert_eq!(loss.objection(Share::percent(100).unwrap()), None);
    }

    #[test]
    fn having_none_is_no_loss() {
        let mut loss = Loss::default();
        loss.count(&id(0), &set(&[]), &set(&[]));
        loss.count(&id(1), &set(&["a"]), &set(&["a", "b"]));
        assert_eq!(loss.objection(Share::percent(0).unwrap()), None);
    }

    #[test]
    fn who_has_nothing_makes_no_share_small() {
        let mut loss = loss(11, 100);
        for number in 100..10_000 {
            loss.count(&id(number), &set(&[]), &set(&["a"]));
            loss.count_unknown(&id(number));
        }
        let objection = loss.objection(ten()).unwrap();
        assert!(objection.starts_with("11 of 100 devices"), "{objection}");
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
