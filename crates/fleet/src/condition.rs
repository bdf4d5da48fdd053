//! Conditions: what a person should know about a device, derived from what is kept whenever it is asked for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Connectivity, Context, Device, State, Tombstone};

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

/// Everything that holds of a device at `context.now`.
pub fn conditions(device: &Device, context: &Context<'_>) -> Vec<Condition> {
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
            if device.presence.connectivity(context.now) == Connectivity::NotPolling {
                add(
                    "NotPolling",
                    device.presence.beating_since,
                    "it sends heartbeats but does not poll its configuration: its certificate has probably expired, and \
                     devices do not renew by themselves"
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
    found
}

/// Whether a tombstone was made before the store was restored, and not confirmed since.
pub fn of_earlier_epoch(tombstone: &Tombstone, context: &Context<'_>) -> bool {
    tombstone.epoch != context.epoch
}
