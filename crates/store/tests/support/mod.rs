//! What the contract suite needs: places where a store can live, and short names for values.

pub(crate) mod documents;
pub(crate) mod model;
pub(crate) mod place;

use contract::{DeviceId, Namespace};
use fleet::{
    DeletionMode, Epoch, Event, Life, Operation, Presence, Report, Severity, State, Stray, Tombstone, Watch,
    delivery::{Applied, Meanwhile},
};
use flotta_store::{Bounds, Listed, Page, Revision, Sighting, Store, Unreadable, Write, WriteGuard};
use jiff::{SignedDuration, Timestamp};

/// The beginning of a test's time; a multiple of a microsecond, with nanoseconds added by [`at`].
pub(crate) fn start() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// So many milliseconds, and a few nanoseconds, after the beginning.
pub(crate) fn at(millis: i64) -> Timestamp {
    start() + SignedDuration::from_millis(millis) + SignedDuration::from_nanos(7)
}

pub(crate) fn id(text: &str) -> DeviceId {
    DeviceId::parse(text).unwrap()
}

/// The id of an entry of a list, as it is stored.
pub(crate) fn listed_id(entry: &Result<Listed, Unreadable>) -> &str {
    match entry {
        Ok(listed) => listed.id.as_str(),
        Err(unreadable) => &unreadable.id,
    }
}

/// The same of all.
pub(crate) fn ids(entries: &[Result<Listed, Unreadable>]) -> Vec<&str> {
    entries.iter().map(listed_id).collect()
}

pub(crate) fn namespace(text: &str) -> Namespace {
    Namespace::parse(text).unwrap()
}

pub(crate) fn life(state: State) -> Life {
    Life {
        spelling: "Spelt-Like-This".to_owned(),
        namespace: namespace("edge"),
        state,
        enrolment: None,
        registration: fleet::key_gate::Registration::default(),
        taken_over: false,
        assigned_labels: [("zone".to_owned(), "a".to_owned())].into(),
        approval_labels: std::collections::BTreeMap::new(),
        delivery: fleet::Delivery::default(),
    }
}

pub(crate) fn approved() -> Life {
    life(State::Approved {
        at: start(),
        by: "alice".to_owned(),
        configuration_withheld: false,
    })
}

pub(crate) fn waiting() -> Life {
    life(State::Waiting {
        since: start(),
        returned: false,
    })
}

pub(crate) fn rejected() -> Life {
    life(State::Rejected {
        at: start(),
        by: "bob".to_owned(),
    })
}

pub(crate) fn deleted(epoch: Epoch) -> Life {
    life(State::Deleted(Tombstone {
        at: start(),
        by: "carol".to_owned(),
        mode: DeletionMode::Remove,
        epoch,
        told: None,
        never_approved: false,
        grace_until: None,
    }))
}

pub(crate) fn report(version: &str) -> Report {
    Report {
        version: version.to_owned(),
        ..Report::default()
    }
}

pub(crate) fn write(name: &str, guard: WriteGuard, at: Timestamp) -> Write {
    Write {
        id: id(name),
        guard,
        life: None,
        report: None,
        presence: None,
        events: Vec::new(),
        at,
    }
}

/// The write that makes a device known.
pub(crate) fn creation(name: &str, life: Life, at: Timestamp) -> Write {
    Write {
        life: Some(life.into()),
        report: Some(Report::default().into()),
        ..write(name, WriteGuard::Absent, at)
    }
}

pub(crate) async fn create(store: &dyn Store, name: &str, life: Life) -> Revision {
    store.commit(creation(name, life, at(0))).await.unwrap()
}

pub(crate) fn event(reason: &str, message: &str) -> Event {
    Event::server(Severity::Warning, reason, message)
}

pub(crate) fn device_event(kind: &str) -> Event {
    Event {
        origin: fleet::Origin::Device,
        ..event(kind, "reported")
    }
}

pub(crate) fn stray(name: &str, at: Timestamp) -> Stray {
    Stray::heard(id(name), namespace("lost"), Operation::Heartbeat, at)
}

pub(crate) fn sighting(name: &str, presence: Presence) -> Sighting {
    Sighting {
        id: id(name),
        presence,
    }
}

pub(crate) fn all() -> Page {
    Page {
        after: None,
        limit: 1000,
    }
}

pub(crate) fn few() -> Bounds {
    Bounds {
        events: 3,
        event_bytes: 2048,
        event_age: SignedDuration::from_hours(1),
        strays: 3,
    }
}

/// By Flotta's default, if somebody always listened.
pub(crate) fn watch(now: Timestamp) -> Watch {
    Watch {
        silent_after_periods: 3,
        since: Timestamp::MIN,
        now,
    }
}

/// An approved device that has applied a configuration with this period of heartbeats, in seconds.
pub(crate) fn with_period(seconds: Option<i64>) -> Life {
    let mut life = approved();
    life.delivery.applied = Some(Applied {
        version: "\"applied\":{\"version\":\"}".to_owned(),
        since: at(1),
        period_seconds: seconds,
        echo: None,
    });
    // Text of a device, before and after it.
    "\"periodSeconds\":7".clone_into(&mut life.spelling);
    life.delivery.meanwhile = Some(Meanwhile {
        count: 1,
        message: "\0\"applied\":{\"version\":\"\",\"since\":\"\",\"periodSeconds\":7".to_owned(),
        last: at(1),
    });
    life
}
