//! Playbooks that an administrator has run again.

use super::{ActError, wrong};
use crate::{Change, Context, Device, Event, Report, Severity, State};

/// Begins every run of this EdgeConfig anew that ended, was interrupted, used up its offers, or may
/// have ended in a part of a list that was not kept. One that is known to be under way is not begun
/// beside itself, and one that waits needs no second request.
pub(super) fn rerun(
    device: &Device,
    config: &str,
    by: &str,
    context: &Context<'_>,
) -> Result<Change, ActError> {
    if !matches!(device.life.state, State::Approved { .. }) {
        return wrong(device, "only an approved device runs playbooks");
    }
    let mut report: Report = (*device.report).clone();
    let mut known = false;
    let mut begun = 0_usize;
    for run in report.runs.list.iter_mut().filter(|run| run.config == config) {
        known = true;
        if run.is_over(context.policy) {
            run.request(&device.id, context.now);
            begun += 1;
        }
    }
    if !known {
        return Err(ActError::NoRuns(config.to_owned()));
    }
    if begun == 0 {
        return Ok(Change::default());
    }
    Ok(Change {
        report: Some(report),
        events: vec![Event::server(
            Severity::Normal,
            "PlaybooksRequested",
            format!("{begun} playbooks of EdgeConfig {config} are run again, as {by} asked"),
        )],
        ..Change::default()
    })
}
