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

use crate::{
    Listed, Revision, StoreError, Stored,
    checksum::{DAMAGED, Standing, Summed},
};

/// Nanoseconds since the Unix epoch. Instants beyond the years 1677 to 2262 move to the nearest
/// that fits.
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

/// A sum as SQL gives it; one that is none leaves no room.
pub(crate) fn size(sum: i64) -> usize {
    usize::try_from(sum).unwrap_or(usize::MAX)
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
    pub(crate) phase: String,
    pub(crate) spelling: String,
    pub(crate) document: String,
    pub(crate) epoch: Option<String>,
    pub(crate) heartbeat_seconds: Option<i64>,
}

impl LifeColumns {
    pub(crate) fn of(id: &DeviceId, life: &Life) -> Result<Self, StoreError> {
        Ok(Self {
            namespace: life.namespace.as_str().to_owned(),
            phase: life.state.phase().as_str().to_owned(),
            spelling: life.spelling.clone(),
            document: document(&format!("device {id}"), life)?,
            epoch: match &life.state {
                State::Deleted(tombstone) => Some(tombstone.epoch.to_string()),
                _ => None,
            },
            heartbeat_seconds: life.delivery.applied_period(),
        })
    }

    /// A row of `device`, for its checksum.
    pub(crate) fn summed<'a>(&'a self, id: &'a str, revision: Revision) -> Summed<'a, 8> {
        Summed {
            table: "device",
            stamp: revision.0,
            columns: [
                id.into(),
                self.namespace.as_str().into(),
                self.phase.as_str().into(),
                self.spelling.as_str().into(),
                revision.0.into(),
                self.document.as_str().into(),
                self.epoch.as_deref().into(),
                self.heartbeat_seconds.into(),
            ],
        }
    }
}

/// A row of `report`, for its checksum.
pub(crate) fn summed_report<'a>(id: &'a str, report: &'a str) -> Summed<'a, 2> {
    Summed {
        table: "report",
        stamp: 0,
        columns: [id.into(), report.into()],
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
    serde_json::from_str(text).map_err(|error| corrupt(what(), &error))
}

fn corrupt(what: String, error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt {
        what,
        reason: error.to_string(),
    }
}

/// A row of `device` as it is stored.
pub(crate) struct KeptDevice {
    pub(crate) id: String,
    pub(crate) revision: i64,
    pub(crate) columns: LifeColumns,
    pub(crate) checksum: Option<Vec<u8>>,
}

impl KeptDevice {
    pub(crate) fn standing(&self) -> Standing {
        self.columns
            .summed(&self.id, Revision(self.revision))
            .standing(self.checksum.as_deref())
    }

    /// Fails unless it is what was written, as far as that can be told.
    pub(crate) fn verify(&self) -> Result<Standing, StoreError> {
        match self.standing() {
            Standing::Damaged => Err(damaged_device(&self.id)),
            standing => Ok(standing),
        }
    }
}

/// The error of a device whose row is not what was written.
pub(crate) fn damaged_device(id: &str) -> StoreError {
    unreadable_device(id, DAMAGED)
}

/// As a sentence about documents, with what to do.
pub(crate) fn of_documents(why: &str) -> String {
    format!(
        "{why}; no device is configured until the store is restored, or its source is taken over again and confirmed"
    )
}

/// The error of a device that cannot be read, whatever the reason.
pub(crate) fn unreadable_device(id: &str, reason: &str) -> StoreError {
    StoreError::Corrupt {
        what: format!("device {}", id.escape_debug()),
        reason: reason.to_owned(),
    }
}

/// A row of the device and what belongs to it.
pub(crate) struct DeviceRow {
    pub(crate) kept: KeptDevice,
    /// A report with its checksum.
    pub(crate) report: Option<(String, Option<Vec<u8>>)>,
    pub(crate) times: Times,
}

impl DeviceRow {
    /// Whether device and report have all the checksums that they could have; an error if they are
    /// not what was written.
    pub(crate) fn verify(&self) -> Result<Standing, StoreError> {
        let standing = self.kept.verify()?;
        let Some((report, checksum)) = &self.report else {
            // What a device was told and reported decides what it gets, so nothing is no report:
            // one is written with each approval. Programs without checksums did not always do so.
            if standing == Standing::Verified && self.kept.columns.phase == Phase::Approved.as_str() {
                return Err(StoreError::Corrupt {
                    what: format!("the report of device {}", self.kept.id.escape_debug()),
                    reason: "it is missing".to_owned(),
                });
            }
            return Ok(standing);
        };
        let reported = summed_report(&self.kept.id, report)
            .standing(checksum.as_deref())
            .if_it(standing == Standing::Verified);
        match reported {
            Standing::Damaged => Err(StoreError::Corrupt {
                what: format!("the report of device {}", self.kept.id.escape_debug()),
                reason: DAMAGED.to_owned(),
            }),
            reported => Ok(reported),
        }
    }

    /// Bytes of its documents as they are stored.
    pub(crate) fn bytes(&self) -> usize {
        let report = self.report.as_ref().map_or(0, |(text, _)| text.len());
        self.kept.columns.document.len() + report
    }

    pub(crate) fn read(self) -> Result<Stored, StoreError> {
        self.verify()?;
        let id = device_id(&self.kept.id)?;
        let report = match &self.report {
            Some((text, _)) => fleet::stored::report(text)
                .map_err(|error| corrupt(format!("the report of device {id}"), &error))?,
            None => Report::default(),
        };
        let device = Device {
            life: Arc::new(life(&id, &self.kept.columns.document)?),
            report: Arc::new(report),
            presence: presence(self.times),
            id,
        };
        Ok(Stored {
            device,
            revision: Revision(self.kept.revision),
        })
    }

    /// The same without its report.
    pub(crate) fn listed(self) -> Result<Listed, StoreError> {
        self.kept.verify()?;
        let id = device_id(&self.kept.id)?;
        Ok(Listed {
            life: life(&id, &self.kept.columns.document)?,
            presence: presence(self.times),
            revision: Revision(self.kept.revision),
            id,
        })
    }
}

/// What is cut when it is read has been verified as it is stored.
fn life(id: &DeviceId, text: &str) -> Result<Life, StoreError> {
    fleet::stored::life(text).map_err(|error| corrupt(format!("device {id}"), &error))
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

/// The setting that is there from the moment texts are sealed anew, or plain ones replaced by a
/// server with keys, until what was there before is erased.
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
