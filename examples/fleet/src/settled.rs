//! Whether the store has what was acknowledged to the devices.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use serde_json::Value;

use crate::device::REPORT_REASON;
use crate::record::{Record, Stage};
use crate::server::Administrator;

/// The server removes events after 30 days; what is close to that is not looked for.
const EVENTS_LAST: Duration = Duration::from_hours(29 * 24);

/// What was acknowledged and is there.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    devices: usize,
    reports: u64,
    keys: usize,
    lost: Vec<String>,
}

impl fmt::Display for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            devices,
            reports,
            keys,
            ..
        } = self;
        write!(
            f,
            "Nothing was lost: the store has all {devices} devices, {keys} registered keys and {reports} reports that \
             were acknowledged."
        )
    }
}

/// Looks for everything that the records speak of. An error says what is missing.
pub(crate) fn look(administrator: &Administrator, records: &[Record]) -> Result<Settled> {
    let mut settled = Settled::default();
    let now = SystemTime::now();
    for record in records
        .iter()
        .filter(|record| record.registered || record.reports > 0)
    {
        settled.devices += 1;
        match administrator.device(&["show", &record.id]) {
            Ok(device) => settled.compare(record, &device, now)?,
            Err(error) => settled.lost.push(format!("{}: {error:#}", record.id)),
        }
    }
    if settled.lost.is_empty() {
        return Ok(settled);
    }
    bail!("acknowledged and not in the store: {}", settled.lost.join("; "))
}

impl Settled {
    /// Holds a device's record against what the store says of it.
    fn compare(&mut self, record: &Record, device: &Value, now: SystemTime) -> Result<()> {
        if UNIX_EPOCH + Duration::from_secs(record.reported) + EVENTS_LAST > now {
            let kept = reports(device);
            self.reports += record.reports;
            if kept < record.reports {
                self.lost.push(format!(
                    "{}: {} reports were acknowledged and {kept} are there",
                    record.id, record.reports
                ));
            }
        }
        // A device that was deleted or approved anew since has no keys by right.
        if record.stage == Stage::Running && record.registered && device["state"]["phase"] == "approved" {
            self.keys += 1;
            if !device["registration"]
                .to_string()
                .contains(&record.key()?.fingerprint())
            {
                self.lost
                    .push(format!("{}: its registered key is not there", record.id));
            }
        }
        Ok(())
    }
}

fn reports(device: &Value) -> u64 {
    let events = device["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    events
        .iter()
        .filter(|event| event["reason"] == REPORT_REASON)
        .filter_map(|event| event["count"].as_u64())
        .sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn compared(kept: u64, key: &str, later: Duration) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let mut record = Record::load_or_new(folder.path(), "pump-1", "default").unwrap();
        record.stage = Stage::Running;
        record.registered = true;
        record.reports = 12;
        record.reported = 1_700_000_000;
        let key = if key == "its own" {
            record.key().unwrap().fingerprint()
        } else {
            key.to_owned()
        };
        let device = json!({
            "state": {"phase": "approved"},
            "registration": {"keys": [{"fingerprint": key}]},
            "events": [{"reason": REPORT_REASON, "count": kept}, {"reason": "Registered", "count": 40}],
        });
        let mut settled = Settled::default();
        let now = UNIX_EPOCH + Duration::from_secs(record.reported) + later;
        settled.compare(&record, &device, now).unwrap();
        settled.lost
    }

    #[test]
    fn what_was_acknowledged_has_to_be_there() {
        assert_eq!(compared(12, "its own", DAY), Vec::<String>::new());
        assert_eq!(
            compared(11, "its own", DAY),
            ["pump-1: 12 reports were acknowledged and 11 are there"]
        );
        assert_eq!(
            compared(12, "another", DAY),
            ["pump-1: its registered key is not there"]
        );
    }

    #[test]
    fn what_the_server_removes_by_age_is_not_missed() {
        assert_eq!(compared(0, "its own", 40 * DAY), Vec::<String>::new());
    }

    #[test]
    fn a_report_too_many_is_one_whose_answer_was_lost() {
        assert_eq!(compared(13, "its own", DAY), Vec::<String>::new());
    }
}
