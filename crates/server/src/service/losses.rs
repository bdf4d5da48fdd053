//! What would a device lose by an administrator's act?
//!
//! The same question as `sources::review` asks about a source, for one device. What it has is
//! what it is to have by the manifests, once a configuration was handed to it; before that, as
//! after an adoption, what its heartbeats listed. So it is with a workload of which nobody can say
//! whom it selects. What is not known is never taken for nothing.
//!
//! A source is judged by those devices that could lose something by it ([`held`]), so whoever may
//! enrol could speak for or against every change with ids that he has invented. One that nobody
//! vouches for ([`Device::is_vouched_for`]) has no say: it makes no loss small, and none of what is
//! reported in its name makes a change wait.

use std::sync::Arc;

use configuration::{Holdings, lost};
use contract::DeviceId;
use fleet::{Change, Context, Device, Epoch, State};

use super::{
    configured::{self, holdings},
    decide::{Known, applied},
};
use crate::sources::{Current, Reloader};

/// So many losses are named.
const NAMED: usize = 5;

/// Why a person has to say that an act is meant, if so. `known` is the catalogue that the device is
/// configured by.
pub(super) fn objection(
    id: &DeviceId,
    before: Option<&Device>,
    change: &Change,
    known: &Known,
    documents: &Reloader,
    context: &Context<'_>,
) -> Option<String> {
    let after = applied(id, before.cloned(), change.clone())?;
    if !documents.asks() || !gets_another(before, &after) {
        return None;
    }
    let current = match known {
        Ok(current) => documents.released(Arc::clone(current), before.is_some_and(was_given_one)),
        Err(reason) => Err(reason.clone()),
    };
    let had = match (before, &current) {
        (Some(before), Ok(current)) if was_given_one(before) => {
            Had::Known(configured::had(before, current, context.epoch))
        }
        (Some(before), Err(_)) if was_given_one(before) => Had::Unknown,
        _ => listed(&after, context.epoch),
    };
    let (had, current): (Holdings, Arc<Current>) = match (had, current) {
        // There is nothing that it could lose.
        (Had::Known(had), _) if had.is_empty() => return None,
        (_, Err(reason)) => {
            return Some(format!(
                "what device {id} would lose cannot be said: {reason}; fix that first"
            ));
        }
        (Had::Unknown, _) if after.report.ever_reported.overflow => {
            return Some(format!(
                "what device {id} runs is not known and no heartbeat will tell: it has listed more workloads than are kept, and \
                 whatever it is not to have is removed; look at the device itself"
            ));
        }
        (Had::Unknown, _) => {
            return Some(format!(
                "what device {id} runs is not known before its next heartbeat; wait for that, a minute as a rule (an adoption \
                 without --release takes nothing from it)"
            ));
        }
        (Had::Known(had), Ok(current)) => (had, current),
    };
    let lost = lost(&had, &holdings(&after, &current));
    if lost.is_empty() {
        return None;
    }
    let mut named: Vec<String> = lost.iter().take(NAMED).map(ToString::to_string).collect();
    if lost.len() > NAMED {
        named.push(format!("{} more", lost.len() - NAMED));
    }
    Some(format!("device {id} would lose {}", named.join(", ")))
}

/// What a device has.
pub(crate) enum Had {
    /// By the manifests, or by its heartbeats.
    Known(Holdings),
    /// It has sent no heartbeat since it was adopted or the store restored, or it has ever listed
    /// more than is kept.
    Unknown,
}

/// What an approved device has that a change of the manifests could take; `None` for one that has
/// no say: one that keeps what it runs until it is released, which is an act that is looked at by
/// itself, and one that nobody vouches for.
pub(crate) fn held(device: &Device, before: &Current, epoch: Epoch) -> Option<Had> {
    if !is_given_one(device) {
        None
    } else if was_given_one(device) {
        Some(Had::Known(configured::had(device, before, epoch)))
    } else {
        device.is_vouched_for().then(|| listed(device, epoch))
    }
}

/// What its heartbeats ever listed: one that lists nothing may come from an agent that has just
/// begun.
fn listed(device: &Device, epoch: Epoch) -> Had {
    let ever = &device.report.ever_reported;
    if ever.known_in != Some(epoch) || ever.overflow {
        return Had::Unknown;
    }
    let names = device.report.workloads.keys().chain(&ever.names);
    Had::Known(names.map(|name| (name.clone(), None)).collect())
}

fn is_given_one(device: &Device) -> bool {
    matches!(
        device.life.state,
        State::Approved {
            configuration_withheld: false,
            ..
        }
    )
}

fn was_given_one(device: &Device) -> bool {
    is_given_one(device) && device.life.delivery.was_handed_over()
}

/// Whether it gets a configuration afterwards, and by something that the act has changed.
fn gets_another(before: Option<&Device>, after: &Device) -> bool {
    let same = |before: &Device| {
        let (before, after) = (&before.life, &after.life);
        before.namespace == after.namespace
            && before.assigned_labels == after.assigned_labels
            && before.approval_labels == after.approval_labels
    };
    is_given_one(after) && !before.is_some_and(|before| is_given_one(before) && same(before))
}
