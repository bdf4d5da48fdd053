//! Somebody else changes a value of ours. Once or twice it is reverted; then it is a contest, and
//! nothing is written any more: two controllers that write against each other restart the Edge API
//! for ever.

use jiff::SignedDuration;

use crate::{
    api::{ConditionStatus, ConditionType, Contest, Phase, Reason, WriteBack},
    managers::Manager,
    report::{Report, Step},
    view::View,
};

/// Write-backs count for this time.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// So many are reverted.
const PATIENCE: usize = 2;

/// Whether a contest is on. It ends when the other gives in, and where a person changes the
/// resource or asks, it begins from nothing.
pub(super) fn is_on(view: &View<'_>, report: &mut Report) -> bool {
    if view.retry().is_some() && view.memory.retry.as_deref() != view.retry() {
        report.memory.retry = view.retry().map(str::to_owned);
        report.memory.write_backs.clear();
        report.memory.contest = None;
        return false;
    }
    let Some(contest) = view.memory.contest.clone() else {
        return false;
    };
    let asked =
        contest.generation != view.o.resource.metadata.generation || contest.retry.as_deref() != view.retry();
    let differs = view
        .config
        .is_some_and(|config| !config.differences(&view.desired).is_empty())
        || view
            .deployment
            .is_some_and(|deployment| !deployment.differences(&view.desired).is_empty());
    if asked {
        report.memory.write_backs.clear();
    }
    if asked || !differs {
        report.memory.contest = None;
        return false;
    }
    tell(report, &contest);
    true
}

/// Who changed our settings, written down; a step when it is a contest or was not written down yet.
pub(super) fn settings(view: &View<'_>, report: &mut Report) -> Option<Step> {
    let differences = view.config?.differences(&view.desired);
    let version = view.o.config.as_ref()?.reference().version().to_owned();
    judge(view, report, &differences, "ConfigMap", version)
}

/// Who changed the Deployment; the same.
pub(super) fn deployment(view: &View<'_>, report: &mut Report) -> Option<Step> {
    let differences = view.deployment?.differences(&view.desired);
    // Its version changes with its status.
    let generation = view.o.deployment.as_ref()?.metadata.generation;
    let generation = generation.unwrap_or_default().to_string();
    judge(view, report, &differences, "Deployment", generation)
}

fn judge(
    view: &View<'_>,
    report: &mut Report,
    differences: &[(&'static str, Option<Manager>)],
    kind: &str,
    seen: String,
) -> Option<Step> {
    let (field, manager) = differences.first()?;
    let field = format!("{kind} {field}");
    let manager = manager
        .as_ref()
        .map_or("somebody", |manager| &manager.name)
        .to_owned();
    let entries = &mut report.memory.write_backs;
    entries.retain(|entry| view.since(&entry.at) < WINDOW);
    let known = |entry: &WriteBack| entry.field == field && entry.seen == seen;
    if entries.iter().any(known) {
        // Written down already; the write of ours is still to come.
        return None;
    }
    if entries.iter().filter(|entry| entry.field == field).count() >= PATIENCE {
        let contest = Contest {
            field,
            manager,
            generation: view.o.resource.metadata.generation,
            retry: view.retry().map(str::to_owned),
        };
        tell(report, &contest);
        report.memory.contest = Some(contest);
        return Some(Step::Persist);
    }
    entries.push(WriteBack {
        field,
        manager,
        seen,
        at: view.o.now.to_string(),
    });
    Some(Step::Persist)
}

fn tell(report: &mut Report, contest: &Contest) {
    let text = format!(
        "{} keeps reverting {}; the companion writes it no more. Stop that program, or let it ignore this field, and set \
         annotation companion.project-flotta.io/retry to a new value",
        contest.manager, contest.field
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
        "waiting until nobody reverts our values",
        vec![text],
    );
}
