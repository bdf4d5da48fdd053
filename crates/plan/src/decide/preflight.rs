//! Is everything so that a switch can be begun, and a restart of the Edge API be risked?

use std::time::Duration;

use jiff::SignedDuration;

use crate::{
    action::Action,
    api::{ConditionType, Reason},
    report::{Report, Step},
    view::View,
};

/// What stands in the way: for programs, and for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blocker {
    pub(super) reason: Reason,
    pub(super) sentence: String,
}

/// Rights are asked for again after this time, and sooner while one is missing.
const RIGHTS_AGE: SignedDuration = SignedDuration::from_mins(10);
const MISSING_RIGHTS_AGE: SignedDuration = SignedDuration::from_secs(10);

/// What of Flotta is not there yet. It comes by itself.
pub(super) fn absent(view: &View<'_>) -> Vec<Blocker> {
    let names = &view.spec.edge_api;
    let mut absent = Vec::new();
    let mut wait = |sentence: String| {
        let reason = Reason::WaitingForEdgeApi;
        absent.push(Blocker { reason, sentence });
    };
    match view.deployment {
        None => wait(format!(
            "Deployment {} is not there; install Flotta's Edge API",
            names.deployment
        )),
        Some(deployment) if deployment.replicas() == 0 => wait(format!(
            "Deployment {} is scaled to zero; scale it up",
            names.deployment
        )),
        Some(deployment) if !deployment.was_available() => {
            wait(format!(
                "Deployment {} was never available; it is being started",
                names.deployment
            ));
        }
        Some(_) => {}
    }
    if view.config.is_none() {
        wait(format!(
            "ConfigMap {} is not there; it belongs to Flotta's Edge API",
            names.config_map
        ));
    }
    for missing in &view.material.missing {
        wait(format!("{missing}; the Edge API makes it at its first start"));
    }
    absent
}

/// What a person has to fix.
pub(super) fn faults(view: &View<'_>) -> Vec<Blocker> {
    let mut found = Vec::new();
    let mut add = |reason, sentence: String| found.push(Blocker { reason, sentence });
    if let Err(error) = &view.url {
        add(Reason::UrlUnusable, error.to_string());
    }
    for fault in view
        .deployment
        .iter()
        .flat_map(|deployment| deployment.faults(&view.desired))
    {
        add(Reason::SettingsUnusable, fault);
    }
    // The timeout that we write ourselves is well-formed; what is there now need not be.
    let mut settings = view.effective.clone();
    settings.extend(
        view.desired
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone())),
    );
    for fault in crate::settings::faults(&settings) {
        add(Reason::SettingsUnusable, fault);
    }
    for fault in &view.material.refused {
        add(Reason::MaterialUnusable, fault.clone());
    }
    for fault in &view.material.unfit {
        add(Reason::MaterialUntrusted, fault.clone());
    }
    for right in view.o.evidence.rights.iter().flat_map(|rights| &rights.value) {
        add(Reason::MissingPermission, right.clone());
    }
    found
}

/// Asks for missing rights when it is time to.
pub(super) fn rights(view: &View<'_>) -> Option<Step> {
    let due = view.o.evidence.rights.as_ref().is_none_or(|rights| {
        let age = rights.at.duration_until(view.o.now);
        age > RIGHTS_AGE || (!rights.value.is_empty() && age > MISSING_RIGHTS_AGE)
    });
    due.then_some(Step::act(Action::CheckRights))
}

/// Tells about CA and host certificate.
pub(super) fn trusted(view: &View<'_>, report: &mut Report) {
    let material = &view.material;
    if let Some(fault) = material.faults().next() {
        let reason = if material.refused.is_empty() && material.missing.is_empty() {
            Reason::MaterialUntrusted
        } else {
            Reason::MaterialUnusable
        };
        report.fails(ConditionType::Trusted, reason, fault.clone());
    } else if !view.is_https() {
        let text = "with plain HTTP nobody's identity is checked between the Edge API and the backend";
        report.fails(ConditionType::Trusted, Reason::IdentityNotChecked, text);
    } else {
        report.holds(
            ConditionType::Trusted,
            "the CA and the host certificate belong together",
        );
    }
}

/// How long until the next look while something has to be fixed.
pub(super) const FIX: Step = Step::Wait(Duration::from_secs(5));
