//! The end of a companion with and without another to come, with no other rights than the chart
//! makes Helm keep.

use anyhow::{Result, ensure};
use flotta_companion::rights;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    ResourceExt as _,
    api::{DeleteParams, PropagationPolicy},
};
use plan::{
    api::{RemoteBackend, RemoteBackendSpec},
    names::{FINALIZER, REMOTE_BACKEND},
};
use serde_json::json;

use crate::{
    proxy::{Fault, Proxy},
    switch::{Running, is_remote, start_as},
    world::{World, control_plane},
};

const DEPLOYMENT: &str = "flotta-companion";

fn is_held(resource: &RemoteBackend) -> bool {
    resource
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == FINALIZER)
}

/// A switched Edge API, and the companion's own Deployment.
async fn switched(world: &World) -> Result<(Proxy, Running)> {
    let labels = json!({"app.kubernetes.io/name": DEPLOYMENT});
    world
        .create::<Deployment>(json!({
            "metadata": {"name": DEPLOYMENT},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "companion", "image": "flotta-companion"}]},
                },
            },
        }))
        .await?;
    let mut rights = rights::table(&RemoteBackendSpec::default(), &world.namespace);
    rights.extend(rights::farewell(DEPLOYMENT));
    world.grant(&rights).await?;
    let (proxy, parts) = world.companion("companion-0").await?;
    let running = start_as(parts, Some(DEPLOYMENT));
    world.remote_backend(json!({})).await?;
    world.wait("Remote", is_remote).await?;
    world.wait("a finalizer", is_held).await?;
    Ok((proxy, running))
}

/// As Helm does: the Deployment, then every right but those that it is told to keep.
async fn uninstall(world: &World) -> Result<()> {
    world
        .api::<Deployment>()
        .delete(DEPLOYMENT, &DeleteParams::default())
        .await?;
    world.grant(&rights::farewell(DEPLOYMENT)).await
}

/// Left as it is, and nothing waits for a companion.
async fn assert_let_go(world: &World) -> Result<()> {
    ensure!(world.settings().await?["BACKEND"] == "remote");
    world
        .api::<RemoteBackend>()
        .delete(REMOTE_BACKEND, &DeleteParams::default())
        .await?;
    ensure!(
        world
            .api::<RemoteBackend>()
            .get_opt(REMOTE_BACKEND)
            .await?
            .is_none(),
        "its deletion waits for somebody"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_companion_without_a_deployment_lets_go_with_its_last_rights() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "farewell").await?;
    let (_proxy, running) = switched(&world).await?;
    uninstall(&world).await?;
    running.end().await?;
    ensure!(!is_held(&world.resource().await?));
    assert_let_go(&world).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_lets_go_before_it_is_stopped_too() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "early").await?;
    let (_proxy, running) = switched(&world).await?;
    uninstall(&world).await?;
    // Something of the release that it watches.
    world
        .api::<k8s_openapi::api::core::v1::Secret>()
        .delete("edge-config-server-tls", &DeleteParams::default())
        .await?;
    world.wait("no finalizer", |resource| !is_held(resource)).await?;
    running.end().await?;
    assert_let_go(&world).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_is_being_deleted_counts_as_none() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "going").await?;
    let (_proxy, running) = switched(&world).await?;
    // It waits for its pods, and here for ever: nobody collects them.
    let foreground = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Foreground),
        ..DeleteParams::default()
    };
    let deployments = world.api::<Deployment>();
    deployments.delete(DEPLOYMENT, &foreground).await?;
    ensure!(deployments.get_opt(DEPLOYMENT).await?.is_some());
    running.end().await?;
    assert_let_go(&world).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_an_accident_is_tried_again() -> Result<()> {
    let control_plane = control_plane().await?;
    for (name, fault) in [
        ("conflict", Fault::Status(409)),
        ("error", Fault::Status(500)),
        ("cut", Fault::CutBefore),
        ("cut-after", Fault::CutAfter),
    ] {
        let world = World::new(&control_plane, name).await?;
        let (_proxy, running) = switched(&world).await?;
        running.end().await?;
        uninstall(&world).await?;
        let (again, parts) = world.companion("companion-1").await?;
        again.fault_at(0, fault);
        start_as(parts, Some(DEPLOYMENT)).end().await?;
        ensure!(again.fired() == 1, "{name}: {:?}", again.writes());
        ensure!(
            again
                .writes()
                .iter()
                .all(|write| write.contains("/remotebackends/")),
            "{:?}",
            again.writes()
        );
        ensure!(!is_held(&world.resource().await?), "{name}: {:?}", again.writes());
        assert_let_go(&world).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_another_will_come_the_finalizer_stays() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "replaced").await?;
    let (_proxy, running) = switched(&world).await?;
    // A rollout or a drained node, and rights that somebody took away by mistake.
    world.grant(&rights::farewell(DEPLOYMENT)).await?;
    running.end().await?;
    ensure!(is_held(&world.resource().await?));

    // Outside of a cluster there is no Deployment, and nothing can be concluded from that.
    world
        .api::<Deployment>()
        .delete(DEPLOYMENT, &DeleteParams::default())
        .await?;
    let (_proxy, parts) = world.companion("companion-0").await?;
    start_as(parts, None).end().await?;
    ensure!(is_held(&world.resource().await?));
    Ok(())
}
