//! Labels that an administrator gives.

use std::collections::{BTreeMap, BTreeSet};

use contract::labels::{InvalidLabel, check_key, check_value};

use super::{ActError, wrong};
use crate::{Change, Device, Event, Life, Severity, State, labels};

pub(super) fn set_labels(
    device: &Device,
    set: &BTreeMap<String, String>,
    remove: &BTreeSet<String>,
    by: &str,
) -> Result<Change, ActError> {
    if matches!(device.life.state, State::Deleted(_)) {
        return wrong(device, "it has to enrol first, and begins without labels then");
    }
    for (key, value) in set {
        check(key, check_key(key))?;
        check(value, check_value(value))?;
        if labels::is_of_hardware(key) {
            return Err(ActError::OfHardware(key.clone()));
        }
        if remove.contains(key) {
            return Err(ActError::Contradiction(key.clone()));
        }
    }
    let mut life: Life = (*device.life).clone();
    life.assigned_labels.retain(|key, _| !remove.contains(key));
    life.assigned_labels.extend(set.clone());
    if life.assigned_labels == device.life.assigned_labels {
        return Ok(Change::default());
    }
    let given = set.iter().map(|(key, value)| format!("{key}={value}"));
    let removed = remove
        .iter()
        .filter(|key| device.life.assigned_labels.contains_key(*key))
        .map(|key| format!("{key}-"));
    let what: Vec<String> = given.chain(removed).collect();
    Ok(Change {
        life: Some(life),
        events: vec![Event::server(
            Severity::Normal,
            "LabelsChanged",
            format!("{} by {by}", what.join(" ")),
        )],
        ..Change::default()
    })
}

/// A set is named by a label's value, so what cannot be one names none.
pub(super) fn check_set(set: &str) -> Result<(), ActError> {
    let reason = if set.is_empty() {
        Err(InvalidLabel::Name)
    } else {
        check_value(set)
    };
    check(set, reason)
}

fn check(text: &str, result: Result<(), InvalidLabel>) -> Result<(), ActError> {
    result.map_err(|reason| ActError::Label {
        text: text.to_owned(),
        reason,
    })
}
