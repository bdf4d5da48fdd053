//! `restore`: the way back of an uninstallation, driven by this process alone.
//!
//! The resource is marked, so that a running companion gives up the Lease and only watches; then
//! the same loop as always runs with another goal. Whatever keeps it from arriving is told in one
//! sentence, the mark is removed, and the companion goes on.

use std::{fmt, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use plan::{
    Plan,
    api::{ConditionType, Phase, Reason, RemoteBackend},
};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::{Cluster, Fault},
    control::{Controller, Parts, Planner, Round},
    lease::Lease,
};

/// What stands in the way for this long is a refusal: a server that is starting or a call that
/// failed once are over by then.
const PATIENCE: Duration = Duration::from_mins(1);

/// What only a person can mend is a refusal after this time: two looks at it.
const OBVIOUS: Duration = Duration::from_secs(5);

/// The mark outlives this process by so much: Helm deletes the resource in that time.
const AFTERMATH: SignedDuration = SignedDuration::from_mins(5);

/// The cluster, or the Lease, is looked at again after this time.
const AGAIN: Duration = Duration::from_millis(500);

/// Taking the mark off takes less.
const FAREWELL: Duration = Duration::from_secs(4);

/// Why the Edge API was not led back. Everything stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum NotRestored {
    /// The cluster could not be asked.
    #[error("the Edge API was not led back: {0}")]
    Cluster(#[from] Fault),
    /// It would do harm, or cannot be done.
    #[error("the Edge API was not led back, and nothing was removed: {0}")]
    Refused(String),
    /// It took too long.
    #[error("the Edge API was not led back in time, and nothing was removed: {0}")]
    Late(String),
    /// A signal.
    #[error("the Edge API was not led back: a signal asked to stop")]
    Stopped,
}

/// Leads back the Edge API of every resource in the namespace; says what was done.
pub async fn restore(
    parts: Parts,
    planner: Planner,
    limit: SignedDuration,
    stop: CancellationToken,
) -> Result<String, NotRestored> {
    let deadline = Instant::now() + limit.unsigned_abs();
    let cluster = parts.cluster.clone();
    let resources = loop {
        match cluster.resources().await {
            Ok(resources) => break resources,
            // An API server that is just starting is no reason to leave an uninstallation half
            // done.
            Err(fault) if !fault.is_final() && Instant::now() < deadline => sleep(AGAIN).await,
            Err(fault) => return Err(fault.into()),
        }
    };
    if resources.is_empty() {
        return Ok("there is no RemoteBackend, so there is nothing to lead back".to_owned());
    }
    let until = Timestamp::now()
        .saturating_add(limit)
        .and_then(|end| end.saturating_add(AFTERMATH));
    let until = until.unwrap_or(Timestamp::MAX);
    for resource in &resources {
        cluster.set_retiring(resource, Some(until)).await?;
    }
    let lease = Arc::clone(&parts.lease);
    let keeper = {
        let lease = Arc::clone(&lease);
        tokio::spawn(async move { lease.keep().await })
    };
    let mut waiting = Waiting::default();
    let outcome = tokio::select! {
        () = stop.cancelled() => Err(NotRestored::Stopped),
        outcome = timeout_at(deadline, drive(parts, planner, &lease, &mut waiting)) => match outcome {
            Ok(outcome) => outcome,
            Err(_) => Err(NotRestored::Late(waiting.to_string())),
        }
    };
    keeper.abort();
    let farewell = async {
        if outcome.is_err() {
            for resource in &resources {
                let _ = cluster.set_retiring(resource, None).await;
            }
        }
        lease.give_up().await;
    };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
    outcome
}

/// Takes the finalizer off and leaves the Edge API as it is; says what was done. The resource is
/// marked first, so that a running companion does not take the finalizer again.
pub async fn skip(cluster: &Cluster) -> Result<String, NotRestored> {
    let until = Timestamp::now()
        .saturating_add(AFTERMATH)
        .unwrap_or(Timestamp::MAX);
    let deadline = Instant::now() + PATIENCE;
    for resource in cluster.resources().await? {
        cluster.set_retiring(&resource, Some(until)).await?;
    }
    loop {
        let resources = cluster.resources().await?;
        if is_free(&resources) {
            for resource in &resources {
                match cluster.delete_if_of_chart(resource).await {
                    Err(fault) if fault.is_gone() => {}
                    outcome => outcome?,
                }
            }
            return Ok("the Edge API was left as it is".to_owned());
        }
        for resource in resources {
            match cluster.set_finalizer(&resource, false).await {
                Err(fault) if fault.is_gone() || (fault.is_stale() && Instant::now() < deadline) => {}
                outcome => outcome?,
            }
        }
    }
}

/// What is waited for, for the sentence when time is over.
#[derive(Debug, Default)]
struct Waiting {
    for_what: String,
    since: Option<Instant>,
}

impl Waiting {
    /// For how long the same thing has been waited for.
    fn on(&mut self, what: String) -> Duration {
        if self.for_what != what || self.since.is_none() {
            tracing::info!(reason = what, "waits");
            self.for_what = what;
            self.since = Some(Instant::now());
        }
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn over(&mut self) {
        self.since = None;
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.for_what.is_empty() {
            "it was still under way"
        } else {
            &self.for_what
        })
    }
}

async fn drive(
    parts: Parts,
    planner: Planner,
    lease: &Lease,
    waiting: &mut Waiting,
) -> Result<String, NotRestored> {
    let cluster = parts.cluster.clone();
    let mut controller = Controller::new(parts, planner).leaving();
    loop {
        if lease.check().is_err() {
            waiting.on("the running companion still holds the Lease".to_owned());
            sleep(AGAIN).await;
            continue;
        }
        let round = match controller.round().await {
            Ok(round) => round,
            Err(Fault::Forbidden(right)) => return Err(NotRestored::Refused(right.missing())),
            Err(fault) => {
                waiting.on(fault.to_string());
                sleep(AGAIN).await;
                continue;
            }
        };
        if round.plans.is_empty() {
            return Ok("the RemoteBackend is gone, so there is nothing to lead back any more".to_owned());
        }
        match unfinished(&round) {
            None => {
                for (resource, _) in &round.plans {
                    match cluster.set_finalizer(resource, false).await {
                        Err(fault) if fault.is_gone() => {}
                        Err(fault) if fault.is_stale() => {}
                        outcome => outcome?,
                    }
                }
                let resources = cluster.resources().await?;
                if is_free(&resources) {
                    for resource in &resources {
                        match cluster.delete_if_of_chart(resource).await {
                            Err(fault) if fault.is_gone() => {}
                            outcome => outcome?,
                        }
                    }
                    return Ok("the Edge API uses what it used before the switch".to_owned());
                }
            }
            Some(Obstacle { sentence, .. }) if sentence.is_empty() => match &round.failing {
                Some(failing) => drop(waiting.on(failing.clone())),
                None => waiting.over(),
            },
            Some(Obstacle { sentence, patience }) => {
                if waiting.on(sentence.clone()) > patience {
                    return Err(NotRestored::Refused(sentence));
                }
            }
        }
        sleep(round.next.min(AGAIN)).await;
    }
}

/// Why it is not there yet.
struct Obstacle {
    /// Empty when it is under way.
    sentence: String,
    /// For how long that is waited for.
    patience: Duration,
}

/// Of the first resource that is not there yet; none when all are.
fn unfinished(round: &Round) -> Option<Obstacle> {
    let there = |plan: &Plan| {
        matches!(plan.status.phase, Phase::Crd | Phase::NotResponsible) && plan.action.is_none()
    };
    let (_, plan) = round.plans.iter().find(|(_, plan)| !there(plan))?;
    let sentence = if plan.action.is_some() {
        String::new()
    } else {
        plan.status.blocked_by.join("; ")
    };
    let patience = if needs_a_person(plan) { OBVIOUS } else { PATIENCE };
    Some(Obstacle { sentence, patience })
}

/// Whether no time will mend it.
fn needs_a_person(plan: &Plan) -> bool {
    let hopeless = [
        Reason::DevicesWouldBeDisconnected,
        Reason::PreviousUnknown,
        Reason::MissingPermission,
    ];
    let ready = |condition: &&Condition| condition.type_ == ConditionType::Ready.as_str();
    let ready = plan.status.conditions.iter().find(ready);
    ready.is_some_and(|ready| hopeless.iter().any(|reason| reason.as_str() == ready.reason))
}

fn is_free(resources: &[RemoteBackend]) -> bool {
    resources.iter().all(|resource| {
        !resource
            .finalizers()
            .iter()
            .any(|finalizer| finalizer == plan::names::FINALIZER)
    })
}
