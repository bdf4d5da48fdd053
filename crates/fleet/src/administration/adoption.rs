//! Devices of a backend before this one: taking them over, and giving them their configuration.

use contract::Namespace;

use super::{ActError, changed, wrong};
use crate::{Change, Context, Delivery, Device, Event, Life, Severity, State, Stray, key_gate::Registration};

pub(super) fn adopt(
    id: &contract::DeviceId,
    device: Option<&Device>,
    stray: Option<&Stray>,
    namespace: Option<&Namespace>,
    release: bool,
    by: &str,
    context: &Context<'_>,
) -> Result<Change, ActError> {
    if let Some(device) = device.filter(|device| matches!(device.life.state, State::Approved { .. })) {
        return wrong(device, "there is nothing to adopt");
    }
    // A deleted device may have been moved since its certificate was issued; one that only enrolled
    // here runs where it was heard.
    let had = device
        .filter(|device| matches!(device.life.state, State::Deleted(_)))
        .map(|device| &device.life.namespace);
    let namespace = namespace
        .or(had)
        .or(stray.map(|stray| &stray.namespace))
        .or(device.map(|device| &device.life.namespace))
        .ok_or(ActError::NeverHeard)?;
    let life = Life {
        spelling: device.map_or_else(|| id.to_string(), |device| device.life.spelling.clone()),
        namespace: namespace.clone(),
        state: State::Approved {
            at: context.now,
            by: by.to_owned(),
            configuration_withheld: !release,
        },
        enrolment: device.and_then(|device| device.life.enrolment.clone()),
        registration: Registration::taken_over(),
        taken_over: true,
        assigned_labels: device
            .map(|device| device.life.assigned_labels.clone())
            .unwrap_or_default(),
        approval_labels: device
            .map(|device| device.life.approval_labels.clone())
            .unwrap_or_default(),
        delivery: Delivery::default(),
    };
    // What it runs is not known before its next heartbeat, whatever it ran when it was last heard.
    let mut report = device.map(|device| (*device.report).clone()).unwrap_or_default();
    report.ever_reported.known_in = None;
    Ok(Change {
        life: Some(life),
        report: Some(report),
        presence: None,
        events: vec![Event::server(
            Severity::Normal,
            "Adopted",
            format!("adopted by {by} in namespace {namespace}"),
        )],
    })
}

pub(super) fn release(device: &Device, by: &str) -> Result<Change, ActError> {
    match &device.life.state {
        State::Approved {
            configuration_withheld: false,
            ..
        } => Ok(Change::default()),
        State::Approved {
            at,
            by: approver,
            configuration_withheld: true,
        } => {
            let state = State::Approved {
                at: *at,
                by: approver.clone(),
                configuration_withheld: false,
            };
            Ok(changed(
                device,
                state,
                "ConfigurationReleased",
                format!("released by {by}"),
            ))
        }
        _ => wrong(
            device,
            "only an adopted device has a configuration that is withheld",
        ),
    }
}
