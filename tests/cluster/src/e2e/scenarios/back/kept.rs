//! What an uninstallation leaves of the companion, and what it does not.

use std::time::Duration;

use anyhow::{Result, ensure};
use cluster::Cluster;
use cluster::patience::wait_for;
use cluster::remote_backend::PATH;
use serde_json::Value;

/// Until a companion that was told to stop has let go, or one that is new has taken hold.
const LET_GO: Duration = Duration::from_secs(40);
/// What Helm keeps of the companion, so that it can let go.
const KEPT: [&str; 3] = [
    "/api/v1/namespaces/flotta/serviceaccounts/flotta-companion",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/flotta/roles/flotta-companion-farewell",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/flotta/rolebindings/flotta-companion-farewell",
];

/// An error unless all of it is there.
pub(super) async fn all(cluster: &Cluster) -> Result<()> {
    for path in KEPT {
        let kept = cluster.object(path).await?;
        ensure!(kept.is_some(), "{path} was to be kept for the companion's end");
    }
    Ok(())
}

/// An error when anything of it is there.
pub(super) async fn nothing(cluster: &Cluster) -> Result<()> {
    for path in KEPT {
        ensure!(
            cluster.object(path).await?.is_none(),
            "{path} is left after the uninstallation"
        );
    }
    Ok(())
}

/// Waits until the RemoteBackend has a finalizer, or has none.
pub(super) async fn finalizer(cluster: &Cluster, wanted: bool) -> Result<()> {
    wait_for(
        &format!("the finalizer to be {}", if wanted { "on" } else { "off" }),
        LET_GO,
        async || {
            let resource = cluster.object(PATH).await.ok()??;
            let finalizers = resource.pointer("/metadata/finalizers").and_then(Value::as_array);
            (finalizers.is_some_and(|finalizers| !finalizers.is_empty()) == wanted).then_some(())
        },
    )
    .await
}
