//! Performs one action. Each can be repeated, and does nothing when what it was decided on has
//! changed since.

mod evidence;
mod secret;
mod verify;
mod write;

use jiff::Timestamp;
use kube::Client;
use plan::{Action, Observed, observed::Evidence};

use super::{Cluster, Fault};
use crate::calls::Calls;

/// What came of an action.
#[derive(Debug)]
pub enum Done {
    /// The cluster was changed.
    Changed,
    /// Something was found out; it is in the evidence.
    Learned,
}

/// Why an action came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The API server.
    #[error(transparent)]
    Cluster(#[from] Fault),
    /// Anything else, as one sentence.
    #[error("{0}")]
    Because(String),
}

impl Failed {
    /// Whether a look at the state as it is now is all that it takes.
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Cluster(fault) if fault.is_stale())
    }

    fn because(error: impl std::fmt::Display) -> Self {
        Self::Because(error.to_string())
    }
}

/// Performs an action on what was observed. What a call shows goes to `evidence`.
pub async fn perform(
    cluster: &Cluster,
    calls: &dyn Calls,
    action: &Action,
    observed: &Observed,
    evidence: &mut Evidence,
) -> Result<Done, Failed> {
    match action {
        Action::SetFinalizer(wanted) => cluster.set_finalizer(&observed.resource, *wanted).await?,
        Action::WriteServerSecret(secret) => {
            secret::write(cluster, secret, observed, Timestamp::now()).await?;
        }
        Action::Nudge { pods, value } => write::nudge(cluster, pods, value).await?,
        Action::SavePrevious(document) => write::save_previous(cluster, document).await?,
        Action::Write(document) => write::write(cluster, document).await?,
        Action::DeletePrevious(saved) => write::delete_previous(cluster, saved).await?,
        Action::CheckRights => {
            evidence::rights(cluster, observed, evidence).await?;
            return Ok(Done::Learned);
        }
        Action::CallBackend { about, url } => {
            evidence::call_backend(calls, about, url, observed, evidence).await;
            return Ok(Done::Learned);
        }
        Action::CompareDevices { about, url } => {
            evidence::compare_devices(cluster, calls, about, url, observed, evidence).await;
            return Ok(Done::Learned);
        }
        Action::Verify {
            about,
            pods,
            server_name,
        } => {
            verify::verify(calls, about, pods, server_name, observed, evidence).await?;
            return Ok(Done::Learned);
        }
    }
    Ok(Done::Changed)
}

fn client(cluster: &Cluster) -> Client {
    cluster.client().clone()
}
