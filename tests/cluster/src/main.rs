//! What must hold on a whole cluster, from nothing to nothing: `make e2e`.
//!
//! Prints a timeline; ends with the line `N passed, N failed`. Needs root.

use std::process::ExitCode;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cluster::flotta::{Flotta, approve_as_operator, edge_device, signed_request, switch_by_hand};
use cluster::timeline::Timeline;
use cluster::{Cluster, Image, backend};
use testkit::device::{Device, hardware, is_disconnect, quiet_heartbeat};
use testkit::process::wait_for;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// For what takes a moment to reach every component, such as an object's way into the Edge API's cache.
const SOON: Duration = Duration::from_secs(30);
/// For one enrolment; longer than an agent waits, so that a busy machine is no failure.
const TRY: Duration = Duration::from_secs(3);

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its last line says how it went"
)]
fn main() -> ExitCode {
    match run() {
        Ok(()) => {
            println!("1 passed, 0 failed");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            println!("0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut timeline = Timeline::default();
    let cluster = Cluster::up(&[Image::EdgeApi, Image::EdgeConfigServer])?;
    timeline.reached("a cluster is up");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(switched_by_hand(&cluster, &mut timeline));
    if outcome.is_err() {
        report(&cluster);
    }
    drop(runtime);
    let down = cluster.down();
    timeline.reached("the cluster is down");
    outcome.and(down)
}

/// What a reader needs when it went wrong; the cluster is gone afterwards.
#[expect(clippy::print_stderr, reason = "it is read by a person")]
fn report(cluster: &Cluster) {
    for arguments in [
        &["get", "pods,events", "--all-namespaces"][..],
        &[
            "--namespace=flotta",
            "logs",
            "deployment/flotta-edge-api",
            "--tail=20",
        ],
        &["--namespace=flotta", "logs", "edge-config-server-0", "--tail=20"],
    ] {
        match cluster.kubectl(arguments) {
            Ok(text) => eprintln!("{text}"),
            Err(error) => eprintln!("{error:#}"),
        }
    }
}

/// A device lives on the custom resources; the Edge API is switched by hand; a device lives on our store.
async fn switched_by_hand(cluster: &Cluster, timeline: &mut Timeline) -> Result<()> {
    let flotta = Flotta::deploy(cluster).await?;
    timeline.reached("Flotta's Edge API is ready, with custom resources as its backend");
    on_custom_resources(cluster, &flotta).await?;
    timeline.reached("a device enrolled, registered and polled; it is an EdgeDevice");

    backend::deploy(cluster, &flotta).await?;
    timeline.reached("edge-config-server is ready, with TLS material of the Flotta CA");
    switch_by_hand(cluster, backend::URL).await?;
    timeline.reached("the Edge API was restarted with BACKEND=remote");
    on_our_store(cluster, &flotta).await?;
    timeline.reached("a device enrolled, registered, polled and sent a heartbeat; it is in our store");
    Ok(())
}

async fn on_custom_resources(cluster: &Cluster, flotta: &Flotta) -> Result<()> {
    let mut device = Device::new("on-crd", flotta.provisioning(cluster).await?);
    enrol_until(&mut device, &[200], "default").await?;
    signed_request(cluster, "on-crd")
        .await?
        .context("an enrolment leaves an EdgeDeviceSignedRequest")?;
    approve_as_operator(cluster, "on-crd", "default").await?;
    enrol_until(&mut device, &[208], "default").await?;
    live(&mut device).await?;
    edge_device(cluster, "on-crd", "default")
        .await?
        .context("the EdgeDevice is there")?;
    Ok(())
}

async fn on_our_store(cluster: &Cluster, flotta: &Flotta) -> Result<()> {
    let mut device = Device::new("on-store", flotta.provisioning(cluster).await?);
    // 208 where the answer to the first got lost.
    enrol_until(&mut device, &[200, 208], "factory").await?;
    enrol_until(&mut device, &[208], "factory").await?;
    live(&mut device).await?;
    let beat = device.heartbeat(quiet_heartbeat()).await?;
    ensure!(beat.status == 200, "the heartbeat was answered {}", beat.status);

    let held = backend::device(cluster, &["show", "on-store"])?;
    let key = device
        .certificate()
        .context("a registered device has a certificate")?
        .key()
        .fingerprint();
    ensure!(
        held["namespace"] == "factory"
            && held.pointer("/registration/keys/0/fingerprint") == Some(&key.into())
            && held.pointer("/presence/beat").is_some(),
        "our store lacks what the device was acknowledged; it has: {held}"
    );
    ensure!(
        edge_device(cluster, "on-store", "factory").await?.is_none()
            && signed_request(cluster, "on-store").await?.is_none(),
        "the device is among the custom resources, so it was not our server that served it"
    );
    Ok(())
}

/// Enrols until the answer is one of these. A Service follows its pods, and the Edge API's cache the API server, a moment
/// later; a connection to a pod that has just ended is never answered, so each try has a deadline, as on a device.
async fn enrol_until(device: &mut Device, wanted: &[u16], namespace: &str) -> Result<()> {
    let hardware = hardware(device.id());
    let what = format!("{} to be answered {wanted:?} at enrolment", device.id());
    let last = std::sync::Mutex::new(String::from("nothing"));
    let device = Mutex::new(device);
    let answered = wait_for(&what, SOON, || async {
        let mut device = device.lock().await;
        let outcome = timeout(TRY, device.enrol(&hardware, Some(namespace))).await;
        let said = match &outcome {
            Ok(Ok(answer)) if wanted.contains(&answer.status) => return Some(()),
            Ok(Ok(answer)) => format!("status {}", answer.status),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("no answer within {TRY:?}"),
        };
        if !matches!(outcome, Ok(Ok(_))) {
            device.restart();
        }
        *last.lock().unwrap_or_else(PoisonError::into_inner) = said;
        None
    });
    let answered = answered.await;
    answered.with_context(|| {
        let last = last.lock().unwrap_or_else(PoisonError::into_inner);
        format!("the last enrolment came to: {last}")
    })
}

/// Registers and polls once, as an approved device does.
async fn live(device: &mut Device) -> Result<()> {
    let hardware = hardware(device.id());
    let registered = device.register(&hardware).await?;
    ensure!(
        registered.status == 200,
        "the registration was answered {}: {}",
        registered.status,
        registered.text()
    );
    let poll = device.poll_data().await?;
    ensure!(
        poll.status == 200,
        "the data poll was answered {}: {}",
        poll.status,
        poll.text()
    );
    let control = device.poll_control().await?;
    ensure!(
        control.status == 200,
        "the control poll was answered {}",
        control.status
    );
    ensure!(!is_disconnect(&control), "the device was told to disconnect");
    Ok(())
}
