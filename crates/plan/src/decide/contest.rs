//! Somebody else changes a value of ours. Once or twice it is set right; then it is a contest, and nothing is written any
//! more: two controllers that write against each other restart the Edge API for ever.

use jiff::SignedDuration;

use crate::{
    api::{ConditionStatus, ConditionType, Phase, Reason, WriteBack},
    managers::Manager,
    report::{LATER, Report, Step},
    view::View,
};

/// Write-backs count for this time.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// So many are set right.
const PATIENCE: usize = 2;

/// Who changed our settings, written down; a step when it is a contest or was not written down yet.
pub(super) fn settings(view: &View<'_>, report: &mut Report) -> Option<Step> {
    let differences = view.config?.differences(&view.desired);
    judge(view, report, &differences, "ConfigMap")
}

/// Who changed the Deployment; the same.
pub(super) fn deployment(view: &View<'_>, report: &mut Report) -> Option<Step> {
    let differences = view.deployment?.differences();
    judge(view, report, &differences, "Deployment")
}

fn judge(
    view: &View<'_>,
    report: &mut Report,
    differences: &[(&'static str, Option<Manager>)],
    kind: &str,
) -> Option<Step> {
    let (field, manager) = differences.first()?;
    let field = format!("{kind} {field}");
    let manager = manager.clone().unwrap_or(Manager {
        name: "somebody".to_owned(),
        at: String::new(),
    });
    if view.retry().is_some() && report.status.retry.as_deref() != view.retry() {
        report.status.retry = view.retry().map(str::to_owned);
        report.status.write_backs.clear();
    }
    let recent = |entry: &&WriteBack| entry.field == field && view.since(&entry.at) < WINDOW;
    let known = report.status.write_backs.iter().any(|entry| {
        entry.field == field
            && entry.manager == manager.name
            && !manager.at.is_empty()
            && entry.at == manager.at
    });
    let before = report.status.write_backs.iter().filter(recent).count();
    let sticky = view.status.conditions.iter().any(|condition| {
        condition.type_ == ConditionType::Contested.as_str()
            && condition.status == ConditionStatus::True.as_str()
            && condition.observed_generation == view.o.resource.metadata.generation
    }) && (view.retry().is_none() || view.status.retry.as_deref() == view.retry());
    if sticky || (!known && before > PATIENCE - 1) {
        contested(report, &field, &manager.name);
        return Some(LATER);
    }
    if known {
        // Written down already; the write of ours is still to come.
        return None;
    }
    report
        .status
        .write_backs
        .retain(|entry| view.since(&entry.at) < WINDOW);
    let at = if manager.at.is_empty() {
        view.o.now.to_string()
    } else {
        manager.at.clone()
    };
    report.status.write_backs.push(WriteBack {
        field,
        manager: manager.name,
        at,
    });
    Some(Step::Persist)
}

fn contested(report: &mut Report, field: &str, manager: &str) {
    let text = format!(
        "{manager} writes {field} back again and again; nothing is written any more, stop it (or let it ignore this field) and \
         set annotation companion.project-flotta.io/retry to a new value"
    );
    report.set(
        ConditionType::Contested,
        ConditionStatus::True,
        Reason::WrittenBack,
        text.clone(),
    );
    report.blocked(
        Phase::Contested,
        Reason::WrittenBack,
        "waits until nobody writes our values back",
        vec![text],
    );
}
