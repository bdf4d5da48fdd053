//! What holds before anything of Flotta's is touched: its objects are there and sane, our server
//! has its certificate and answers a call as the Edge API makes it, and no device would be lost.

use jiff::SignedDuration;

use super::{
    preflight::{self, Blocker, FIX},
    server::{self, Prepared},
};
use crate::{
    api::{ConditionType, Phase, Reason},
    report::{Report, SOON, Step},
    server::Admission,
    view::View,
};

/// The call that a switch is begun on is not older than this.
const FRESH: SignedDuration = SignedDuration::from_secs(30);

/// Everything before the first touch of Flotta's objects. Tells what is missing.
pub(super) fn prepare(view: &View<'_>, report: &mut Report) -> Result<(), Step> {
    let absent = preflight::absent(view);
    report.fails(ConditionType::Switched, Reason::Pending, "not switched yet");
    if !absent.is_empty() {
        return Err(stop(
            report,
            Phase::Pending,
            "waiting for Flotta's Edge API",
            absent,
        ));
    }
    if let Some(step) = preflight::rights(view) {
        report.phase(
            Phase::Preparing,
            Reason::Pending,
            "checking the companion's permissions",
        );
        return Err(step);
    }
    preflight::trusted(view, report);
    let faults = preflight::faults(view);
    if !faults.is_empty() {
        return Err(stop(report, Phase::Blocked, "waiting for a fix", faults));
    }
    if let Some(step) = server::record_store(view, report) {
        report.phase(Phase::Preparing, Reason::Pending, "recording the server's store");
        return Err(step);
    }
    let prepared = server::prepare(view, report, Admission::Hold);
    ready(report, "issuing the server's certificate", prepared)?;
    let stored = server::store(view);
    ready(report, "checking the server's store", stored)?;
    let called = server::backend(view, report, FRESH);
    ready(report, "calling the backend as the Edge API does", called)?;
    let counted = server::devices(view, report, FRESH);
    ready(
        report,
        "comparing devices in the store and in Kubernetes",
        counted,
    )?;
    let rejected = server::rejected_manifests(view);
    if let Some(pending) = server::pending_manifests(view) {
        // While they are being read for the first time nobody has to do anything.
        let (phase, doing) = if rejected.is_some() {
            (
                Phase::Blocked,
                "waiting until the server has taken over its manifests",
            )
        } else {
            (
                Phase::Preparing,
                "waiting for the server to take over its manifests",
            )
        };
        let blockers = [pending].into_iter().chain(rejected).collect();
        return Err(stop(report, phase, doing, blockers));
    }
    report
        .status
        .warnings
        .extend(rejected.map(|rejected| rejected.sentence));
    if let Some(lost) = server::lost_devices(view) {
        return Err(stop(
            report,
            Phase::Blocked,
            "waiting until no device would be lost",
            vec![lost],
        ));
    }
    Ok(())
}

/// Goes on, or says what is done meanwhile or what is in the way.
pub(super) fn ready(report: &mut Report, doing: &str, prepared: Prepared) -> Result<(), Step> {
    match prepared {
        Prepared::Yes => Ok(()),
        Prepared::Step(step) => {
            report.phase(Phase::Preparing, Reason::Pending, doing);
            Err(step)
        }
        Prepared::Blocked(blocker) => {
            let comes_by_itself = matches!(blocker.reason, Reason::LoadingMaterial | Reason::ServerNotReady);
            let phase = if comes_by_itself {
                Phase::Preparing
            } else {
                Phase::Blocked
            };
            if !report.is_true(ConditionType::BackendReachable) {
                report.fails(
                    ConditionType::BackendReachable,
                    blocker.reason,
                    blocker.sentence.clone(),
                );
            }
            stop(report, phase, doing, vec![blocker]);
            Err(if comes_by_itself { SOON } else { FIX })
        }
    }
}

fn stop(report: &mut Report, phase: Phase, doing: &str, blockers: Vec<Blocker>) -> Step {
    let reason = blockers.first().map_or(Reason::Pending, |blocker| blocker.reason);
    report.blocked(
        phase,
        reason,
        doing,
        blockers.into_iter().map(|blocker| blocker.sentence).collect(),
    );
    FIX
}
