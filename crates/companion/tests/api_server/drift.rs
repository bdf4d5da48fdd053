//! Others change what is ours: by accident once, and on purpose again and again.

use std::time::Duration;

use anyhow::{Result, ensure};
use flotta_companion::control::Controller;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::ConfigMap};
use kube::api::{Patch, PatchParams, PostParams};
use plan::{api::Phase, names::INPUTS_ANNOTATION};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    kubelet::deployment,
    switch::{is_remote, start},
    world::{World, control_plane, has},
};

const CONFIG: &str = "flotta-edge-api-config";
const DEPLOYMENT: &str = "flotta-edge-api";

async fn template(world: &World) -> Result<String> {
    let deployment: Deployment = world.api().get(DEPLOYMENT).await?;
    Ok(serde_json::to_string(&deployment.spec.map(|spec| spec.template))?)
}

async fn until_ours(world: &World, what: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let settings = world.settings().await?;
        if settings.get("BACKEND").is_some_and(|backend| backend == "remote")
            && template(world).await?.contains(INPUTS_ANNOTATION)
        {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "{what} was not reverted: {:?}",
            world.resource().await?.status
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_change_once_is_set_right_and_what_they_apply_again_changes_nothing() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "drift").await?;
    let (_proxy, parts) = world.companion("companion-0").await?;
    let running = start(parts);
    world.remote_backend(json!({})).await?;
    world.wait("Remote", is_remote).await?;
    ensure!(world.replica_sets().await? == 2);

    // Flotta's manifest, applied again by server and by client: what is not in it is left alone.
    let applied = template(&world).await?;
    world
        .api::<Deployment>()
        .patch(
            DEPLOYMENT,
            &PatchParams::apply("kubectl").force(),
            &Patch::Apply(deployment()),
        )
        .await?;
    world
        .merge::<Deployment>(
            DEPLOYMENT,
            json!({"metadata": {"annotations": {"applied": "again"}}}),
        )
        .await?;
    ensure!(template(&world).await? == applied);

    // Settings emptied by `kubectl replace`.
    let empty: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": CONFIG}, "data": {"LOG_LEVEL": "info"}}))?;
    world
        .api::<ConfigMap>()
        .replace(CONFIG, &PostParams::default(), &empty)
        .await?;
    ensure!(!world.settings().await?.contains_key("BACKEND"));
    until_ours(&world, "the ConfigMap").await?;
    world.wait("Remote", is_remote).await?;
    ensure!(
        world.replica_sets().await? == 2,
        "the pods have what they were started with"
    );

    // The Deployment replaced: its pods are started without us, and then with us again, from a
    // template that was there.
    let replaced: Deployment = serde_json::from_value(deployment())?;
    world
        .api::<Deployment>()
        .replace(DEPLOYMENT, &PostParams::default(), &replaced)
        .await?;
    ensure!(!template(&world).await?.contains(INPUTS_ANNOTATION));
    until_ours(&world, "the Deployment").await?;
    world.wait("Remote", is_remote).await?;
    ensure!(
        world.replica_sets().await? == 2,
        "{} templates",
        world.replica_sets().await?
    );
    running.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn against_somebody_who_writes_back_nothing_is_written_any_more() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "contest").await?;
    let (_proxy, parts) = world.companion("companion-0").await?;
    let running = start(parts);
    world.remote_backend(json!({})).await?;
    world.wait("Remote", is_remote).await?;
    let back = PatchParams {
        field_manager: Some("argocd-controller".to_owned()),
        ..PatchParams::default()
    };
    let deadline = Instant::now() + Duration::from_mins(1);
    // As often as the companion reverts it.
    let contested = loop {
        let resource = world.resource().await?;
        if has(&resource, "Contested", "True") {
            break resource;
        }
        ensure!(Instant::now() < deadline, "{:?}", resource.status);
        if world.settings().await?["BACKEND"] == "remote" {
            let change = Patch::Merge(json!({"data": {"BACKEND": "crd"}}));
            world.api::<ConfigMap>().patch(CONFIG, &back, &change).await?;
        }
        tokio::task::yield_now().await;
    };
    let status = contested.status.clone().unwrap_or_default();
    ensure!(status.phase == Phase::Contested, "{status:?}");
    ensure!(
        status.blocked_by[0].contains("argocd-controller"),
        "{:?}",
        status.blocked_by
    );
    running.end().await?;
    ensure!(world.settings().await?["BACKEND"] == "crd");

    // Nor does another companion, that has seen nothing of it.
    let (proxy, parts) = world.companion("companion-1").await?;
    ensure!(parts.lease.attend().await?);
    let mut controller = Controller::new(parts, plan::plan);
    for _ in 0..3 {
        let round = controller.round().await?;
        let action = round.plans[0].1.action.as_ref();
        ensure!(action.is_none_or(|action| !action.writes()), "{action:?}");
    }
    let written: Vec<_> = proxy
        .writes()
        .into_iter()
        .filter(|write| !write.contains("remotebackends"))
        .collect();
    ensure!(written.is_empty(), "{written:?}");
    ensure!(world.settings().await?["BACKEND"] == "crd");
    Ok(())
}
