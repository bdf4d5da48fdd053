//! What every change of the Edge API has in common: what was before is saved, and a restart comes
//! to its end or does not.

use crate::{
    action::Action,
    edge_api::EdgeDeployment,
    previous::Previous,
    report::{SOON, Step},
    view::View,
};

/// The ConfigMap with what was before, created and never updated.
pub(super) fn save_previous(view: &View<'_>) -> Step {
    let (Some(config), Some(deployment)) = (view.config, view.deployment) else {
        return SOON;
    };
    let previous = Previous {
        saved: view.o.now.to_string(),
        settings: config.save(&view.desired),
        environment: deployment.save(),
    };
    let namespace = view.o.resource.reference().namespace();
    Step::act(Action::SavePrevious(previous.document(namespace)))
}

/// Why a restart did not come to its end.
pub(super) fn unfinished(view: &View<'_>) -> String {
    let trouble = view.deployment.and_then(EdgeDeployment::trouble);
    format!(
        "the restart of the Edge API did not finish within {} s{}",
        view.spec.edge_api.rollout_seconds,
        trouble.map(|trouble| format!(" ({trouble})")).unwrap_or_default()
    )
}
