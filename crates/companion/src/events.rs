//! What is told as an Event of the resource: transitions of its conditions and its phase, and
//! actions.

use kube::runtime::events::{Event, EventType};
use plan::{
    Action,
    action::CertificateWrite,
    api::{ConditionType, Phase, Reason, RemoteBackendStatus},
};

/// The API server takes notes of this many bytes.
const LONGEST_NOTE: usize = 1024;

/// What has become different.
pub fn transitions(before: Option<&RemoteBackendStatus>, after: &RemoteBackendStatus) -> Vec<Event> {
    let phase = before.map(|before| before.phase);
    let mut events = Vec::new();
    if phase != Some(after.phase) {
        events.push(event(
            if is_bad_phase(after.phase) {
                EventType::Warning
            } else {
                EventType::Normal
            },
            &format!("{:?}", after.phase),
            format!("next action: {}", after.next_action),
            "Observe",
        ));
    }
    for condition in &after.conditions {
        let former = before
            .into_iter()
            .flat_map(|before| &before.conditions)
            .find(|former| former.type_ == condition.type_);
        let same = former
            .is_some_and(|former| former.status == condition.status && former.reason == condition.reason);
        // A condition that was never looked at before tells nothing by not being true yet.
        if same || (former.is_none() && condition.status != "True") {
            continue;
        }
        let bad = is_bad(&condition.type_, &condition.status) && !is_expected(&condition.reason);
        events.push(event(
            if bad {
                EventType::Warning
            } else {
                EventType::Normal
            },
            &condition.reason,
            format!(
                "{} is {}: {}",
                condition.type_, condition.status, condition.message
            ),
            "Observe",
        ));
    }
    events
}

/// An action that changed something.
pub fn done(action: &Action) -> Option<Event> {
    let note = match action {
        Action::SetFinalizer(_) | Action::Nudge { .. } => return None,
        Action::CheckRights
        | Action::CallBackend { .. }
        | Action::CompareDevices { .. }
        | Action::Verify { .. } => {
            return None;
        }
        Action::WriteServerSecret(secret) => match &secret.certificate {
            CertificateWrite::Issue { names, because } => {
                format!(
                    "issued a certificate for {} into Secret {}: {because}",
                    names.join(", "),
                    secret.object.name()
                )
            }
            CertificateWrite::Keep { .. } | CertificateWrite::None => {
                format!("wrote Secret {}", secret.object.name())
            }
        },
        Action::SavePrevious(_) => "saved what the Edge API used before".to_owned(),
        Action::Write(write) => format!("wrote {:?} {}", write.kind, write.object.name()),
        Action::DeletePrevious { .. } => "what was before is in force again, and forgotten".to_owned(),
    };
    Some(event(EventType::Normal, action.name(), note, action.name()))
}

/// An action that failed.
pub fn failed(action: &Action, reason: &str) -> Event {
    event(
        EventType::Warning,
        &format!("{}Failed", action.name()),
        reason.to_owned(),
        action.name(),
    )
}

fn event(type_: EventType, reason: &str, mut note: String, action: &str) -> Event {
    if note.len() > LONGEST_NOTE {
        let end = (0..=LONGEST_NOTE).rev().find(|end| note.is_char_boundary(*end));
        note.truncate(end.unwrap_or_default());
    }
    Event {
        type_,
        reason: reason.to_owned(),
        note: (!note.is_empty()).then_some(note),
        action: action.to_owned(),
        secondary: None,
    }
}

fn is_bad(type_: &str, status: &str) -> bool {
    let negative = [ConditionType::Contested, ConditionType::Degraded]
        .iter()
        .any(|negative| negative.as_str() == type_);
    if negative {
        status == "True"
    } else {
        status == "False"
    }
}

/// A step of ours, or what a person asked for: it is told, and nobody needs to be warned of it.
fn is_expected(reason: &str) -> bool {
    [
        Reason::Pending,
        Reason::LoadingMaterial,
        Reason::Switching,
        Reason::RollingOut,
        Reason::Verifying,
        Reason::Restoring,
        Reason::Restored,
        Reason::Observing,
        Reason::Paused,
        Reason::NotResponsible,
        Reason::Retiring,
        Reason::NamespaceEnding,
    ]
    .iter()
    .any(|expected| expected.as_str() == reason)
}

fn is_bad_phase(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::Degraded | Phase::Contested | Phase::RollingBack | Phase::SwitchFailed
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(phase: &str, conditions: &[(&str, &str, &str)]) -> RemoteBackendStatus {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(type_, status, reason)| {
                json!({"type": type_, "status": status, "reason": reason, "message": "so it is",
                       "lastTransitionTime": "2026-01-01T00:00:00Z"})
            })
            .collect();
        serde_json::from_value(json!({"phase": phase, "conditions": conditions})).unwrap()
    }

    fn told(events: &[Event]) -> Vec<(bool, &str)> {
        events
            .iter()
            .map(|event| (event.type_ == EventType::Warning, event.reason.as_str()))
            .collect()
    }

    #[test]
    fn nothing_is_told_of_what_stays() {
        let status = status("Remote", &[("Ready", "True", "AsExpected")]);
        assert_eq!(told(&transitions(Some(&status), &status)), []);
    }

    #[test]
    fn a_condition_is_told_when_its_status_or_reason_changes() {
        let before = status(
            "Verifying",
            &[
                ("Ready", "False", "Verifying"),
                ("Contested", "False", "AsExpected"),
            ],
        );
        let after = status(
            "Remote",
            &[
                ("Ready", "True", "AsExpected"),
                ("Contested", "True", "WrittenBack"),
            ],
        );
        assert_eq!(
            told(&transitions(Some(&before), &after)),
            [(false, "Remote"), (false, "AsExpected"), (true, "WrittenBack")]
        );
        let worse = status(
            "Remote",
            &[
                ("Ready", "False", "BackendUnreachable"),
                ("Contested", "True", "WrittenBack"),
            ],
        );
        assert_eq!(
            told(&transitions(Some(&after), &worse)),
            [(true, "BackendUnreachable")]
        );
    }

    #[test]
    fn a_step_of_ours_warns_nobody() {
        let before = status(
            "Remote",
            &[
                ("Ready", "True", "AsExpected"),
                ("Switched", "True", "AsExpected"),
            ],
        );
        let restarts = status(
            "Switching",
            &[
                ("Ready", "False", "Verifying"),
                ("Switched", "False", "RollingOut"),
            ],
        );
        assert_eq!(
            told(&transitions(Some(&before), &restarts)),
            [(false, "Switching"), (false, "Verifying"), (false, "RollingOut")]
        );
        let stuck = status(
            "Degraded",
            &[
                ("Ready", "False", "Degraded"),
                ("Switched", "False", "RolloutFailed"),
            ],
        );
        assert_eq!(
            told(&transitions(Some(&restarts), &stuck)),
            [(true, "Degraded"), (true, "Degraded"), (true, "RolloutFailed")]
        );
    }

    #[test]
    fn a_first_look_tells_only_what_holds() {
        let first = status(
            "Preparing",
            &[("Ready", "False", "Pending"), ("Trusted", "True", "AsExpected")],
        );
        assert_eq!(
            told(&transitions(None, &first)),
            [(false, "Preparing"), (false, "AsExpected")]
        );
    }

    #[test]
    fn long_notes_are_cut_between_characters() {
        let event = failed(&Action::CheckRights, &"ä".repeat(2000));
        assert_eq!(event.reason, "CheckRightsFailed");
        assert_eq!(event.note.unwrap().len(), LONGEST_NOTE);
    }
}
