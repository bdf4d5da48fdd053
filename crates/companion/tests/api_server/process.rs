//! The program itself: signals, exit codes, the ops port, what it takes.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Result, ensure};
use k8s_openapi::api::coordination::v1::Lease as Record;
use plan::{api::RemoteBackend, names::LEASE};
use serde_json::json;
use testkit::{
    http_client::get,
    net::free_port,
    process::{Program, Signal},
};

use crate::{
    proxy::Proxy,
    switch::is_crd,
    world::{World, control_plane},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_flotta-companion");

fn kubeconfig(folder: &Path, proxy: &Proxy, namespace: &str) -> Result<std::path::PathBuf> {
    let path = folder.join("kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": format!("http://{}", proxy.address())}}],
        "users": [{"name": "test", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
    });
    std::fs::write(&path, config.to_string())?;
    Ok(path)
}

async fn holder(world: &World) -> Option<String> {
    let record: Record = world.api().get(LEASE).await.ok()?;
    record.spec?.holder_identity
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_becomes_ready_counts_and_gives_up_the_lease_when_it_is_stopped() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "process").await?;
    world.remote_backend(json!({})).await?;
    let (proxy, _) = world.companion("unused").await?;
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let mut process = Program::new("flotta-companion", PROGRAM)
        .arg("run")
        .arg(format!("--ops-listen=127.0.0.1:{port}"))
        .env("KUBECONFIG", kubeconfig(folder.path(), &proxy, "process")?)
        .env("POD_NAME", "companion-0")
        .start(folder.path())?;
    let address = ([127, 0, 0, 1], port).into();
    let ready = async || {
        get(address, "/readyz")
            .await
            .is_ok_and(|answer| answer.status == 200)
    };
    process
        .wait_until("it is ready", Duration::from_secs(30), ready)
        .await?;
    let held = async || holder(&world).await.as_deref() == Some("companion-0");
    process
        .wait_until("it holds the Lease", Duration::from_secs(30), held)
        .await?;
    // There are no pods to call here, which it says.
    world
        .wait("a phase", |resource| {
            resource
                .status
                .as_ref()
                .is_some_and(|status| !status.blocked_by.is_empty())
        })
        .await?;
    let metrics = get(address, "/metrics").await?.text();
    for name in [
        "flotta_companion_condition{type=\"Ready\",status=\"False\"",
        "flotta_companion_phase{phase=",
        "flotta_companion_last_success_timestamp_seconds ",
        "flotta_companion_lease_held 1",
        "flotta_companion_api_requests_total{method=\"GET\"}",
    ] {
        ensure!(metrics.contains(name), "{name}\n{metrics}");
    }
    ensure!(get(address, "/healthz").await?.status == 200);
    ensure!(get(address, "/elsewhere").await?.status == 404);

    let status = process.stop()?;
    ensure!(status.code() == Some(0), "{status}: {}", process.log_tail(20));
    ensure!(holder(&world).await.is_none());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_was_stopped_for_long_writes_nothing_when_it_goes_on() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "stopped").await?;
    world.remote_backend(json!({})).await?;
    let mut companions = Vec::new();
    for name in ["first", "second"] {
        let folder = tempfile::tempdir()?;
        let (proxy, _) = world.companion("unused").await?;
        let mut process = Program::new(name, PROGRAM)
            .arg("run")
            .arg(format!("--ops-listen=127.0.0.1:{}", free_port()?))
            .env("KUBECONFIG", kubeconfig(folder.path(), &proxy, "stopped")?)
            .env("POD_NAME", name)
            .start(folder.path())?;
        let taken = async || holder(&world).await.is_some();
        process
            .wait_until("somebody holds the Lease", Duration::from_secs(30), taken)
            .await?;
        companions.push((process, proxy, folder));
    }
    let blocked = |resource: &RemoteBackend| {
        resource
            .status
            .as_ref()
            .is_some_and(|status| !status.blocked_by.is_empty())
    };
    world.wait("a phase", blocked).await?;
    ensure!(holder(&world).await.as_deref() == Some("first"));

    companions[0].0.signal(Signal::STOP)?;
    let second = async || holder(&world).await.as_deref() == Some("second");
    companions[1]
        .0
        .wait_until("the second holds the Lease", Duration::from_mins(1), second)
        .await?;
    let before = companions[0].1.writes();
    companions[0].0.signal(Signal::CONT)?;
    // Something that whoever acts has to say, and that both of them see.
    world
        .merge::<RemoteBackend>("flotta", json!({"spec": {"mode": "Crd"}}))
        .await?;
    world.wait("Crd", is_crd).await?;
    ensure!(
        companions[0].1.writes() == before,
        "{:?}",
        companions[0].1.writes()
    );
    ensure!(holder(&world).await.as_deref() == Some("second"));
    for (process, ..) in &mut companions {
        ensure!(process.stop()?.code() == Some(0), "{}", process.log_tail(20));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exit_codes_are_those_of_the_manual() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "codes").await?;
    let (proxy, _) = world.companion("unused").await?;
    let folder = tempfile::tempdir()?;
    let config = kubeconfig(folder.path(), &proxy, "codes")?;
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .env("KUBECONFIG", &config)
            .env_remove("POD_NAMESPACE");
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        anyhow::Ok((output.status.code(), text(output.stdout), text(output.stderr)))
    };
    let (code, _, said) = run(&["plan"]).await?;
    ensure!(
        code == Some(1) && said.contains("there is no RemoteBackend in namespace codes"),
        "{code:?} {said}"
    );
    let (code, said, _) = run(&["restore", "--timeout=30s"]).await?;
    ensure!(
        code == Some(0) && said.contains("nothing to roll back"),
        "{code:?} {said}"
    );
    let (code, said, _) = run(&["crd"]).await?;
    ensure!(
        code == Some(0) && said.contains("kind: CustomResourceDefinition"),
        "{code:?} {said}"
    );
    let (code, _, said) = run(&["restore", "--skip=true"]).await?;
    ensure!(
        code == Some(2) && said.contains("leave the Edge API as it is"),
        "{code:?} {said}"
    );

    world.remote_backend(json!({})).await?;
    let (code, said, error) = run(&["plan"]).await?;
    ensure!(
        code == Some(2) && said.contains("would do now:"),
        "{code:?} {said} {error}"
    );
    let (code, _, said) = run(&["crd", "--apply"]).await?;
    ensure!(
        code == Some(1) && said.contains("cannot be applied"),
        "the companion has no right to: {code:?} {said}"
    );
    Ok(())
}
