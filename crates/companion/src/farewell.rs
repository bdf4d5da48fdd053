//! The last act of a companion that was told to stop: if nobody will come after it, the finalizer
//! is taken off the RemoteBackend, so that the deletion of the resource or of its namespace waits
//! for nobody. The Edge API is left as it is.
//!
//! Nobody comes after it when its Deployment is gone or going, as after `helm uninstall
//! --no-hooks`; in a rollout, when a node is drained, or with no replicas asked for, the Deployment
//! is there. Helm has deleted the other rights by then: what is done here needs
//! [`crate::rights::farewell`] alone, which the chart makes Helm keep. Which Deployment is asked
//! for by name and not by uid: another one of that name has companions too.

use std::time::Duration;

use plan::names::{FINALIZER, REMOTE_BACKEND};
use tokio::time::{sleep, timeout};

use crate::cluster::{Cluster, Fault};

/// Well within the 30 s that Kubernetes gives a pod by default, beside what giving up the Lease
/// takes.
const LIMIT: Duration = Duration::from_secs(20);

/// It is tried again after this time.
const AGAIN: Duration = Duration::from_millis(500);

/// One attempt before the end takes less.
const EARLY: Duration = Duration::from_secs(5);

/// What was found at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    /// There is no resource, or none with our finalizer.
    NothingToDo,
    /// The Deployment is there: another companion will come.
    Replaced,
    /// Nobody will come, and the finalizer was taken off.
    LetGo,
}

/// The same before the end, when other rights have gone already: a script may delete the namespace,
/// and with it these rights too, before this process is told to stop. An attempt that fails is one
/// before the end.
pub async fn early(cluster: &Cluster, deployment: &str) {
    if let Ok(Ok(Farewell::LetGo)) = timeout(EARLY, attempt(cluster, deployment)).await {
        say(deployment);
    }
}

/// To be called last. Tries again what may have been an accident, and says in one sentence of the
/// log what came of it.
pub async fn farewell(cluster: &Cluster, deployment: &str) {
    let mut last = None;
    let attempts = async {
        loop {
            match attempt(cluster, deployment).await {
                Ok(outcome) => break Ok(outcome),
                Err(fault) if fault.is_final() => break Err(fault),
                Err(fault) => {
                    last = Some(fault);
                    sleep(AGAIN).await;
                }
            }
        }
    };
    let because = match timeout(LIMIT, attempts).await {
        Ok(Ok(Farewell::LetGo)) => return say(deployment),
        Ok(Ok(outcome)) => {
            tracing::debug!(?outcome, "the finalizer was not touched");
            return;
        }
        Ok(Err(fault)) => fault.to_string(),
        Err(_) => last.map_or_else(
            || "the API server did not answer".to_owned(),
            |fault| fault.to_string(),
        ),
    };
    // After an uninstallation that rolled back, even the account is gone; then there is no
    // finalizer either.
    tracing::info!(
        reason = because,
        "whether the RemoteBackend waits for a companion could not be found out"
    );
}

fn say(deployment: &str) {
    tracing::info!(
        resource = REMOTE_BACKEND,
        deployment,
        "the Deployment is deleted, so no companion will come: took the finalizer off the RemoteBackend, and left the Edge API \
         as it is"
    );
}

async fn attempt(cluster: &Cluster, deployment: &str) -> Result<Farewell, Fault> {
    let Some(resource) = cluster.resource(REMOTE_BACKEND).await? else {
        return Ok(Farewell::NothingToDo);
    };
    let held = resource.metadata.finalizers.iter().flatten();
    if !held.into_iter().any(|finalizer| finalizer == FINALIZER) {
        return Ok(Farewell::NothingToDo);
    }
    if cluster.has_deployment(deployment).await? {
        return Ok(Farewell::Replaced);
    }
    match cluster.set_finalizer(&resource, false).await {
        Err(fault) if fault.is_gone() => Ok(Farewell::NothingToDo),
        outcome => outcome.map(|()| Farewell::LetGo),
    }
}
