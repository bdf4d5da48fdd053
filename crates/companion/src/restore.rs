//! `restore`: the way back of an uninstallation, driven by this process alone.
//!
//! The resource is marked, so that a running companion gives up the Lease and only watches; then
//! the same loop as always runs with another goal. Whatever keeps it from arriving is told in one
//! sentence, the mark is removed, and the companion goes on.

use std::{fmt, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use plan::{
    Plan,
    action::{Outcome, Who},
    api::{Reason, RemoteBackend},
};
use tasks::Ended;
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

/// What only a person can fix is a refusal after this time: two looks at it.
const OBVIOUS: Duration = Duration::from_secs(5);

/// The mark outlives this process by so much: Helm deletes the resource in that time.
const AFTERMATH: SignedDuration = SignedDuration::from_mins(5);

/// The cluster, or the Lease, is looked at again after this time.
const AGAIN: Duration = Duration::from_millis(500);

/// Taking the mark off takes less.
const FAREWELL: Duration = Duration::from_secs(4);

/// Why the Edge API was not rolled back. Everything stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum NotRestored {
    /// The cluster could not be asked.
    #[error("the Edge API was not rolled back: {0}")]
    Cluster(#[from] Fault),
    /// It would do harm, or cannot be done.
    #[error("the Edge API was not rolled back, and nothing was removed: {0}")]
    Refused(String),
    /// It took too long.
    #[error("the Edge API was not rolled back in time, and nothing was removed: {0}")]
    Late(String),
    /// What it needs has ended.
    #[error("the Edge API was not led back: {0}")]
    Ended(#[from] Ended),
    /// A signal.
    #[error("the Edge API was not rolled back: a signal asked to stop")]
    Stopped,
}

/// Rolls back the Edge API of every resource in the namespace; says what was done.
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
        return Ok("there is no RemoteBackend, so there is nothing to roll back".to_owned());
    }
    let until = Timestamp::now()
        .saturating_add(limit)
        .and_then(|end| end.saturating_add(AFTERMATH));
    let until = until.unwrap_or(Timestamp::MAX);
    for resource in &resources {
        cluster.set_retiring(resource, Some(until)).await?;
    }
    let (lease, tasks) = (Arc::clone(&parts.lease), parts.health.tasks().clone());
    let (keeper, end) = (Arc::clone(&lease), CancellationToken::new());
    tasks.start_endless(
        "the keeper of the Lease",
        &end,
        async move { keeper.keep().await },
    );
    let mut waiting = Waiting::default();
    let outcome = tokio::select! {
        () = stop.cancelled() => Err(NotRestored::Stopped),
        ended = tasks.ended() => Err(ended.into()),
        outcome = timeout_at(deadline, drive(parts, planner, &lease, &mut waiting)) => match outcome {
            Ok(outcome) => outcome,
            Err(_) => Err(NotRestored::Late(waiting.to_string())),
        }
    };
    end.cancel();
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

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// The running companion has to give up the Lease.
    Lease,
    /// The API server has to answer.
    Cluster,
    /// An action has failed, and is tried again.
    Failing,
    /// What the plan names.
    Reason(Reason),
}

/// For how long it has been waited for, and the sentence for when time is over.
#[derive(Debug, Default)]
struct Waiting {
    sentence: String,
    since: Option<(Cause, Instant)>,
}

impl Waiting {
    /// For how long the same cause has been waited for.
    fn on(&mut self, cause: Cause, sentence: String) -> Duration {
        if self.sentence != sentence {
            tracing::info!(reason = sentence, "waits");
            self.sentence = sentence;
        }
        let (_, since) = self
            .since
            .take_if(|(for_what, _)| *for_what == cause)
            .unwrap_or_else(|| (cause, Instant::now()));
        self.since = Some((cause, since));
        since.elapsed()
    }

    fn over(&mut self) {
        self.since = None;
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.sentence.is_empty() {
            "it was still under way"
        } else {
            &self.sentence
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
            waiting.on(
                Cause::Lease,
                "the running companion still holds the Lease".to_owned(),
            );
            sleep(AGAIN).await;
            continue;
        }
        let round = match controller.round().await {
            Ok(round) => round,
            Err(Fault::Forbidden(right)) => return Err(NotRestored::Refused(right.missing())),
            Err(fault) => {
                waiting.on(Cause::Cluster, fault.to_string());
                sleep(AGAIN).await;
                continue;
            }
        };
        if round.plans.is_empty() {
            return Ok("the RemoteBackend is gone, so there is nothing to roll back any more".to_owned());
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
                    return Ok("the Edge API uses its previous settings".to_owned());
                }
            }
            Some(Obstacle::UnderWay) => match &round.failing {
                Some(failing) => drop(waiting.on(Cause::Failing, failing.clone())),
                None => waiting.over(),
            },
            Some(Obstacle::InTheWay {
                cause,
                sentence,
                patience,
            }) => {
                if waiting.on(cause, sentence.clone()) > patience {
                    return Err(NotRestored::Refused(sentence));
                }
            }
        }
        sleep(round.next.min(AGAIN)).await;
    }
}

/// Why it is not there yet.
enum Obstacle {
    /// It goes on.
    UnderWay,
    /// Something is in the way.
    InTheWay {
        cause: Cause,
        sentence: String,
        /// For how long that is waited for.
        patience: Duration,
    },
}

/// Of the first resource that is not there yet; none when all are.
fn unfinished(round: &Round) -> Option<Obstacle> {
    let there = |plan: &Plan| {
        matches!(plan.outcome, Outcome::Arrived | Outcome::NotResponsible) && plan.action.is_none()
    };
    let (_, plan) = round.plans.iter().find(|(_, plan)| !there(plan))?;
    Some(match plan.outcome {
        Outcome::Blocked { reason, who } if plan.action.is_none() => Obstacle::InTheWay {
            cause: Cause::Reason(reason),
            sentence: plan.status.blocked_by.join("; "),
            patience: match who {
                Who::Person => OBVIOUS,
                Who::Nobody => PATIENCE,
            },
        },
        _ => Obstacle::UnderWay,
    })
}

fn is_free(resources: &[RemoteBackend]) -> bool {
    resources.iter().all(|resource| {
        !resource
            .finalizers()
            .iter()
            .any(|finalizer| finalizer == plan::names::FINALIZER)
    })
}
