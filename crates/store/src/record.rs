//! The form in which values are kept, the same in both stores.

use std::sync::Arc;

use contract::{DeviceId, Namespace};
use fleet::{
    Device, Epoch, Event, Life, Operation, Origin, Phase, Presence, RecordedEvent, Report, Severity, State,
    Stray,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{Listed, Revision, StoreError, Stored};

/// Nanoseconds since the Unix epoch. Instants beyond the years 1677 to 2262 move to the nearest that fits.
pub(crate) fn nanos(at: Timestamp) -> i64 {
    let bound = if at < Timestamp::UNIX_EPOCH {
        i64::MIN
    } else {
        i64::MAX
    };
    i64::try_from(at.as_nanosecond()).unwrap_or(bound)
}

/// The instant of [`nanos`].
pub(crate) fn instant(nanos: i64) -> Timestamp {
    // Every i64 of nanoseconds is within the range of `Timestamp`.
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default()
}

/// What is later than this is ahead of `now`, see [`fleet::clock`].
pub(crate) fn latest(now: Timestamp) -> i64 {
    nanos(
        now.saturating_add(fleet::clock::DIFFERENCE)
            .unwrap_or(Timestamp::MAX),
    )
}

/// A count in a signed column.
pub(crate) fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A bound as SQL takes it.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The columns of [`Presence`]: polled, asked, beat, beating_since.
pub(crate) type Times = [Option<i64>; 4];

pub(crate) fn times(presence: &Presence) -> Times {
    [
        presence.polled,
        presence.asked,
        presence.beat,
        presence.beating_since,
    ]
    .map(|at| at.map(nanos))
}

pub(crate) fn presence(times: Times) -> Presence {
    let [polled, asked, beat, beating_since] = times.map(|at| at.map(instant));
    Presence {
        polled,
        asked,
        beat,
        beating_since,
    }
}

pub(crate) fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Server => "server",
        Origin::Device => "device",
    }
}

/// The columns that follow from a [`Life`].
pub(crate) struct LifeColumns {
    pub(crate) namespace: String,
    pub(crate) phase: &'static str,
    pub(crate) spelling: String,
    pub(crate) document: String,
    pub(crate) epoch: Option<String>,
    pub(crate) heartbeat_seconds: Option<i64>,
}

impl LifeColumns {
    pub(crate) fn of(id: &DeviceId, life: &Life) -> Result<Self, StoreError> {
        Ok(Self {
            namespace: life.namespace.as_str().to_owned(),
            phase: life.state.phase().as_str(),
            spelling: life.spelling.clone(),
            document: document(&format!("device {id}"), life)?,
            epoch: match &life.state {
                State::Deleted(tombstone) => Some(tombstone.epoch.to_string()),
                _ => None,
            },
            heartbeat_seconds: life.delivery.applied_period(),
        })
    }
}

/// A value as a JSON document.
pub(crate) fn document<T: Serialize>(what: &str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt {
        what: what.to_owned(),
        reason: error.to_string(),
    })
}

fn parse<T: DeserializeOwned>(what: impl FnOnce() -> String, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt {
        what: what(),
        reason: error.to_string(),
    })
}

/// A row of the device and what belongs to it.
pub(crate) struct DeviceRow {
    pub(crate) life: String,
    pub(crate) revision: i64,
    pub(crate) report: Option<String>,
    pub(crate) times: Times,
}

impl DeviceRow {
    pub(crate) fn read(self, id: &DeviceId) -> Result<Stored, StoreError> {
        let report = match &self.report {
            Some(text) => parse(|| format!("the report of device {id}"), text)?,
            None => Report::default(),
        };
        let device = Device {
            id: id.clone(),
            life: parse(|| format!("device {id}"), &self.life)?,
            report: Arc::new(report),
            presence: presence(self.times),
        };
        Ok(Stored {
            device,
            revision: Revision(self.revision),
        })
    }
}

pub(crate) fn listed(id: &str, life: &str, times: Times, revision: i64) -> Result<Listed, StoreError> {
    Ok(Listed {
        id: device_id(id)?,
        life: parse(|| format!("device {id}"), life)?,
        presence: presence(times),
        revision: Revision(revision),
    })
}

pub(crate) fn device_id(text: &str) -> Result<DeviceId, StoreError> {
    DeviceId::parse(text).map_err(|error| StoreError::Corrupt {
        what: format!("device {text:?}"),
        reason: error.to_string(),
    })
}

pub(crate) fn phase(text: &str) -> Result<Phase, StoreError> {
    Phase::ALL
        .into_iter()
        .find(|phase| phase.as_str() == text)
        .ok_or_else(|| StoreError::Corrupt {
            what: "a device's phase".to_owned(),
            reason: format!("{text:?} is none"),
        })
}

/// What of an event is not in columns of its own.
#[derive(Serialize, Deserialize)]
struct EventBody {
    severity: Severity,
    reason: String,
    message: String,
}

pub(crate) fn event_body(event: &Event) -> Result<String, StoreError> {
    let body = EventBody {
        severity: event.severity,
        reason: event.reason.clone(),
        message: event.message.clone(),
    };
    document("an event", &body)
}

/// A row of the events of a device.
pub(crate) struct EventRow {
    pub(crate) origin: String,
    pub(crate) kind: String,
    pub(crate) count: i64,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) body: String,
}

impl EventRow {
    pub(crate) fn read(self, id: &DeviceId) -> Result<RecordedEvent, StoreError> {
        let what = || format!("event {} of device {id}", self.kind);
        let body: EventBody = parse(what, &self.body)?;
        let origin = match self.origin.as_str() {
            "server" => Origin::Server,
            "device" => Origin::Device,
            other => {
                return Err(StoreError::Corrupt {
                    what: what(),
                    reason: format!("{other:?} is no origin of events"),
                });
            }
        };
        Ok(RecordedEvent {
            origin,
            severity: body.severity,
            reason: body.reason,
            message: body.message,
            count: self.count.unsigned_abs(),
            first: instant(self.first),
            last: instant(self.last),
            kind: self.kind,
        })
    }
}

/// A row of the strays.
pub(crate) struct StrayRow {
    pub(crate) id: String,
    pub(crate) namespace: String,
    pub(crate) operation: String,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) count: i64,
}

impl StrayRow {
    pub(crate) fn read(self) -> Result<Stray, StoreError> {
        let corrupt = |reason| StoreError::Corrupt {
            what: format!("stray {}", self.id),
            reason,
        };
        let operation = Operation::ALL
            .into_iter()
            .find(|operation| operation.as_str() == self.operation)
            .ok_or_else(|| corrupt(format!("{:?} is no operation", self.operation)))?;
        Ok(Stray {
            id: device_id(&self.id)?,
            namespace: Namespace::parse(&self.namespace).map_err(|error| corrupt(error.to_string()))?,
            operation,
            first: instant(self.first),
            last: instant(self.last),
            count: self.count.unsigned_abs(),
        })
    }
}

/// The strays of one call, each id once.
pub(crate) fn joined_strays(strays: Vec<Stray>) -> Vec<Stray> {
    let mut joined = std::collections::BTreeMap::<DeviceId, Stray>::new();
    for stray in strays {
        let id = stray.id.clone();
        let stray = match joined.remove(&id) {
            Some(before) => before.join(stray),
            None => stray,
        };
        joined.insert(id, stray);
    }
    joined.into_values().collect()
}

/// Reads a store's id and epoch.
pub(crate) fn identity(store_id: &str, epoch: &str) -> Result<crate::Identity, StoreError> {
    let read = |what: &str, text: &str| {
        Uuid::parse_str(text).map_err(|error| StoreError::Corrupt {
            what: what.to_owned(),
            reason: error.to_string(),
        })
    };
    Ok(crate::Identity {
        id: read("the id", store_id)?,
        epoch: Epoch(read("the epoch", epoch)?),
    })
}

/// The setting that is there from the moment texts are sealed anew, or plain ones replaced by a server with keys, until what
/// was there before is erased.
pub(crate) const UNERASED: &str = "rekey.unerased";

/// A setting that PostgreSQL could not hold is refused by both stores.
pub(crate) fn check_setting(name: &str, value: Option<&str>) -> Result<(), StoreError> {
    if name.contains('\0') || value.is_some_and(|value| value.contains('\0')) {
        return Err(StoreError::Corrupt {
            what: format!("the setting {name:?}"),
            reason: "a setting must not contain U+0000".to_owned(),
        });
    }
    Ok(())
}

/// The error of a write that creates a device without saying what was decided about it.
pub(crate) fn without_life(id: &DeviceId) -> StoreError {
    StoreError::Corrupt {
        what: format!("a write of the new device {id}"),
        reason: "it does not say what was decided about the device".to_owned(),
    }
}
