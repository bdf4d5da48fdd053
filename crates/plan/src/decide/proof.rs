//! What a call through every pod of the Edge API shows, and when it has to be made (again).

use jiff::SignedDuration;

use crate::{
    action::{Action, Called},
    api::Verified,
    memory::{Calls, Progress, Switched},
    observed::{PodVerdict, ProbeOutcome},
    report::{Report, Step},
    view::{View, address},
};

/// What the calls through the Edge API's pods show.
pub(super) enum Proof {
    /// Call first; why the last calls through the same pods failed, if they did.
    Call(Step, Option<String>),
    /// Every pod uses our server.
    Holds,
    /// One does not, and why.
    Fails(String),
}

/// Looks at the last calls; asks for new ones when they are of other pods, failed and older than
/// `again`, or older than `age`.
pub(super) fn proof(view: &View<'_>, again: SignedDuration, age: SignedDuration) -> Proof {
    if view.edge_pods().next().is_none() {
        return Proof::Fails("the Edge API has no pods; scale its Deployment up".to_owned());
    }
    let about = view.pods_key();
    let last = view.last_calls();
    let judged = last.map(|last| (last, judge(view, &last.value)));
    let passed = last
        .map(|last| last.at.duration_until(view.o.now))
        .unwrap_or_default();
    match judged {
        Some((_, Ok(()))) if passed <= age => Proof::Holds,
        Some((_, Err(why))) if passed <= again => Proof::Fails(why),
        judged => {
            let failed = judged.and_then(|(_, judged)| judged.err());
            Proof::Call(Step::act(call_pods(view, about)), failed)
        }
    }
}

/// The calls through every pod of the Edge API.
pub(super) fn call_pods(view: &View<'_>, about: String) -> Action {
    let pods = view
        .edge_pods()
        .filter_map(|pod| {
            let address = address(pod)?.to_owned();
            let pod = pod.reference().clone();
            Some(Called { pod, address })
        })
        .collect();
    Action::Verify {
        about,
        pods,
        server_name: crate::material::domain(&view.effective).to_owned(),
    }
}

/// Why these calls do not prove it.
pub(super) fn judge(view: &View<'_>, pods: &[PodVerdict]) -> Result<(), String> {
    let pinned = view
        .material
        .facts
        .as_ref()
        .map(|facts| facts.host.key.to_string());
    for pod in pods {
        match &pod.outcome {
            ProbeOutcome::Remote { from } if !view.is_https() || *from == pinned => {}
            ProbeOutcome::Remote { .. } => {
                return Err(format!(
                    "the call through pod {} came with another key than the host certificate's",
                    pod.name
                ));
            }
            ProbeOutcome::Crd => {
                return Err(format!(
                    "pod {} still answers from the custom resources",
                    pod.name
                ));
            }
            ProbeOutcome::Failed(why) => return Err(format!("pod {}: {why}", pod.name)),
        }
    }
    Ok(())
}

/// The switch is proven: from here on only a person's decision rolls it back.
pub(super) fn establish(view: &View<'_>, report: &mut Report, inputs: &str) {
    let facts = view.material.facts.as_ref();
    let mut pods: Vec<_> = view
        .edge_pods()
        .map(|pod| pod.reference().uid().to_owned())
        .collect();
    pods.sort();
    let rejected = view
        .memory
        .switched()
        .and_then(|switched| switched.rejected.clone());
    let verified = Verified {
        inputs: inputs.to_owned(),
        at: view
            .o
            .evidence
            .verification
            .as_ref()
            .map_or(view.o.now, |shown| shown.at)
            .to_string(),
        ca_public_key: facts.map(|facts| facts.ca.key.to_string()).unwrap_or_default(),
        host_public_key: facts.map(|facts| facts.host.key.to_string()).unwrap_or_default(),
        settings: view
            .desired
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect(),
        pods,
    };
    report.memory.failures = None;
    report.memory.progress = Progress::Switched(Switched {
        verified: Some(verified),
        restart: None,
        rejected,
        calls: Calls::Proof,
    });
}
