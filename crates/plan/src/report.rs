//! What a person is told: conditions, phase, next action. Filled in while deciding, finished in one
//! place.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::{
    action::{Action, Outcome, Plan, Who},
    api::{ConditionStatus, ConditionType, Phase, Reason, RemoteBackendStatus},
    material::described,
    memory::Memory,
    server, settings,
    view::View,
};

/// Longest sentence of a status, in characters. The API server takes conditions of 32,768 bytes.
const LONGEST: usize = 8192;

/// Longest next action, in characters: it is a cell of `kubectl get`. All of it is in condition
/// Ready.
const CELL: usize = 79;

/// What to do next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Do this, then look again.
    Act(Box<Action>),
    /// Keep what the status now says before anything else, then look again.
    Persist,
    /// Nothing to do; look again after this time at the latest.
    Wait(Duration),
}

impl Step {
    /// Do this.
    pub(crate) fn act(action: Action) -> Self {
        Self::Act(Box::new(action))
    }
}

/// Looks again while something is under way.
pub(crate) const SOON: Step = Step::Wait(Duration::from_secs(1));
/// Looks again where a person or another program has to do something; a watch tells when they did.
pub(crate) const LATER: Step = Step::Wait(Duration::from_secs(5));
/// Looks again when all is well.
pub(crate) const IDLE: Step = Step::Wait(Duration::from_secs(30));

/// The status as it comes to be.
#[derive(Debug)]
pub(crate) struct Report {
    /// What is told.
    pub status: RemoteBackendStatus,
    /// What is remembered.
    pub memory: Memory,
    /// How far it has come.
    pub outcome: Outcome,
    conditions: BTreeMap<ConditionType, (ConditionStatus, Reason, String)>,
}

impl Report {
    /// Begins with what was told last and with what was found now.
    pub(crate) fn of(view: &View<'_>) -> Self {
        let mut status = view.status.clone();
        status.observed_generation = view.o.resource.metadata.generation;
        status.backend = view.backend_in_force();
        status.blocked_by.clear();
        status.next_action.clear();
        status.warnings = settings::warnings(view.spec, &view.effective);
        status.warnings.extend(view.material.nameless.iter().cloned());
        status.found.url = view.effective.get(settings::URL).cloned();
        status.found.ca = view
            .material
            .facts
            .as_ref()
            .map(|facts| described(&facts.ca.signing));
        status.found.host_certificate = view.material.facts.as_ref().map(|facts| described(&facts.host));
        status.served.certificate = view
            .o
            .server_secret
            .as_deref()
            .and_then(server::certificate)
            .as_ref()
            .map(described);
        status.served.url = view.is_told_remote().then(|| view.spec.backend.url.clone());
        Self {
            status,
            memory: view.memory.clone(),
            outcome: Outcome::UnderWay,
            conditions: BTreeMap::new(),
        }
    }

    /// Sets a condition.
    pub(crate) fn set(
        &mut self,
        kind: ConditionType,
        status: ConditionStatus,
        reason: Reason,
        message: impl Into<String>,
    ) {
        self.conditions.insert(kind, (status, reason, message.into()));
    }

    /// Sets a condition that holds.
    pub(crate) fn holds(&mut self, kind: ConditionType, message: impl Into<String>) {
        self.set(kind, ConditionStatus::True, Reason::AsExpected, message);
    }

    /// Sets a condition that does not hold.
    pub(crate) fn fails(&mut self, kind: ConditionType, reason: Reason, message: impl Into<String>) {
        self.set(kind, ConditionStatus::False, reason, message);
    }

    /// Whether a condition was set to be true.
    pub(crate) fn is_true(&self, kind: ConditionType) -> bool {
        self.conditions
            .get(&kind)
            .is_some_and(|(status, ..)| *status == ConditionStatus::True)
    }

    /// Whether a condition was set to be false.
    pub(crate) fn is_false(&self, kind: ConditionType) -> bool {
        self.conditions
            .get(&kind)
            .is_some_and(|(status, ..)| *status == ConditionStatus::False)
    }

    /// Something should be fixed. The first one is told in the condition, all of them in
    /// `blockedBy`.
    pub(crate) fn degraded(&mut self, reason: Reason, message: impl Into<String>) {
        let message = message.into();
        if !self.is_true(ConditionType::Degraded) {
            self.set(
                ConditionType::Degraded,
                ConditionStatus::True,
                reason,
                message.clone(),
            );
        }
        if !self.status.blocked_by.contains(&message) {
            self.status.blocked_by.push(message);
        }
    }

    /// Where the companion is, and why it is not ready.
    pub(crate) fn phase(&mut self, phase: Phase, reason: Reason, next: impl Into<String>) {
        let next = next.into();
        self.status.phase = phase;
        self.status.next_action.clone_from(&next);
        self.outcome = Outcome::UnderWay;
        self.fails(ConditionType::Ready, reason, next);
    }

    /// The same, with what has to happen first.
    pub(crate) fn blocked(&mut self, phase: Phase, reason: Reason, next: impl Into<String>, by: Vec<String>) {
        self.phase(phase, reason, next);
        if !by.is_empty() {
            let sentence = by.join("; ");
            self.fails(ConditionType::Ready, reason, sentence);
        }
        self.status.blocked_by = by;
        self.outcome = hindered_by(reason);
    }

    /// What is under way does not go on, and why.
    pub(crate) fn hindered(&mut self, reason: Reason, by: String) {
        self.status.blocked_by.push(by);
        self.outcome = hindered_by(reason);
    }

    /// What was asked for is so.
    pub(crate) fn ready(&mut self, phase: Phase, reason: Reason, message: impl Into<String>) {
        let message = message.into();
        self.status.phase = phase;
        self.outcome = Outcome::Arrived;
        "nothing".clone_into(&mut self.status.next_action);
        self.set(ConditionType::Ready, ConditionStatus::True, reason, message);
    }

    /// The plan.
    pub(crate) fn finish(mut self, view: &View<'_>, step: Step) -> Plan {
        let generation = view.o.resource.metadata.generation;
        let before = &view.status.conditions;
        let mut conditions = self.conditions;
        let told = |kind: ConditionType| {
            let former = before.iter().find(|condition| condition.type_ == kind.as_str());
            former.filter(|_| !matches!(kind, ConditionType::Contested | ConditionType::Degraded))
        };
        self.status.conditions = ConditionType::ALL
            .iter()
            .map(|kind| {
                // What was not looked at in this round is as it was.
                if let (None, Some(former)) = (conditions.get(kind), told(*kind)) {
                    return former.clone();
                }
                let (status, reason, message) = conditions.remove(kind).unwrap_or_else(|| unseen(*kind));
                let former = before.iter().find(|condition| condition.type_ == kind.as_str());
                let since = former
                    .filter(|former| former.status == status.as_str())
                    // The time in the schema's default is none.
                    .filter(|former| former.last_transition_time.0.as_second() > 0)
                    .map_or_else(|| now(view), |former| former.last_transition_time.clone());
                Condition {
                    type_: kind.as_str().to_owned(),
                    status: status.as_str().to_owned(),
                    reason: reason.as_str().to_owned(),
                    message: told_plainly(&message),
                    last_transition_time: since,
                    observed_generation: generation,
                }
            })
            .collect();
        let RemoteBackendStatus {
            next_action,
            blocked_by,
            warnings,
            ..
        } = &mut self.status;
        *next_action = telemetry::brief(next_action, CELL);
        for sentence in blocked_by.iter_mut().chain(warnings) {
            *sentence = told_plainly(sentence);
        }
        let (action, wake) = match step {
            Step::Act(action) => (Some(*action), Duration::ZERO),
            Step::Persist => (None, Duration::ZERO),
            Step::Wait(time) => (None, time),
        };
        let memory = view.unreadable_memory.is_none().then_some(self.memory);
        if let Some(memory) = &memory {
            memory.write(&mut self.status);
        }
        Plan {
            status: self.status,
            memory,
            outcome: self.outcome,
            action,
            wake,
        }
    }
}

fn hindered_by(reason: Reason) -> Outcome {
    let who = if reason.needs_a_person() {
        Who::Person
    } else {
        Who::Nobody
    };
    Outcome::Blocked { reason, who }
}

/// As `kubectl describe` may show it: it repeats what others say of themselves, in answers,
/// certificates and objects.
fn told_plainly(sentence: &str) -> String {
    telemetry::brief(sentence, LONGEST)
}

/// A condition that was never looked at.
fn unseen(kind: ConditionType) -> (ConditionStatus, Reason, String) {
    match kind {
        // These two are about trouble; no news is good news.
        ConditionType::Contested => (
            ConditionStatus::False,
            Reason::AsExpected,
            "nobody reverts our values".to_owned(),
        ),
        ConditionType::Degraded => (
            ConditionStatus::False,
            Reason::AsExpected,
            "no problems found".to_owned(),
        ),
        _ => (
            ConditionStatus::Unknown,
            Reason::Pending,
            "not looked at yet".to_owned(),
        ),
    }
}

/// In seconds, as the API server keeps times, and in the form of its library.
fn now(view: &View<'_>) -> Time {
    Time(k8s_openapi::jiff::Timestamp::from_second(view.o.now.as_second()).unwrap_or_default())
}
