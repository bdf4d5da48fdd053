//! How many devices wait for a person.
//!
//! Anybody who may enrol can invent ids, and each is a device that waits. More than a person could
//! look at are not recorded: they are told to come again, and are heard as strays. Who was approved
//! beforehand does not wait.

use std::sync::atomic::{AtomicUsize, Ordering};

use fleet::{Device, Phase, Verdict, admission::PutOff, enrolment::EnrolmentAnswer};
use store::{Store, StoreError};

/// So many may wait. The count is a few seconds old, so there is something over the 20,000 that are
/// promised.
const MOST: usize = 25_000;

/// Those who wait, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Waiting(AtomicUsize);

impl Waiting {
    /// What became of an enrolment, and whether it is one more that waits.
    pub(super) fn admit(
        &self,
        device: Option<&Device>,
        verdict: Verdict<EnrolmentAnswer>,
    ) -> Verdict<(EnrolmentAnswer, bool)> {
        let Verdict { answer, change } = verdict;
        let phase = change.life.as_ref().map(|life| life.state.phase());
        let joins = device.is_none() && phase == Some(Phase::Waiting);
        if joins && self.0.load(Ordering::Relaxed) >= MOST {
            return Verdict::only((EnrolmentAnswer::PutOff(PutOff::Full), false));
        }
        Verdict {
            answer: (answer, joins),
            change,
        }
    }

    /// Until they are counted again.
    pub(super) fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts them.
    pub(super) async fn count(&self, store: &dyn Store) -> Result<(), StoreError> {
        self.0.store(store.waiting(MOST).await?, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet::{Approval, Context, Epoch, Policy, enrolment};
    use jiff::Timestamp;

    fn enrolled(device: Option<&Device>, approval: Approval) -> Verdict<EnrolmentAnswer> {
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
        let id = contract::DeviceId::parse("d").unwrap();
        let enrolment = enrolment::Enrolment {
            spelling: id.to_string(),
            id,
            namespace: contract::Namespace::default(),
            info: std::sync::Arc::default(),
            cut: contract::Cut::default(),
            preapproval: None,
        };
        enrolment::enrol(device, enrolment, &context)
    }

    #[test]
    fn who_would_wait_behind_too_many_is_put_off_and_nobody_else() {
        let waiting = Waiting::default();
        for _ in 0..MOST {
            let verdict = waiting.admit(None, enrolled(None, Approval::Manual));
            assert_eq!(verdict.answer, (EnrolmentAnswer::Wait, true));
            waiting.one_more();
        }
        let known = enrolled(None, Approval::Manual).change;
        let verdict = waiting.admit(None, enrolled(None, Approval::Manual));
        assert_eq!(
            verdict,
            Verdict::only((EnrolmentAnswer::PutOff(PutOff::Full), false))
        );
        let approved = waiting.admit(None, enrolled(None, Approval::Automatic));
        assert_eq!(approved.answer, (EnrolmentAnswer::Wait, false));
        let device = Device {
            id: contract::DeviceId::parse("d").unwrap(),
            life: known.life.unwrap().into(),
            report: known.report.unwrap().into(),
            presence: fleet::Presence::default(),
        };
        let again = waiting.admit(Some(&device), enrolled(Some(&device), Approval::Manual));
        assert_eq!(again.answer, (EnrolmentAnswer::Wait, false));
    }

    #[test]
    fn no_fewer_may_wait_than_is_promised() {
        const { assert!(MOST > 20_000) };
    }
}
