//! Finds out what only calls can show: rights, the backend's URL, devices here and there.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use kube::{Api, api::PostParams};
use plan::{
    Observed,
    observed::{Dated, DeviceComparison, Evidence},
};

use super::{Cluster, Failed, Fault, client, secret};
use crate::{
    calls::{Backend, Calls, DevicePhase, Phases},
    rights::{self, Right},
};

/// So many questions about rights at once.
const QUESTIONS: usize = 8;

/// So many ids are shown of devices that are on one side only.
const SHOWN: usize = 5;

/// Asks the API server for each right in the table.
pub(super) async fn rights(
    cluster: &Cluster,
    observed: &Observed,
    evidence: &mut Evidence,
) -> Result<(), Failed> {
    let table = rights::table(&observed.resource.spec, cluster.namespace());
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client(cluster));
    let ask = async |right: Right| -> Result<Option<String>, Failed> {
        let question = right.review(cluster.namespace());
        let review = reviews
            .create(&PostParams::default(), &question)
            .await
            .map_err(|error| Fault::new(ask_right(), error))?;
        let allowed = review.status.is_some_and(|status| status.allowed);
        Ok((!allowed).then(|| right.missing()))
    };
    let answers: Vec<_> = stream::iter(table)
        .map(ask)
        .buffered(QUESTIONS)
        .try_collect()
        .await?;
    let missing: Vec<String> = answers.into_iter().flatten().collect();
    // A role is easily granted once more; that a right is missing is true only of now.
    let about = observed
        .resource
        .metadata
        .generation
        .unwrap_or_default()
        .to_string();
    evidence.rights = Some(dated(&about, missing));
    Ok(())
}

fn ask_right() -> Right {
    Right::cluster("create", "authorization.k8s.io", "selfsubjectaccessreviews", None)
}

/// Calls the URL as the Edge API would.
pub(super) async fn call_backend(
    calls: &dyn Calls,
    about: &str,
    url: &str,
    observed: &Observed,
    evidence: &mut Evidence,
) {
    let outcome = match backend(observed, url) {
        Ok(backend) => calls.call_backend(&backend, &super::verify::nonce()).await,
        Err(failed) => Err(failed.to_string()),
    };
    evidence.backend = Some(dated(about, outcome));
}

/// Compares the devices of the custom resources with those of the store.
pub(super) async fn compare_devices(
    cluster: &Cluster,
    calls: &dyn Calls,
    about: &str,
    url: &str,
    observed: &Observed,
    evidence: &mut Evidence,
) {
    let outcome = compare(cluster, calls, url, observed).await;
    evidence.devices = Some(dated(about, outcome.map_err(|failed| failed.to_string())));
}

async fn compare(
    cluster: &Cluster,
    calls: &dyn Calls,
    url: &str,
    observed: &Observed,
) -> Result<DeviceComparison, Failed> {
    let backend = backend(observed, url)?;
    let there: Vec<String> = cluster.edge_devices().await?.into_iter().collect();
    let phases = calls.compare(&backend, &there).await.map_err(Failed::Because)?;
    let listed = calls.list(&backend).await.map_err(Failed::Because)?;
    Ok(comparison(there, &phases, listed))
}

/// What is on one side only. A device that cannot be read gets errors and keeps what it has: it is
/// not lost by coming here, and it would be disconnected by a way back like any other.
fn comparison(there: Vec<String>, phases: &Phases, listed: Phases) -> DeviceComparison {
    let here: BTreeSet<String> = listed
        .into_iter()
        .filter(|(_, phase)| !matches!(phase, DevicePhase::Deleted | DevicePhase::Unknown))
        .map(|(id, _)| id)
        .collect();
    let served = |id: &String| {
        matches!(
            phases.get(id),
            Some(DevicePhase::Approved | DevicePhase::Waiting | DevicePhase::Unreadable)
        )
    };
    let there_only: Vec<String> = there.iter().filter(|id| !served(id)).cloned().collect();
    let there: BTreeSet<String> = there.into_iter().collect();
    let here_only: Vec<String> = here.difference(&there).cloned().collect();
    DeviceComparison {
        custom_resources: there.len() as u64,
        here: here.len() as u64,
        only_in_custom_resources: some_of(there_only),
        only_here: some_of(here_only),
    }
}

fn some_of(mut ids: Vec<String>) -> (u64, Vec<String>) {
    let count = ids.len() as u64;
    ids.truncate(SHOWN);
    (count, ids)
}

fn backend(observed: &Observed, url: &str) -> Result<Backend, Failed> {
    let roots = if url.starts_with("https://") {
        secret::ca(observed)?.roots()
    } else {
        Vec::new()
    };
    Ok(Backend {
        url: url.to_owned(),
        identity: secret::host(observed)?,
        roots,
    })
}

pub(super) fn dated<T>(about: &str, value: T) -> Dated<T> {
    Dated {
        at: Timestamp::now(),
        about: about.to_owned(),
        value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_cannot_be_read_counts_as_served() {
        use DevicePhase::{Approved, Deleted, Rejected, Unknown, Unreadable, Waiting};
        let phases = |of: &[(&str, DevicePhase)]| -> Phases {
            of.iter().map(|(id, phase)| ((*id).to_owned(), *phase)).collect()
        };
        let there = ["a", "d", "r", "s", "u", "w"];
        let compared = phases(&[
            ("a", Approved),
            ("d", Deleted),
            ("r", Rejected),
            ("s", Unknown),
            ("u", Unreadable),
            ("w", Waiting),
        ]);
        let listed = phases(&[
            ("a", Approved),
            ("d", Deleted),
            ("r", Rejected),
            ("u", Unreadable),
            ("v", Unreadable),
            ("w", Waiting),
            ("x", Approved),
            ("y", Deleted),
        ]);
        let found = comparison(there.map(str::to_owned).to_vec(), &compared, listed);
        let told = |ids: &[&str]| -> (u64, Vec<String>) {
            (ids.len() as u64, ids.iter().map(|id| (*id).to_owned()).collect())
        };
        assert_eq!(found.only_in_custom_resources, told(&["d", "r", "s"]));
        assert_eq!(found.only_here, told(&["v", "x"]));
        assert_eq!((found.custom_resources, found.here), (6, 6));
    }
}
