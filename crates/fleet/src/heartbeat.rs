//! Heartbeats: what a device tells once a period, and what is new in it.
//!
//! One heartbeat can arrive up to four times: the Edge API repeats it unmarked after every error,
//! also when only the answer was lost. Copies are recognised from what is stored with the device,
//! so neither a restart nor another server in between counts its events twice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use contract::{Cut, HardwareInfo, Heartbeat, PlaybookExecutionStatus, Repeated, WorkloadStatus};
use jiff::SignedDuration;
use serde::Serialize;
use sha256::Hashing;

use crate::{
    Change, Context, Device, Digest, Event, Life, Presence, Report, Severity, State, Verdict, clock,
    duplicate_identity::Trait,
    event, hardware,
    report::{Recent, WorkloadReport},
};

/// A copy of a heartbeat comes within this span: four tries of at most 800 ms, and the pauses
/// between them.
pub const COPIES_WITHIN: SignedDuration = SignedDuration::from_secs(5);

/// How many recorded heartbeats are remembered for recognising copies.
const REMEMBERED: usize = 4;

/// How many playbook executions are kept of a device as it reports them. Each run has a name of its
/// own and anybody with a Flotta certificate can make up names in a device's heartbeat, so beyond
/// that the ones make place that are not listed any more; how our own ended is kept with the runs.
const MAX_PLAYBOOKS: usize = 256;

/// Longest name and word of a playbook execution that is kept, in bytes. Names of ours are shorter,
/// and what is longer is nobody's.
const LONGEST_PLAYBOOK: usize = 512;

/// Workloads that a list in part does not name are kept beside it up to so many bytes, estimated.
const WORKLOADS: usize = 512 * 1024;

/// What a workload takes beside its name and its state, at most.
const WORKLOAD: usize = 160;

/// Whether a heartbeat was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeartbeatAnswer {
    /// It was, or is a copy of one that was.
    Recorded,
    /// Its sender is no approved device.
    NotApproved,
}

/// Takes a heartbeat, of which the fields in `cut` were longer than is kept; `events` are all that
/// it told where it has only the beginning of them. A change that carries more than times must be
/// durable before it is acknowledged.
pub fn heartbeat(
    device: Option<&Device>,
    beat: &Heartbeat,
    cut: &Cut,
    events: Option<&[Repeated]>,
    context: &Context<'_>,
) -> Result<Verdict<HeartbeatAnswer>, serde_json::Error> {
    let Some(device) = device.filter(|device| matches!(device.life.state, State::Approved { .. })) else {
        return Ok(Verdict::only(HeartbeatAnswer::NotApproved));
    };
    let now = context.now;
    let mut change = Change {
        // Told with the poll before it, so that the first heartbeat since then stays the first.
        presence: Some(
            Presence {
                polled: device.presence.polled,
                ..Presence::default()
            }
            .beat(now),
        ),
        ..Change::default()
    };
    let digest = match events {
        Some(events) => digest(&(beat, events))?,
        None => digest(beat)?,
    };
    // One that is ahead was recorded by a clock that was wrong, at no time that a copy could come
    // soon after.
    let copies =
        |recent: &&Recent| !clock::is_ahead(recent.at, now) && now.duration_since(recent.at) <= COPIES_WITHIN;
    if device
        .report
        .recent
        .iter()
        .filter(copies)
        .any(|recent| recent.digest == digest)
    {
        return Ok(Verdict {
            answer: HeartbeatAnswer::Recorded,
            change,
        });
    }

    let mut report = (*device.report).clone();
    report.settle(now);
    let mut delivery = device.life.delivery.clone();
    delivery.settle(now);
    let (events, all) = if let Some(events) = events {
        let messages = events.iter().map(|told| (&*told.event.message, told.count));
        delivery.beat(&beat.version, messages, now);
        event::added_up(events.iter().map(Event::from))
    } else {
        let events = beat.events.as_deref().unwrap_or_default();
        let messages = events.iter().map(|event| (&*event.message, 1));
        delivery.beat(&beat.version, messages, now);
        event::added_up(events.iter().map(Event::from))
    };
    change.events = events;
    change.events.extend(apply(&mut report, beat, cut, context));
    if !all {
        report.cut.insert("events");
    }
    let state = device.life.state.settled(now);
    let decided = delivery != device.life.delivery || state != device.life.state;
    if decided {
        change.life = Some(Life {
            state,
            delivery,
            ..(*device.life).clone()
        });
    }
    if decided || report != *device.report || !change.events.is_empty() {
        report.recent.retain(|recent| copies(&recent));
        report.recent.push(Recent { digest, at: now });
        let excess = report.recent.len().saturating_sub(REMEMBERED);
        report.recent.drain(..excess);
        change.report = Some(report);
    }
    Ok(Verdict {
        answer: HeartbeatAnswer::Recorded,
        change,
    })
}

/// The digest of a value's JSON, which is never made as a whole.
fn digest(value: &impl Serialize) -> Result<Digest, serde_json::Error> {
    let mut hashing = Hashing::default();
    serde_json::to_writer(&mut hashing, value)?;
    Ok(hashing.finish())
}

/// Takes hardware over, from a heartbeat or a registration, with the labels that follow from it.
/// Where a text was cut, the label that is known stays.
pub(crate) fn take_hardware(report: &mut Report, news: &HardwareInfo, cut: &Cut) {
    let known = report.hardware.take().unwrap_or_default();
    report.hardware = Some(hardware::merge(&known, news));
    report.cut.retain(|field| !hardware::says(news, field));
    cut.fields()
        .filter(|field| hardware::has(field))
        .for_each(|field| report.cut.insert(field));
    report
        .hardware_labels
        .extend(contract::labels::from_hardware_in_part(news, cut));
}

fn apply(report: &mut Report, beat: &Heartbeat, cut: &Cut, context: &Context<'_>) -> Option<Event> {
    // Of all but hardware a heartbeat tells the whole.
    report.cut.retain(hardware::has);
    cut.fields()
        .filter(|field| !hardware::has(field))
        .for_each(|field| report.cut.insert(field));
    report.status.clone_from(&beat.status);
    report.version.clone_from(&beat.version);
    report.upgrade.clone_from(&beat.upgrade);
    if let Some(news) = &beat.hardware {
        take_hardware(report, news, cut);
    }
    let all = !cut.contains("workloads");
    report.workloads = workloads(
        &report.workloads,
        beat.workloads.as_deref().unwrap_or_default(),
        all,
        context,
    );
    report
        .ever_reported
        .beat(report.workloads.keys().map(String::as_str), all, context.epoch);
    let playbooks = beat.playbook_executions.as_deref().unwrap_or_default();
    let all = !cut.contains("playbook-executions");
    report.runs.beat(playbooks, all, context.policy, context.now);
    take_playbooks(&mut report.playbooks, playbooks, MAX_PLAYBOOKS);
    two_machines(report, beat, context)
}

/// Takes over what a heartbeat lists. Where there is no room for more than `most`, those that it
/// does not list make place, in the order of their names; then what is further is passed over.
fn take_playbooks(
    known: &mut BTreeMap<String, PlaybookExecutionStatus>,
    statuses: &[PlaybookExecutionStatus],
    most: usize,
) {
    let listed: BTreeSet<&str> = statuses.iter().map(|status| status.name.as_str()).collect();
    // Looked for once and not for each status, of which there may be thousands: what comes in is
    // listed, so nothing is added to these.
    let mut unlisted: VecDeque<String> = known
        .keys()
        .filter(|name| !listed.contains(name.as_str()))
        .cloned()
        .collect();
    let fits =
        |status: &&PlaybookExecutionStatus| status.name.len() + status.status.len() <= LONGEST_PLAYBOOK;
    for status in statuses.iter().filter(fits) {
        if !known.contains_key(&status.name) && known.len() >= most {
            let Some(gone) = unlisted.pop_front() else {
                continue;
            };
            known.remove(&gone);
        }
        known.insert(status.name.clone(), status.clone());
    }
}

/// The heartbeat lists every pod that exists on the device, so what it does not list is gone. With
/// no pod left the agent's list is Go's nil list, `null`. Of a list that is not all that was sent,
/// nothing follows for what is not in it.
fn workloads(
    known: &BTreeMap<String, WorkloadReport>,
    statuses: &[WorkloadStatus],
    all: bool,
    context: &Context<'_>,
) -> BTreeMap<String, WorkloadReport> {
    let take = |status: &WorkloadStatus| {
        let before = known.get(&status.name);
        let changed = match before {
            Some(before) if before.status == status.status => before.changed,
            _ => Some(context.now),
        };
        let last_data_upload = status
            .last_data_upload
            .to_timestamp()
            .or_else(|| before.and_then(|before| before.last_data_upload));
        (
            status.name.clone(),
            WorkloadReport {
                status: status.status.clone(),
                changed,
                last_data_upload,
            },
        )
    };
    let mut workloads: BTreeMap<_, _> = statuses.iter().map(take).collect();
    if !all {
        let size = |(name, report): (&String, &WorkloadReport)| WORKLOAD + name.len() + report.status.len();
        let mut taken: usize = workloads.iter().map(size).sum();
        for (name, report) in known {
            if workloads.contains_key(name) {
                continue;
            }
            taken += size((name, report));
            if taken > WORKLOADS {
                break;
            }
            workloads.insert(name.clone(), report.clone());
        }
    }
    workloads
}

fn two_machines(report: &mut Report, beat: &Heartbeat, context: &Context<'_>) -> Option<Event> {
    let trail = &mut report.identity;
    let mut proven = trail.observe(Trait::AppliedVersion, &beat.version, context.now);
    if let Some(hardware) = &beat.hardware {
        proven |= trail.observe(Trait::Hostname, &hardware.hostname, context.now);
        if let Some(vendor) = &hardware.system_vendor {
            proven |= trail.observe(Trait::SystemSerial, &vendor.serial_number, context.now);
        }
    }
    let condition = trail.duplicate(context.now).filter(|_| proven)?;
    Some(Event::server(
        Severity::Warning,
        "DuplicateIdentity",
        condition.message,
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Known = BTreeMap<String, PlaybookExecutionStatus>;

    fn status(name: u8, status: u8) -> PlaybookExecutionStatus {
        // One of them is longer than is kept.
        let long = if name == 0 { LONGEST_PLAYBOOK } else { 0 };
        PlaybookExecutionStatus {
            name: format!("p{name:02}{}", "x".repeat(long)),
            status: status.to_string(),
            ..PlaybookExecutionStatus::default()
        }
    }

    /// The rule as it is said: who makes place is looked for whenever there is none.
    fn as_said(known: &mut Known, statuses: &[PlaybookExecutionStatus], most: usize) {
        let is_listed = |name: &str| statuses.iter().any(|status| status.name == name);
        for status in statuses {
            if status.name.len() + status.status.len() > LONGEST_PLAYBOOK {
                continue;
            }
            if !known.contains_key(&status.name) && known.len() >= most {
                let Some(gone) = known.keys().find(|name| !is_listed(name)).cloned() else {
                    continue;
                };
                known.remove(&gone);
            }
            known.insert(status.name.clone(), status.clone());
        }
    }

    proptest! {
        #[test]
        fn who_makes_place_is_the_first_that_is_not_listed(
            before in prop::collection::vec(0u8..16, 0..12),
            listed in prop::collection::vec((0u8..16, 0u8..3), 0..20),
            most in 0usize..10,
        ) {
            let mut known: Known = before
                .into_iter()
                .map(|name| status(name, 9))
                .map(|status| (status.name.clone(), status))
                .collect();
            let listed: Vec<_> = listed.into_iter().map(|(name, word)| status(name, word)).collect();
            let mut expected = known.clone();
            as_said(&mut expected, &listed, most);
            take_playbooks(&mut known, &listed, most);
            prop_assert_eq!(known, expected);
        }
    }
}
