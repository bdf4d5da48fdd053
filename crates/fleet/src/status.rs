//! The registration status: the device's control poll, and the first half of every registration. On
//! the wire they are the same request, so what is right for both is answered, and nothing is
//! concluded from it but that somebody asked.

use contract::Namespace;

use crate::{
    Change, Context, Device, Event, Presence, Severity, State, Verdict,
    deletion::{self, Word},
};

/// What a caller hears about a device's registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusAnswer {
    /// Whether it belongs to the fleet.
    pub status: Status,
    /// Never empty: it becomes the organisational unit of a certificate.
    pub namespace: Namespace,
}

/// Whether a device belongs to the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Registered,
    /// An administrator deleted it: disconnect. Nothing else is ever answered so.
    Unregistered,
    /// Not known, or not approved yet.
    Unknown,
}

impl Status {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Unregistered => "unregistered",
            Self::Unknown => "unknown",
        }
    }
}

/// Answers a request for the registration status. `path` is the namespace of the request's path.
pub fn registration_status(
    device: Option<&Device>,
    path: &Namespace,
    context: &Context<'_>,
) -> Verdict<StatusAnswer> {
    let Some(device) = device else {
        return Verdict::only(StatusAnswer {
            status: Status::Unknown,
            namespace: path.clone(),
        });
    };
    if let State::Deleted(tombstone) = &device.life.state
        && deletion::rests(tombstone, &device.presence, context)
    {
        return Verdict::only(StatusAnswer {
            status: Status::Unknown,
            namespace: device.life.namespace.clone(),
        });
    }
    let mut change = Change {
        presence: Some(Presence::default().asked(context.now)),
        ..Change::default()
    };
    let status = match &device.life.state {
        State::Approved { .. } => Status::Registered,
        State::Waiting { .. } | State::Rejected { .. } => Status::Unknown,
        State::Deleted(tombstone) => {
            let (word, changed) = deletion::asked(tombstone, &device.presence, context);
            if let Some(changed) = changed {
                change.events.extend(told_event(tombstone, &changed));
                let mut life = (*device.life).clone();
                life.state = State::Deleted(changed);
                change.life = Some(life);
            }
            match word {
                Word::Unregistered => Status::Unregistered,
                Word::Unknown => Status::Unknown,
            }
        }
    };
    Verdict {
        answer: StatusAnswer {
            status,
            namespace: device.life.namespace.clone(),
        },
        change,
    }
}

fn told_event(before: &crate::Tombstone, after: &crate::Tombstone) -> Option<Event> {
    if before.told != after.told {
        return Some(Event::server(
            Severity::Normal,
            "ToldUnregistered",
            "the device was told that it is deleted; it removes its workloads",
        ));
    }
    (after.grace_until.is_some() && before.grace_until != after.grace_until).then(|| {
        Event::server(
            Severity::Normal,
            "Reappeared",
            "the deleted device appeared again after a silence; it has a minute to enrol before it is told again",
        )
    })
}
