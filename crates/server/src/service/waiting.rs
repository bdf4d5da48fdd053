//! Devices of which there is nothing yet but a request to join: how many, and what they may take.
//!
//! Anybody who may enrol can invent ids, and each is a device: one that waits for a person, or with
//! automatic approval an approved one. More than a fleet has at a time are not recorded: they are
//! told to come again, and are heard as strays. Whom a document names is always taken in, and an
//! approved one is no newcomer any more when it has polled.
//!
//! What they say of themselves has room together, up to a size. Beyond it a usual request is still
//! kept as it is and an unusual one without what it says, so that large ones keep no small one out;
//! and what is more than usual of a device that has never polled is not taken. The first poll of a
//! real one comes before its first heartbeat.

use std::sync::atomic::{AtomicUsize, Ordering};

use contract::HeapSize as _;
use fleet::{
    Change, Device, Origin, Phase, Verdict,
    enrolment::{self, EnrolmentAnswer},
    intake::PutOff,
};
use store::{Store, StoreError};

use super::ServiceError;

/// So many there may be. The count is some seconds old, so there is something over the 20,000 that
/// are promised.
const MOST: usize = 25_000;

/// Bytes that they may take together, as they are stored.
const MOST_BYTES: usize = 128 * 1024 * 1024;

/// What is usual of one of them, in memory: a hundred device nodes, mounts and interfaces.
const USUAL: usize = 16 * 1024;

/// They are counted at one of so many occasions, and those that come in between are added.
const COUNT_EVERY: usize = 5;

/// Those who there are, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    count: AtomicUsize,
    bytes: AtomicUsize,
    occasions: AtomicUsize,
}

impl Waiting {
    /// What becomes of an enrolment, and what it takes if it is one more of them.
    pub(super) fn admit(
        &self,
        device: Option<&Device>,
        verdict: Verdict<EnrolmentAnswer>,
    ) -> Verdict<(EnrolmentAnswer, Option<usize>)> {
        let Verdict { answer, mut change } = verdict;
        if !enrolment::makes_a_newcomer(device, &change) {
            return Verdict {
                answer: (answer, None),
                change,
            };
        }
        if self.count.load(Ordering::Relaxed) >= MOST {
            return Verdict::only((EnrolmentAnswer::PutOff(PutOff::Full), None));
        }
        if self.is_full() && change.heap_size() > USUAL {
            enrolment::leave_out_features(&mut change);
        }
        Verdict {
            answer: (answer, Some(change.heap_size())),
            change,
        }
    }

    /// Takes what is reported in the name of a device, unless that is one of them and it is too
    /// much.
    pub(super) fn report(&self, device: Option<&Device>, change: &Change) -> Result<(), ServiceError> {
        let is_one = device
            .is_some_and(|device| device.life.state.phase() == Phase::Approved && !device.is_vouched_for());
        if !is_one || change.is_times_only() {
            return Ok(());
        }
        let size = change.heap_size();
        let is_usual = size <= USUAL && change.events.iter().all(|event| event.origin == Origin::Server);
        if !is_usual && self.is_full() {
            return Err(ServiceError::NeverPolled);
        }
        self.bytes.fetch_add(size, Ordering::Relaxed);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= MOST_BYTES
    }

    /// Until they are counted again.
    pub(super) fn one_more(&self, bytes: usize) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts them from time to time; to be called every [`super::FLUSH_EVERY`].
    pub(super) async fn count(&self, store: &dyn Store) -> Result<(), StoreError> {
        if !self
            .occasions
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(COUNT_EVERY)
        {
            return Ok(());
        }
        let newcomers = store.newcomers().await?;
        self.count.store(newcomers.count, Ordering::Relaxed);
        self.bytes.store(newcomers.bytes, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet::{Approval, Context, Epoch, Event, Policy, Presence, Report, State, enrolment::Preapproval};
    use jiff::Timestamp;

    /// What becomes of a request with so many disks.
    fn asked(
        waiting: &Waiting,
        device: Option<&Device>,
        approval: Approval,
        named: bool,
        disks: usize,
    ) -> Verdict<(EnrolmentAnswer, Option<usize>)> {
        let policy = Policy {
            approval,
            ..Policy::default()
        };
        let context = Context {
            policy: &policy,
            admission: fleet::Admission::Open,
            epoch: Epoch(uuid::Uuid::nil()),
            serving_since: Timestamp::UNIX_EPOCH,
            now: Timestamp::UNIX_EPOCH,
        };
        let hardware = contract::HardwareInfo {
            disks: Some(vec![contract::Disk::default(); disks]),
            ..contract::HardwareInfo::default()
        };
        let id = contract::DeviceId::parse("d").unwrap();
        let request = enrolment::Enrolment {
            spelling: id.to_string(),
            id,
            namespace: contract::Namespace::default(),
            info: std::sync::Arc::new(contract::EnrolmentInfo {
                features: Some(contract::Features {
                    hardware: Some(hardware),
                    ..contract::Features::default()
                }),
                ..contract::EnrolmentInfo::default()
            }),
            cut: contract::Cut::default(),
            preapproval: named.then(|| Preapproval {
                namespace: contract::Namespace::default(),
                set: None,
            }),
        };
        waiting.admit(device, enrolment::enrol(device, request, &context))
    }

    fn known(change: Change) -> Device {
        Device {
            id: contract::DeviceId::parse("d").unwrap(),
            life: change.life.unwrap().into(),
            report: change.report.unwrap().into(),
            presence: Presence::default(),
        }
    }

    #[test]
    fn who_comes_after_too_many_is_put_off_whoever_approves_and_nobody_who_is_named() {
        for approval in [Approval::Manual, Approval::Automatic] {
            let waiting = Waiting::default();
            for _ in 0..MOST {
                let verdict = asked(&waiting, None, approval, false, 0);
                let (EnrolmentAnswer::Wait, Some(bytes)) = verdict.answer else {
                    unreachable!("{verdict:?}")
                };
                waiting.one_more(bytes);
            }
            assert!(!waiting.is_full(), "they were usual");
            let full = Verdict::only((EnrolmentAnswer::PutOff(PutOff::Full), None));
            assert_eq!(asked(&waiting, None, approval, false, 0), full);
            let named = asked(&waiting, None, approval, true, 0);
            assert_eq!(named.answer, (EnrolmentAnswer::Wait, None));

            let mut device = known(asked(&Waiting::default(), None, approval, false, 0).change);
            let again = asked(&waiting, Some(&device), approval, false, 0);
            assert_eq!(again.answer.1, None, "it is there");
            // One that was removed and comes back is one more.
            let mut life = (*device.life).clone();
            life.state = State::Deleted(fleet::Tombstone {
                at: Timestamp::UNIX_EPOCH,
                by: "alice".into(),
                mode: fleet::DeletionMode::Forget,
                epoch: Epoch(uuid::Uuid::nil()),
                never_approved: true,
                told: None,
                grace_until: None,
            });
            device.life = life.into();
            assert_eq!(asked(&waiting, Some(&device), approval, false, 0), full);
        }
    }

    #[test]
    fn large_requests_keep_no_small_one_out() {
        let waiting = Waiting::default();
        let features = |verdict: &Verdict<_>| {
            let life = verdict.change.life.as_ref().unwrap();
            let enrolment = life.enrolment.as_ref().unwrap();
            (enrolment.features.is_some(), enrolment.cut.contains("features"))
        };
        let mut count = 0;
        while !waiting.is_full() {
            let verdict = asked(&waiting, None, Approval::Automatic, false, 1000);
            assert_eq!(features(&verdict), (true, false));
            waiting.one_more(verdict.answer.1.unwrap());
            count += 1;
        }
        assert!((100..5000).contains(&count), "{count}");
        let large = asked(&waiting, None, Approval::Automatic, false, 1000);
        assert_eq!(features(&large), (false, true));
        assert!(large.answer.1.unwrap() < USUAL, "{large:?}");
        let small = asked(&waiting, None, Approval::Automatic, false, 10);
        assert_eq!(features(&small), (true, false));
    }

    #[test]
    fn what_is_said_in_the_name_of_one_that_never_polled_has_room_up_to_a_size() {
        let waiting = Waiting::default();
        let mut device = known(asked(&waiting, None, Approval::Automatic, false, 0).change);
        let said = |bytes: usize| Change {
            report: Some(Report {
                version: "x".repeat(bytes),
                ..Report::default()
            }),
            ..Change::default()
        };
        let mut count = 0;
        while waiting.report(Some(&device), &said(1 << 20)).is_ok() {
            count += 1;
        }
        assert_eq!(count, 128);
        let told = Change {
            events: vec![Event::device(&contract::EventInfo::default())],
            ..said(10)
        };
        assert!(waiting.report(Some(&device), &told).is_err());
        waiting.report(Some(&device), &said(1000)).unwrap();
        device.presence = Presence::default().polled(Timestamp::UNIX_EPOCH);
        waiting.report(Some(&device), &said(1 << 20)).unwrap();
        waiting.report(Some(&device), &told).unwrap();
    }

    #[test]
    fn no_fewer_may_wait_than_is_promised() {
        const { assert!(MOST > 20_000) };
    }
}
