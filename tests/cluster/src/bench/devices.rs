//! Devices that both backends know, so that they are served before, during and after every switch
//! and way back.

use anyhow::{Context, Result, ensure};
use cluster::Cluster;
use cluster::chart::Chart;
use cluster::flotta::{Answers, Flotta, alone, answers_until, approve_as_operator, enrol_until};
use testkit::device::{Device, hardware};

use crate::rounds::uninstall;

const IDS: [&str; 2] = ["bench-1", "bench-2"];
const NAMESPACE: &str = "default";

/// Registers devices in the custom resources, and by an installation in the store, which stays;
/// leaves Flotta as it was.
pub(crate) async fn on_both(cluster: &Cluster, flotta: &Flotta) -> Result<Vec<Device>> {
    let mut devices = Vec::new();
    for id in IDS {
        let mut device = Device::new(id, flotta.provisioning(cluster).await?);
        enrol_until(&mut device, &[200], NAMESPACE).await?;
        approve_as_operator(cluster, id, NAMESPACE).await?;
        devices.push(device);
    }
    register(&mut devices).await.context("in the custom resources")?;
    // The store is empty: the one time that it lacks devices of the custom resources.
    Chart::default()
        .set("remoteBackend.devices.entering=LeaveThemWithoutConfiguration")
        .switch(cluster)
        .await?;
    alone(cluster).await?;
    answers_until(cluster, flotta, Answers::FromRemoteBackend).await?;
    register(&mut devices).await.context("in the store")?;
    uninstall(cluster, flotta).await?;
    Ok(devices)
}

async fn register(devices: &mut [Device]) -> Result<()> {
    for device in devices {
        device.restart();
        enrol_until(device, &[208], NAMESPACE).await?;
        let answer = device.register(&hardware(device.id())).await?;
        ensure!(
            answer.status == 200,
            "the registration of {} was answered {}: {}",
            device.id(),
            answer.status,
            answer.text()
        );
    }
    Ok(())
}
