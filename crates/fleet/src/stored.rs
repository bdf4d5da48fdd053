//! What is kept of a device, as it is read from a store.
//!
//! What a device says is bounded when it comes. An earlier program took it whole, so it is bounded
//! again when it is read, more generously, and marked in the same way. What was decided about the
//! device is always read whole.

use contract::bounded::{Bounds, Fields, from_slice};

use crate::{Life, Report};

/// Nothing that came within [`Bounds::RECEIVED`] is cut by these.
const BOUNDS: Bounds = Bounds {
    text: 4 * Bounds::RECEIVED.text,
    list: 4 * Bounds::RECEIVED.list,
    fields: Fields::Only(&[
        "features",
        "hardware",
        "playbooks",
        "status",
        "upgrade",
        "version",
        "workloads",
    ]),
};

/// Reads the report of a device.
pub fn report(document: &str) -> Result<Report, serde_json::Error> {
    let (mut report, cut) = from_slice::<Report>(document.as_bytes(), BOUNDS)?;
    if cut.contains("workloads") {
        report.ever_reported.overflow = true;
    }
    cut.fields().for_each(|field| report.cut.insert(field));
    Ok(report)
}

/// Reads what was decided about a device, with what it said when it enrolled.
pub fn life(document: &str) -> Result<Life, serde_json::Error> {
    let (mut life, cut) = from_slice::<Life>(document.as_bytes(), BOUNDS)?;
    if let Some(enrolment) = &mut life.enrolment {
        cut.fields().for_each(|field| enrolment.cut.insert(field));
    }
    Ok(life)
}
