//! Workloads, and how far they have reached their devices.

use std::fmt::Write as _;

use super::{Column, MESSAGE, SENTENCE, WORD, table, time};
use crate::{service::WorkloadView, telemetry::brief};

/// A list of workloads.
pub(in crate::admin) fn workloads(workloads: &[WorkloadView]) -> String {
    if workloads.is_empty() {
        return "no workloads\n".to_owned();
    }
    table(
        [
            Column::Whole("NAMESPACE"),
            Column::Whole("NAME"),
            Column::Whole("DEVICES"),
            Column::Whole("RUNNING"),
            Column::Whole("BEHIND"),
            Column::Cut("STATES", 2 * WORD),
            Column::Whole("FAULTS"),
        ],
        workloads.iter().map(|workload| {
            [
                workload.namespace.clone(),
                workload.name.clone(),
                workload.wanted.to_string(),
                workload.running.to_string(),
                workload.behind.to_string(),
                states(workload),
                workload.faults.len().to_string(),
            ]
        }),
    )
}

/// A workload with its devices.
pub(in crate::admin) fn workload(workload: &WorkloadView) -> String {
    let summary = format!(
        "{}/{}: {} devices should run it, {} do, {} do not have their present configuration yet",
        workload.namespace, workload.name, workload.wanted, workload.running, workload.behind
    );
    let mut text = brief(&summary, SENTENCE) + "\n";
    for fault in &workload.faults {
        let _ = writeln!(text, "Fault: {}", brief(fault, SENTENCE));
    }
    if workload.devices.is_empty() {
        return text;
    }
    text.push('\n');
    text.push_str(&table(
        [
            Column::Whole("DEVICE"),
            Column::Cut("STATE", WORD),
            Column::Whole("SINCE"),
            Column::Whole("CONFIGURATION"),
            Column::Cut("LAST MESSAGE", MESSAGE),
        ],
        workload.devices.iter().map(|device| {
            [
                device.id.to_string(),
                state(&device.phase).to_owned(),
                time(device.since),
                if device.current { "applied" } else { "behind" }.to_owned(),
                device.message.clone().unwrap_or_default(),
            ]
        }),
    ));
    text
}

fn states(workload: &WorkloadView) -> String {
    let states: Vec<String> = workload
        .phases
        .iter()
        .map(|(phase, count)| format!("{} {count}", state(phase)))
        .collect();
    states.join(", ")
}

fn state(phase: &str) -> &str {
    if phase.is_empty() { "not reported" } else { phase }
}
