//! The order of decisions. Each function answers one question, sets what a person is told about it,
//! and returns the one thing to do next.

mod field_conflict;
mod maintain;
mod preflight;
mod prepare;
mod proof;
mod restart;
mod restore;
mod rollback;
mod rollout;
mod server;
mod switch;
mod verify;

use crate::{
    action::{Action, Outcome, Plan},
    api::{ConditionStatus, ConditionType, Mode, Phase, Reason},
    memory::{Memory, Progress},
    observed::Observed,
    report::{IDLE, LATER, Report, Step},
    view::View,
};

/// Decides what to do now, and what the resource is to say.
///
/// Pure: the same look gives the same plan. The status is kept before the action is done, so what
/// an action needs to remember is in it.
pub fn plan(observed: &Observed) -> Plan {
    let view = View::of(observed);
    let mut report = Report::of(&view);
    let step = decide(&view, &mut report);
    let step = hold_back(&view, &mut report, step);
    report.finish(&view, step)
}

fn decide(view: &View<'_>, report: &mut Report) -> Step {
    let o = view.o;
    if o.namespace_ending {
        let text = "the namespace is being deleted; devices keep what they run";
        report.phase(Phase::Retiring, Reason::NamespaceEnding, text);
        report.set(
            ConditionType::Ready,
            ConditionStatus::Unknown,
            Reason::NamespaceEnding,
            text,
        );
        return if view.has_finalizer() {
            Step::act(Action::SetFinalizer(false))
        } else {
            IDLE
        };
    }
    if let Some(elder) = &o.elder {
        let text = format!(
            "RemoteBackend {elder} is older and acts for Deployment {}; delete this one, since deleting the older one rolls the Edge \
             API back first",
            view.spec.edge_api.deployment
        );
        report.blocked(
            Phase::NotResponsible,
            Reason::NotResponsible,
            format!("nothing: RemoteBackend {elder} is older and acts"),
            vec![text],
        );
        report.outcome = Outcome::NotResponsible;
        // One that never acted has nothing to roll back.
        return if view.has_finalizer() && view.is_deleting() {
            Step::act(Action::SetFinalizer(false))
        } else {
            LATER
        };
    }
    if view.is_retiring() && !o.leave {
        report.phase(
            Phase::Retiring,
            Reason::Retiring,
            "the uninstallation rolls the Edge API back",
        );
        return LATER;
    }
    if let Some(unreadable) = &view.unreadable_memory {
        // Nothing is known of what may be undone, and what must not be.
        let sentence = unreadable.to_string();
        report.degraded(Reason::MemoryUnreadable, sentence.clone());
        let next = "waiting until status.memory can be read";
        report.blocked(Phase::Degraded, Reason::MemoryUnreadable, next, vec![sentence]);
        return LATER;
    }
    if !o.unreadable.is_empty() {
        let phase = if view.is_switched() {
            Phase::Degraded
        } else {
            Phase::Blocked
        };
        report.degraded(Reason::MissingPermission, o.unreadable[0].clone());
        report.blocked(
            phase,
            Reason::MissingPermission,
            "waiting for the companion's missing permissions",
            o.unreadable.clone(),
        );
        return LATER;
    }
    match view.goal() {
        Mode::Remote | Mode::Observe => match &view.memory.progress {
            Progress::NotSwitched | Progress::Switching(_) => switch::switch(view, report),
            Progress::RollingBack(rollback) => switch::roll_back(view, report, rollback),
            Progress::Switched(_) => maintain::keep(view, report),
        },
        Mode::Crd => rollback::roll_back(view, report),
    }
}

/// A pause looks at everything and changes nothing; mode Observe changes nothing of Flotta's. What
/// is remembered stays as it was, but for what was found out.
fn hold_back(view: &View<'_>, report: &mut Report, step: Step) -> Step {
    let holds = if view.o.leave || view.o.namespace_ending {
        None
    } else if view.is_paused() {
        Some((Phase::Paused, Reason::Paused))
    } else if view.goal() == Mode::Observe {
        Some((Phase::Observing, Reason::Observing))
    } else {
        None
    };
    if let Some((phase, reason)) = holds {
        let found_out = Memory::found_out(&view.memory, &report.memory);
        // What else would be remembered is the beginning of a write.
        let begins = found_out != report.memory;
        report.memory = found_out;
        let held = match &step {
            Step::Act(action) if action.writes() => phase == Phase::Paused || !action.is_about_our_server(),
            Step::Persist => report.memory == view.memory,
            _ => false,
        };
        if held || phase == Phase::Paused {
            let would = match &step {
                Step::Act(action) if held => format!("would do next: {}", action.name()),
                Step::Persist if held && begins => "would do what the conditions say".to_owned(),
                _ => "changes nothing".to_owned(),
            };
            let why = view.spec.paused.as_ref().and_then(|paused| paused.reason.clone());
            let why = why.filter(|_| phase == Phase::Paused);
            report.phase(
                phase,
                reason,
                why.map_or(would.clone(), |why| format!("{would} ({why})")),
            );
        }
        if held {
            return LATER;
        }
        if phase == Phase::Observing && report.status.phase == Phase::Remote {
            report.status.phase = Phase::Observing;
        }
    }
    if let (Step::Act(action), Some(failing)) = (&step, &view.o.evidence.failing)
        && failing.about == action.name()
    {
        report.degraded(
            Reason::Degraded,
            format!("{} failed: {}", failing.about, failing.value),
        );
    }
    step
}
