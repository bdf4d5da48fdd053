//! Devices, strays, and what became of an act.

use std::fmt::Write as _;

use fleet::{AppliedBy, Connectivity, State, Stray};

use super::{Column, MESSAGE, SENTENCE, WORD, table, time};
use crate::{
    service::{DeviceView, ListEntry, ListedView, StrayView},
    telemetry::brief,
};

/// A list of devices.
pub(in crate::admin) fn devices(devices: &[ListEntry]) -> String {
    if devices.is_empty() {
        return "no devices\n".to_owned();
    }
    let mut text = table(
        ["ID", "NAMESPACE", "STATE", "CONNECTIVITY", "LAST HEARD"].map(Column::Whole),
        devices.iter().map(|entry| match entry {
            ListEntry::Device(device) => listed(device),
            ListEntry::Unreadable(unreadable) => {
                let unknown = || "-".to_owned();
                [
                    unreadable.id.clone(),
                    unknown(),
                    "unreadable".to_owned(),
                    unknown(),
                    unknown(),
                ]
            }
        }),
    );
    for entry in devices {
        if let ListEntry::Unreadable(unreadable) = entry {
            let _ = writeln!(text, "{}", brief(&unreadable.unreadable, SENTENCE));
        }
    }
    text
}

fn listed(device: &ListedView) -> [String; 5] {
    let mut state = device.phase.as_str().to_owned();
    if device.earlier_epoch {
        state.push_str(" (before the restore; to be confirmed)");
    }
    if matches!(device.state, State::Waiting { returned: true, .. }) {
        state.push_str(" (removed before)");
    }
    [
        device.id.to_string(),
        device.namespace.to_string(),
        state,
        connectivity(device.connectivity, "-"),
        time(device.presence.last()),
    ]
}

/// A list of strays.
pub(in crate::admin) fn strays(strays: &[StrayView]) -> String {
    if strays.is_empty() {
        return "no strays: every id that speaks to the server is an approved device\n".to_owned();
    }
    table(
        [
            "ID",
            "NAMESPACE",
            "KNOWN AS",
            "LAST REQUEST",
            "COUNT",
            "FIRST HEARD",
            "LAST HEARD",
        ]
        .map(Column::Whole),
        strays.iter().map(|StrayView { stray, phase }| {
            let Stray {
                id,
                namespace,
                operation,
                first,
                last,
                count,
            } = stray;
            [
                id.to_string(),
                namespace.to_string(),
                phase.map_or("-", fleet::Phase::as_str).to_owned(),
                operation.as_str().to_owned(),
                count.to_string(),
                time(Some(*first)),
                time(Some(*last)),
            ]
        }),
    )
}

/// What a device is after an act.
pub(in crate::admin) fn outcome(device: &DeviceView) -> String {
    let outcome = format!(
        "{} in namespace {}: {}",
        device.id,
        device.namespace,
        state(&device.state)
    );
    brief(&outcome, SENTENCE) + "\n"
}

fn state(state: &State) -> String {
    match state {
        State::Waiting { since, returned } => {
            let why = if *returned { ", was removed before" } else { "" };
            format!("waiting for approval since {}{why}", time(Some(*since)))
        }
        State::Rejected { at, by } => format!("rejected by {by} at {}", time(Some(*at))),
        State::Approved {
            at,
            by,
            configuration_withheld,
        } => {
            let held = if *configuration_withheld {
                "; its configuration is withheld"
            } else {
                ""
            };
            format!("approved by {by} at {}{held}", time(Some(*at)))
        }
        State::Deleted(tombstone) => format!(
            "deleted ({}) by {} at {}; told so: {}",
            tombstone.mode.as_str(),
            tombstone.by,
            time(Some(tombstone.at)),
            time(tombstone.told)
        ),
    }
}

/// Of a deleted device there is none.
fn connectivity(connectivity: Option<Connectivity>, none: &str) -> String {
    connectivity.map_or_else(
        || none.to_owned(),
        |connectivity| connectivity.as_str().to_owned(),
    )
}

/// The version that it gets at its next poll, if that is another one than it was to have as of its
/// last.
fn newer(device: &DeviceView) -> Option<&str> {
    let wanted = device.delivery.wanted.as_ref()?;
    device
        .offered
        .as_deref()
        .filter(|offered| *offered != wanted.version)
}

fn wanted(device: &DeviceView) -> String {
    let Some(wanted) = &device.delivery.wanted else {
        return "none: it has not polled its configuration yet".to_owned();
    };
    let next = newer(device).map_or_else(String::new, |newer| format!("; {newer} from its next poll on"));
    let handed_over = match wanted.handed_over {
        Some(at) => format!("handed over at {}", time(Some(at))),
        None => "withheld".to_owned(),
    };
    format!(
        "{} since {}, {handed_over}{next}",
        wanted.version,
        time(Some(wanted.since))
    )
}

fn applied(device: &DeviceView) -> String {
    let Some(applied) = device
        .delivery
        .applied
        .as_ref()
        .filter(|applied| !applied.version.is_empty())
    else {
        return "none".to_owned();
    };
    let how = match device.applied_by {
        Some(AppliedBy::Version) => "the wanted one",
        Some(AppliedBy::Echo) => "of a backend before this one, with the content of the wanted one",
        None => "not the wanted one",
    };
    let until = match (device.applied_by, newer(device)) {
        (Some(_), Some(_)) => " as of its last poll, behind what it gets at its next",
        _ => "",
    };
    format!(
        "{} since {}: {how}{until}",
        applied.version,
        time(Some(applied.since))
    )
}

/// A device with its events.
pub(in crate::admin) fn device(device: &DeviceView) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<16} {}", brief(value, SENTENCE));
    };
    line("Id", device.id.as_str());
    if device.spelling != device.id.as_str() {
        line("Spelling", &device.spelling);
    }
    line("Namespace", device.namespace.as_str());
    line("State", &state(&device.state));
    line(
        "Connectivity",
        &connectivity(device.connectivity, "none: it was deleted"),
    );
    line("Last poll", &time(device.presence.polled));
    line("Last heartbeat", &time(device.presence.beat));
    line("Wanted version", &wanted(device));
    line("Applied version", &applied(device));
    for condition in &device.conditions {
        line(
            "Condition",
            &format!("{}: {}", condition.r#type, condition.message),
        );
    }
    for key in &device.registration.keys {
        line(
            "Key",
            &format!("{} registered {}", key.fingerprint, time(Some(key.last))),
        );
    }
    line(
        "Registration",
        if device.registration_open {
            "open to a further key"
        } else {
            "only its own keys"
        },
    );
    for (name, value) in &device.labels {
        line("Label", &format!("{name}={value}"));
    }
    let is_deleted = matches!(device.state, State::Deleted(_));
    let before = if is_deleted { " before its deletion" } else { "" };
    for (name, workload) in &device.report.workloads {
        line("Workload", &format!("{name} {}{before}", workload.status));
    }
    for run in &device.report.runs.list {
        line(
            "Playbook run",
            &format!(
                "{} of EdgeConfig {}: {:?} since {}",
                run.name,
                run.config,
                run.state,
                time(Some(run.since))
            ),
        );
    }
    text.push('\n');
    text.push_str(&table(
        [
            Column::Whole("LAST"),
            Column::Whole("COUNT"),
            Column::Whole("FROM"),
            Column::Whole("TYPE"),
            Column::Cut("REASON", WORD),
            Column::Cut("MESSAGE", MESSAGE),
        ],
        device.events.iter().map(|event| {
            [
                time(Some(event.last)),
                event.count.to_string(),
                format!("{:?}", event.origin).to_lowercase(),
                format!("{:?}", event.severity),
                event.reason.clone(),
                event.message.clone(),
            ]
        }),
    ));
    text
}
