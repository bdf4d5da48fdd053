//! The way back, in every form in which it is asked for. The custom resources disconnect each
//! device that they lack, so it is refused while there is one, unless a person says so.

mod kept;

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use cluster::chart::{Chart, RELEASE, SWITCH, switched};
use cluster::flotta::{Answers, answers_until};
use cluster::hands::{CONFIG_MAP, DEPLOYMENT};
use cluster::patience::wait_for;
use cluster::remote_backend::{Expected, PATH, RemoteBackend};
use cluster::watcher::{Outcome, Request, Watcher};
use cluster::{Cluster, Helm, faults, hands};
use serde_json::{Value, json};
use testkit::kubernetes::PatchKind;

use super::holds::{at_work, on_custom_resources, on_our_store};
use crate::stage::{Stage, State};

const LEAVING: &str = "remoteBackend.devices.leaving=DisconnectThemAndRemoveTheirWorkloads";
const PREVIOUS: &str = "/api/v1/namespaces/flotta/configmaps/flotta-companion-previous";
const CLAIMS: &str = "/api/v1/namespaces/flotta/persistentvolumeclaims";
const NAMESPACE: &str = "/api/v1/namespaces/flotta";
/// Until a namespace with everything in it is gone by itself.
const GONE: Duration = Duration::from_mins(3);

/// Flotta's objects as they were, to be compared.
struct Before {
    settings: Value,
    template: Value,
}

impl Before {
    async fn of(cluster: &Cluster) -> Result<Self> {
        let settings = cluster.object(CONFIG_MAP).await?.context("no settings")?["data"].take();
        let template = cluster
            .object(DEPLOYMENT)
            .await?
            .context("no Deployment")?
            .pointer("/spec/template/spec")
            .context("a Deployment has a template")?
            .clone();
        Ok(Self { settings, template })
    }

    /// An error when anything is not as it was.
    async fn is_back(&self, cluster: &Cluster) -> Result<()> {
        let now = Self::of(cluster).await?;
        ensure!(
            now.settings == self.settings,
            "the settings were {} before and are {} after the way back",
            self.settings,
            now.settings
        );
        ensure!(
            now.template == self.template,
            "the pods of the Edge API were to be {} before, and are to be {} after the way back",
            self.template,
            now.template
        );
        ensure!(
            cluster.object(PREVIOUS).await?.is_none(),
            "what was before is in force again, and still kept in flotta-companion-previous"
        );
        Ok(())
    }
}

/// Mode Crd with no device: there, exactly as before, and forth again.
pub(crate) async fn crd_without_devices(stage: &mut Stage) -> Result<()> {
    let before = Before::of(stage.cluster()).await?;
    Chart::default().switch(stage.cluster()).await?;
    stage.reached("the switch is verified");
    Chart::default()
        .set("remoteBackend.mode=Crd")
        .upgrade(stage.cluster())?;
    let there = Expected::phase("Crd")
        .backend("Crd")
        .because("Ready", "True", "Restored");
    RemoteBackend::until(stage.cluster(), &there, SWITCH).await?;
    stage.reached("the companion says that it is back");
    on_custom_resources(stage).await?;
    before.is_back(stage.cluster()).await?;
    stage.reached("settings and Deployment are exactly as before");
    Chart::default().upgrade(stage.cluster())?;
    switched(stage.cluster()).await?;
    stage.reached("and switched again");
    on_our_store(stage, "after-there-and-back").await
}

/// Mode Crd with devices that the custom resources lack: refused, and nobody notices; then told in
/// so many words.
pub(crate) async fn crd_with_devices(stage: &mut Stage) -> Result<()> {
    let watcher = at_work(stage, &["would-go"]).await?;
    Chart::default()
        .set("remoteBackend.mode=Crd")
        .upgrade(stage.cluster())?;
    is_refused(stage).await?;
    on_our_store(stage, "enrols-meanwhile").await?;
    let seen = watcher.stop().await?;
    seen.served_throughout()?;
    stage.reached("refused; devices are served throughout, and new ones enrol");

    let watcher = at_work(stage, &["goes"]).await?;
    Chart::default()
        .set("remoteBackend.mode=Crd")
        .set(LEAVING)
        .upgrade(stage.cluster())?;
    let there = Expected::phase("Crd").backend("Crd");
    RemoteBackend::until(stage.cluster(), &there, SWITCH).await?;
    on_custom_resources(stage).await?;
    // What the refusal keeps from happening is real.
    wait_for("the device to be told to disconnect", SWITCH, async || {
        let seen = watcher.seen();
        seen.requests
            .iter()
            .any(|request| request.outcome == Outcome::ToldToDisconnect)
            .then_some(())
    })
    .await?;
    stage.reached("told so, it goes back; the device is told to disconnect, as announced");
    watcher.stop().await.map(drop)
}

async fn is_refused(stage: &Stage) -> Result<()> {
    let refused = Expected::phase("Restoring")
        .because("Ready", "False", "DevicesWouldBeDisconnected")
        .says("DisconnectThemAndRemoveTheirWorkloads");
    RemoteBackend::until(stage.cluster(), &refused, SWITCH)
        .await
        .map(drop)
}

/// `helm uninstall` with no device, and installed again: the volume has stayed.
pub(crate) async fn uninstall_without_devices(stage: &mut Stage) -> Result<()> {
    let before = Before::of(stage.cluster()).await?;
    let first = Chart::default().switch(stage.cluster()).await?;
    stage.reached("the switch is verified");
    uninstalls(stage, &before).await?;
    let claims = stage.cluster().items(CLAIMS).await?;
    ensure!(
        claims.len() == 1,
        "the volume claim was to stay; there are {}",
        claims.len()
    );
    let again = Chart::default().switch(stage.cluster()).await?;
    ensure!(
        again.store_id() == first.store_id(),
        "after the reinstallation the store is {}, it was {}",
        again.store_id(),
        first.store_id()
    );
    stage.reached("installed again on the same store, the switch is verified");
    on_our_store(stage, "after-reinstallation").await
}

async fn uninstalls(stage: &mut Stage, before: &Before) -> Result<()> {
    Chart::default().uninstall(stage.cluster(), &[])?;
    stage.reached("helm uninstall has returned");
    on_custom_resources(stage).await?;
    before.is_back(stage.cluster()).await?;
    ensure!(
        RemoteBackend::read(stage.cluster()).await?.is_none(),
        "the RemoteBackend is still there"
    );
    kept::nothing(stage.cluster()).await?;
    stage.reached("the Edge API answers from its custom resources, exactly as before");
    Ok(())
}

/// `helm uninstall` while devices would be disconnected removes nothing, and says why.
pub(crate) async fn uninstall_with_devices(stage: &mut Stage) -> Result<()> {
    let watcher = at_work(stage, &["stays"]).await?;
    // By itself Helm 4 hears of a hook that failed only when time is over.
    let Err(refused) = Chart::default().uninstall(stage.cluster(), &["--wait=legacy"]) else {
        bail!("helm uninstall went through while a device would be disconnected");
    };
    stage.reached("helm uninstall has failed");
    let log = stage.cluster().kubectl(&[
        "--namespace=flotta",
        "logs",
        "--selector=app.kubernetes.io/component=restore",
        "--tail=20",
    ])?;
    ensure!(
        log.contains("DisconnectThemAndRemoveTheirWorkloads"),
        "the log of the hook does not name the remedy: {log}; helm said: {refused:#}"
    );
    switched(stage.cluster()).await?;
    on_our_store(stage, "after-a-refused-uninstall").await?;
    let seen = watcher.stop().await?;
    seen.served_throughout()?;
    stage.reached("the reason is in the hook's log; devices are served throughout");

    // Helm takes an upgrade of a release that it is uninstalling for impossible; a rollback brings
    // it back.
    stage.cluster().helm(Helm::Four, &["rollback", RELEASE, "1"])?;
    switched(stage.cluster()).await?;
    stage.reached("helm rollback takes the release back into use");
    let Err(_) = Chart::default().uninstall(stage.cluster(), &["--wait=legacy"]) else {
        bail!("the second helm uninstall went through while a device would be disconnected");
    };
    let word = json!({"spec": {"devices": {"leaving": "DisconnectThemAndRemoveTheirWorkloads"}}});
    hands::change(stage.cluster(), PATH, PatchKind::Merge, &word).await?;
    Chart::default().uninstall(stage.cluster(), &[])?;
    stage.reached("told so in so many words, helm uninstall goes through");
    on_custom_resources(stage).await
}

/// `helm uninstall` with no companion that lives.
pub(crate) async fn uninstall_companion_dead(stage: &mut Stage) -> Result<()> {
    let before = Before::of(stage.cluster()).await?;
    Chart::default().switch(stage.cluster()).await?;
    faults::scale(stage.cluster(), "deployments", "flotta-companion", 0).await?;
    gone(stage.cluster(), "flotta-companion").await?;
    stage.reached("switched; the companion is gone");
    uninstalls(stage, &before).await
}

/// `helm uninstall` with no server that lives.
pub(crate) async fn uninstall_server_dead(stage: &mut Stage) -> Result<()> {
    let before = Before::of(stage.cluster()).await?;
    Chart::default().switch(stage.cluster()).await?;
    let counted = Expected::phase("Remote");
    let seen = RemoteBackend::until(stage.cluster(), &counted, SWITCH).await?;
    ensure!(
        seen.object().pointer("/status/found/devices/onlyHere") == Some(&json!(0)),
        "the devices were not counted: {seen}"
    );
    faults::scale(stage.cluster(), "statefulsets", "edge-config-server", 0).await?;
    gone(stage.cluster(), "edge-config-server").await?;
    stage.reached("switched; the server is gone");
    uninstalls(stage, &before).await
}

async fn gone(cluster: &Cluster, name: &str) -> Result<()> {
    let label = format!("app.kubernetes.io/name={name}");
    faults::ready_pods(cluster, &label, 0, SWITCH).await
}

/// `helm uninstall --no-hooks` leaves the Edge API at a backend that is gone: errors, no device is
/// disconnected, and nothing waits for a companion. Then installed again.
pub(crate) async fn uninstall_without_hooks(stage: &mut Stage) -> Result<()> {
    let watcher = at_work(stage, &["keeps-running"]).await?;
    Chart::default().uninstall(stage.cluster(), &["--no-hooks"])?;
    stage.reached("helm uninstall --no-hooks has returned");
    kept::finalizer(stage.cluster(), false).await?;
    kept::all(stage.cluster()).await?;
    stage.reached("the companion has taken the finalizer off the RemoteBackend");
    is_served_when_installed_again(stage, watcher).await?;
    kept::finalizer(stage.cluster(), true).await?;
    stage.reached("and the next companion has put it on again");
    Chart::default().uninstall(stage.cluster(), &["--no-hooks"])?;
    namespace_is_removed(stage).await?;
    stage.reached("uninstalled the same way, the namespace with it waited for nobody");
    stage.is_now(State::Unknown);
    Ok(())
}

/// The same in so many words, which the hook understands.
pub(crate) async fn uninstall_skipped(stage: &mut Stage) -> Result<()> {
    let watcher = at_work(stage, &["keeps-running-too"]).await?;
    Chart::default()
        .set("restore.skip=leave the Edge API as it is")
        .upgrade(stage.cluster())?;
    Chart::default().uninstall(stage.cluster(), &[])?;
    stage.reached("helm uninstall has returned, told to leave the Edge API as it is");
    ensure!(
        RemoteBackend::read(stage.cluster()).await?.is_none(),
        "the RemoteBackend is still there"
    );
    kept::nothing(stage.cluster()).await?;
    is_served_when_installed_again(stage, watcher).await
}

async fn is_served_when_installed_again(stage: &mut Stage, watcher: Watcher) -> Result<()> {
    gone(stage.cluster(), "edge-config-server").await?;
    gone(stage.cluster(), "flotta-companion").await?;
    let backend = hands::setting(stage.cluster(), "BACKEND").await?;
    ensure!(
        backend.as_deref() == Some("remote"),
        "the Edge API was to be left as it is, and BACKEND is {backend:?}"
    );
    stage.reached("companion and server are gone, and the Edge API is left as it is");
    Chart::default().install(stage.cluster())?;
    let since = watcher.now();
    wait_for("the device to be served again", SWITCH, async || {
        let seen = watcher.seen();
        let served = |request: &&Request| request.begun > since && request.outcome == Outcome::Served;
        (seen.requests.iter().filter(served).count() > 4).then_some(())
    })
    .await?;
    stage.reached("installed again, the device is served");
    let seen = watcher.stop().await?;
    stage.reached(&seen.summary());
    seen.nobody_was_disconnected()?;
    switched(stage.cluster()).await?;
    on_our_store(stage, "after-being-left").await
}

/// `kubectl delete namespace flotta` ends, whatever is in it; then all is installed anew.
pub(crate) async fn namespace_deleted(stage: &mut Stage) -> Result<()> {
    namespace_is_removed(stage).await?;
    stage.reached("the namespace is gone");
    stage.is_now(State::Unknown);
    stage.go_to(State::Switched).await?;
    on_our_store(stage, "in-a-new-namespace").await
}

async fn namespace_is_removed(stage: &Stage) -> Result<()> {
    stage.cluster().remove(NAMESPACE).await?;
    wait_for("namespace flotta to be gone", GONE, async || {
        stage
            .cluster()
            .object(NAMESPACE)
            .await
            .ok()?
            .is_none()
            .then_some(())
    })
    .await
    .with_context(|| {
        let status = stage
            .cluster()
            .kubectl(&["get", "namespace", "flotta", "--output=jsonpath={.status}"]);
        format!("what holds it up: {status:?}")
    })
}

/// `kubectl delete remotebackend flotta` rolls back first.
pub(crate) async fn resource_deleted(stage: &mut Stage) -> Result<()> {
    let before = Before::of(stage.cluster()).await?;
    Chart::default().switch(stage.cluster()).await?;
    stage.cluster().remove(PATH).await?;
    wait_for("the RemoteBackend to be gone", SWITCH, async || {
        let found = RemoteBackend::read(stage.cluster()).await.ok()?;
        found.is_none().then_some(())
    })
    .await?;
    stage.reached("the RemoteBackend is gone");
    on_custom_resources(stage).await?;
    before.is_back(stage.cluster()).await
}

/// What was before is lost: mode Crd asks and guesses nothing.
pub(crate) async fn previous_lost(stage: &mut Stage) -> Result<()> {
    Chart::default().switch(stage.cluster()).await?;
    stage.cluster().remove(PREVIOUS).await?;
    stage.reached("switched; flotta-companion-previous was deleted");
    Chart::default()
        .set("remoteBackend.mode=Crd")
        .upgrade(stage.cluster())?;
    let asks = Expected::phase("Restoring")
        .because("Ready", "False", "PreviousUnknown")
        .says("assume-previous=crd");
    RemoteBackend::until(stage.cluster(), &asks, SWITCH).await?;
    answers_until(stage.cluster(), stage.flotta()?, Answers::FromRemoteBackend).await?;
    stage.reached("the companion asks what was before, and the Edge API stays");
    stage.cluster().kubectl(&[
        "--namespace=flotta",
        "annotate",
        "remotebackend",
        "flotta",
        "companion.project-flotta.io/assume-previous=crd",
    ])?;
    let there = Expected::phase("Crd").backend("Crd");
    RemoteBackend::until(stage.cluster(), &there, SWITCH).await?;
    stage.reached("told, it goes back");
    on_custom_resources(stage).await
}
