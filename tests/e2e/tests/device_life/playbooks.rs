//! A playbook on its way to the device: offered through the real Edge API, and never again once the
//! device names it.

use std::fs;

use anyhow::{Context, Result};
use e2e::{Stage, Store, on_both_stores};
use serde_json::{Value, json};
use testkit::device::{Device, quiet_heartbeat};

on_both_stores!(a_playbook_is_offered_until_the_device_names_it,);

/// A device that is labelled for an EdgeConfig with one playbook: `- hosts: 127.0.0.1` in base64.
const MANIFESTS: &str = "\
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeDevice
metadata: {name: device-1, namespace: factory, labels: {config/device-by-config: ntp}}
---
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeConfig
metadata: {name: ntp, namespace: factory}
spec: {edgePlaybook: {playbooks: [{content: LSBob3N0czogMTI3LjAuMC4x}]}}
";

/// The playbooks that a device is offered; the Edge API makes a failure of an empty list.
async fn offered(device: &mut Device) -> Result<Vec<Value>> {
    let answer = device.playbooks().await?;
    if answer.status == 500 {
        return Ok(Vec::new());
    }
    assert_eq!(answer.status, 200);
    let answer = answer.json()?;
    let list = answer["content"].as_str().context("the agent reads a text")?;
    Ok(serde_json::from_str(list)?)
}

fn running(name: &Value, status: &str) -> Value {
    let mut beat = quiet_heartbeat();
    beat["playbook-executions"] = json!([{"name": name, "status": status}]);
    beat
}

async fn a_playbook_is_offered_until_the_device_names_it(store: Store) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ntp.yaml");
    fs::write(&path, MANIFESTS)?;
    let manifests = path.to_str().context("a path is UTF-8")?;
    let mut stage = Stage::with(store, |settings| settings.flags(["--manifests", manifests])).await?;
    let mut device = stage.member("device-1", Some("factory")).await?;
    assert_eq!(device.poll_data().await?.status, 200);

    let first = offered(&mut device).await?;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0]["ansible_playbook_string"], "- hosts: 127.0.0.1");
    let name = &first[0]["name"];
    assert_eq!(
        offered(&mut device).await?[0]["name"],
        *name,
        "the answer may have been lost"
    );

    assert_eq!(device.heartbeat(running(name, "Running")).await?.status, 200);
    assert!(offered(&mut device).await?.is_empty(), "it runs");
    let done = running(name, "SuccessfullyCompleted");
    assert_eq!(device.heartbeat(done.clone()).await?.status, 200);
    assert!(stage.server.stop()?.success(), "{}", stage.server.log_tail());
    stage.server.start_again().await?;
    assert!(offered(&mut device).await?.is_empty(), "it has run");
    // An agent that was restarted has forgotten it.
    assert_eq!(device.heartbeat(quiet_heartbeat()).await?.status, 200);
    assert!(
        offered(&mut device).await?.is_empty(),
        "it has run, whatever the agent knows"
    );

    stage.act(&["rerun-playbooks", "device-1", "ntp"])?;
    let again = offered(&mut device).await?;
    assert_eq!(again.len(), 1);
    assert_ne!(again[0]["name"], *name, "a run of its own");
    Ok(())
}
