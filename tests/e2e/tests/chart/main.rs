//! The chart on a real API server, by either Helm: what is installed, what an upgrade and a
//! rollback leave alone, and how a refused uninstallation is got over.
//!
//! No pod runs here, so a hook never ends by itself; what hooks do is tested on a whole cluster
//! (`tests/cluster`).

mod release;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::{Value, json};
use testkit::kubernetes::PatchKind;
use testkit::peers;
use testkit::process::wait_for;

use release::Release;

const SECRET: &str = "/api/v1/namespaces/flotta/secrets/edge-config-server-tls";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/flotta/leases/flotta-companion";
const SERVICE: &str = "/api/v1/namespaces/flotta/services/edge-config-server";
const STATEFUL_SET: &str = "/apis/apps/v1/namespaces/flotta/statefulsets/edge-config-server";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/flotta/deployments/edge-config-server";
const COMPANION: &str = "/apis/apps/v1/namespaces/flotta/deployments/flotta-companion";
const REMOTE_BACKEND: &str =
    "/apis/companion.project-flotta.io/v1alpha1/namespaces/flotta/remotebackends/flotta";
const DEFINITION: &str =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/remotebackends.companion.project-flotta.io";

const RESTORE: &str = "/apis/batch/v1/namespaces/flotta/jobs/flotta-companion-restore";
/// Helm keeps them, so that a companion without a successor can let go of the RemoteBackend.
const KEPT: [&str; 3] = [
    "/api/v1/namespaces/flotta/serviceaccounts/flotta-companion",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/flotta/roles/flotta-companion-farewell",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/flotta/rolebindings/flotta-companion-farewell",
];

/// The hook that brings the definition up to date would wait for a pod.
const NO_HOOK: &str = "--set=crds.upgrade=false";

macro_rules! by_both {
    ($($test:ident),+ $(,)?) => {
        mod by_helm_3 {
            $(#[tokio::test]
            async fn $test() -> anyhow::Result<()> {
                super::$test(&super::Release::new(testkit::peers::helm3()?).await?).await
            })+
        }
        mod by_helm_4 {
            $(#[tokio::test]
            async fn $test() -> anyhow::Result<()> {
                super::$test(&super::Release::new(testkit::peers::helm4()?).await?).await
            })+
        }
    };
}

by_both!(
    an_upgrade_and_a_rollback_leave_alone_what_the_programs_wrote,
    a_change_of_the_store_changes_the_workload_and_whom_the_service_selects,
    a_refused_uninstallation_removes_nothing_and_can_be_got_over,
    an_uninstallation_leaves_nothing_of_what_helm_keeps,
);

/// What the companion writes into what the chart has made empty, and onto the resource.
async fn the_programs_write(release: &Release) -> Result<()> {
    let writes = [
        (SECRET, json!({"data": {"tls.key": "a2V5", "admission": "e30="}})),
        (
            LEASE,
            json!({"spec": {"holderIdentity": "one", "leaseDurationSeconds": 15}}),
        ),
        (
            REMOTE_BACKEND,
            json!({"metadata": {
                "finalizers": ["companion.project-flotta.io/restore"],
                "annotations": {"companion.project-flotta.io/retry": "1"},
            }}),
        ),
    ];
    for (path, change) in writes {
        let answer = release.client().patch(path, PatchKind::Merge, &change).await?;
        ensure!(answer.status == 200, "{path}: {}", answer.text());
    }
    Ok(())
}

async fn they_are_untouched(release: &Release, after: &str) -> Result<()> {
    let secret = release.object(SECRET).await?;
    ensure!(
        secret["data"] == json!({"tls.key": "a2V5", "admission": "e30="}),
        "{after} changed the Secret: {}",
        secret["data"]
    );
    let lease = release.object(LEASE).await?;
    ensure!(
        lease["spec"]["holderIdentity"] == "one",
        "{after} changed the Lease: {lease}"
    );
    let meta = release.object(REMOTE_BACKEND).await?["metadata"].clone();
    ensure!(
        meta["finalizers"] == json!(["companion.project-flotta.io/restore"])
            && meta["annotations"]["companion.project-flotta.io/retry"] == "1",
        "{after} changed the RemoteBackend: {meta}"
    );
    Ok(())
}

async fn an_upgrade_and_a_rollback_leave_alone_what_the_programs_wrote(release: &Release) -> Result<()> {
    let notes = release.helm("install", &[])?;
    ensure!(
        notes.contains("kubectl -n flotta get remotebackend flotta --watch"),
        "the notes do not say how to watch it: {notes}"
    );
    let secret = release.object(SECRET).await?;
    ensure!(secret["data"].is_null(), "the Secret is not empty: {secret}");
    let resource = release.object(REMOTE_BACKEND).await?;
    let ready = &resource["status"]["conditions"][0];
    ensure!(
        ready["type"] == "Ready" && ready["status"] == "Unknown",
        "tools that wait would take it for ready: {resource}"
    );
    the_programs_write(release).await?;

    let changed = [
        NO_HOOK,
        "--set=remoteBackend.mode=Observe",
        "--set=companion.logLevel=debug",
    ];
    release.helm("upgrade", &changed)?;
    let mode = release.object(REMOTE_BACKEND).await?["spec"]["mode"].clone();
    ensure!(
        mode == "Observe",
        "the upgrade did not reach the RemoteBackend: {mode}"
    );
    they_are_untouched(release, "an upgrade").await?;

    release.plain(&["rollback", "flotta-companion", "1"])?;
    let mode = release.object(REMOTE_BACKEND).await?["spec"]["mode"].clone();
    ensure!(
        mode == "Remote",
        "the rollback did not reach the RemoteBackend: {mode}"
    );
    let arguments =
        release.object(COMPANION).await?["spec"]["template"]["spec"]["containers"][0]["args"].clone();
    ensure!(
        arguments
            == json!([
                "run",
                "--deployment=flotta-companion",
                "--log-format=text",
                "--log-level=info"
            ]),
        "the rollback did not reach the companion: {arguments}"
    );
    they_are_untouched(release, "a rollback").await
}

async fn a_change_of_the_store_changes_the_workload_and_whom_the_service_selects(
    release: &Release,
) -> Result<()> {
    release.helm("install", &[])?;
    ensure!(selected(release).await? == "sqlite", "the Service selects others");
    let postgres = [
        NO_HOOK,
        "--set=store.kind=postgres,store.postgres.url=postgres://u@db/f",
        "--set=store.postgres.existingSecret=s,store.postgres.caConfigMap=c",
    ];
    release.helm("upgrade", &postgres)?;
    ensure!(
        release.find(STATEFUL_SET).await?.is_none(),
        "the StatefulSet is still there"
    );
    ensure!(
        release.find(DEPLOYMENT).await?.is_some(),
        "there is no Deployment"
    );
    ensure!(
        selected(release).await? == "postgres",
        "the Service selects others"
    );
    Ok(())
}

async fn selected(release: &Release) -> Result<Value> {
    Ok(release.object(SERVICE).await?["spec"]["selector"]["app.kubernetes.io/component"].clone())
}

async fn a_refused_uninstallation_removes_nothing_and_can_be_got_over(release: &Release) -> Result<()> {
    release.helm("install", &[])?;
    // No pod comes, so the Job does not end in time, as if it had been refused.
    let refused = release.plain(&["uninstall", "flotta-companion", "--timeout=1s"]);
    ensure!(refused.is_err(), "the uninstallation did not wait for its hook");
    for path in [SECRET, LEASE, SERVICE, STATEFUL_SET, COMPANION, REMOTE_BACKEND] {
        release
            .object(path)
            .await
            .context("it was removed by an uninstallation that failed")?;
    }

    // As docs/install.md says: Helm takes no upgrade now, and a rollback makes it a release again.
    let upgraded = release.helm("upgrade", &[NO_HOOK]);
    let said = upgraded
        .err()
        .map(|error| format!("{error:#}"))
        .unwrap_or_default();
    ensure!(
        said.contains("has no deployed releases"),
        "an upgrade goes through now: {said:?}"
    );
    release.plain(&["rollback", "flotta-companion", "1"])?;
    let skip = "--set=restore.skip=leave the Edge API as it is";
    release.helm("upgrade", &[NO_HOOK, skip])?;

    release.plain(&["uninstall", "flotta-companion", "--no-hooks"])?;
    for path in [SECRET, LEASE, SERVICE, STATEFUL_SET, COMPANION] {
        ensure!(release.find(path).await?.is_none(), "{path} is still there");
    }
    // What the next installation has to know is in its status and its annotations.
    for path in [&[REMOTE_BACKEND, DEFINITION], &KEPT[..]].concat() {
        release
            .object(path)
            .await
            .context("it went with a release that led nothing back")?;
    }
    let again = ["--take-ownership", "--set=remoteBackend.mode=Observe"];
    let notes = release.helm("install", &again)?;
    ensure!(
        notes.contains("RemoteBackend of an earlier installation"),
        "the notes do not speak of it: {notes}"
    );
    let mode = release.object(REMOTE_BACKEND).await?["spec"]["mode"].clone();
    ensure!(
        mode == "Observe",
        "the next installation did not take it over: {mode}"
    );
    uninstalled(release).await
}

async fn an_uninstallation_leaves_nothing_of_what_helm_keeps(release: &Release) -> Result<()> {
    release.helm("install", &[])?;
    uninstalled(release).await?;
    release.helm("install", &["--take-ownership"])?;
    for path in KEPT {
        release.object(path).await?;
    }
    Ok(())
}

/// A whole uninstallation, hooks included; a Job succeeds without a pod.
async fn uninstalled(release: &Release) -> Result<()> {
    // One that failed stays for its log.
    let old = format!("{RESTORE}?propagationPolicy=Background");
    release.client().call(Method::DELETE, &old, None).await?;
    let helm = release.start(&["uninstall", "flotta-companion", "--timeout=120s"])?;
    wait_for("the hook's Job", Duration::from_mins(1), async || {
        release.find(RESTORE).await.ok()?
    })
    .await?;
    let now = "2026-01-01T00:00:00Z";
    let condition = |type_: &str| json!({"type": type_, "status": "True", "lastTransitionTime": now});
    let success = json!({"status": {
        "startTime": now, "completionTime": now, "succeeded": 1,
        "conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
    }});
    let path = format!("{RESTORE}/status");
    let answer = release.client().patch(&path, PatchKind::Merge, &success).await?;
    ensure!(answer.status == 200, "{path}: {}", answer.text());
    let said = helm.end()?;
    // As docs/install.md quotes it.
    ensure!(
        said.contains("These resources were kept due to the resource policy"),
        "{said}"
    );
    for path in [&[SECRET, SERVICE, COMPANION], &KEPT[..]].concat() {
        ensure!(release.find(path).await?.is_none(), "{path} is still there");
    }
    Ok(())
}

/// The API server refuses what the chart's schema would, for those who write the resource by hand.
#[tokio::test]
async fn a_resource_that_cannot_work_is_refused_by_the_api_server() -> Result<()> {
    let release = Release::new(peers::helm3()?).await?;
    release.helm("install", &["--set=remoteBackend.create=false"])?;
    let collection = REMOTE_BACKEND.trim_end_matches("/flotta");
    for (spec, field) in [
        (json!({"mode": "remote"}), "spec.mode"),
        (json!({"backend": {"url": "server:8443/x"}}), "spec.backend.url"),
        (json!({"backend": {"timeout": "5"}}), "spec.backend.timeout"),
        (
            json!({"edgeApi": {"rolloutSeconds": 1}}),
            "spec.edgeApi.rolloutSeconds",
        ),
        (
            json!({"clientCertExpirationDays": 0}),
            "spec.clientCertExpirationDays",
        ),
        (json!({"paused": {"until": "tomorrow"}}), "spec.paused.until"),
        (
            json!({"devices": {"leaving": "Disconnect"}}),
            "spec.devices.leaving",
        ),
    ] {
        let object = json!({
            "apiVersion": "companion.project-flotta.io/v1alpha1", "kind": "RemoteBackend",
            "metadata": {"name": "flotta"}, "spec": spec,
        });
        let answer = release
            .client()
            .call(Method::POST, collection, Some(&object))
            .await?;
        ensure!(
            answer.status == 422 && answer.text().contains(field),
            "{spec} was answered {}: {}",
            answer.status,
            answer.text()
        );
    }
    let object = json!({
        "apiVersion": "companion.project-flotta.io/v1alpha1", "kind": "RemoteBackend",
        "metadata": {"name": "flotta"}, "spec": {},
    });
    let answer = release
        .client()
        .call(Method::POST, collection, Some(&object))
        .await?;
    ensure!(
        answer.status == 201,
        "the defaults are refused: {}",
        answer.text()
    );
    Ok(())
}
