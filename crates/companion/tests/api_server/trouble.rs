//! What goes wrong, and what is said about it.

use std::{
    io,
    sync::{Arc, Mutex, atomic::Ordering},
};

use anyhow::{Context as _, Result, ensure};
use flotta_companion::{
    calls::DevicePhase,
    rights, show,
    telemetry::{self, Format},
};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Namespace, Secret},
        events::v1::Event,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams, PostParams},
};
use plan::{
    api::{Phase, RemoteBackend, RemoteBackendSpec},
    names::FINALIZER,
};
use serde_json::json;

use crate::{
    switch::{is_crd, is_remote, start},
    world::{World, control_plane, control_plane_of_its_own},
};

fn is_blocked_by(words: &'static str) -> impl Fn(&RemoteBackend) -> bool {
    move |resource| {
        let blockers = resource.status.iter().flat_map(|status| &status.blocked_by);
        blockers.into_iter().any(|blocker| blocker.contains(words))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_right_is_named_and_the_switch_goes_on_when_it_is_given() -> Result<()> {
    // One of the rights is not of a namespace: others' worlds would give it back.
    let control_plane = control_plane_of_its_own().await?;
    let world = World::new(&control_plane, "rights").await?;
    let all = rights::table(&RemoteBackendSpec::default(), "rights");
    let without = |resource: &str, verb: &str| -> Vec<_> {
        let kept = all
            .iter()
            .filter(|right| (right.resource, right.verb) != (resource, verb));
        kept.cloned().collect()
    };
    let (_proxy, parts) = world.companion("companion-0").await?;
    world.grant(&without("deployments", "patch")).await?;
    let running = start(parts);
    world.remote_backend(json!({})).await?;
    world
        .wait(
            "the missing right",
            is_blocked_by("may not patch deployments.apps \"flotta-edge-api\""),
        )
        .await?;
    // One that is needed to look at all.
    world.grant(&without("secrets", "get")).await?;
    world
        .wait(
            "the unreadable Secret",
            is_blocked_by("may not get secrets \"flotta-ca\""),
        )
        .await?;
    // Devices that may not be counted are not zero.
    world.grant(&without("edgedevices", "list")).await?;
    world
        .wait("the uncounted devices", is_blocked_by("may not list edgedevices"))
        .await?;
    ensure!(!world.settings().await?.contains_key("BACKEND"));
    world.grant(&all).await?;
    world.wait("Remote", is_remote).await?;
    running.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_of_the_custom_resources_are_counted_and_none_is_lost() -> Result<()> {
    let control_plane = control_plane_of_its_own().await?;
    let world = World::new(&control_plane, "devices").await?;
    let (_proxy, parts) = world.companion("companion-0").await?;
    let definition: CustomResourceDefinition = serde_json::from_value(json!({
        "metadata": {"name": "edgedevices.management.project-flotta.io"},
        "spec": {
            "group": "management.project-flotta.io", "scope": "Namespaced",
            "names": {"kind": "EdgeDevice", "plural": "edgedevices", "singular": "edgedevice"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true,
                          "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    }))?;
    Api::all(world.admin.clone())
        .create(&PostParams::default(), &definition)
        .await?;
    let collection = "/apis/management.project-flotta.io/v1alpha1/namespaces/default/edgedevices";
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    // More than one page.
    for number in 0..501 {
        let device = json!({"apiVersion": "management.project-flotta.io/v1alpha1", "kind": "EdgeDevice",
                            "metadata": {"name": format!("device-{number}")}});
        while control_plane.client().create(collection, &device).await.is_err() {
            ensure!(
                tokio::time::Instant::now() < deadline,
                "EdgeDevices cannot be created"
            );
        }
    }
    let running = start(parts);
    world.remote_backend(json!({})).await?;
    let resource = world.wait("the devices", is_blocked_by("501")).await?;
    let counts = resource
        .status
        .and_then(|status| status.found.devices)
        .context("they were counted")?;
    assert_eq!(
        (
            counts.custom_resources,
            counts.only_in_custom_resources,
            counts.here
        ),
        (501, 501, 0)
    );
    {
        let mut devices = world.calls.devices.lock().unwrap();
        devices.extend((0..501).map(|number| (format!("device-{number}"), DevicePhase::Approved)));
        devices.insert("device-gone".to_owned(), DevicePhase::Deleted);
    }
    let resource = world.wait("Remote", is_remote).await?;
    let counts = resource
        .status
        .and_then(|status| status.found.devices)
        .context("they were counted")?;
    assert_eq!(
        (counts.custom_resources, counts.only_here, counts.here),
        (501, 0, 501)
    );
    running.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_ends_does_not_wait_for_the_companion() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "ending").await?;
    let (_proxy, parts) = world.companion("companion-0").await?;
    let running = start(parts);
    world.remote_backend(json!({})).await?;
    world.wait("Remote", is_remote).await?;
    let held = |resource: &RemoteBackend| {
        resource
            .finalizers()
            .iter()
            .any(|finalizer| finalizer == FINALIZER)
    };
    ensure!(held(&world.resource().await?));
    let namespaces: Api<Namespace> = Api::all(world.admin.clone());
    namespaces.delete("ending", &DeleteParams::default()).await?;
    world
        .wait("the end of the finalizer", move |resource| !held(resource))
        .await?;
    ensure!(
        world.settings().await?["BACKEND"] == "remote",
        "devices keep what they run"
    );
    running.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_resources_the_older_acts_and_the_other_says_so() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "elder").await?;
    let (_proxy, parts) = world.companion("companion-0").await?;
    world.remote_backend(json!({})).await?;
    world
        .create::<RemoteBackend>(json!({
            "apiVersion": "companion.project-flotta.io/v1alpha1", "kind": "RemoteBackend",
            "metadata": {"name": "second"}, "spec": {"mode": "Crd"},
        }))
        .await?;
    let running = start(parts);
    world.wait("Remote", is_remote).await?;
    let second: RemoteBackend = world.api().get("second").await?;
    let status = second.status.context("it was looked at")?;
    assert_eq!(status.phase, Phase::NotResponsible);
    ensure!(
        status.blocked_by[0].contains("RemoteBackend flotta is older"),
        "{:?}",
        status.blocked_by
    );
    running.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_resource_goes_when_the_edge_api_is_led_back() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "deleted").await?;
    let before = world.settings().await?;
    let (_proxy, parts) = world.companion("companion-0").await?;
    let running = start(parts);
    world.remote_backend(json!({})).await?;
    world.wait("Remote", is_remote).await?;
    world
        .api::<RemoteBackend>()
        .delete("flotta", &DeleteParams::default())
        .await?;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_mins(1);
    while let Some(resource) = world.api::<RemoteBackend>().get_opt("flotta").await? {
        ensure!(tokio::time::Instant::now() < deadline, "{:?}", resource.status);
        tokio::task::yield_now().await;
    }
    assert_eq!(world.settings().await?, before);
    running.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_plan_prints_is_what_would_be_done_and_nothing_is_done() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "plan").await?;
    world.remote_backend(json!({})).await?;
    let (proxy, parts) = world.companion("plan").await?;
    let shown = show::show(&parts).await?;
    ensure!(!shown.settled);
    ensure!(
        shown.text.contains("would do now: WriteServerSecret"),
        "{}",
        shown.text
    );
    assert_eq!(proxy.writes(), Vec::<String>::new());

    let (_running_proxy, running) = world.companion("companion-0").await?;
    let running = start(running);
    world.wait("Remote", is_remote).await?;
    // The last thing to be done is to open the server.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_mins(1);
    loop {
        let shown = show::show(&parts).await?;
        if shown.settled {
            ensure!(shown.text.contains("Verified          True"), "{}", shown.text);
            break;
        }
        ensure!(tokio::time::Instant::now() < deadline, "{}", shown.text);
    }
    assert_eq!(proxy.writes(), Vec::<String>::new());
    // A proof of its own, and not what the running companion has found.
    *world.calls.edge_api.lock().unwrap() = Some("connection refused".to_owned());
    let shown = show::show(&parts).await?;
    ensure!(
        !shown.settled && shown.text.contains("connection refused"),
        "{}",
        shown.text
    );
    running.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_that_never_ends_is_taken_back() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "stuck").await?;
    let before = world.settings().await?;
    let (_proxy, parts) = world.companion("companion-0").await?;
    let running = start(parts);
    world.calls.stuck.store(true, Ordering::Relaxed);
    world
        .remote_backend(json!({"edgeApi": {"rolloutSeconds": 10}}))
        .await?;
    world
        .wait("the failure", |resource| {
            let status = resource.status.as_ref();
            status.is_some_and(|status| status.phase == Phase::RollingBack)
        })
        .await?;
    world.calls.stuck.store(false, Ordering::Relaxed);
    // The companion tries again by itself; a person stops it.
    world
        .merge::<RemoteBackend>("flotta", json!({"spec": {"mode": "Crd"}}))
        .await?;
    world.wait("Crd", is_crd).await?;
    assert_eq!(world.settings().await?, before);
    let deployment: Deployment = world.api().get("flotta-edge-api").await?;
    let template = serde_json::to_string(&deployment.spec.context("it has a spec")?.template)?;
    ensure!(!template.contains("companion"), "{template}");
    running.end().await
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A runtime of one thread, so that everything of the companion logs to where this test looks.
#[tokio::test]
async fn nothing_of_a_key_is_in_the_log_the_status_or_an_event() -> Result<()> {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = telemetry::subscriber(Format::Text, "trace", move || writer.clone(), false);
    // With one alone, an event that a thread of another test meets first, where nobody listens, is
    // never logged again here.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _guard = tracing::subscriber::set_default(subscriber);
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "secret").await?;
    let (_proxy, parts) = world.companion("companion-0").await?;
    let running = start(parts);
    world.remote_backend(json!({})).await?;
    world.wait("Remote", is_remote).await?;
    let server: Secret = world.api().get("edge-config-server-tls").await?;
    // A Secret that cannot be used, and a failed write of one.
    world
        .secret(
            "flotta-ca",
            &[
                ("ca.crt", world.authority.pem()),
                ("ca.key", "-----BEGIN NOTHING".to_owned()),
            ],
        )
        .await?;
    world.wait("trouble", is_blocked_by("ca.key")).await?;
    running.end().await?;

    let mut said = String::from_utf8(lines.0.lock().unwrap().clone())?;
    ensure!(
        said.contains("issued a certificate"),
        "nothing was logged: {said}"
    );
    said += &serde_json::to_string(&world.resource().await?)?;
    let events = world.api::<Event>().list(&ListParams::default()).await?;
    ensure!(events.items.len() > 5, "{} Events", events.items.len());
    said += &serde_json::to_string(&events.items)?;

    let key = server.data.context("it is filled")?["tls.key"].clone();
    let keys = [String::from_utf8(key.0)?, world.authority.key_pem()?];
    let encoded = keys.iter().flat_map(|key| {
        let base64 =
            serde_json::to_value(k8s_openapi::ByteString(key.clone().into_bytes())).unwrap_or_default();
        let lines: Vec<_> = key
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .map(str::to_owned)
            .collect();
        lines.into_iter().chain([base64
            .as_str()
            .unwrap_or_default()
            .get(60..120)
            .unwrap_or_default()
            .to_owned()])
    });
    for piece in encoded {
        ensure!(
            piece.len() > 8 && !said.contains(&piece),
            "a piece of a private key was shown"
        );
    }
    Ok(())
}
