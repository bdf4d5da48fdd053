//! Shows on a throwaway cluster what the chart does for a user of Flotta: `make demo`.
//!
//! usage: cluster-demo FOLDER
//!
//! Prints a timeline in plain words; each line is said after a call has shown it. The cluster in
//! FOLDER runs on afterwards; `make demo-down` takes it away. Needs root.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use cluster::chart::{Chart, SWITCH};
use cluster::flotta::{Answers, Flotta, alone, answers_until, enrol_until};
use cluster::patience::wait_for;
use cluster::remote_backend::{PATH, RemoteBackend};
use cluster::timeline::Timeline;
use cluster::watcher::Watcher;
use cluster::{Cluster, Helm, Image, backend, hands};
use testkit::device::{Device, hardware, quiet_heartbeat};

/// Devices that enrol, by their ids.
const DEVICES: [&str; 5] = ["press-1", "press-2", "press-3", "oven-north", "oven-south"];
/// Between a pod's end and the Service's knowledge of it, on a busy machine.
const SLACK: Duration = Duration::from_secs(3);

#[expect(clippy::print_stderr, reason = "it is read by a person")]
fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "it is read by a person")]
fn run() -> Result<()> {
    let folder = std::env::args().nth(1).map(PathBuf::from);
    let folder = folder.context("usage: cluster-demo FOLDER")?;
    ensure!(
        !folder.exists(),
        "{} is there already; take the former demo down first: make demo-down",
        folder.display()
    );
    println!(
        "A throwaway Kubernetes is brought up in the background of this machine; the first time its programs are built."
    );
    let mut timeline = Timeline::default();
    let cluster = Cluster::up_in(&folder, &Image::ALL, &[Helm::Four])?;
    timeline.reached("a Kubernetes of one node is up");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let shown = runtime.block_on(show(&cluster, &mut timeline));
    drop(runtime);
    if shown.is_err() {
        // Kept all the same: whoever shows it wants to see what went wrong.
        let _ = cluster.keep();
        println!("\nThe cluster was left for a look; make demo-down takes it away.");
        return shown;
    }
    println!("\n{}", around(&folder));
    cluster.keep().map(drop)
}

async fn show(cluster: &Cluster, timeline: &mut Timeline) -> Result<()> {
    let flotta = Flotta::deploy(cluster).await?;
    timeline.reached("Flotta is deployed by its own manifests; its Edge API is ready");
    answers_until(cluster, &flotta, Answers::FromCustomResources).await?;
    timeline.reached(
        "asked by a device that nobody knows, it says \"disconnect\": its backend are the custom resources",
    );

    Chart::default().install(cluster)?;
    timeline.reached("helm install flotta-companion has returned; nothing else is done by hand");
    follow(cluster, timeline).await?;
    alone(cluster).await?;
    answers_until(cluster, &flotta, Answers::FromRemoteBackend).await?;
    timeline.reached(
        "asked again, the Edge API tells the unknown device nothing: it is our store that answers now",
    );

    for id in DEVICES {
        let mut device = Device::new(id, flotta.provisioning(cluster).await?);
        enrol_until(&mut device, &[208], "factory").await?;
        let registered = device.register(&hardware(id)).await?;
        ensure!(
            registered.status == 200,
            "the registration of {id} was answered {}",
            registered.status
        );
        let polled = device.poll_data().await?;
        let beat = device.heartbeat(quiet_heartbeat()).await?;
        ensure!(
            polled.status == 200 && beat.status == 200,
            "{id} polled ({}) and beat ({})",
            polled.status,
            beat.status
        );
    }
    timeline.reached(&format!(
        "{} devices enrolled, registered, polled and sent a heartbeat through the Edge API",
        DEVICES.len()
    ));
    let listed = backend::device(cluster, &["list"])?;
    let text = listed.to_string();
    for id in DEVICES {
        ensure!(text.contains(id), "the store does not list {id}: {text}");
    }
    timeline.reached("the store lists every one of them (edge-config-server device list)");

    let watcher = Watcher::start(cluster, &flotta, &["robot-1", "robot-2"], "factory").await?;
    hands::set_setting(cluster, "BACKEND", Some("crd")).await?;
    timeline.reached("two more devices poll all the time; somebody edits the settings by hand: BACKEND=crd");
    wait_for("the setting to be reverted", SWITCH, async || {
        let backend = hands::setting(cluster, "BACKEND").await.ok()?;
        (backend.as_deref() == Some("remote")).then_some(())
    })
    .await?;
    timeline.reached("the companion has put it right, without a restart");
    let renewed = hands::renewed_host_certificate(cluster, &flotta).await?;
    timeline.reached("somebody renews the Edge API's own certificate by hand");
    let fingerprint = renewed.key().fingerprint();
    wait_for("the new certificate to be verified", SWITCH, async || {
        let seen = RemoteBackend::read(cluster).await.ok().flatten()?;
        let verified = seen.object().pointer("/status/verified/hostPublicKey")?;
        (*verified == *fingerprint && seen.phase() == "Remote").then_some(())
    })
    .await?;
    timeline.reached("the companion has restarted the Edge API with it once, and verified it");
    alone(cluster).await?;
    let seen = watcher.stop().await?;
    seen.served_but_for_restarts(SLACK)?;
    timeline.reached(&format!(
        "meanwhile {}; nobody was told to disconnect",
        seen.summary()
    ));
    Ok(())
}

/// Says what the RemoteBackend says, as it changes, until the switch is verified.
async fn follow(cluster: &Cluster, timeline: &mut Timeline) -> Result<()> {
    let mut told = String::new();
    let deadline = tokio::time::Instant::now() + SWITCH;
    loop {
        if let Ok(Some(seen)) = RemoteBackend::read(cluster).await {
            let says = format!("{}: {}", seen.phase(), seen.next_action());
            if seen.phase() == "Remote" && seen.condition("Ready").0 == "True" {
                timeline.reached(
                    "RemoteBackend says Remote: the Edge API was switched, and a real call has proven it",
                );
                return Ok(());
            }
            if !seen.next_action().is_empty() && says != told {
                timeline.reached(&format!("RemoteBackend says {says}"));
                told = says;
            }
        }
        if tokio::time::Instant::now() > deadline {
            let last = cluster.object(PATH).await?.unwrap_or_default();
            bail!(
                "the switch was not verified within {SWITCH:?}; {}",
                last["status"]
            );
        }
        // Between two looks; short, since what each of them sees is told with its time.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How to look around.
fn around(folder: &Path) -> String {
    let enter = format!("tests/cluster/enter.sh {}", folder.display());
    format!(
        "It runs on. Look around:
  {enter} kubectl -n flotta get remotebackend
  {enter} kubectl -n flotta describe remotebackend flotta
  {enter} kubectl -n flotta get pods,events
  {enter} kubectl -n flotta exec edge-config-server-0 -- /edge-config-server device list
  {enter} bash                    # a shell with kubectl
Take it away:
  make demo-down"
    )
}
