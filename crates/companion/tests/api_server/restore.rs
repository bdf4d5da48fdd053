//! The uninstallation: `restore` beside a running companion, without one, refused, and with nothing
//! to do.

use anyhow::{Result, ensure};
use flotta_companion::{calls::DevicePhase, restore};
use jiff::SignedDuration;
use kube::ResourceExt as _;
use plan::{
    api::{Phase, RemoteBackend},
    names::{FINALIZER, RETIRING_ANNOTATION},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    switch::{is_remote, start},
    world::{World, control_plane, control_plane_of_its_own},
};

async fn run(world: &World, limit: i64) -> Result<Result<String, String>> {
    let (_proxy, parts) = world.companion("restore").await?;
    let limit = SignedDuration::from_secs(limit);
    let outcome = restore::restore(parts, plan::plan, limit, CancellationToken::new()).await;
    Ok(outcome.map_err(|error| error.to_string()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uninstallation_leads_back_beside_a_running_companion_or_without_one() -> Result<()> {
    let control_plane = control_plane().await?;
    for with_companion in [true, false] {
        let world = World::new(&control_plane, &format!("restore-{with_companion}")).await?;
        let before = world.settings().await?;
        let (_proxy, parts) = world.companion("companion-0").await?;
        let running = start(parts);
        world.remote_backend(json!({})).await?;
        world.wait("Remote", is_remote).await?;
        let running = if with_companion {
            Some(running)
        } else {
            running.end().await?;
            None
        };
        let said = run(&world, 60).await?;
        ensure!(said.is_ok(), "{said:?}");
        ensure!(world.settings().await? == before);
        let resource = world.resource().await?;
        ensure!(
            resource.status.as_ref().map(|status| status.phase) == Some(Phase::Crd),
            "{:?}",
            resource.status
        );
        ensure!(
            !resource
                .finalizers()
                .iter()
                .any(|finalizer| finalizer == FINALIZER)
        );
        // The companion does not switch again while Helm deletes the resource.
        ensure!(resource.annotations().contains_key(RETIRING_ANNOTATION));
        if let Some(running) = running {
            running.end().await?;
            ensure!(world.settings().await? == before);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_uninstallation_changes_nothing_and_the_companion_goes_on() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "refused").await?;
    let (_proxy, parts) = world.companion("companion-0").await?;
    let running = start(parts);
    world.remote_backend(json!({})).await?;
    world.wait("Remote", is_remote).await?;
    world
        .calls
        .devices
        .lock()
        .unwrap()
        .insert("device-1".to_owned(), DevicePhase::Approved);

    let said = run(&world, 120).await?;
    let sentence = said.unwrap_err();
    ensure!(
        sentence.contains("device-1") && sentence.contains("1 of 1 devices"),
        "{sentence}"
    );
    ensure!(world.settings().await?["BACKEND"] == "remote");
    let resource = world.resource().await?;
    ensure!(!resource.annotations().contains_key(RETIRING_ANNOTATION));
    ensure!(
        resource
            .finalizers()
            .iter()
            .any(|finalizer| finalizer == FINALIZER)
    );
    world.wait("Remote", is_remote).await?;

    // An administrator decides: as it is.
    let (_proxy, parts) = world.companion("restore").await?;
    restore::skip(&parts.cluster).await?;
    let resource = world.resource().await?;
    ensure!(
        !resource
            .finalizers()
            .iter()
            .any(|finalizer| finalizer == FINALIZER)
    );
    ensure!(world.settings().await?["BACKEND"] == "remote");

    // An administrator decides: without those devices.
    let leaving = json!({"spec": {"devices": {"leaving": "DisconnectThemAndRemoveTheirWorkloads"}}});
    world.merge::<RemoteBackend>("flotta", leaving).await?;
    let said = run(&world, 120).await?;
    ensure!(said.is_ok(), "{said:?}");
    running.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_nothing_to_lead_back_an_uninstallation_succeeds() -> Result<()> {
    // It removes the definition.
    let control_plane = control_plane_of_its_own().await?;
    let world = World::new(&control_plane, "nothing").await?;
    ensure!(run(&world, 10).await?.is_ok());

    // A resource that was never acted on.
    world.remote_backend(json!({"mode": "Crd"})).await?;
    let said = run(&world, 60).await?;
    ensure!(said.is_ok(), "{said:?}");

    // No such kind of resource at all.
    let path =
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/remotebackends.companion.project-flotta.io";
    control_plane
        .client()
        .call(http::Method::DELETE, path, None)
        .await?;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while world.resource().await.is_ok() {
        ensure!(
            std::time::Instant::now() < deadline,
            "the definition is not deleted"
        );
        tokio::task::yield_now().await;
    }
    let said = run(&world, 10).await?;
    ensure!(said.is_ok(), "{said:?}");
    Ok(())
}
