//! Changes by other hands after the switch, with devices at work: none of them may be carried out
//! by us.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cluster::chart::switched;
use cluster::faults;
use cluster::hands::{self, Again, CA, HOST_CERTIFICATE};
use cluster::patience::wait_for;
use cluster::remote_backend::{Expected, RemoteBackend};
use cluster::watcher::{Seen, Watcher};

use super::holds::{SLACK, at_work, looked_again, on_our_store, restarts, setting_until};
use crate::stage::Stage;

/// Until a change is noticed and said.
const NOTICED: Duration = Duration::from_mins(1);
const DEVICES: [&str; 3] = ["drift-1", "drift-2", "drift-3"];

/// Devices at work, and how often the Edge API had been restarted when they began.
struct AtWork {
    watcher: Watcher,
    restarts: u64,
}

impl AtWork {
    async fn begin(stage: &Stage) -> Result<Self> {
        // What other scenarios have changed by other hands is no part of a contest here.
        hands::ask_again(stage.cluster()).await?;
        let watcher = at_work(stage, &DEVICES).await?;
        Ok(Self {
            watcher,
            restarts: restarts(stage.cluster()).await?,
        })
    }

    /// Ends the work: this many restarts, and requests failed around them only.
    async fn end(self, stage: &mut Stage, wanted: u64) -> Result<Seen> {
        // What it has not seen yet it cannot have carried out.
        looked_again(stage.cluster()).await?;
        switched(stage.cluster()).await?;
        let seen = self.watcher.stop().await?;
        stage.reached(&seen.summary());
        let done = restarts(stage.cluster()).await? - self.restarts;
        ensure!(
            done == wanted,
            "the Edge API was to be restarted {wanted} times, and was {done} times"
        );
        if wanted == 0 {
            seen.served_throughout()?;
        } else {
            seen.served_but_for_restarts(SLACK)?;
        }
        Ok(seen)
    }
}

/// A key of ours is edited.
pub(crate) async fn setting_edited(stage: &mut Stage) -> Result<()> {
    let work = AtWork::begin(stage).await?;
    hands::set_setting(stage.cluster(), "BACKEND", Some("crd")).await?;
    setting_until(stage.cluster(), "BACKEND", Some("remote")).await?;
    stage.reached("BACKEND=crd by somebody was reverted");
    work.end(stage, 0).await?;
    on_our_store(stage, "after-an-edit").await
}

/// The whole ConfigMap is replaced by Flotta's own.
pub(crate) async fn settings_replaced(stage: &mut Stage) -> Result<()> {
    settings_put_back(stage, false).await
}

/// The whole ConfigMap is emptied.
pub(crate) async fn settings_emptied(stage: &mut Stage) -> Result<()> {
    settings_put_back(stage, true).await
}

async fn settings_put_back(stage: &mut Stage, emptied: bool) -> Result<()> {
    let work = AtWork::begin(stage).await?;
    hands::replace_settings(stage.cluster(), emptied)?;
    setting_until(stage.cluster(), "BACKEND", Some("remote")).await?;
    stage.reached("our settings are back");
    work.end(stage, 0).await?;
    if emptied {
        hands::replace_settings(stage.cluster(), false)?;
        setting_until(stage.cluster(), "BACKEND", Some("remote")).await?;
    }
    on_our_store(stage, "after-a-replacement").await
}

/// Another CA with its own host certificate.
pub(crate) async fn foreign_ca(stage: &mut Stage) -> Result<()> {
    let (ca, host) = secrets(stage).await?;
    let work = AtWork::begin(stage).await?;
    hands::foreign_ca(stage.cluster()).await?;
    is_said_and_not_carried_out(stage, "MaterialUntrusted", hands::MANAGER).await?;
    put_back(stage, &ca, &host).await?;
    work.end(stage, 0).await?;
    on_our_store(stage, "after-a-foreign-ca").await
}

/// A certificate of another CA beside our key.
pub(crate) async fn mismatched_pair(stage: &mut Stage) -> Result<()> {
    let (ca, host) = secrets(stage).await?;
    let work = AtWork::begin(stage).await?;
    hands::mismatched_pair(stage.cluster()).await?;
    is_said_and_not_carried_out(stage, "MaterialUnusable", hands::MANAGER).await?;
    put_back(stage, &ca, &host).await?;
    work.end(stage, 0).await?;
    on_our_store(stage, "after-a-mismatch").await
}

/// A CA without keys.
pub(crate) async fn emptied_ca(stage: &mut Stage) -> Result<()> {
    let (ca, host) = secrets(stage).await?;
    let work = AtWork::begin(stage).await?;
    hands::emptied_secret(stage.cluster(), CA).await?;
    // Who takes everything away owns nothing afterwards, so an API server cannot say who it was.
    is_said_and_not_carried_out(stage, "MaterialUnusable", "last known writer").await?;
    put_back(stage, &ca, &host).await?;
    work.end(stage, 0).await?;
    on_our_store(stage, "after-an-empty-ca").await
}

type Secrets = (serde_json::Value, serde_json::Value);

async fn secrets(stage: &Stage) -> Result<Secrets> {
    let ca = stage.cluster().object(CA).await?.context("no flotta-ca")?;
    let host = stage.cluster().object(HOST_CERTIFICATE).await?;
    Ok((ca, host.context("no flotta-host-certificate")?))
}

async fn put_back(stage: &mut Stage, ca: &serde_json::Value, host: &serde_json::Value) -> Result<()> {
    hands::restore_secret(stage.cluster(), CA, ca).await?;
    hands::restore_secret(stage.cluster(), HOST_CERTIFICATE, host).await?;
    let fixed = Expected::phase("Remote")
        .condition("Ready", "True")
        .condition("Degraded", "False");
    RemoteBackend::until(stage.cluster(), &fixed, NOTICED).await?;
    stage.reached("put back, it is as before");
    Ok(())
}

async fn is_said_and_not_carried_out(
    stage: &mut Stage,
    reason: &'static str,
    who: &'static str,
) -> Result<()> {
    let said = Expected::any()
        .backend("Remote")
        .because("Degraded", "True", reason)
        .says(who)
        .says("next restart");
    RemoteBackend::until(stage.cluster(), &said, NOTICED).await?;
    stage.reached("the companion says who changed what, and what the next restart would do");
    Ok(())
}

/// A host certificate renewed properly by hand: one restart, and it is served.
pub(crate) async fn host_certificate_renewed(stage: &mut Stage) -> Result<()> {
    let work = AtWork::begin(stage).await?;
    let renewed = hands::renewed_host_certificate(stage.cluster(), stage.flotta()?).await?;
    super::holds::serves_certificate_until(stage, &renewed).await?;
    stage.reached("the Edge API serves the new certificate");
    work.end(stage, 1).await?;
    stage.read_flotta().await?;
    on_our_store(stage, "after-a-renewal").await
}

/// A CA certificate renewed properly by hand, same key: one restart, and devices of the former one
/// go on.
pub(crate) async fn ca_renewed(stage: &mut Stage) -> Result<()> {
    let work = AtWork::begin(stage).await?;
    hands::renewed_ca(stage.cluster(), stage.flotta()?).await?;
    let restarted = work.restarts + 1;
    wait_for("the Edge API to be restarted", NOTICED, async || {
        let now = restarts(stage.cluster()).await.ok()?;
        (now == restarted).then_some(())
    })
    .await?;
    work.end(stage, 1).await?;
    stage.read_flotta().await?;
    on_our_store(stage, "after-a-new-ca-certificate").await
}

/// Flotta's Deployment is applied once more by its users' kubectl: our fields stay.
pub(crate) async fn deployment_applied(stage: &mut Stage) -> Result<()> {
    let work = AtWork::begin(stage).await?;
    hands::deployment_again(stage.cluster(), Again::ClientSide)?;
    work.end(stage, 0).await?;
    on_our_store(stage, "after-an-apply").await
}

/// The same, server-side and by force.
pub(crate) async fn deployment_applied_server_side(stage: &mut Stage) -> Result<()> {
    let work = AtWork::begin(stage).await?;
    hands::deployment_again(stage.cluster(), Again::ServerSide)?;
    work.end(stage, 0).await?;
    on_our_store(stage, "after-a-server-side-apply").await
}

/// The same by `kubectl replace`: our fields are gone, the Edge API restarts without them, and gets
/// them again. Nobody is told to disconnect meanwhile.
pub(crate) async fn deployment_replaced(stage: &mut Stage) -> Result<()> {
    let before = restarts(stage.cluster()).await?;
    let watcher = at_work(stage, &DEVICES).await?;
    hands::deployment_again(stage.cluster(), Again::Replaced)?;
    super::holds::our_fields_until(stage.cluster()).await?;
    stage.reached("our part of the Deployment is back");
    switched(stage.cluster()).await?;
    on_our_store(stage, "after-a-replace").await?;
    let seen = watcher.stop().await?;
    stage.reached(&seen.summary());
    seen.nobody_was_disconnected()?;
    let done = restarts(stage.cluster()).await? - before;
    ensure!(
        done <= 2,
        "the Edge API was restarted {done} times; once by the replacement and once by us is enough"
    );
    Ok(())
}

/// A restart by somebody else is verified again.
pub(crate) async fn restarted_by_others(stage: &mut Stage) -> Result<()> {
    let work = AtWork::begin(stage).await?;
    let before = RemoteBackend::read(stage.cluster()).await?;
    hands::restart_edge_api(stage.cluster(), "1").await?;
    let verified = |seen: Option<&RemoteBackend>| {
        seen.and_then(|seen| seen.object().pointer("/status/verified/pods").cloned())
    };
    wait_for("the pods of the restart to be verified", NOTICED, async || {
        let now = RemoteBackend::read(stage.cluster()).await.ok().flatten()?;
        (verified(Some(&now)) != verified(before.as_ref())).then_some(())
    })
    .await?;
    stage.reached("the new pods are verified");
    work.end(stage, 1).await?;
    on_our_store(stage, "after-a-restart").await
}

/// A right is taken away while devices are served.
pub(crate) async fn permission_removed(stage: &mut Stage) -> Result<()> {
    let work = AtWork::begin(stage).await?;
    let rules = faults::take_right(stage.cluster(), "flotta-companion", "configmaps").await?;
    let named = Expected::phase("Degraded")
        .because("Degraded", "True", "MissingPermission")
        .says("configmaps");
    RemoteBackend::until(stage.cluster(), &named, Duration::from_mins(2)).await?;
    stage.reached("the companion names the right that it lacks");
    faults::give_rights(stage.cluster(), "flotta-companion", &rules).await?;
    work.end(stage, 0).await?;
    on_our_store(stage, "after-a-missing-right").await
}

/// Another program holds a key of ours to its own value.
pub(crate) async fn contested(stage: &mut Stage) -> Result<()> {
    let work = AtWork::begin(stage).await?;
    let mut other = hands::SecondManager::start(stage.cluster(), "BACKEND", "crd");
    let contested = Expected::phase("Contested")
        .condition("Contested", "True")
        .says("second-manager");
    RemoteBackend::until(stage.cluster(), &contested, NOTICED).await?;
    stage.reached("the companion names the other manager and stops writing");
    other.has_written(2).await?;
    let settled = revision_of_settings(stage).await?;
    other.has_written(20).await?;
    ensure!(
        revision_of_settings(stage).await? == settled,
        "the settings are still written in turn"
    );
    drop(other);
    let seen = work.watcher.stop().await?;
    stage.reached(&seen.summary());
    seen.served_throughout()
}

async fn revision_of_settings(stage: &Stage) -> Result<String> {
    let object = stage.cluster().object(hands::CONFIG_MAP).await?;
    let object = object.context("the settings are there")?;
    Ok(object["metadata"]["resourceVersion"].to_string())
}
