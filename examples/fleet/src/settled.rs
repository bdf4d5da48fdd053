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
}

impl fmt::Display for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            devices,
            reports,
            keys,
        } = self;
        write!(
            f,
            "Nothing was lost: the store has all {devices} devices, {keys} registered keys and {reports} reports that were acknowledged."
        )
    }
}

/// Looks for everything that the records speak of. An error says what is missing.
pub(crate) fn look(administrator: &Administrator, records: &[Record]) -> Result<Settled> {
    let mut settled = Settled::default();
    let mut lost = Vec::new();
    for record in records
        .iter()
        .filter(|record| record.registered || record.reports > 0)
    {
        settled.devices += 1;
        let device = match administrator.device(&["show", &record.id]) {
            Ok(device) => device,
            Err(error) => {
                lost.push(format!("{}: {error:#}", record.id));
                continue;
            }
        };
        let is_recent = UNIX_EPOCH + Duration::from_secs(record.reported) + EVENTS_LAST > SystemTime::now();
        if is_recent {
            let kept = reports(&device);
            settled.reports += record.reports;
            if kept < record.reports {
                lost.push(format!(
                    "{}: {} reports were acknowledged and {kept} are there",
                    record.id, record.reports
                ));
            }
        }
        // A device that was deleted or approved anew since has no keys by right.
        if record.stage == Stage::Running && record.registered && device["state"]["phase"] == "approved" {
            settled.keys += 1;
            if !device["registration"]
                .to_string()
                .contains(&record.key()?.fingerprint())
            {
                lost.push(format!("{}: its registered key is not there", record.id));
            }
        }
    }
    if lost.is_empty() {
        return Ok(settled);
    }
    bail!("acknowledged and not in the store: {}", lost.join("; "))
}

fn reports(device: &Value) -> u64 {
    let events = device["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    events
        .iter()
        .filter(|event| event["reason"] == REPORT_REASON)
        .filter_map(|event| event["count"].as_u64())
        .sum()
}
