//! Conditions: what a person should know about a device, derived from what is kept whenever it is
//! asked for.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Connectivity, Context, Delivery, Device, State, Tombstone, Watch,
    runs::{MAX_RUNS, Runs},
};

/// Something that holds of a device now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Its name, in CamelCase as Kubernetes writes condition types.
    pub r#type: String,
    /// Since when, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// A sentence for a person.
    pub message: String,
}

/// Everything that holds of a device at `context.now`; `extra` is what follows from more than the
/// device.
pub fn conditions(device: &Device, extra: Vec<Condition>, context: &Context<'_>) -> Vec<Condition> {
    let mut found = Vec::new();
    let mut add = |name: &str, since: Option<Timestamp>, message: String| {
        found.push(Condition {
            r#type: name.to_owned(),
            since,
            message,
        });
    };
    if let Some(duplicate) = device.report.identity.duplicate(context.now) {
        add("DuplicateIdentity", Some(duplicate.since), duplicate.message);
    }
    match &device.life.state {
        State::Approved { configuration_withheld, at, .. } => {
            if device.connectivity(context) == Some(Connectivity::NotPolling) {
                add(
                    "NotPolling",
                    device.presence.beating_since,
                    "it sends heartbeats but does not poll its configuration: its certificate has probably expired, and \
                     devices do not renew by themselves"
                        .to_owned(),
                );
            }
            if let Some(since) = no_heartbeats(device, *at, context) {
                add(
                    "NoHeartbeats",
                    Some(since),
                    "it polls but sends no heartbeats: its agent has probably stopped, so what it runs is not known"
                        .to_owned(),
                );
            }
            if *configuration_withheld {
                add(
                    "ConfigurationWithheld",
                    Some(*at),
                    "it was adopted and keeps what it runs; 'edge-config-server device release' sends it its configuration"
                        .to_owned(),
                );
            } else if let Some((since, message)) = pending(&device.life.delivery) {
                add("ConfigurationPending", Some(since), message);
            }
            if let Some((since, message)) = interrupted(&device.report.runs, context) {
                add("PlaybookInterrupted", Some(since), message);
            }
            if device.report.runs.left_out > 0 {
                add("TooManyPlaybooks", None, too_many(device.report.runs.left_out));
            }
        }
        State::Waiting { since, returned: true } => add(
            "Returned",
            Some(*since),
            "it was removed before and enrolled again, so it waits for a person".to_owned(),
        ),
        State::Deleted(tombstone) if of_earlier_epoch(tombstone, context) => add(
            "EarlierEpoch",
            Some(tombstone.at),
            "it was deleted before the store was restored from a backup; it is not told so until 'edge-config-server device \
             confirm'"
                .to_owned(),
        ),
        State::Waiting { .. } | State::Rejected { .. } | State::Deleted(_) => {}
    }
    if let Some(message) = cut(device) {
        add("ReportCut", None, message);
    }
    found.extend(extra);
    found
}

/// What is known of it is not all that it said. What it said when it enrolled counts until it says
/// more.
fn cut(device: &Device) -> Option<String> {
    let report = &device.report;
    let enrolment = device
        .life
        .enrolment
        .as_ref()
        .filter(|_| report.hardware.is_none());
    let enrolment = enrolment.iter().flat_map(|enrolment| enrolment.cut.fields());
    let fields: BTreeSet<&str> = report.cut.fields().chain(enrolment).collect();
    if fields.is_empty() {
        return None;
    }
    let fields: Vec<&str> = fields.into_iter().collect();
    let mut message = format!(
        "it says more of itself than is kept: only the beginning of its {} is known",
        fields.join(", ")
    );
    if report.cut.contains("workloads") {
        message.push_str(
            "; since a workload that is not named may run all the same, none that is broken is left out on it",
        );
    }
    Some(message)
}

/// The polls are those of another process than the agent, and go on without it. Its heartbeats
/// begin with its first configuration.
fn no_heartbeats(device: &Device, approved: Timestamp, context: &Context<'_>) -> Option<Timestamp> {
    let delivery = &device.life.delivery;
    let beat = device.presence.beat.filter(|beat| *beat >= approved);
    let first = delivery.wanted.as_ref().and_then(|wanted| wanted.handed_over);
    let since = beat.or(first)?;
    let missed = Watch::of(context)
        .patience(delivery.applied_period())
        .is_over(since, context.now);
    (missed && device.connectivity(context) == Some(Connectivity::Online)).then_some(since)
}

fn pending(delivery: &Delivery) -> Option<(Timestamp, String)> {
    let wanted = delivery.wanted.as_ref().filter(|_| delivery.is_pending())?;
    let has = match delivery.applied.as_ref().map(|applied| applied.version.as_str()) {
        None | Some("") => "no configuration".to_owned(),
        Some(version) => format!("configuration {version}"),
    };
    let events = delivery.meanwhile.as_ref().map_or_else(String::new, |meanwhile| {
        format!(
            "; events since then: {}, the last: {}",
            meanwhile.count, meanwhile.message
        )
    });
    let message = format!(
        "it is to have configuration {} and has {has}{events}",
        wanted.version
    );
    Some((wanted.since, message))
}

fn interrupted(runs: &Runs, context: &Context<'_>) -> Option<(Timestamp, String)> {
    let interrupted = runs
        .list
        .iter()
        .filter(|run| run.unwanted_since.is_none() && run.needs_a_person(context.policy));
    let since = interrupted.clone().map(|run| run.since).min()?;
    let configs: BTreeSet<&str> = interrupted.map(|run| run.config.as_str()).collect();
    let configs: Vec<&str> = configs.into_iter().collect();
    let message = format!(
        "how far it came with playbooks of EdgeConfig {} is not known; 'edge-config-server device rerun-playbooks' runs \
         them again",
        configs.join(", ")
    );
    Some((since, message))
}

fn too_many(left_out: usize) -> String {
    format!(
        "{left_out} of its playbooks have no place among the {MAX_RUNS} that are kept of a device; give it fewer EdgeConfigs \
         or playbooks"
    )
}

/// Whether a tombstone was made before the store was restored, and not confirmed since.
pub fn of_earlier_epoch(tombstone: &Tombstone, context: &Context<'_>) -> bool {
    tombstone.epoch != context.epoch
}
