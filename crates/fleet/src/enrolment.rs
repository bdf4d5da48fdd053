//! Enrolment: a device asks to join.
//!
//! A new request is always answered [`EnrolmentAnswer::Wait`], also when it was approved on the
//! spot: with Flotta's operator approval comes after the answer too, and an agent whose very first
//! attempt succeeds would enrol and register a second time ten seconds later.

use std::sync::Arc;

use contract::{Cut, DeviceId, EnrolmentInfo, Namespace};

use crate::{
    AUTOMATIC_APPROVAL, Admission, Approval, Change, Context, DeletionMode, Delivery, Device,
    EnrolmentRequest, Event, Life, PREAPPROVAL, Report, Severity, State, Tombstone, Verdict, condition,
    intake::PutOff, key_gate::Registration, labels,
};

/// A device's request to join, with its id already read.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// The canonical id.
    pub id: DeviceId,
    /// The spelling that was used.
    pub spelling: String,
    /// Where it asks to be.
    pub namespace: Namespace,
    /// What it says.
    pub info: Arc<EnrolmentInfo>,
    /// The fields of which it says more than is kept.
    pub cut: Cut,
    /// It was approved before it came.
    pub preapproval: Option<Preapproval>,
}

/// What an EdgeDeviceSignedRequest document says of the device of its name. With `approved: true`
/// it is an approval that does not wait for the device; else it says where an administrator's
/// approval brings it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preapproval {
    /// Where the device shall live, wherever it asks to be.
    pub namespace: Namespace,
    /// The EdgeDeviceSet that it shall be a member of: a valid label value.
    pub set: Option<String>,
}

/// What the device hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnrolmentAnswer {
    /// It is approved: go on to register.
    Approved,
    /// The request is recorded: ask again.
    Wait,
    /// Nothing is recorded: ask again. On hold it is told so like [`EnrolmentAnswer::Wait`].
    PutOff(PutOff),
}

/// Decides on a request to join.
pub fn enrol(device: Option<&Device>, request: Enrolment, context: &Context<'_>) -> Verdict<EnrolmentAnswer> {
    if let Some(put_off) = put_off(device, context) {
        return Verdict::only(EnrolmentAnswer::PutOff(put_off));
    }
    let Some(device) = device else {
        return join(request, false, context);
    };
    match &device.life.state {
        State::Approved { .. } => Verdict {
            answer: EnrolmentAnswer::Approved,
            change: respell(&device.life, &request),
        },
        // It enrolled while a person had to approve; as with Flotta's operator, the present setting
        // counts. And a document may have come meanwhile.
        State::Waiting { returned: false, .. } if may_join(&request, context) => {
            let (mut life, event) = approved((*device.life).clone(), request.preapproval.as_ref(), context);
            life.spelling = request.spelling;
            Verdict {
                answer: EnrolmentAnswer::Approved,
                change: Change {
                    life: Some(life),
                    events: vec![event],
                    ..Change::default()
                },
            }
        }
        State::Waiting { .. } | State::Rejected { .. } => Verdict {
            answer: EnrolmentAnswer::Wait,
            change: respell(&device.life, &request),
        },
        State::Deleted(tombstone) if tombstone.told.is_some() || tombstone.never_approved => {
            join(request, tombstone.mode == DeletionMode::Remove, context)
        }
        State::Deleted(tombstone) => Verdict {
            answer: EnrolmentAnswer::Wait,
            change: Change {
                events: vec![Event::server(
                    Severity::Warning,
                    "EnrolmentWaits",
                    waits_because(tombstone, context),
                )],
                ..Change::default()
            },
        },
    }
}

/// Whether this change makes a device of an id that no person and no document has named: anybody
/// who may enrol can ask for that as often as he likes.
pub fn makes_a_newcomer(before: Option<&Device>, change: &Change) -> bool {
    let is_there = before.is_some_and(|device| !matches!(device.life.state, State::Deleted(_)));
    let state = change.life.as_ref().map(|life| &life.state);
    !is_there
        && match state {
            Some(State::Waiting { .. }) => true,
            Some(State::Approved { by, .. }) => by == AUTOMATIC_APPROVAL,
            _ => false,
        }
}

/// Leaves out what a new device says of its hardware: for knowing of it, and for approving it, its
/// id is enough.
pub fn leave_out_features(change: &mut Change) {
    let enrolment = change.life.as_mut().and_then(|life| life.enrolment.as_mut());
    if let Some(enrolment) = enrolment
        && enrolment.features.take().is_some()
    {
        enrolment.cut.insert("features");
    }
}

/// On hold only who is approved goes on, to a registration that has a rule of its own. Whoever is
/// not would leave a record behind, and no person of the backend before would know of it.
fn put_off(device: Option<&Device>, context: &Context<'_>) -> Option<PutOff> {
    let approved = device.is_some_and(|device| matches!(device.life.state, State::Approved { .. }));
    match context.admission {
        Admission::Hold if !approved => Some(PutOff::Hold),
        Admission::Closed => Some(PutOff::Closed),
        Admission::Open | Admission::Hold => None,
    }
}

fn waits_because(tombstone: &Tombstone, context: &Context<'_>) -> &'static str {
    if condition::of_earlier_epoch(tombstone, context) {
        "the device enrols but was deleted before the store was restored from a backup: it waits until the deletion is \
         confirmed with 'edge-config-server device confirm', or until it is taken back with 'edge-config-server device \
         adopt'"
    } else {
        "the device enrols but was deleted and has not been told so yet: it waits until it has asked for its registration \
         status once, or until it is taken back with 'edge-config-server device adopt'"
    }
}

/// A request of an id that was not known, or that was deleted and told so.
fn join(request: Enrolment, returned: bool, context: &Context<'_>) -> Verdict<EnrolmentAnswer> {
    let joins = !returned && may_join(&request, context);
    let life = Life {
        spelling: request.spelling,
        namespace: request.namespace.clone(),
        state: State::Waiting {
            since: context.now,
            returned,
        },
        enrolment: Some(EnrolmentRequest {
            at: context.now,
            namespace: request.namespace,
            features: request.info.features.clone(),
            cut: request.cut,
        }),
        registration: Registration::default(),
        taken_over: false,
        assigned_labels: labels::Labels::new(),
        approval_labels: labels::Labels::new(),
        delivery: Delivery::default(),
    };
    let (life, event) = if joins {
        approved(life, request.preapproval.as_ref(), context)
    } else {
        let why = if returned {
            ", since it was removed before"
        } else {
            ""
        };
        let event = Event::server(
            Severity::Normal,
            "WaitingForApproval",
            format!("the device enrolled and waits for approval{why}"),
        );
        (life, event)
    };
    Verdict {
        answer: EnrolmentAnswer::Wait,
        change: Change {
            life: Some(life),
            report: Some(Report::begun(context.epoch)),
            presence: None,
            events: vec![event],
        },
    }
}

/// Whether nobody has to be asked, unless a person removed or rejected the device.
fn may_join(request: &Enrolment, context: &Context<'_>) -> bool {
    request.preapproval.is_some() || context.policy.approval == Approval::Automatic
}

/// A document that names the device says more than the setting.
fn approved(life: Life, preapproval: Option<&Preapproval>, context: &Context<'_>) -> (Life, Event) {
    let by = if preapproval.is_some() {
        PREAPPROVAL
    } else {
        AUTOMATIC_APPROVAL
    };
    let life = Life {
        state: State::Approved {
            at: context.now,
            by: by.to_owned(),
            configuration_withheld: false,
        },
        namespace: preapproval.map_or(life.namespace, |preapproval| preapproval.namespace.clone()),
        approval_labels: labels::of_set(preapproval.and_then(|preapproval| preapproval.set.as_deref())),
        ..life
    };
    (
        life,
        Event::server(Severity::Normal, "Approved", format!("approved by {by}")),
    )
}

/// The spelling that was used last is what a person will look for.
fn respell(life: &Life, request: &Enrolment) -> Change {
    let life = (life.spelling != request.spelling).then(|| Life {
        spelling: request.spelling.clone(),
        ..life.clone()
    });
    Change {
        life,
        ..Change::default()
    }
}
