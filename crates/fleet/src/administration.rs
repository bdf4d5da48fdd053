//! What an administrator may do to a device, each act with its author.

mod adoption;
mod labelling;
mod rerun;

use std::collections::{BTreeMap, BTreeSet};

use contract::{Namespace, labels::InvalidLabel};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Change, Context, DeletionMode, Delivery, Device, Event, Life, Phase, Report, Severity, State, Stray,
    Tombstone, condition, enrolment::Preapproval, hardware, key_gate::Registration, labels,
};

/// An administrator's act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum Act {
    /// The device may join: in this namespace, or where its EdgeDeviceSignedRequest says, or where
    /// it asked to be.
    Approve {
        /// Where it shall live, if the administrator says so.
        namespace: Option<Namespace>,
        /// The EdgeDeviceSet that it shall be a member of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        set: Option<String>,
    },
    /// It may not, until somebody says otherwise.
    Reject,
    /// It lives in another namespace from now on.
    Move {
        /// Where.
        namespace: Namespace,
    },
    /// It leaves the fleet and removes its workloads.
    Delete {
        /// What a later enrolment means.
        mode: DeletionMode,
    },
    /// Any key may register for a while.
    AllowRegistration,
    /// An id that speaks to the server becomes an approved device without a disconnect, its
    /// configuration withheld.
    Adopt {
        /// Where it lives; otherwise where it was heard.
        namespace: Option<Namespace>,
        /// Send it its configuration at once. What it runs and the configuration does not list is
        /// removed.
        #[serde(default)]
        release: bool,
    },
    /// An adopted device gets its configuration from now on.
    Release,
    /// A deletion of an earlier epoch of the store is meant in this one too.
    Confirm,
    /// Labels of it are given or taken away by an administrator. Those of other origins stay, and
    /// one of them that had the same key shows again.
    SetLabels {
        /// New labels, or new values.
        #[serde(default)]
        set: BTreeMap<String, String>,
        /// Keys to remove; one that is not there is removed already.
        #[serde(default)]
        remove: BTreeSet<String>,
    },
    /// The playbooks of an EdgeConfig that it was given and that are not under way are run again.
    RerunPlaybooks {
        /// The EdgeConfig.
        config: String,
    },
}

/// Why an act is not possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// There is no such device, and the act does not make one.
    #[error("there is no device {0}; 'edge-config-server device list' shows those there are")]
    NoSuchDevice(contract::DeviceId),
    /// The device is not in a state in which the act has a meaning.
    #[error("the device is {phase}: {remedy}", phase = phase.as_str())]
    WrongState {
        /// Its state.
        phase: Phase,
        /// What to do instead.
        remedy: &'static str,
    },
    /// What is kept of the device cannot be read, and the act needs it.
    #[error(
        "device {0} is there and cannot be read ('edge-config-server check' says why): 'edge-config-server device adopt' takes it in \
         anew without a disconnect, 'device delete' removes it"
    )]
    Unreadable(contract::DeviceId),
    /// The device was never heard, so nobody knows where it is.
    #[error("the device was never heard from; name its namespace with --namespace to adopt it all the same")]
    NeverHeard,
    /// Kubernetes would not take this label.
    #[error("'{text}' cannot be in a label: {reason}")]
    Label {
        /// The key or the value.
        text: String,
        /// Why.
        reason: InvalidLabel,
    },
    /// Only hardware gives such a label.
    #[error(
        "label {0} follows from the device's hardware and cannot be given; choose a key that does not begin with 'device.'"
    )]
    OfHardware(String),
    /// It is to be given and removed.
    #[error("label {0} is both to be given and to be removed; name it once")]
    Contradiction(String),
    /// It was given no playbook of this EdgeConfig.
    #[error(
        "the device was given no playbook of EdgeConfig {0}; label it with 'config/device-by-config={0}' to give it those"
    )]
    NoRuns(String),
}

impl Act {
    /// An approval that does not say where the device shall live: an EdgeDeviceSignedRequest may.
    fn leaves_place_open(&self) -> bool {
        matches!(self, Self::Approve { namespace: None, .. })
    }

    /// The same of an approval that has an effect on this device.
    pub fn asks_where(&self, device: &Device) -> bool {
        let undecided = matches!(device.life.state, State::Waiting { .. } | State::Rejected { .. });
        self.leaves_place_open() && undecided
    }

    /// With what the device's EdgeDeviceSignedRequest says of an approval's place and set where the
    /// administrator said nothing. In Flotta an approval is a change of that request, and it is the
    /// request that says where.
    #[must_use]
    pub fn completed(self, device: &Device, request: Option<&Preapproval>) -> Self {
        match (self.asks_where(device), self, request) {
            (true, Self::Approve { set, .. }, Some(request)) => Self::Approve {
                namespace: Some(request.namespace.clone()),
                set: set.or_else(|| request.set.clone()),
            },
            (_, act, _) => act,
        }
    }
}

/// Carries out an act on a device; `stray` is what was heard of the id if it is no approved device.
pub fn act(
    id: &contract::DeviceId,
    device: Option<&Device>,
    stray: Option<&Stray>,
    act: &Act,
    by: &str,
    context: &Context<'_>,
) -> Result<Change, ActError> {
    if let Act::Adopt { namespace, release } = act {
        return adoption::adopt(id, device, stray, namespace.as_ref(), *release, by, context);
    }
    let device = device.ok_or_else(|| ActError::NoSuchDevice(id.clone()))?;
    match act {
        Act::Approve { namespace, set } => approve(device, namespace.as_ref(), set.as_deref(), by, context),
        Act::Reject => reject(device, by, context),
        Act::Move { namespace } => relocate(device, namespace, by),
        Act::Delete { mode } => Ok(delete(device, *mode, by, context)),
        Act::AllowRegistration => allow_registration(device, by, context),
        Act::Release => adoption::release(device, by),
        Act::Confirm => confirm(device, by, context),
        Act::SetLabels { set, remove } => labelling::set_labels(device, set, remove, by),
        Act::RerunPlaybooks { config } => rerun::rerun(device, config, by, context),
        Act::Adopt { .. } => Ok(Change::default()),
    }
}

/// Carries out an act on a device that is there and cannot be read: what comes in its place.
/// `stray` is what was heard of it, if anything.
pub fn replace(
    id: &contract::DeviceId,
    stray: Option<&Stray>,
    act: &Act,
    by: &str,
    context: &Context<'_>,
) -> Result<Change, ActError> {
    match act {
        Act::Adopt { namespace, release } => {
            adoption::adopt(id, None, stray, namespace.as_ref(), *release, by, context)
        }
        Act::Delete { mode } => Ok(entomb(id, stray, *mode, by, context)),
        _ => Err(ActError::Unreadable(id.clone())),
    }
}

fn changed(device: &Device, state: State, reason: &str, message: String) -> Change {
    Change {
        life: Some(Life {
            state,
            ..(*device.life).clone()
        }),
        events: vec![Event::server(Severity::Normal, reason, message)],
        ..Change::default()
    }
}

fn wrong<T>(device: &Device, remedy: &'static str) -> Result<T, ActError> {
    Err(ActError::WrongState {
        phase: device.life.state.phase(),
        remedy,
    })
}

fn approved(by: &str, now: Timestamp) -> State {
    State::Approved {
        at: now,
        by: by.to_owned(),
        configuration_withheld: false,
    }
}

fn approve(
    device: &Device,
    namespace: Option<&Namespace>,
    set: Option<&str>,
    by: &str,
    context: &Context<'_>,
) -> Result<Change, ActError> {
    if let Some(set) = set {
        labelling::check_set(set)?;
    }
    match &device.life.state {
        State::Waiting { .. } | State::Rejected { .. } => {}
        State::Approved { .. } if set.is_some_and(|set| !is_member(device, set)) => {
            return wrong(
                device,
                "to change its set use 'edge-config-server device label' with flotta/member-of",
            );
        }
        State::Approved { .. } if namespace.is_none_or(|namespace| *namespace == device.life.namespace) => {
            return Ok(Change::default());
        }
        State::Approved { .. } => {
            return wrong(
                device,
                "to change its namespace use 'edge-config-server device move'",
            );
        }
        State::Deleted(_) => {
            return wrong(
                device,
                "it has to enrol first; to take it back without a disconnect use 'edge-config-server device adopt'",
            );
        }
    }
    let mut change = changed(
        device,
        approved(by, context.now),
        "Approved",
        format!("approved by {by}"),
    );
    if let Some(life) = &mut change.life {
        life.registration = Registration::default();
        life.approval_labels = labels::of_set(set);
        if let Some(namespace) = namespace {
            life.namespace = namespace.clone();
        }
    }
    Ok(change)
}

fn is_member(device: &Device, set: &str) -> bool {
    device
        .life
        .approval_labels
        .get(labels::MEMBER_OF)
        .is_some_and(|member_of| member_of == set)
}

fn reject(device: &Device, by: &str, context: &Context<'_>) -> Result<Change, ActError> {
    match device.life.state {
        State::Waiting { .. } => Ok(changed(
            device,
            State::Rejected {
                at: context.now,
                by: by.to_owned(),
            },
            "Rejected",
            format!("rejected by {by}"),
        )),
        State::Rejected { .. } => Ok(Change::default()),
        State::Approved { .. } | State::Deleted(_) => wrong(
            device,
            "only a waiting device can be rejected; use 'edge-config-server device delete' to remove it",
        ),
    }
}

fn relocate(device: &Device, namespace: &Namespace, by: &str) -> Result<Change, ActError> {
    if !matches!(device.life.state, State::Approved { .. }) {
        return wrong(device, "only an approved device has a place that it can leave");
    }
    if *namespace == device.life.namespace {
        return Ok(Change::default());
    }
    let message = format!("moved from {} to {namespace} by {by}", device.life.namespace);
    Ok(Change {
        life: Some(Life {
            namespace: namespace.clone(),
            ..(*device.life).clone()
        }),
        events: vec![Event::server(Severity::Normal, "Moved", message)],
        ..Change::default()
    })
}

/// A deletion of which nothing is known but that a person means it: the device may hold a
/// certificate, so it is to be told.
fn entomb(
    id: &contract::DeviceId,
    stray: Option<&Stray>,
    mode: DeletionMode,
    by: &str,
    context: &Context<'_>,
) -> Change {
    let tombstone = Tombstone {
        at: context.now,
        by: by.to_owned(),
        mode,
        epoch: context.epoch,
        never_approved: false,
        told: None,
        grace_until: None,
    };
    let life = Life {
        spelling: id.to_string(),
        namespace: stray.map(|stray| stray.namespace.clone()).unwrap_or_default(),
        state: State::Deleted(tombstone),
        enrolment: None,
        registration: Registration::default(),
        taken_over: false,
        assigned_labels: BTreeMap::new(),
        approval_labels: BTreeMap::new(),
        delivery: Delivery::default(),
    };
    let message = format!("{} by {by}, since it could not be read", word(mode));
    Change {
        life: Some(life),
        events: vec![Event::server(Severity::Normal, "Deleted", message)],
        ..Change::default()
    }
}

fn word(mode: DeletionMode) -> &'static str {
    match mode {
        DeletionMode::Remove => "removed",
        DeletionMode::Forget => "forgotten",
    }
}

/// Deleting what was deleted in an earlier epoch of the store means it in this one.
fn delete(device: &Device, mode: DeletionMode, by: &str, context: &Context<'_>) -> Change {
    let never_approved = match &device.life.state {
        State::Deleted(tombstone) if !condition::of_earlier_epoch(tombstone, context) => {
            return change_mode(device, tombstone, mode, by);
        }
        State::Deleted(tombstone) => tombstone.never_approved,
        State::Waiting { .. } | State::Rejected { .. } => true,
        State::Approved { .. } => false,
    };
    let tombstone = Tombstone {
        at: context.now,
        by: by.to_owned(),
        mode,
        epoch: context.epoch,
        never_approved,
        told: None,
        grace_until: None,
    };
    let mut change = changed(
        device,
        State::Deleted(tombstone),
        "Deleted",
        format!("{} by {by}", word(mode)),
    );
    if let Some(enrolment) = change.life.as_mut().and_then(|life| life.enrolment.as_mut()) {
        enrolment.features = None;
        enrolment.cut = contract::Cut::default();
    }
    let remains = remains(device);
    change.report = (remains != *device.report).then_some(remains);
    change
}

/// What is kept of what a deleted device said: that by which an adoption takes it back as it was,
/// and nothing of an id that was never more than a request.
fn remains(device: &Device) -> Report {
    let is_only_a_request = match &device.life.state {
        State::Waiting { .. } | State::Rejected { .. } => true,
        State::Approved { .. } => !device.is_vouched_for(),
        State::Deleted(_) => false,
    };
    if is_only_a_request {
        return Report::default();
    }
    let mut report = (*device.report).clone();
    report.hardware = None;
    report.upgrade = None;
    report.cut.retain(|field| !hardware::has(field));
    report
}

fn change_mode(device: &Device, tombstone: &Tombstone, mode: DeletionMode, by: &str) -> Change {
    if tombstone.mode == mode {
        return Change::default();
    }
    let state = State::Deleted(Tombstone {
        mode,
        ..tombstone.clone()
    });
    let message = format!("changed to {} by {by}", mode.as_str());
    changed(device, state, "DeletionModeChanged", message)
}

fn allow_registration(device: &Device, by: &str, context: &Context<'_>) -> Result<Change, ActError> {
    if !matches!(device.life.state, State::Approved { .. }) {
        return wrong(
            device,
            "only an approved device can be permitted to register anew",
        );
    }
    let until = context
        .now
        .saturating_add(context.policy.permission_window)
        .unwrap_or(Timestamp::MAX);
    let mut life = (*device.life).clone();
    life.registration.permit(by, until, context.now);
    let mut report = (*device.report).clone();
    report.identity.settle();
    Ok(Change {
        life: Some(life),
        report: (report != *device.report).then_some(report),
        events: vec![Event::server(
            Severity::Normal,
            "RegistrationAllowed",
            format!("{by} allows a registration with any key until {until}"),
        )],
        ..Change::default()
    })
}

fn confirm(device: &Device, by: &str, context: &Context<'_>) -> Result<Change, ActError> {
    match &device.life.state {
        State::Deleted(tombstone) if condition::of_earlier_epoch(tombstone, context) => {
            // Whatever it was told was told in a past that the store has lost: it is told anew.
            let state = State::Deleted(Tombstone {
                epoch: context.epoch,
                told: None,
                grace_until: None,
                ..tombstone.clone()
            });
            Ok(changed(
                device,
                state,
                "DeletionConfirmed",
                format!("confirmed by {by}"),
            ))
        }
        State::Deleted(_) => Ok(Change::default()),
        _ => wrong(device, "only a deletion can be confirmed"),
    }
}
